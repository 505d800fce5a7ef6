"""For every mode of the registry: nobody sees what is not theirs (law 8), by non-interference and by canaries.

Two runs of the same room, moment by moment the same but for what is not yet revealed: which option is right, what
comes later, what the others chose. Every viewer must get the same bytes at the same times, up to the reveal.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gameserver.games import fairness
from gameserver.games.mode import Audience
from gameserver.games.trivia import views as trivia_views
from gameserver.games.trivia.state import TriviaState
from gameserver.rooms import inputs
from gameserver.rooms.phases import Phase
from gameserver.rooms.room import Room
from protocol import codec, delta
from protocol.client import Command
from protocol.codec import decode_client, encode_client
from protocol.server import Refused, Resync
from protocol.types import View
from tests.support.play import AUDIENCES, MODE_IDS, Player
from tests.support.rooms import ENTROPY, Table
from tests.support.secrets import SECRETS

SEEDS = st.integers(0, 2**32)
every_mode = pytest.mark.parametrize("mode", MODE_IDS)


class Script(NamedTuple):
    """A play to be run again with other secrets."""

    mode: str
    begun_at: int
    create: inputs.Create
    steps: Sequence[tuple[int, inputs.Input]]


class Place(NamedTuple):
    """The question whose secrets differ: which match of the room, which question of it, and the order of all."""

    match: int
    question: int
    order: list[str]


class Viewer(NamedTuple):
    """Whoever looks: an audience, or a seat with its private view besides."""

    audience: Audience
    seat: int | None = None


class Witness:
    """Runs a script and writes down every byte one viewer gets and when, up to the reveal of one question."""

    def __init__(self, script: Script, viewer: Viewer, place: Place) -> None:
        self.room = Room.create(script.create, script.begun_at)
        self.known = SECRETS[script.mode]
        self.viewer = viewer
        self.place = place
        self.told: list[tuple[int, bytes]] = []
        self.revealed_at: int | None = None
        self._shared: View = {}
        self._private: View = {}

    def run(self, script: Script, *, other: bool) -> None:
        """Run the script, as it is or with other secrets, until the question is revealed."""
        for at_ms, given_input in script.steps:
            while (due := self.room.next_deadline()) is not None and due <= at_ms:
                self.room.advance(due)
                self._tell(due)
            changed = self._change(given_input) if other else given_input
            self._apply(at_ms, changed)
            if self.revealed_at is not None:
                return

    def _apply(self, at_ms: int, given_input: inputs.Input) -> None:
        reply = self.room.apply(given_input, at_ms)
        if reply.command_id is not None and reply.seat == self.viewer.seat:
            refused = Refused(id=reply.command_id, code=str(reply.code), detail=reply.detail)
            payload = codec.encode_ack([reply.command_id]) if reply.code is None else codec.encode_server(refused)
            self.told.append((at_ms, payload))
        self._tell(at_ms)

    def _tell(self, at_ms: int) -> None:
        if self._is_revealed():
            self.revealed_at = self.revealed_at or at_ms
            return
        view = _without_commitment(self.room.view(self.viewer.audience))
        patch = delta.diff(self._shared, view, self.room.append_only)
        if patch:
            self.told.append((at_ms, codec.encode_delta(1, 0, 1, at_ms, patch)))
            # Whoever comes now gets it whole: the order of keys must not tell either.
            self.told.append((at_ms, codec.encode_server(Resync(epoch=1, n=1, clock=at_ms, view=view))))
        self._shared = view
        if self.viewer.seat is not None:
            private = self.room.private_view(self.viewer.seat) or {}
            patch = delta.diff(self._private, private)
            if patch:
                self.told.append((at_ms, codec.encode_private(1, 1, patch)))
            self._private = private

    def _game(self) -> View | None:
        game: View | None = self.room.view(Audience.PLAYERS).get("game")
        return game if self.room.state.number == self.place.match else None

    def _is_revealed(self) -> bool:
        game = self._game()
        if game is None:
            last = self.room.state.last  # the last reveal and the end of the match may fall into one input
            ended = self.room.state.number == self.place.match and self.room.phase is Phase.RESULTS
            return ended and last is not None and not last.abandoned
        number = self.known.number(game)
        return number > self.place.question or (number == self.place.question and self.known.revealed(game))

    # ---- other secrets ----

    def _change(self, given_input: inputs.Input) -> inputs.Input:
        if isinstance(given_input, inputs.Content) and self.room.state.number == self.place.match - 1:
            items = [self._other(item) for item in given_input.items]
            return inputs.Content(given_input.request, items, given_input.reason)
        game = self._game()
        if (
            isinstance(given_input, inputs.CommandInput)
            and given_input.seat != self.viewer.seat
            and game is not None
            and self.known.number(game) == self.place.question
        ):
            command = decode_client(given_input.raw)
            assert isinstance(command, Command)
            raw = encode_client(self.known.other_choice(command, game))
            return inputs.CommandInput(given_input.seat, raw, given_input.credit_cap_ms, given_input.error_ms)
        return given_input

    def _other(self, item: dict[str, Any]) -> dict[str, Any]:
        place = self.place.order.index(item["id"]) if item["id"] in self.place.order else len(self.place.order)
        if place < self.place.question:
            return item
        return self.known.other_answer(item) if place == self.place.question else self.known.other_item(item)


def _without_commitment(view: View) -> View:
    """Leave out the one thing that depends on secrets by design: their salted hash."""
    return {**view, "fairness": {**view["fairness"], "commitment": "?" * 64}}


def _script(mode: str, seed: int) -> Script:
    player = Player(mode, seed)
    steps = list(player.play(160))
    return Script(mode, player.begun_at, player.create, [(step.at_ms, step.given) for step in steps])


def _places(script: Script) -> list[Place]:
    """Return every question that came up in a script."""
    places: dict[tuple[int, int], Place] = {}
    room = Room.create(script.create, script.begun_at)
    known = SECRETS[script.mode]
    for at_ms, given_input in script.steps:
        room.apply(given_input, at_ms)
        match = room.state.match
        if match is not None:
            question = known.number(room.view(Audience.PLAYERS)["game"])
            key = (room.state.number, question)
            places.setdefault(key, Place(*key, known.order(match.run.game)))
    return list(places.values())


def _assert_cannot_tell(script: Script, viewer: Viewer, place: Place) -> bool:
    """Assert that the viewer gets the same in both runs; return whether the question was answered and revealed."""
    one, other = Witness(script, viewer, place), Witness(script, viewer, place)
    one.run(script, other=False)
    other.run(script, other=True)
    assert one.told == other.told
    assert one.revealed_at == other.revealed_at
    return one.revealed_at is not None


VIEWERS = [*(Viewer(audience) for audience in AUDIENCES), *(Viewer(Audience.PLAYERS, seat) for seat in (1, 2, 3, 4))]


@every_mode
@given(seed=SEEDS)
@settings(max_examples=25, deadline=None)
def test_no_viewer_can_tell_two_runs_apart_that_differ_in_secrets_only(mode: str, seed: int) -> None:
    script = _script(mode, seed)
    for place in _places(script)[:4]:
        for viewer in VIEWERS:
            _assert_cannot_tell(script, viewer, place)


@every_mode
def test_every_mode_says_what_its_secrets_are(mode: str) -> None:
    assert mode in SECRETS


Leak = Callable[[TriviaState], View]
LEAKS: dict[str, Leak] = {
    "what each seat chose": lambda state: {str(seat): answer.option for seat, answer in state.answers.items()},
    "how many chose the first": lambda state: {
        "count": sum(answer.option == 0 for answer in state.answers.values()),
    },
    "who is right, by the order": lambda state: {
        str(seat): True
        for seat in sorted(state.answers, key=lambda seat: state.answers[seat].option != state.question.right)
    },
    "the length of the explanation": lambda state: {"padding": "." * len(state.question.explanation)},
    "the right option": lambda state: {"hint": state.question.right},
}


@pytest.mark.parametrize("leak", LEAKS)
def test_a_planted_leak_is_found(leak: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The suite can fail: a view that told this would be caught."""
    monkeypatch.setattr(trivia_views, "_answered", LEAKS[leak])
    assert any(_leaks(_script("trivia", seed)) for seed in range(200))


def _leaks(script: Script) -> bool:
    try:
        for place in _places(script)[:4]:
            _assert_cannot_tell(script, Viewer(Audience.SCREEN), place)
    except AssertionError:
        return True
    return False


def test_the_random_plays_reach_reveals() -> None:
    reached = 0
    for seed in range(10):
        script = _script("trivia", seed)
        reached += sum(_assert_cannot_tell(script, Viewer(Audience.CROWD), place) for place in _places(script))
    assert reached >= 5


# ---- canaries ----


def _all_told(at: Table) -> bytes:
    """Return everything anybody in the room sees now, as bytes."""
    shared = [codec.canonical(at.room.view(audience)) for audience in AUDIENCES]
    private = [codec.canonical(at.room.private_view(seat)) for seat in at.room.state.seats]
    return b"".join([*shared, *private])


def _canaries(at: Table, *texts: str) -> list[bytes]:
    match = at.room.state.match
    secrets = [ENTROPY, *(bytes([number]) * 16 for number in (1, 2, 3))]
    secrets += [seat.secret_hash for seat in at.room.state.seats.values()]
    if match is not None:
        secrets += [match.secret, match.seed, fairness.salt_of(match.secret)]
    found = [text.encode() for text in (*texts, "user-1", "user-2", "user-3")]
    return [*found, *secrets, *(secret.hex().encode() for secret in secrets)]


def test_no_canary_is_ever_told_before_its_time() -> None:
    at = Table(people=3)
    at.start()
    while at.phase == "match":
        question = at.room.state.match.run.game.question  # type: ignore[union-attr] # a match runs
        canaries = [question.explanation] if at.stage in ("ready", "open", "closing") else []
        if "text" not in at.game["question"]:
            canaries += [question.text, *question.options]
        later = at.room.state.match.run.game.questions[at.game["number"] + 1 :]  # type: ignore[union-attr] # as above
        canaries += [text for item in later for text in (item.text, *item.options, item.explanation)]
        told = _all_told(at)
        for canary in _canaries(at, *canaries):
            assert canary not in told
        if at.stage == "open":
            at.answer(2, at.right())
        due = at.room.next_deadline()
        assert due is not None
        at.wait(due - at.at)


def test_a_seat_sees_nothing_of_another_seats_private_view() -> None:
    at = Table(people=3)
    at.start()
    at.run_to("open")
    at.answer(2, 3)
    assert at.room.private_view(1) is None
    assert at.room.private_view(3) is None
    assert at.room.private_view(99) is None
