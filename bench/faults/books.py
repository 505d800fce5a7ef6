"""Holds the players' books against what stands in PostgreSQL, and what was told against the journal."""

import asyncio
import contextlib
import json
import time
from collections.abc import Sequence
from typing import Any, Final

import asyncpg
import redis
from msgspec import Struct

from bench.faults.stack import Stack
from bench.faults.told import Book, Broken, broken
from gameserver.shards.record import decode
from protocol import keys
from protocol.ids import RoomCode, ShardId, shard_of

TIMEOUT_S: Final = 5.0
RECORDED_S: Final = 120.0
"""Within this a match that ended must be recorded, faults of PostgreSQL included."""

UNREACHABLE: Final = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)


class Sums(Struct):
    """What was compared, and what did not agree."""

    matches: int = 0
    answers: int = 0  # acknowledged, those that count
    accepted: int = 0  # acknowledged, changed ones included
    lost: int = 0
    twice: int = 0
    never_sent: int = 0
    results_lost: int = 0
    results_doubled: int = 0


class Books:
    """Takes books, and compares each when its match is recorded."""

    def __init__(self, stack: Stack) -> None:
        self.sums = Sums()
        self.found: list[Broken] = []
        self._stack = stack
        self._waiting: dict[str, Book] = {}
        self._numbers: dict[str, set[int]] = {}
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None

    @property
    def waiting(self) -> int:
        """How many matches are not compared yet."""
        return len(self._waiting)

    def take(self, book: Book) -> None:
        """Take a book."""
        self._numbers.setdefault(book.code, set()).add(book.number)
        self._waiting[book.match] = book

    async def look(self) -> None:
        """Compare what is recorded by now."""
        if self._waiting:
            with contextlib.suppress(*UNREACHABLE):
                async with asyncio.timeout(TIMEOUT_S):
                    await self._look()
        late = [book for book in self._waiting.values() if time.monotonic() - book.at > RECORDED_S]
        for book in late:
            del self._waiting[book.match]
            self.sums.results_lost += 1
            self._broken("result lost", book, f"match {book.match} is not recorded after {RECORDED_S:.0f} s")

    async def close(self) -> None:
        """Let go of the connection."""
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    async def _line(self) -> "asyncpg.Connection[asyncpg.Record]":
        if self._connection is None or self._connection.is_closed():
            self._connection = await asyncpg.connect(self._stack.postgres.url, timeout=TIMEOUT_S)
        return self._connection

    async def _look(self) -> None:
        line = await self._line()
        try:
            rows = await line.fetch("SELECT * FROM matches WHERE id = ANY($1)", list(self._waiting))
            for row in rows:
                sessions = await line.fetch("SELECT * FROM game_sessions WHERE match_id = $1", row["id"])
                answers = await line.fetch(
                    "SELECT seat, number, question_id::text, option FROM user_answers"
                    " JOIN game_sessions ON game_sessions.id = session_id WHERE match_id = $1",
                    row["id"],
                )
                self._compare(self._waiting.pop(row["id"]), row, sessions, answers)
        except BaseException:  # a cancellation, too; it is raised again
            await self.close()  # it may be in the middle of an answer
            raise

    def _compare(
        self, book: Book, row: asyncpg.Record, sessions: Sequence[asyncpg.Record], answers: Sequence[asyncpg.Record]
    ) -> None:
        sums = self.sums
        sums.matches += 1
        sums.accepted += book.accepted
        items: dict[str, Any] = {item["id"]: item for item in json.loads(row["content"])}
        stands: dict[tuple[str, str], list[str]] = {}
        for each in answers:
            if each["option"] is not None:
                text = items[each["question_id"]]["options"][each["option"]]
                stands.setdefault((str(each["seat"]), str(each["number"])), []).append(text)
        counted = {(seat, q): text for seat, told in book.counted.items() for q, text in told.items()}
        sums.answers += len(counted)
        for (seat, question), text in counted.items():
            found = stands.pop((seat, question), [])
            if text not in found:
                sums.lost += 1
                self._broken(
                    "answer lost", book, f"seat {seat}, question {question}: {text!r} was told, {found} stands"
                )
            if len(found) > 1:
                sums.twice += 1
                self._broken("counted twice", book, f"seat {seat}, question {question}: {found}")
        for (seat, question), found in stands.items():
            sums.never_sent += 1
            tried = book.tried.get(seat, {}).get(question, [])
            self._broken("counted without word", book, f"seat {seat}, question {question}: {found}, tried {tried}")
        rows = {str(each["seat"]): [each["score"], each["correct"], each["answered"]] for each in sessions}
        if rows != book.rows or row["number"] != book.number or row["code"] != book.code or row["abandoned"]:
            self._broken("result differs", book, f"told {book.rows}, recorded {rows} {dict(row)['number']}")

    def _broken(self, what: str, book: Book, detail: str) -> None:
        self.found.append(broken(what, book.code, f"match {book.number}: {detail}", time.monotonic()))

    # ---- once, at the end ----------------------------------------------------------------------------

    async def at_the_end(self) -> None:
        """See that every match of every room is there once, and none that could not be recorded."""
        async with asyncio.timeout(4 * TIMEOUT_S):
            line = await self._line()
            rows = await line.fetch("SELECT code, number, count(*) AS times FROM matches GROUP BY code, number")
            failures = await line.fetch("SELECT match_id, reason, detail FROM result_failures")
            numbers = await line.fetch("SELECT recorded_no FROM matches ORDER BY recorded_no")
        there: dict[str, set[int]] = {}
        now = time.monotonic()
        for row in rows:
            there.setdefault(row["code"], set()).add(row["number"])
            if row["times"] > 1:
                self.sums.results_doubled += 1
                self.found.append(broken("result doubled", row["code"], dict(row), now))
        for code, booked in self._numbers.items():
            if there.get(code, set()) != booked:
                what = f"played {sorted(booked)}, recorded {sorted(there.get(code, set()))}"
                self.found.append(broken("matches differ", code, what, now))
        if [row["recorded_no"] for row in numbers] != list(range(1, len(numbers) + 1)):
            self.found.append(broken("recorded_no has gaps", "", len(numbers), now))
        for row in failures:
            self.found.append(broken("a result could not be recorded", "", dict(row), now))

    # ---- what was told against the journal -----------------------------------------------------------

    async def hold_against_journal(self, book: Book) -> int:
        """See that no clock was told in an epoch beyond its last record; return how many epochs could be checked."""
        return await asyncio.to_thread(self._told, book)

    def _told(self, book: Book) -> int:
        shard = ShardId(shard_of(RoomCode(book.code), self._stack.shards))
        checked = 0
        try:
            genesis: Any = self._stack.redis.hget(keys.head(shard), "genesis")
            for epoch, clock in book.told.items():
                found: Any = self._stack.redis.xrevrange(
                    keys.journal(shard, (genesis or b"").decode()), f"{epoch}-{2**63}", f"{epoch}-0", count=1
                )
                if not found:
                    continue  # trimmed, or of before a re-founding
                checked += 1
                last = decode(found[0][1][keys.MESSAGE.encode()]).clock
                if clock > last:
                    self._broken(
                        "told beyond the journal", book, f"epoch {epoch}: clock {clock}, its last record {last}"
                    )
        except redis.RedisError:
            pass  # away just now: other books will do
        return checked
