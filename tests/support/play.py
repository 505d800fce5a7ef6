"""Random play of any mode in the registry: people come, go and press what they like; owners and clocks fail.

Commands are made from their declared types. Numbers are drawn from those in the player's view half of the time, so
that questions and the like are met. Content is made for each kind there is; a new kind is added to ``CONTENT``.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import msgspec
from msgspec import inspect

from gameserver.games.mode import Audience, Mode
from gameserver.games.registry import MODES
from gameserver.rooms import inputs
from gameserver.rooms.reply import Reply
from gameserver.rooms.room import Room
from protocol import client
from protocol.bus import ContentRequest, MatchResult
from protocol.client import Command
from protocol.codec import encode_client
from protocol.ids import ModeId
from protocol.registry import WIRES
from tests.support.rooms import CREATED_AT, question

AUDIENCES = tuple(Audience)
CODE = "BCDFGH"
MODE_IDS = sorted(MODES)

Content = Callable[[random.Random, int], list[dict[str, Any]]]


def _trivia(rng: random.Random, count: int) -> list[dict[str, Any]]:
    items = []
    for number in range(count):
        kind = rng.choice(("choice", "boolean"))
        options = 2 if kind == "boolean" else rng.randint(2, 6)
        items.append(question(number, kind=kind, options=options, right=rng.randrange(options)))
    return items


CONTENT: dict[str, Content] = {"trivia": _trivia}


class Step(NamedTuple):
    """One input of a play, and what the room answered."""

    at_ms: int
    given: inputs.Input
    reply: Reply


class Player:
    """Plays a room at random, from one seed."""

    def __init__(self, mode: str, seed: int, *, people: int = 4) -> None:
        self.rng = random.Random(seed)
        self.at = self.rng.randrange(10**9)
        self.mode: Mode[Any, Any] = MODES[ModeId(mode)]
        self.people = people
        settings = _settings(self.mode, self.rng)
        self.create = inputs.Create(CODE, "user-1", mode, settings, True, self.rng.randbytes(32), "a room", CREATED_AT)
        self.room = Room.create(self.create, self.at)
        self.begun_at = self.at
        self.ids: dict[int, int] = {}
        self.sent: list[tuple[int, bytes]] = []

    # ---- steps ----

    def play(self, steps: int) -> Iterator[Step]:
        """Play so many steps; yields each input as it is applied to the room."""
        for number in range(1, self.people + 1):
            if self.rng.random() < 0.8:
                yield self._apply(self._join(number))
        for _ in range(steps):
            if self.room.closed and not self.room.pending():
                return
            self._let_time_pass()
            given = self._draw()
            if given is not None:
                yield self._apply(given)

    def _apply(self, given: inputs.Input) -> Step:
        reply = self.room.apply(given, self.at)
        if reply.next_id is not None and reply.seat is not None:
            self.ids[reply.seat] = reply.next_id
        return Step(self.at, given, reply)

    def _let_time_pass(self) -> None:
        due = self.room.next_deadline()
        kind = self.rng.random()
        if due is not None and kind < (0.25 if due - self.at < 60_000 else 0.005):
            self.at = max(self.at, due + self.rng.choice((-1, 0, 1)))
        elif kind < 0.6:
            self.at += self.rng.randrange(400)
        elif kind < 0.7:
            self.at += self.rng.randrange(8_000)

    def _draw(self) -> inputs.Input | None:
        rng = self.rng
        effects = self.room.pending()
        for effect in effects:
            if isinstance(effect, ContentRequest) and rng.random() < 0.5:
                return self._content(effect)
            if isinstance(effect, MatchResult) and rng.random() < 0.02:
                return inputs.Recorded(match=effect.id)
        kinds = (self._command, self._mode_command, self._come, self._go, self._trouble, self._again)
        weights = (20, 60, 14, 7, 3, 5)
        if self.room.running_match is None:
            weights = (40, 4, 30, 5, 2, 5)
        return rng.choices(kinds, weights)[0]()

    def _content(self, request: ContentRequest) -> inputs.Input:
        if self.rng.random() < 0.05:
            return inputs.Content(request=request.id, items=[], reason="none fits")
        return inputs.Content(
            request=request.id, items=CONTENT[request.spec["kind"]](self.rng, int(request.spec["count"]))
        )

    # ---- inputs ----

    def _come(self) -> inputs.Input:
        number = self.rng.randint(1, self.people)
        seat = self.room.seat_of_user(f"user-{number}")
        if seat is not None and self.rng.random() < 0.7:
            return inputs.Back(seat=seat, nonce=self.rng.choice((b"", self.rng.randbytes(16))))
        return self._join(number)

    def _join(self, number: int) -> inputs.Input:
        return inputs.Join(
            user=f"user-{number}",
            name=f"Name {number}",
            kind=self.rng.choice(("guest", "account", "bot")),
            avatar=f"a{number}:1",
            secret_hash=self.rng.randbytes(32),
            nonce=self.rng.randbytes(16),
        )

    def _go(self) -> inputs.Input:
        return inputs.Drop(seat=self._seat())

    def _trouble(self) -> inputs.Input:
        rng = self.rng
        return rng.choice(
            (
                inputs.Adopt(epoch=rng.randrange(99), planned=rng.random() < 0.5),
                inputs.Regroup(awaiting=rng.random() < 0.5),
                inputs.Measure(lead_ms=rng.randrange(500), window_ms=rng.randrange(400)),
                inputs.Measure(lead_ms=rng.randrange(500), window_ms=rng.randrange(400)),
                inputs.Moderate(user=f"user-{rng.randint(1, 9)}", action=rng.choice(("mute", "unmute"))),
            )
        )

    def _seat(self) -> int:
        seats = sorted(self.room.state.seats)
        return self.rng.choice(seats) if seats and self.rng.random() < 0.97 else self.rng.randint(1, 9)

    def _command(self) -> inputs.Input:
        rng = self.rng
        kinds: Sequence[type[Command]] = (
            client.StartMatch,
            client.StartMatch,
            client.Rematch,
            client.BackToLobby,
            client.SetReady,
            client.SetPlaying,
            client.Lock,
            client.SetCoHost,
            client.HandOver,
            client.Pause,
            client.Unpause,
            client.Unpause,
            client.CancelStart,
            client.SetSettings,
        )
        kind = rng.choice(kinds)
        if rng.random() < 0.03:
            kind = rng.choice((client.Kick, client.Leave, client.EndMatch))
        seat = self.room.host_seat if rng.random() < 0.7 else None
        fields: dict[str, Any] = {}
        if kind is client.SetSettings:
            fields = {"settings": _settings(self.mode, rng)}
        elif "seat" in kind.__struct_fields__:
            fields = {"seat": self._seat()}
        return self._input(seat or self._seat(), kind, fields)

    def _mode_command(self) -> inputs.Input:
        here = self.room.connected
        seat = self.rng.choice(here) if here and self.rng.random() < 0.9 else self._seat()
        return self._input(seat, self.rng.choice(WIRES[self.mode.id].commands), {})

    def _input(self, seat: int, kind: type[Command], fields: dict[str, Any]) -> inputs.Input:
        """Make a command; what ``fields`` leaves open is drawn from its type."""
        rng = self.rng
        self.ids[seat] = self.ids.get(seat, 1_024) + 1
        hints = list(_numbers(self.room.view(Audience.PLAYERS).get("game")))
        known = {"id": self.ids[seat] + rng.choice((0, 0, 0, 0, 1, -3)), **fields}
        for field in msgspec.structs.fields(kind):
            if field.name not in known:
                known[field.name] = draw(inspect.type_info(field.type), rng, hints)
        raw = encode_client(kind(**known))
        self.sent.append((seat, raw))
        return inputs.CommandInput(seat=seat, raw=raw, credit_cap_ms=rng.randrange(200), error_ms=rng.randrange(30))

    def _again(self) -> inputs.Input | None:
        if not self.sent:
            return None
        seat, raw = self.rng.choice(self.sent[-70:])
        return inputs.CommandInput(seat=seat, raw=raw)


def _numbers(view: Any) -> Iterator[int]:
    if isinstance(view, dict):
        for value in view.values():
            yield from _numbers(value)
    elif isinstance(view, int) and not isinstance(view, bool):
        yield view


def _settings(mode: Mode[Any, Any], rng: random.Random) -> dict[str, Any]:
    drawn: dict[str, Any] = {}
    for field in msgspec.structs.fields(mode.settings_type):
        if rng.random() < 0.6:
            drawn[field.name] = draw(inspect.type_info(field.type), rng, [])
    if "questions" in drawn:
        drawn["questions"] = min(drawn["questions"], 5)
    return drawn


def draw(kind: inspect.Type, rng: random.Random, hints: Sequence[int]) -> Any:  # noqa: PLR0911 - one for each type
    """Return a random value of a declared type; half of the integers are hints that fit."""
    match kind:
        case inspect.Metadata():
            return draw(kind.type, rng, hints)
        case inspect.IntType():
            low, high = kind.ge or 0, kind.le if kind.le is not None else 2**53 - 1
            fitting = [hint for hint in hints if low <= hint <= high]
            if fitting and rng.random() < 0.5:
                return rng.choice(fitting)
            return rng.randint(low, min(high, low + rng.choice((3, 30, 3_000))))
        case inspect.BoolType():
            return rng.random() < 0.5
        case inspect.StrType():
            return "".join(rng.choices("abcdefgh", k=min(kind.max_length or 8, 5)))
        case inspect.LiteralType():
            return rng.choice(kind.values)
        case inspect.ListType():
            return [draw(kind.item_type, rng, hints) for _ in range(rng.randint(0, min(kind.max_length or 3, 3)))]
        case inspect.UnionType():
            return draw(rng.choice(kind.types), rng, hints)
        case inspect.NoneType():
            return None
    raise TypeError(f"no way to draw {kind}: add one to tests/support/play.py")


def journal_of(mode: str, seed: int, steps: int) -> tuple[int, inputs.Create, list[Step], Room]:
    """Return a whole play: when it began, its creation, its steps, and the room at the end."""
    player = Player(mode, seed)
    played = list(player.play(steps))
    return player.begun_at, player.create, played, player.room
