"""One load process: rooms of players who play match after match until told to finish. Orders come on standard input."""

import asyncio
import contextlib
import os
import signal
import sys
import time
import traceback
from random import Random
from typing import Any, Final

import msgspec
import uvloop
from msgspec import Struct

from bench.faults.seat import Seat, Sent
from bench.faults.told import WAIT_STEP_S, Book, Done, Gone, Inside, Orders, Progress, broken, encode
from clients.python.api import ApiError
from clients.python.session import Phase
from protocol.client import Rematch, SetReady, StartMatch
from protocol.modes.trivia import TriviaSkip

LOOK_S: Final = 0.2
TELL_S: Final = 0.25
OPEN_S: Final = 120.0
TRIES: Final = 10
LATE_TRY: Final = 0.1
"""How often somebody answers a question whose reveal was told: it must be refused."""

HOST_AGAIN_S: Final = 1.5
CHANGES_MAX: Final = 6


class Room:
    """A room with its players, who all live in this process."""

    def __init__(self, process: "Process", number: int) -> None:
        orders = process.orders
        self.code = ""
        self.random = Random(f"{orders.seed}:{number}")
        self.changing = orders.changing and number % 2 == 1
        self._process = process
        url = orders.servers[number % len(orders.servers)]
        self.seats = [
            Seat(self, url, f"{orders.people}{number}-{n}", Random(f"{orders.seed}:{number}:{n}"))
            for n in range(orders.players)
        ]
        self.newest = 0.0  # when the newest answered command was wanted
        self.resting = False
        self._reveals: dict[tuple[int, int], float] = {}
        self._told: dict[int, int] = {}
        self._furthest: tuple[int, str, int, str] = (0, "", -1, "")
        self._moved_at = time.monotonic()
        self._tasks: list[asyncio.Task[Any]] = []
        self._timers: dict[Seat, asyncio.TimerHandle] = {}
        self._asked: dict[Any, float] = {}
        self._booked = 0
        self._settling_since: float | None = None
        self._pulsed = 0.0
        self._gone = 0

    # ---- what seats tell -----------------------------------------------------------------------------

    def tell(self, line: Struct) -> None:
        """Pass a line on."""
        self._process.tell(line)

    def answered(self, wanted_at: float, now: float, *, accepted: bool) -> None:
        """Count an answered command."""
        self.newest = max(self.newest, wanted_at)
        self._process.count(now - wanted_at, accepted=accepted)

    def told_clock(self, epoch: int, clock: int) -> None:
        """Take note of a clock that was told."""
        if clock > self._told.get(epoch, -1):
            self._told[epoch] = clock

    def revealed_at(self, match: int, question: int) -> float | None:
        """Return when somebody in the room was first told this reveal."""
        return self._reveals.get((match, question))

    def saw(self, seat: Seat) -> None:
        """Play on what the seat sees."""
        view = seat.view
        game = view.get("game") or {}
        match, question, stage = int(view.get("number", 0)), int(game.get("number", -1)), str(game.get("stage", ""))
        point = (match, str(view.get("phase")), question, stage)
        if point != self._furthest:
            self._furthest = point
            self._moved_at = time.monotonic()
        if stage == "reveal":
            if (match, question) not in self._reveals:
                self._reveals[(match, question)] = time.monotonic()
                if self.random.random() < LATE_TRY * len(self.seats) and seat.live:
                    seat.answer(question, self.random.randrange(4))
        elif stage == "open" and seat.live and seat not in self._timers and self._wants(seat, match, question):
            delay = seat.random.uniform(0.05, 1.0)
            loop = asyncio.get_running_loop()
            self._timers[seat] = loop.call_later(delay, self._answer, seat, match, question)

    def _wants(self, seat: Seat, match: int, question: int) -> bool:
        return not seat.answering(match) and (self.changing or question not in seat.counted.get(match, {}))

    def _answer(self, seat: Seat, match: int, question: int) -> None:
        self._timers.pop(seat, None)
        game = seat.view.get("game") or {}
        if (seat.view.get("number"), game.get("number"), game.get("stage")) != (match, question, "open"):
            return
        tried = len(seat.tried.get(match, {}).get(question, []))
        if seat.live and tried < (CHANGES_MAX if self.changing else 1):
            seat.answer(question, seat.random.randrange(4))

    # ---- coming in -----------------------------------------------------------------------------------

    async def open(self) -> None:
        """Make the room and let everybody in."""
        orders = self._process.orders
        for seat in self.seats:
            await _again(lambda seat=seat: seat.api.guest(seat.name))
        settings = {
            "questions": orders.questions,
            "seconds": orders.seconds,
            "reveal_seconds": 2,
            "change_answers": self.changing,
        }
        self.code = await _again(lambda: self.seats[0].api.create_room("trivia", settings))
        async with asyncio.timeout(OPEN_S):
            for seats in (self.seats[:1], self.seats[1:]):
                self._tasks += [asyncio.create_task(seat.stay(), name=seat.name) for seat in seats]
                while not all(seat.welcomed for seat in seats):  # noqa: ASYNC110 - several clients' doing
                    await asyncio.sleep(0.05)

    async def close(self) -> None:
        """Let everybody leave."""
        for timer in self._timers.values():
            timer.cancel()
        for seat in self.seats:
            seat.leave()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=5)
        for task in self._tasks:
            task.cancel()

    # ---- every now and then --------------------------------------------------------------------------

    def look(self, now: float) -> None:
        """Do what a host does, send a pulse, see whether the room is stuck."""
        if self.resting:
            return
        for seat in self.seats:
            if seat.ended is not None:
                self.tell(broken("a player was sent away", self.code, seat.ended, now, seat.number))
                seat.ended = None
                self._gone += 1
        if self._gone == len(self.seats):
            self.resting = True
            self.tell(Gone(self.code))
            return
        for task in [task for task in self._tasks if task.done()]:
            self._tasks.remove(task)
            error = None if task.cancelled() else task.exception()
            if error is not None:
                trace = "".join(traceback.format_exception(error))[-500:]
                self.tell(broken("a client failed", self.code, f"{task.get_name()}: {trace}", now))
        if now - self._moved_at > self._process.orders.stuck_s:
            self.tell(broken("stuck", self.code, f"nothing new since {self._furthest}", now))
            self._moved_at = now
        if now - self._pulsed >= self._process.orders.pulse_s:
            self._pulse(now)
        host = self._host()
        if host is not None and host.session.phase is Phase.LIVE:
            self._conduct(host, now)

    def _pulse(self, now: float) -> None:
        seat = self.random.choice(self.seats)
        if sum(sent.match < 0 for sent in seat.under_way.values()) < 4:
            self._pulsed = now
            seat.submit(SetReady, ready=self.random.random() < 0.5)

    def _host(self) -> Seat | None:
        # Whoever sees the newest epoch knows who the host is.
        newest = max(self.seats, key=lambda seat: (seat.session.mirror.epoch, seat.session.mirror.n))
        host = newest.view.get("host")
        return next((seat for seat in self.seats if seat.number == host), None)

    def _conduct(self, host: Seat, now: float) -> None:
        view = host.view
        game = view.get("game") or {}
        match view.get("phase"), game.get("stage"):
            case "lobby", _:
                if self._process.finishing:
                    self.resting = True
                else:
                    self._ask(host, StartMatch, ("start", view["number"]), now, again=True)
            case "match", ("reveal" | "scores") as stage if host.live:
                self._ask(host, TriviaSkip, (view["number"], game["number"], stage), now)
            case "results", _:
                self._results(host, now)

    def _ask(self, host: Seat, kind: Any, key: Any, now: float, *, again: bool = False) -> None:
        asked = self._asked.get(key)
        if asked is None or (again and now - asked > HOST_AGAIN_S and not host.under_way):
            self._asked[key] = now
            host.submit(kind, Sent(now))

    def _results(self, host: Seat, now: float) -> None:
        number = int(host.view["number"])
        if self._booked < number:
            if self._settling_since is None:
                self._settling_since = now
            unsettled = [seat.name for seat in self.seats if seat.answering(number) or not self._sees_end(seat, number)]
            if unsettled and now - self._settling_since < self._process.orders.stuck_s:
                return
            if unsettled:
                self.tell(broken("unsettled", self.code, f"match {number}: {unsettled}", now))
            self._settling_since = None
            self._booked = number
            self._book(host, number, now)
        if self._process.finishing:
            self.resting = True
        else:
            self._ask(host, Rematch, ("rematch", number), now, again=True)

    def _sees_end(self, seat: Seat, number: int) -> bool:
        return seat.view.get("number") == number and seat.view.get("phase") == "results"

    def _book(self, host: Seat, number: int, now: float) -> None:
        self._compare_views(now)
        results = host.view.get("results") or {}
        current = max(self._told, default=0)
        told = {str(epoch): clock for epoch, clock in self._told.items() if epoch < current}
        self._told = {epoch: clock for epoch, clock in self._told.items() if epoch == current}
        self._process.matches += 1
        self.tell(
            Book(
                code=self.code,
                number=number,
                match=str(results.get("match")),
                counted={str(seat.number): _texts(seat.counted.pop(number, {})) for seat in self.seats},
                tried={str(seat.number): _texts(seat.tried.pop(number, {})) for seat in self.seats},
                accepted=sum(seat.accepted.pop(number, 0) for seat in self.seats),
                rows={
                    str(row["seat"]): [row["score"], row["correct"], row["answered"]] for row in results.get("rows", [])
                },
                told=told,
                at=now,
            )
        )
        self._reveals = {key: at for key, at in self._reveals.items() if key[0] >= number}
        self._asked.clear()

    def _compare_views(self, now: float) -> None:
        seen: dict[Any, Seat] = {}
        for seat in self.seats:
            other = seen.setdefault(seat.version, seat)
            if other.view != seat.view:
                self.tell(broken("views differ", self.code, f"{seat.version}: {other.name} and {seat.name}", now))


def _texts(book: dict[int, Any]) -> dict[str, Any]:
    return {str(question): told for question, told in book.items()}


def _tell_stacks() -> None:
    """Print where every task waits: for whoever asks why somebody does not come back (kill -USR2)."""
    for task in asyncio.all_tasks():
        task.print_stack(limit=6, file=sys.stderr)


async def _again(ask: Any) -> Any:
    for attempt in range(TRIES):
        try:
            return await ask()
        except ApiError as error:
            if not error.passing or attempt == TRIES - 1:
                raise
            await asyncio.sleep(0.3 + error.retry_after_ms / 1000)
    raise AssertionError


class Process:
    """All rooms of this process."""

    def __init__(self, orders: Orders) -> None:
        self.orders = orders
        self.finishing = False
        self.matches = 0
        self._lines: list[Struct] = []
        self._waits: dict[int, int] = {}
        self._sent = [0, 0]  # refused, accepted
        self._late = 0.0
        self._stopped = asyncio.Event()
        self.rooms = [Room(self, number) for number in range(orders.rooms)]

    def tell(self, line: Struct) -> None:
        """Put a line into the next write."""
        self._lines.append(line)

    def count(self, seconds: float, *, accepted: bool) -> None:
        """Count an answered command."""
        self._sent[accepted] += 1
        step = int(seconds / WAIT_STEP_S)
        self._waits[step] = self._waits.get(step, 0) + 1

    async def run(self) -> None:
        """Play until told to finish, and to the end of every match."""
        loop = asyncio.get_running_loop()
        loop.add_reader(0, self._ordered)
        loop.add_signal_handler(signal.SIGUSR2, _tell_stacks)
        opening = asyncio.Semaphore(8)

        async def one(room: Room) -> None:
            async with opening:
                await room.open()

        try:
            await asyncio.gather(*(one(room) for room in self.rooms))
            self.tell(Inside({room.code: [seat.number or 0 for seat in room.seats] for room in self.rooms}))
            await self._play()
            self.tell(Done(self._waits))
        finally:
            self._flush()
            await asyncio.gather(*(room.close() for room in self.rooms))

    async def _play(self) -> None:
        told, due = 0.0, time.monotonic()
        while not self._stopped.is_set() and not all(room.resting for room in self.rooms):
            now = time.monotonic()
            self._late = max(self._late, now - due)
            for room in self.rooms:
                room.look(now)
            if now - told > TELL_S:
                told = now
                self.tell(self._progress())
            self._flush()
            due = time.monotonic() + LOOK_S / 2
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopped.wait(), LOOK_S / 2)
        self.tell(self._progress())

    def _progress(self) -> Progress:
        seats = [seat for room in self.rooms for seat in room.seats]
        late, self._late = self._late, 0.0
        return Progress(
            sent=sum(self._sent) + sum(len(seat.under_way) for seat in seats),
            accepted=self._sent[1],
            refused=self._sent[0],
            frames=sum(seat.frames for seat in seats),
            matches=self.matches,
            late_ms=int(late * 1000),
            answered={room.code: round(room.newest, 3) for room in self.rooms},
        )

    def _flush(self) -> None:
        lines, self._lines = self._lines, []
        if lines:
            sys.stdout.buffer.write(b"".join(encode(line) for line in lines))
            sys.stdout.buffer.flush()

    def _ordered(self) -> None:
        word = os.read(0, 4096)
        if not word or b"stop" in word:
            self._stopped.set()
            asyncio.get_running_loop().remove_reader(0)
        if b"finish" in word:
            self.finishing = True


def main() -> None:
    """Play one process's part."""
    with open(0, "rb", buffering=0, closefd=False) as orders_in:  # unbuffered: what follows is read by the loop
        orders = msgspec.json.decode(orders_in.readline(), type=Orders)
    uvloop.run(Process(orders).run())


if __name__ == "__main__":
    main()
