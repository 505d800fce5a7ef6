"""Rooms and who came, written to PostgreSQL behind the request: nobody waits for it, and games do without it.

A bounded queue, written in batches in order; while PostgreSQL is away rows wait, and beyond ``CHRONICLE_MAX`` the
oldest are dropped and counted. On shutdown what waits is written, if the database answers in time.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from msgspec import Struct

from arena import logs, metrics
from arena.tasks import heed_cancellation
from httpapi.limits import CHRONICLE_MAX, DATABASE_S_MAX
from httpapi.store import rooms as store
from httpapi.store.database import Database, DatabaseUnavailable

BATCH: Final = 200
RETRY_S: Final = 2.0

WAITING: Final = metrics.gauge("arena_chronicle_waiting", "Rows waiting to be written to PostgreSQL")
DROPPED: Final = metrics.counter("arena_chronicle_dropped", "Rows dropped because PostgreSQL was away too long")
_log = logs.get("chronicle")


class Came(Struct, frozen=True):
    """A user was given a ticket to a room."""

    code: str
    user: UUID
    role: str


class Chronicle:
    """Takes rows at once and writes them when it can. ``run`` does the writing."""

    def __init__(self, database: Database, *, waiting_max: int = CHRONICLE_MAX) -> None:
        self._database = database
        self._rows: deque[store.NewRoom | Came] = deque(maxlen=waiting_max)
        self._wake = asyncio.Event()

    def add(self, row: store.NewRoom | Came) -> None:
        """Take a row to be written. Never waits, never raises."""
        if len(self._rows) == self._rows.maxlen:
            DROPPED.inc()
        self._rows.append(row)
        WAITING.set(len(self._rows))
        self._wake.set()

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            await self._wake.wait()
            try:
                await self.write()
            except DatabaseUnavailable:
                heed_cancellation()
                await asyncio.sleep(RETRY_S)

    async def write(self) -> None:
        """Write all that waits. Raises ``DatabaseUnavailable``; then nothing of the batch is lost."""
        while self._rows:
            batch = [self._rows.popleft() for _ in range(min(BATCH, len(self._rows)))]
            try:
                await self._write_batch(batch)
            except BaseException:  # a cancellation, too: what was not written is kept; raised again
                room = (self._rows.maxlen or 0) - len(self._rows)
                self._rows.extendleft(reversed(batch[-room:] if room else []))
                DROPPED.inc(max(0, len(batch) - room))
                raise
            finally:
                WAITING.set(len(self._rows))
        self._wake.clear()

    async def close(self) -> None:
        """Write what waits, if the database answers in time."""
        try:
            async with asyncio.timeout(DATABASE_S_MAX):
                await self.write()
        except (TimeoutError, DatabaseUnavailable):
            if self._rows:
                DROPPED.inc(len(self._rows))
                _log.warning("chronicle_not_written", rows=len(self._rows))

    async def _write_batch(self, batch: Sequence[store.NewRoom | Came]) -> None:
        async with self._database.transaction() as connection:
            await store.insert_rooms(connection, [row for row in batch if isinstance(row, store.NewRoom)])
            came = [(row.code, row.user, row.role) for row in batch if isinstance(row, Came)]
            await store.insert_participants(connection, came)
