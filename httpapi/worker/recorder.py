"""Results into PostgreSQL, each exactly once (law 10).

The primary key makes a result count once; nothing here has to. So whenever the outcome of a transaction is unknown the
same transaction is run again, and a worker that dies between its commit and its acknowledgement harms nothing: the next
one finds the result recorded and acknowledges it.

A result that PostgreSQL refuses (not: that it cannot take now) goes to ``result_failures`` after three tries.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import asyncpg
from redis.asyncio import Redis

from arena import logs, metrics
from arena.tasks import heed_cancellation
from httpapi.store import matches as store
from httpapi.store.database import Connection, Database, DatabaseUnavailable
from httpapi.store.matches import Recording
from httpapi.worker.backoff import BackOff
from httpapi.worker.limits import DETAIL_CHARS_MAX, REFUSALS_MAX
from httpapi.worker.streams import Entry, RedisAway, settle
from protocol.bus import MatchResult, Recorded
from protocol.codec import unpack_bus
from protocol.errors import ProtocolError

T = TypeVar("T")

_NOT_THE_RESULTS_FAULT: Final = (
    DatabaseUnavailable,
    asyncpg.SyntaxOrAccessError,  # the schema is older than this code, or we may not write
    asyncpg.TransactionRollbackError,
    asyncpg.PostgresSystemError,
)

_log = logs.get("worker.recorder")
_recorded = metrics.counter("arena_results", "Results handled", ["outcome"])
_waiting = metrics.counter("arena_results_database_away", "Times that a result waited for PostgreSQL")
_took = metrics.histogram("arena_result_recording_seconds", "Time to record a result, waiting included")


class Stopped(Exception):  # noqa: N818 - not a fault: this worker ends, another one goes on
    """The worker ends while PostgreSQL is away; the result stays where it is."""


class Recorder:
    """Handles entries of ``:results``."""

    def __init__(self, database: Database, redis: Redis, stopping: asyncio.Event) -> None:
        self._database = database
        self._redis = redis
        self._stopping = stopping

    async def handle(self, entry: Entry) -> None:
        """Record one result, tell its shard and take it off the stream. Raises what says that Redis is away."""
        try:
            message = unpack_bus(entry.payload)
        except ProtocolError as error:
            await self._unreadable(entry, str(error))
            return
        if not isinstance(message, MatchResult):
            await self._unreadable(entry, f"a {type(message).__name__} among the results")
            return
        try:
            with _took.time():
                outcome = await self._record(message, entry.payload)
        except Stopped:
            return
        _recorded.labels(outcome).inc()
        await settle(self._redis, entry, Recorded(id=message.id, code=message.code))

    async def _unreadable(self, entry: Entry, detail: str) -> None:
        _log.error("result_unreadable", shard=entry.shard, entry=entry.id, detail=detail)
        try:
            await self._keep(None, "unreadable", detail, entry.payload)
        except Stopped:
            return
        _recorded.labels("unreadable").inc()
        await settle(self._redis, entry)

    async def _record(self, result: MatchResult, payload: bytes) -> str:
        refusals = 0
        while True:
            try:
                outcome = await self._patiently(lambda link: store.record(link, result))
            except (Stopped, asyncio.CancelledError, *RedisAway):
                raise
            except Exception as error:  # noqa: BLE001 - supervisor: whatever is wrong with one result, others go on
                refusals += 1
                reason = f"{type(error).__name__}: {error}"
                _log.warning("result_refused", match=result.id, times=refusals, reason=reason)
                if refusals >= REFUSALS_MAX:
                    await self._keep(result.id, "refused", reason, payload)
                    _log.error("result_failed", match=result.id, room=result.code, reason=reason)
                    return "refused"
                continue
            if outcome is Recording.DIFFERS:
                await self._keep(result.id, "differs", f"room {result.code}, match {result.number}", payload)
                _log.error("result_differs", match=result.id, room=result.code, digest=result.digest.hex())
            return outcome

    async def _keep(self, match_id: str | None, reason: str, detail: str, payload: bytes) -> None:
        told = detail.replace("\x00", "?")[:DETAIL_CHARS_MAX]
        named = None if match_id is None else match_id.replace("\x00", "?")[:200]
        await self._patiently(
            lambda link: store.record_failure(link, match_id=named, reason=reason, detail=told, payload=payload)
        )

    async def _patiently(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """Run a transaction until its outcome is known. Raises ``Stopped``, and what the database refuses."""
        back_off = BackOff()
        while True:
            try:
                async with self._database.transaction() as link:
                    return await work(link)
            except _NOT_THE_RESULTS_FAULT as error:
                heed_cancellation()
                if back_off.tries == 0:
                    _log.warning("database_away", error=type(error).__name__, reason=str(error))
                _waiting.inc()
                if self._stopping.is_set():
                    raise Stopped from None
                await back_off.wait(self._stopping)
