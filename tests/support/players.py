"""Many players and watchers in one room, in the test's own process, over real sockets.

Each keeps its own book of what the server acknowledged: the oracle against which a result is held. Whoever waits,
waits for something a client was told.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from random import Random
from typing import Any, Final, NamedTuple

from clients.python import events
from clients.python.api import Api
from clients.python.clock import stands_still
from clients.python.room import RoomClient
from clients.python.session import Session
from protocol.modes.trivia import TriviaAnswer
from protocol.types import View

STAGES: Final = ("ready", "open", "closing", "reveal", "scores", "over")
REVEAL: Final = STAGES.index("reveal")
AT_ONCE: Final = 16
"""How many sign in or connect side by side."""


class Sent(NamedTuple):
    """An answer as it was given."""

    question: int
    text: str  # of the option
    late: bool  # this player had been told the reveal before


class Thaw(NamedTuple):
    """A standstill that ended, in room-clock ms: where the clock stood, and what it showed when first told again."""

    stood_at: int
    went_on_at: int


class Crowd:
    """Wakes who waits, whenever anything was told to anybody."""

    def __init__(self) -> None:
        self._told = asyncio.Event()

    def told(self) -> None:
        self._told.set()

    async def until(self, holds: Callable[[], bool], why: Callable[[], str], seconds: float = 30.0) -> None:
        """Wait until it holds; it is looked at whenever a client was told something."""
        try:
            async with asyncio.timeout(seconds):
                while not holds():
                    self._told.clear()
                    await self._told.wait()
        except TimeoutError:
            raise AssertionError(why()) from None


class Player:
    """One client in one room, and its book."""

    def __init__(self, server: str, name: str, crowd: Crowd) -> None:
        self.api = Api(server)
        self.name = name
        self.welcomed = 0  # connections that reached the room
        self.away = 0  # connections that were lost, and attempts to come back that failed
        self.ended: events.Ended | None = None
        self.acknowledged: dict[int, str] = {}  # question → text of the option that counts
        self.double: list[int] = []  # questions with more than one acknowledged answer
        self.turned: list[tuple[Sent, str]] = []
        self.late_taken: list[Sent] = []  # answers taken although given after the reveal was told
        self.lost = 0
        self.ran_back: list[str] = []  # whatever was told and later told otherwise
        self.closes_at: dict[int, int] = {}
        self.stood: int | None = None
        self.thaws: list[Thaw] = []
        self.told_clock = 0  # the greatest shard clock told in a delta or a view
        self._crowd = crowd
        self._given: dict[int, Sent] = {}
        self._furthest = (-1, 0)
        self._random = Random(name)
        self.session = self._new_session()
        self.client: RoomClient | None = None

    def _new_session(self) -> Session:
        return Session(draw=self._random.randint, client="arena-test 1", nonce=secrets.token_bytes(16))

    async def stay(self, code: str, role: str) -> None:
        """Be in the room until ``leave``."""
        self.client = RoomClient(self.api, code, self.session, self._handle, role=role)
        await self.client.run()

    def leave(self) -> None:
        """Close the socket; the seat stays."""
        if self.client is not None:
            self.client.close()

    # ---- what it sees --------------------------------------------------------------------------------

    @property
    def view(self) -> View:
        return self.session.view

    @property
    def game(self) -> View:
        return self.session.view.get("game") or {}

    @property
    def phase(self) -> str:
        return str(self.view.get("phase"))

    def at(self, question: int, stage: str) -> bool:
        """Whether it sees the match at this point, or further on."""
        return self._furthest >= (question, STAGES.index(stage))

    def sees(self, question: int, stage: str) -> bool:
        """Whether it sees exactly this point, live, with the clock running."""
        game = self.game
        running = not stands_still(self.view) and self.session.phase.value == "live"
        return running and (game.get("number"), game.get("stage")) == (question, stage)

    # ---- what it does --------------------------------------------------------------------------------

    def submit(self, kind: Any, **fields: Any) -> int:
        """Want a command done."""
        order = self.session.submit(kind, **fields)
        if self.client is not None:
            self.client.wake()
        return order

    def answer(self, question: int, option: int) -> None:
        """Answer a question that it sees or saw."""
        shown = self.game["question"]["options"]
        sent = Sent(question, shown[option % len(shown)], late=self.at(question, "reveal"))
        self._given[self.submit(TriviaAnswer, question=question, option=option % len(shown), reaction_ms=1)] = sent

    # ---- events --------------------------------------------------------------------------------------

    def _handle(self, event: events.Event) -> None:
        match event:
            case events.Welcomed():
                self.welcomed += 1
            case events.Away() if self.welcomed:
                self.away += 1
            case events.Ended():
                self.ended = event
            case events.Lost():
                self.lost += 1
            case events.Accepted() if event.order in self._given:
                self._taken(self._given.pop(event.order))
            case events.Turned() if event.order in self._given:
                self.turned.append((self._given.pop(event.order), event.code))
        self._look()
        self._crowd.told()

    def _taken(self, sent: Sent) -> None:
        if sent.question in self.acknowledged:
            self.double.append(sent.question)
        if sent.late:
            self.late_taken.append(sent)
        self.acknowledged[sent.question] = sent.text

    def _look(self) -> None:
        """Hold what is told now against what was told before."""
        if not self.session.mirror.known:
            return
        clock = self.session.mirror.clock
        if clock < self.told_clock:
            self.ran_back.append(f"the shard clock from {self.told_clock} to {clock}")
        self.told_clock = max(clock, self.told_clock)
        self._look_at_clock(self.view.get("clock") or {}, clock)
        game = self.game
        if not game:
            return
        point = (game["number"], STAGES.index(game["stage"]))
        if point < self._furthest:
            self.ran_back.append(f"the match from {self._furthest} to {point}")
        self._furthest = max(point, self._furthest)
        question = game.get("question")
        if question is not None:
            closes_at = self.closes_at.setdefault(point[0], question["closes_at"])
            if closes_at != question["closes_at"]:
                self.ran_back.append(f"question {point[0]} closed at {closes_at}, now at {question['closes_at']}")

    def _look_at_clock(self, shown: View, clock: int) -> None:
        stopped = shown.get("stopped")
        if stopped is None and self.stood is not None and self.session.phase.value == "live":
            self.thaws.append(Thaw(self.stood, clock - shown["offset"]))
        self.stood = stopped


async def _side_by_side(work: Iterable[Callable[[], Any]]) -> None:
    allowed = asyncio.Semaphore(AT_ONCE)

    async def one(step: Callable[[], Any]) -> None:
        async with allowed:
            await step()

    async with asyncio.TaskGroup() as group:
        for step in work:
            group.create_task(one(step))


async def signed_in(server: str, names: Sequence[str], crowd: Crowd) -> list[Player]:
    """Make a guest for each name."""
    players = [Player(server, name, crowd) for name in names]

    def signing(player: Player) -> Callable[[], Any]:
        return lambda: player.api.guest(player.name)

    await _side_by_side(signing(player) for player in players)
    return players


@asynccontextmanager
async def seated(
    code: str, crowd: Crowd, players: Sequence[Player], watchers: Sequence[Player] = ()
) -> AsyncIterator[None]:
    """Have all of them in the room for this block; the first player comes first."""
    everybody = [*players, *watchers]
    host, others = players[0], everybody[1:]
    staying = [asyncio.create_task(host.stay(code, "player"))]
    try:
        await crowd.until(lambda: host.welcomed > 0, lambda: f"the host is not in the room: {host.ended}")
        roles = ["player"] * (len(players) - 1) + ["watcher"] * len(watchers)
        staying += [asyncio.create_task(each.stay(code, role)) for each, role in zip(others, roles, strict=True)]
        await crowd.until(
            lambda: all(each.welcomed for each in others),
            lambda: f"not in the room: {[each.name for each in others if not each.welcomed]}",
        )
        yield
    finally:
        for each in everybody:
            each.leave()
        async with asyncio.timeout(10):
            await asyncio.gather(*staying)
