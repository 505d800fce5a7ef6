"""The players' processes, as the conductor has them: started, listened to, ended."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from msgspec import Struct

from arena.tasks import end
from arena.units import environment_with
from bench.faults.books import Books
from bench.faults.plan import Plan
from bench.faults.told import (
    Back,
    Book,
    Broken,
    Done,
    Gone,
    Inside,
    Orders,
    Progress,
    Runs,
    Stood,
    Waited,
    decoder,
    encode,
)

LINE_BYTES_MAX: Final = 1024 * 1024
END_S: Final = 10.0

Seat = tuple[str, int]


class Awaited(Struct):
    """Seats that a fault touches, and when each was back and saw the clock run."""

    since: float
    back: dict[Seat, float | None]
    runs: dict[Seat, float | None]
    lost: dict[Seat, float] = {}  # when the connection was lost
    tries: dict[Seat, list[str]] = {}

    @property
    def missing_back(self) -> list[Seat]:
        """Seats that are not back."""
        return [seat for seat, at in self.back.items() if at is None]

    @property
    def missing_runs(self) -> list[Seat]:
        """Seats that see no running clock."""
        return [seat for seat, at in self.runs.items() if at is None]


class Crowd:
    """All players."""

    def __init__(self, plan: Plan, servers: list[str], books: Books) -> None:
        self._plan = plan
        self._servers = servers
        self._books = books
        self._children: list[asyncio.subprocess.Process] = []
        self._listeners: list[asyncio.Task[None]] = []
        self._progress: dict[int, Progress] = {}
        self.rooms: dict[str, list[int]] = {}  # code → seats
        self.answered: dict[str, float] = {}
        self.inside = 0
        self.done: list[Done] = []
        self.found: list[Broken] = []
        self.waited: list[Waited] = []
        self.stood: list[Stood] = []
        self.awaited: list[Awaited] = []
        self.late_ms = 0
        self.epochs_checked = 0
        self._checks: set[asyncio.Task[None]] = set()

    def total(self, field: str) -> int:
        """Return a figure of all processes together."""
        return sum(getattr(line, field) for line in self._progress.values())

    @property
    def codes(self) -> list[str]:
        """Every room."""
        return list(self.rooms)

    def expect(self, codes: list[str], since: float) -> Awaited:
        """Take note from now on of when the seats of these rooms are back after ``since``, and see the clock run."""
        seats = [(code, seat) for code in codes for seat in self.rooms[code]]
        awaited = Awaited(since, dict.fromkeys(seats), dict.fromkeys(seats))
        self.awaited.append(awaited)
        return awaited

    async def start(self) -> None:
        """Start the processes and wait until everybody is in. Raises ``TimeoutError`` or ``RuntimeError``."""
        rooms, processes = self._plan.rooms, max(1, min(self._plan.processes, self._plan.rooms))
        for number in range(processes):
            orders = Orders(
                people=f"{'abcdefgh'[number % 8]}{number}",
                rooms=rooms // processes + (number < rooms % processes),
                players=self._plan.players,
                servers=self._servers,
                questions=self._plan.questions,
                seconds=self._plan.seconds,
                changing=self._plan.changing,
                pulse_s=self._plan.pulse_s,
                stuck_s=self._plan.recover_s + 30,
                seed=self._plan.seed * 100 + number,
            )
            await self._spawn(number, orders)
        async with asyncio.timeout(60 + self._plan.rooms * self._plan.players * 0.3):
            while self.inside < processes:
                self.check()
                await asyncio.sleep(0.1)

    async def _spawn(self, number: int, orders: Orders) -> None:
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "bench.faults.bots",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=environment_with({}),
            limit=LINE_BYTES_MAX,
        )
        self._children.append(child)
        assert child.stdin is not None
        child.stdin.write(encode(orders))
        self._listeners.append(asyncio.create_task(self._listen(number, child), name=f"listen to players {number}"))

    def check(self) -> None:
        """Raise ``RuntimeError`` when a process of players has ended before its time."""
        for listener in self._listeners:
            if listener.done() and len(self.done) < len(self._children):
                listener.result()
                raise RuntimeError("a process of players ended")

    async def finish(self, seconds: float) -> bool:
        """Let every match come to its end; whether all did in time."""
        for child in self._children:
            assert child.stdin is not None
            child.stdin.write(b"finish\n")
        try:
            async with asyncio.timeout(seconds):
                while len(self.done) < len(self._children):  # noqa: ASYNC110 - other processes' doing
                    await asyncio.sleep(0.05)
        except TimeoutError:
            return False
        return True

    async def close(self) -> None:
        """End every process."""
        for child in self._children:
            if child.stdin is not None:
                child.stdin.close()  # which says: stop
        for child in self._children:
            try:
                await asyncio.wait_for(child.wait(), END_S)
            except TimeoutError:
                child.kill()
                await asyncio.wait_for(child.wait(), END_S)
        await end([*self._listeners, *self._checks])

    # ---- what they tell ------------------------------------------------------------------------------

    async def _listen(self, number: int, child: asyncio.subprocess.Process) -> None:
        assert child.stdout is not None
        while raw := await child.stdout.readline():
            self._take(number, raw)

    def _take(self, number: int, raw: bytes) -> None:
        line = decoder.decode(raw)
        match line:
            case Progress():
                self._progress[number] = line
                self.answered.update(line.answered)
                self.late_ms = max(self.late_ms, line.late_ms)
            case Back():
                self._back(line)
            case Runs():
                self._runs(line)
            case Stood():
                self.stood.append(line)
            case Waited():
                self.waited.append(line)
            case Book():
                self._books.take(line)
                if line.told:
                    check = asyncio.create_task(self._check(line))
                    self._checks.add(check)
                    check.add_done_callback(self._checks.discard)
            case Broken():
                self.found.append(line)
            case Gone():
                self._gone(line.code)
            case Inside():
                self.rooms.update(line.rooms)
                self.inside += 1
            case Done():
                self.done.append(line)

    def _gone(self, code: str) -> None:
        """Wait for nobody of that room: that they were sent away was told."""
        for awaited in self.awaited:
            for seat in self.rooms[code]:
                awaited.back.pop((code, seat), None)
                awaited.runs.pop((code, seat), None)
        del self.rooms[code]

    async def _check(self, book: Book) -> None:
        self.epochs_checked += await self._books.hold_against_journal(book)

    def _back(self, line: Back) -> None:
        seat = (line.code, line.seat)
        for awaited in self.awaited:
            if line.at > awaited.since and awaited.back.get(seat, 0.0) is None:
                awaited.back[seat] = line.at
                awaited.lost[seat] = line.lost_at
                awaited.tries[seat] = line.tries

    def _runs(self, line: Runs) -> None:
        seat = (line.code, line.seat)
        for awaited in self.awaited:
            if awaited.back.get(seat) is not None and awaited.runs[seat] is None:
                awaited.runs[seat] = line.at

    async def all_answered(self, after: float, seconds: float) -> list[str]:
        """Wait until every room answered a command that was wanted after that moment; return the rooms that did not."""
        try:
            async with asyncio.timeout(seconds):
                while left := [code for code in self.rooms if self.answered.get(code, 0.0) <= after]:
                    self.check()
                    await asyncio.sleep(0.05)
        except TimeoutError:
            return left
        return []

    async def all_back(self, awaited: Awaited, seconds: float) -> bool:
        """Wait until every awaited seat is back and sees the clock run; whether that came in time."""
        try:
            async with asyncio.timeout(max(0.05, awaited.since + seconds - time.monotonic())):
                while awaited.missing_back or awaited.missing_runs:
                    self.check()
                    await asyncio.sleep(0.02)
        except TimeoutError:
            return False
        return True


@asynccontextmanager
async def playing(plan: Plan, servers: list[str], books: Books) -> AsyncIterator[Crowd]:
    """Give players who are all inside."""
    crowd = Crowd(plan, servers, books)
    try:
        await crowd.start()
        yield crowd
    finally:
        await crowd.close()
