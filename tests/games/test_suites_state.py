"""For every mode of the registry: replay (law 6), cadence (law 4), refusals, hash seed, what state may hold."""

import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gameserver.games.log import inflate
from gameserver.games.match import result_digest
from gameserver.games.registry import MODES
from gameserver.games.replay import replay
from gameserver.rooms import inputs
from gameserver.rooms.record import pack_input, unpack_input
from gameserver.rooms.room import Room
from protocol.bus import MatchResult
from protocol.registry import WIRES
from tests.support.play import AUDIENCES, MODE_IDS, Player, journal_of

SEEDS = st.integers(0, 2**32)
GOLDEN = Path(__file__).parent / "golden"
every_mode = pytest.mark.parametrize("mode", MODE_IDS)


def test_every_mode_of_the_registry_is_on_the_wire() -> None:
    assert sorted(WIRES) == sorted(MODES)
    for mode_id, mode in MODES.items():
        assert WIRES[mode_id].settings is mode.settings_type
        assert mode.players_min <= mode.players_max


@every_mode
@given(seed=SEEDS)
@settings(max_examples=12, deadline=None)
def test_a_room_stored_and_loaded_after_every_step_is_the_same_as_one_that_never_was(mode: str, seed: int) -> None:
    player = Player(mode, seed)
    twin = Room.load(player.room.dump())
    for step in player.play(120):
        twin.apply(step.given, step.at_ms)
        blob = player.room.dump()
        assert twin.dump() == blob
        twin = Room.load(blob)
        assert twin.state_hash() == player.room.state_hash()
        assert twin.next_deadline() == player.room.next_deadline()
        assert twin.pending() == player.room.pending()


@every_mode
@given(seed=SEEDS)
@settings(max_examples=15, deadline=None)
def test_the_journal_of_what_was_accepted_rebuilds_the_room(mode: str, seed: int) -> None:
    """Refused and repeated inputs are not journaled: leaving them out must change nothing."""
    begun_at, create, steps, room = journal_of(mode, seed, 250)
    kept = [pack_input(step.at_ms, step.given) for step in steps if step.reply.code is None and not step.reply.repeated]
    again = Room.create(create, begun_at)
    for packed in kept:
        at_ms, given_input = unpack_input(packed)
        reply = again.apply(given_input, at_ms)
        assert reply.code is None
        assert not reply.repeated
    end = steps[-1].at_ms if steps else begun_at
    again.advance(end)
    assert again.dump() == room.dump()


@every_mode
@given(seed=SEEDS)
@settings(max_examples=20, deadline=None)
def test_what_is_refused_or_repeated_changes_nothing(mode: str, seed: int) -> None:
    player = Player(mode, seed)
    for _ in range(200):
        player._let_time_pass()
        given_input = player._draw()
        if given_input is None:
            continue
        player.room.advance(player.at)
        before = player.room.dump()
        step = player._apply(given_input)
        if step.reply.code is not None or step.reply.repeated:
            assert player.room.dump() == before


@every_mode
@given(seed=SEEDS)
@settings(max_examples=15, deadline=None)
def test_how_often_a_room_is_looked_at_does_not_matter(mode: str, seed: int) -> None:
    begun_at, create, steps, room = journal_of(mode, seed, 250)
    rng = random.Random(seed)
    looked_at = Room.create(create, begun_at)
    clock = begun_at
    for step in steps:
        while clock < step.at_ms and rng.random() < 0.8:
            clock = min(clock + rng.choice((1, 7, 50, 250, 1_000, 4_000)), step.at_ms)
            looked_at.advance(clock)
            _ = [looked_at.view(audience) for audience in AUDIENCES]
        looked_at.apply(step.given, step.at_ms)
        clock = step.at_ms
    assert looked_at.dump() == room.dump()


@every_mode
@given(seed=SEEDS)
@settings(max_examples=10, deadline=None)
def test_time_that_brings_no_deadline_changes_nothing(mode: str, seed: int) -> None:
    player = Player(mode, seed)
    for _ in player.play(60):
        before = player.room.dump()
        due = player.room.next_deadline()
        assert due is None or due > player.at, "a deadline that was due has fired"
        assert player.room.advance(due - 1 if due is not None else player.at + 10**9) is False
        assert player.room.dump() == before


@every_mode
@given(seed=SEEDS)
@settings(max_examples=12, deadline=None)
def test_a_match_log_replays_to_the_result(mode: str, seed: int) -> None:
    player = Player(mode, seed)
    seen: dict[str, MatchResult] = {}
    for _ in player.play(400):
        seen.update({effect.id: effect for effect in player.room.pending() if isinstance(effect, MatchResult)})
    for result in seen.values():
        replayed = replay(result.log)
        anonymous = [msgspec.structs.replace(row, user="", name="") for row in result.players]
        assert replayed.outcome.players == anonymous
        assert (replayed.abandoned, replayed.ended_ms) == (result.abandoned, result.ended_ms)
        assert replayed.header.content == result.content
        assert result_digest(result, inflate(result.log)) == result.digest


@every_mode
@given(seed=SEEDS)
@settings(max_examples=10, deadline=None)
def test_ranks_are_shared_by_ties_and_every_seat_has_a_row(mode: str, seed: int) -> None:
    player = Player(mode, seed)
    for _ in player.play(400):
        for effect in player.room.pending():
            if isinstance(effect, MatchResult):
                rows = effect.players
                assert [row.rank for row in rows] == [1 + sum(b.rank < a.rank for b in rows) for a in rows]
                assert len({row.seat for row in rows}) == len(rows)
                assert len({row.user for row in rows}) == len(rows)


def _plain(value: Any, where: str = "state") -> None:
    """Assert that state holds nothing that is not the same everywhere."""
    if isinstance(value, dict):
        for key, held in value.items():
            assert isinstance(key, str | int), where
            _plain(held, f"{where}.{key}")
    elif isinstance(value, list | tuple):
        for index, held in enumerate(value):
            _plain(held, f"{where}[{index}]")
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            _plain(getattr(value, name), f"{where}.{name}")
    else:
        assert value is None or isinstance(value, bool | int | str | bytes), f"{where}: {type(value).__name__}"


@every_mode
@given(seed=SEEDS)
@settings(max_examples=6, deadline=None)
def test_state_holds_no_floats_no_sets_and_nothing_unknown(mode: str, seed: int) -> None:
    player = Player(mode, seed)
    for _ in player.play(120):
        _plain(player.room.state)


@pytest.mark.parametrize("file", sorted(GOLDEN.glob("*.json")), ids=lambda file: file.stem)
def test_a_golden_journal_comes_out_the_same_under_any_hash_seed(file: Path) -> None:
    outputs = []
    for hash_seed in ("0", "1"):
        replayed = subprocess.run(
            [sys.executable, "-m", "gameserver.replay", str(file)],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            check=True,
            timeout=60,
        )
        outputs.append(replayed.stdout)
    assert outputs[0] == outputs[1]
    assert outputs[0].count(b"\n") > 50


@every_mode
def test_every_mode_has_a_golden_journal(mode: str) -> None:
    assert list(GOLDEN.glob(f"{mode}-*.json"))


def test_a_drop_of_everybody_is_a_step_the_suites_know() -> None:
    """The random player reaches what the suites are about: this fails when it no longer does."""
    kinds: dict[str, int] = {}
    stages: dict[str, int] = {}
    for seed in range(6):
        _, _, steps, room = journal_of("trivia", seed, 300)
        for step in steps:
            name = type(step.given).__name__
            kinds[name] = kinds.get(name, 0) + (step.reply.code is None)
        stages[str(room.phase)] = 1
    for kind in (inputs.Join, inputs.Back, inputs.Drop, inputs.CommandInput, inputs.Content, inputs.Adopt):
        assert kinds.get(kind.__name__, 0) > 0, kind
