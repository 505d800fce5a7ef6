"""A room to play with in tests: connects people, sends commands, delivers content, lets time pass."""

import hashlib
from collections.abc import Sequence
from typing import Any

from gameserver.games.mode import Audience
from gameserver.rooms import inputs
from gameserver.rooms.reply import Reply
from gameserver.rooms.room import Room
from protocol import client
from protocol.bus import ContentRequest, MatchResult
from protocol.client import Command
from protocol.codec import encode_client
from protocol.errors import ErrorCode
from protocol.modes.trivia import TriviaAnswer
from protocol.types import View

CREATED_AT = 1_700_000_000
ENTROPY = bytes(range(32))


def question(number: int, *, kind: str = "choice", right: int = 0, options: int = 4) -> dict[str, Any]:
    """Return a content item with canaries where nobody may see them before the reveal."""
    texts = ["True", "False"] if kind == "boolean" else [f"option {number}.{index}" for index in range(options)]
    return {
        "id": f"q{number}",
        "kind": kind,
        "text": f"question {number}?",
        "options": texts,
        "right": right,
        "category": "science",
        "difficulty": ("easy", "medium", "hard")[number % 3],
        "explanation": f"because {number}",
        "source": "made up",
    }


def questions(count: int, **more: Any) -> list[dict[str, Any]]:
    """Return so many content items."""
    return [question(number, **more) for number in range(count)]


class Table:
    """A room, a shard clock, and hands to do things with. Every input goes into ``journal``."""

    def __init__(self, *, people: int = 0, at_ms: int = 1_000_000, **settings: Any) -> None:
        self.at = at_ms
        self.journal: list[tuple[int, inputs.Input]] = []
        create = inputs.Create(
            code="BCDFGH",
            host="user-1",
            mode="trivia",
            settings={"questions": 3, **settings},
            public=True,
            entropy=ENTROPY,
            title="a table",
            created_at=CREATED_AT,
        )
        self.journal.append((at_ms, create))
        self.room = Room.create(create, at_ms)
        self.ids: dict[int, int] = {}
        self.items: list[dict[str, Any]] = questions(50)
        for number in range(1, people + 1):
            self.join(number)

    # ---- time ----

    def wait(self, ms: int) -> None:
        """Let time pass."""
        self.at += ms
        self.room.advance(self.at)

    def run_to(self, *stages: str) -> None:
        """Let time pass until the match is at one of these stages, or the room in one of these phases."""
        for _ in range(2_000):
            if self.stage in stages or self.phase in stages:
                return
            due = self.room.next_deadline()
            assert due is not None, f"nothing will ever happen at {self.stage} in {self.phase}"
            self.at = max(due, self.at)
            self.room.advance(self.at)
        raise AssertionError(f"never came to {stages}")

    # ---- inputs ----

    def put(self, given: inputs.Input) -> Reply:
        """Put an input in."""
        reply = self.room.apply(given, self.at)
        if reply.code is None and not reply.repeated:
            self.journal.append((self.at, given))
        return reply

    def join(self, user: int, name: str | None = None, **more: Any) -> Reply:
        """Let a user come, by ticket."""
        reply = self.put(
            inputs.Join(
                user=f"user-{user}",
                name=name or f"Name {user}",
                kind="guest",
                avatar=f"a{user}:1",
                secret_hash=hashlib.sha256(b"%d" % user).digest(),
                nonce=bytes([user % 256]) * 16,
                **more,
            )
        )
        if reply.seat is not None and reply.next_id is not None:
            self.ids[reply.seat] = reply.next_id
        return reply

    def back(self, seat: int) -> Reply:
        """Let a seat come back, by its secret."""
        reply = self.put(inputs.Back(seat=seat))
        if reply.next_id is not None:
            self.ids[seat] = reply.next_id
        return reply

    def drop(self, seat: int) -> Reply:
        """Cut a seat's connection."""
        return self.put(inputs.Drop(seat=seat))

    def send(self, seat: int, kind: type[Command], /, *, id: int | None = None, cap: int = 0, **fields: Any) -> Reply:
        """Send a command from a seat under its next id, or the id given."""
        if id is None:
            id = self.ids.get(seat, 1024)
            self.ids[seat] = id + 1
        command = kind(id=id, **fields)
        return self.put(inputs.CommandInput(seat=seat, raw=encode_client(command), credit_cap_ms=cap))

    def do(self, seat: int, kind: type[Command], /, **fields: Any) -> Reply:
        """Send a command that must be accepted."""
        reply = self.send(seat, kind, **fields)
        assert reply.code is None, f"{kind.__name__} refused: {reply.code} {reply.detail}"
        return reply

    def deliver(self, items: Sequence[dict[str, Any]] | None = None) -> Reply:
        """Answer the room's content request."""
        request = self.content_request()
        assert request is not None, "nothing was asked for"
        if items is None:
            items = self.items[: request.spec["count"]]
        return self.put(inputs.Content(request=request.id, items=list(items)))

    def start(self, host: int = 1) -> None:
        """Start a match, deliver its content, and count down to its first announcement."""
        self.do(host, client.StartMatch)
        self.deliver()
        self.run_to("match")

    def answer(self, seat: int, option: int, *, reaction_ms: int = 10**6, cap: int = 0) -> Reply:
        """Answer the current question."""
        number = self.game["number"]
        return self.send(seat, TriviaAnswer, question=number, option=option, reaction_ms=reaction_ms, cap=cap)

    # ---- looking ----

    @property
    def view(self) -> View:
        """What players see."""
        return self.room.view(Audience.PLAYERS)

    @property
    def game(self) -> View:
        """What players see of the match."""
        game: View = self.view["game"]
        return game

    @property
    def phase(self) -> str:
        """The room's phase."""
        return str(self.room.phase)

    @property
    def stage(self) -> str:
        """The match's stage; empty when none runs."""
        return str(self.view.get("game", {}).get("stage", ""))

    @property
    def now(self) -> int:
        """The room clock."""
        return self.room.now(self.at)

    def right(self) -> int:
        """The right option of the current question, as shown: only tests may know."""
        return int(self.room.state.match.run.game.question.right)  # type: ignore[union-attr] # a match runs

    def wrong(self) -> int:
        """A wrong one."""
        return (self.right() + 1) % 2

    def content_request(self) -> ContentRequest | None:
        """The content request the room waits for."""
        return next((effect for effect in self.room.pending() if isinstance(effect, ContentRequest)), None)

    def results(self) -> list[MatchResult]:
        """The results the room waits for the worker to record."""
        return [effect for effect in self.room.pending() if isinstance(effect, MatchResult)]


def refused(reply: Reply, code: ErrorCode) -> None:
    """Assert that an input was refused for this reason."""
    assert reply.code is code, f"{reply.code} {reply.detail}"
