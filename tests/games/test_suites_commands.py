"""For every mode of the registry: a command counts once, however often and in whatever order it is resent (law 7)."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gameserver.rooms import inputs
from gameserver.rooms.room import Room
from protocol.client import Command
from protocol.codec import decode_client
from protocol.errors import ErrorCode
from tests.support.play import MODE_IDS, Player

SEEDS = st.integers(0, 2**32)
every_mode = pytest.mark.parametrize("mode", MODE_IDS)


@every_mode
@given(seed=SEEDS)
@settings(max_examples=15, deadline=None)
def test_resending_everything_unanswered_after_any_break_changes_nothing(mode: str, seed: int) -> None:
    """A client whose line broke resends what it has no answer for: up to 16 commands, under their old ids, in order."""
    player = Player(mode, seed)
    rng = random.Random(seed)
    sent: list[tuple[inputs.CommandInput, bool]] = []
    for step in player.play(200):
        if not isinstance(step.given, inputs.CommandInput):
            continue
        if step.given.seat not in player.room.state.seats:
            continue
        sent.append((step.given, step.reply.code is None))
        if rng.random() < 0.1:
            seat = step.given.seat
            before = player.room.dump()
            mine = [(again, accepted) for again, accepted in sent if again.seat == seat][-16:]
            resent = [player.room.apply(again, player.at) for again, accepted in mine if accepted]
            assert all(reply.repeated and reply.code is None for reply in resent)
            assert player.room.dump() == before


@every_mode
@given(seed=SEEDS)
@settings(max_examples=15, deadline=None)
def test_sending_every_command_twice_is_the_same_as_sending_it_once(mode: str, seed: int) -> None:
    player = Player(mode, seed)
    begun = player.room.dump()
    twice = Room.load(begun)
    for step in player.play(200):
        first = twice.apply(step.given, step.at_ms)
        assert (first.code, first.repeated) == (step.reply.code, step.reply.repeated)
        if isinstance(step.given, inputs.CommandInput):
            second = twice.apply(step.given, step.at_ms)
            if first.code is None and step.given.seat in twice.state.seats:
                assert second.repeated or second.code is ErrorCode.WRONG_PHASE  # it closed the room
            else:
                assert second.code is not None
    assert twice.dump() == player.room.dump()


@every_mode
@given(seed=SEEDS)
@settings(max_examples=15, deadline=None)
def test_ids_accepted_from_a_seat_only_ever_rise_and_no_two_connections_share_one(mode: str, seed: int) -> None:
    player = Player(mode, seed)
    highest: dict[int, int] = {}
    for step in player.play(250):
        reply = step.reply
        if reply.next_id is not None and reply.seat is not None:
            assert reply.next_id > highest.get(reply.seat, 0)
            assert reply.next_id % 1_024 == 0
        if isinstance(step.given, inputs.CommandInput):
            command = decode_client(step.given.raw)
            assert isinstance(command, Command)
            assert reply.command_id == command.id, "every command is answered with its id"
            if reply.code is None and not reply.repeated:
                assert command.id > highest.get(step.given.seat, 0)
                highest[step.given.seat] = command.id
