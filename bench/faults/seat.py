"""One player: a client session over a real socket, and its own book of what it was told.

The book is kept apart from the session: frames are decoded a second time before the session sees them.
"""

import contextlib
import secrets
import time
from collections.abc import Callable
from random import Random
from typing import Any, Final, Protocol

from msgspec import Struct

from bench.faults.told import Back, Broken, Runs, Stood, Waited, broken
from clients.python import events
from clients.python.api import Api
from clients.python.clock import stands_still
from clients.python.orders import TooManyOrders
from clients.python.room import RoomClient
from clients.python.session import Phase, Session
from protocol import server
from protocol.codec import decode_server
from protocol.errors import ProtocolError
from protocol.modes.trivia import TriviaAnswer
from protocol.types import View

SLOW_S: Final = 0.4
TRIES_TOLD: Final = 12
THAW_MS: Final = 500
"""A tick is at most 250 ms long on the shard clock; as much again for a frame that was coalesced."""


class Sent(Struct, frozen=True):
    """A command that was wanted."""

    at: float
    match: int = -1  # number of the match; -1: no answer
    question: int = -1
    text: str = ""


class Place(Protocol):
    """What a seat tells its room."""

    code: str

    def tell(self, line: Back | Runs | Stood | Waited | Broken) -> None:
        """Pass a line on."""

    def answered(self, wanted_at: float, now: float, *, accepted: bool) -> None:
        """Count an answered command."""

    def told_clock(self, epoch: int, clock: int) -> None:
        """Take note of a clock that was told."""

    def revealed_at(self, match: int, question: int) -> float | None:
        """Return when somebody in the room was first told this reveal."""

    def saw(self, seat: "Seat") -> None:
        """Look at what the seat sees now."""


class WatchedSession(Session):
    """A session whose frames are looked at first."""

    watch: Callable[[server.ServerMessage], None]

    def received(self, payload: bytes, now: int) -> list[events.Event]:
        """Take one message."""
        with contextlib.suppress(ProtocolError):  # the session says so itself
            self.watch(decode_server(payload, self.wire))
        return super().received(payload, now)


class Seat:
    """One player in one room."""

    def __init__(self, place: Place, url: str, name: str, random: Random) -> None:
        self.place = place
        self.name = name
        self.api = Api(url)
        self.random = random
        self.session = WatchedSession(draw=random.randint, client="arena-faults 1", nonce=secrets.token_bytes(16))
        self.session.watch = self._watch
        self.client: RoomClient | None = None
        self.welcomed = 0
        self.ended: events.Ended | None = None
        self.frames = 0
        self.counted: dict[int, dict[int, str]] = {}  # match → question → text
        self.tried: dict[int, dict[int, list[str]]] = {}
        self.accepted: dict[int, int] = {}
        self.under_way: dict[int, Sent] = {}  # by order
        self._epoch = 0
        self._versions: dict[str, tuple[int, int]] = {}  # audience → the furthest version told
        self._lost_at: float | None = None
        self._tries: list[str] = []
        self._halted = False  # it was away, or saw the clock stand, and has not seen it run since
        self._stood: int | None = None
        self._ran: tuple[int, int] | None = None  # room clock as told while it ran, and shard clock − room clock
        self._lead: int | None = None  # see ``Stood``

    async def stay(self) -> None:
        """Be in the room until ``leave``."""
        self.client = RoomClient(self.api, self.place.code, self.session, self._handle)
        await self.client.run()

    def leave(self) -> None:
        """Close the socket."""
        if self.client is not None:
            self.client.close()

    # ---- what it sees --------------------------------------------------------------------------------

    @property
    def view(self) -> View:
        """The room's view."""
        return self.session.view

    @property
    def number(self) -> int | None:
        """Its number in the room; None before the first Welcome."""
        return self.session.seat

    @property
    def live(self) -> bool:
        """Whether it is connected, with the clock running."""
        return self.session.phase is Phase.LIVE and not stands_still(self.view)

    @property
    def version(self) -> tuple[str, int, int]:
        """Audience, epoch and n of what it sees."""
        return self.session.audience, self.session.mirror.epoch, self.session.mirror.n

    # ---- what it does --------------------------------------------------------------------------------

    def submit(self, kind: Any, sent: Sent | None = None, **fields: Any) -> None:
        """Want a command done."""
        try:
            order = self.session.submit(kind, **fields)
        except TooManyOrders:
            return  # 256 wait already: what hinders them is seen as stuck
        self.under_way[order] = sent or Sent(time.monotonic())
        if self.client is not None:
            self.client.wake()

    def answer(self, question: int, option: int) -> None:
        """Answer a question of the present match."""
        shown = self.view["game"]["question"]["options"]
        text = shown[option % len(shown)]
        match = int(self.view["number"])
        self.tried.setdefault(match, {}).setdefault(question, []).append(text)
        sent = Sent(time.monotonic(), match, question, text)
        self.submit(TriviaAnswer, sent, question=question, option=option % len(shown), reaction_ms=1)

    def answering(self, match: int) -> bool:
        """Whether an answer of that match is neither acknowledged nor refused."""
        return any(sent.match == match for sent in self.under_way.values())

    # ---- frames, before the session ------------------------------------------------------------------

    def _watch(self, frame: server.ServerMessage) -> None:
        self.frames += 1
        match frame:
            case server.Welcome():
                self._whole(frame.audience, frame.epoch, frame.n, frame.clock)
            case server.Resync():
                self._whole(self.session.audience, frame.epoch, frame.n, frame.clock)
            case server.Delta():
                self._in_epoch(frame.e, "delta")
                self._further(self.session.audience, frame.e, frame.n)
                self.place.told_clock(frame.e, frame.c)
            case server.PrivateDelta():
                self._in_epoch(frame.e, "private delta")
            case server.ClockTell():
                self._in_epoch(frame.e, "clock")
                lead = frame.s - frame.c
                self._lead = lead if self._lead is None else min(self._lead, lead)

    def _whole(self, audience: str, epoch: int, n: int, clock: int) -> None:
        self._in_epoch(epoch, "whole view")
        furthest = self._versions.get(audience, (0, 0))
        if (epoch, n) < furthest:
            self._broken("a told version is gone", f"{furthest} was told, the whole view is {(epoch, n)}")
        self._further(audience, epoch, n)
        self.place.told_clock(epoch, clock)

    def _in_epoch(self, epoch: int, kind: str) -> None:
        if epoch < self._epoch:
            self._broken("older epoch", f"a {kind} of epoch {epoch} after one of {self._epoch}")
        self._epoch = max(self._epoch, epoch)

    def _further(self, audience: str, epoch: int, n: int) -> None:
        self._versions[audience] = max(self._versions.get(audience, (0, 0)), (epoch, n))

    # ---- events, after it ----------------------------------------------------------------------------

    def _handle(self, event: events.Event) -> None:
        now = time.monotonic()
        match event:
            case events.Welcomed():
                self._came_back(now)
            case events.Away():
                self._went(event, now)
            case events.Ended():
                self.ended = event
            case events.Lost():
                self._broken("order lost", f"the seat is another one now: {self.under_way.pop(event.order, None)}")
            case events.Accepted() if event.order in self.under_way:
                self._taken(self.under_way.pop(event.order), now)
            case events.Turned() if event.order in self.under_way:
                self._answered(self.under_way.pop(event.order), now, accepted=False)
        if self.session.mirror.known:
            self._look_at_clock(now)
            self.place.saw(self)

    def _went(self, event: events.Away, now: float) -> None:
        if self._lost_at is None and self.welcomed:
            self._lost_at = now
            self._halted = True
        if self._lost_at is not None and len(self._tries) < TRIES_TOLD:
            reason = f" {event.reason}" if event.reason else ""
            self._tries.append(f"+{now - self._lost_at:.2f} {event.code}{reason}, pause {event.wait_ms}")
        self._stood = None

    def _came_back(self, now: float) -> None:
        self.welcomed += 1
        if self._lost_at is None:
            return
        self.place.tell(Back(self.place.code, self.number or 0, self._lost_at, now, self._tries))
        self._lost_at = None
        self._tries = []
        stopped = (self.view.get("clock") or {}).get("stopped")
        if stopped is not None and self._ran is not None and self._lead is not None:
            before, offset = self._ran
            self.place.tell(Stood(self.place.code, self.number or 0, before, stopped, offset, self._lead, now))

    def _taken(self, sent: Sent, now: float) -> None:
        self._answered(sent, now, accepted=True)
        if sent.match < 0:
            return
        self.counted.setdefault(sent.match, {})[sent.question] = sent.text
        self.accepted[sent.match] = self.accepted.get(sent.match, 0) + 1
        told = self.place.revealed_at(sent.match, sent.question)
        if told is not None and sent.at > told:
            self._broken("taken after a told reveal", f"match {sent.match}, {sent}: the reveal was told at {told:.3f}")

    def _answered(self, sent: Sent, now: float, *, accepted: bool) -> None:
        self.place.answered(sent.at, now, accepted=accepted)
        if now - sent.at > SLOW_S:
            self.place.tell(Waited(self.place.code, sent.at, now))

    def _look_at_clock(self, now: float) -> None:
        shown = self.view.get("clock")
        if not shown or self.session.phase is not Phase.LIVE:
            return
        stopped = shown["stopped"]
        if stopped is not None:
            self._halted = True
            self._stood = stopped
            return
        room = self.session.mirror.clock - shown["offset"]
        if self._stood is not None and not -1 <= room - self._stood <= THAW_MS:
            self._broken("clock ran while it stood", f"it stood at {self._stood} and went on at {room}")
        self._stood = None
        self._ran = (room, shown["offset"])
        if self._halted:
            self._halted = False
            self.place.tell(Runs(self.place.code, self.number or 0, now))

    def _broken(self, what: str, detail: str) -> None:
        self.place.tell(broken(what, self.place.code, detail, time.monotonic(), self.number))
