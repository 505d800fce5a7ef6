"""Sweeping: what has run out, at periods that are prime numbers so that nothing beats together."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from redis.asyncio import Redis

from arena import logs, metrics
from arena.tasks import heed_cancellation
from httpapi.store import upkeep
from httpapi.store.database import Connection, Database, DatabaseUnavailable
from httpapi.worker.backoff import wait_for
from httpapi.worker.streams import RedisAway, remove_idle_consumers
from protocol import keys
from protocol.ids import ShardId

LOGINS_EVERY_S: Final = 601
GUESTS_EVERY_S: Final = 3_607
CONSUMERS_EVERY_S: Final = 907
GUEST_DAYS: Final = 30
CONSUMER_IDLE_MS: Final = 3_600_000
BATCHES_MAX: Final = 20

_log = logs.get("worker.housekeeping")
_swept = metrics.counter("arena_swept", "What housekeeping removed", ["what"])

Sweep = Callable[[], Awaitable[int]]


class Housekeeping:
    """The sweeps of one worker. Several workers may sweep: in PostgreSQL the second one skips."""

    def __init__(self, database: Database, redis: Redis, *, shards: int) -> None:
        self._database = database
        self._redis = redis
        self._streams: Sequence[bytes] = [
            key(ShardId(shard)).encode() for shard in range(shards) for key in (keys.results, keys.requests)
        ]
        self.sweeps: dict[str, tuple[int, Sweep]] = {
            "logins": (LOGINS_EVERY_S, self.sweep_logins),
            "guests": (GUESTS_EVERY_S, self.sweep_guests),
            "consumers": (CONSUMERS_EVERY_S, self.sweep_consumers),
        }

    async def run(self, stopping: asyncio.Event) -> None:
        """Sweep until ``stopping`` is set."""
        async with asyncio.TaskGroup() as group:
            for what, (every_s, sweep) in self.sweeps.items():
                group.create_task(self._sweep_on(what, every_s, sweep, stopping), name=f"sweep-{what}")

    async def _sweep_on(self, what: str, every_s: int, sweep: Sweep, stopping: asyncio.Event) -> None:
        while not await wait_for(stopping, every_s):
            heed_cancellation()
            try:
                removed = await sweep()
            except (DatabaseUnavailable, *RedisAway) as error:
                _log.info("sweep_put_off", what=what, error=type(error).__name__)
                continue
            if removed:
                _swept.labels(what).inc(removed)
                _log.info("swept", what=what, removed=removed)

    async def sweep_logins(self) -> int:
        """Delete logins and refresh tokens that ran out; return how many."""
        logins = await self._in_batches(upkeep.delete_expired_logins)
        return logins + await self._in_batches(upkeep.delete_expired_tokens)

    async def sweep_guests(self) -> int:
        """Delete old guests who never played; return how many."""
        return await self._in_batches(lambda link: upkeep.delete_old_guests(link, days=GUEST_DAYS))

    async def sweep_consumers(self) -> int:
        """Take consumers of workers that are gone off the streams; return how many."""
        return await remove_idle_consumers(self._redis, self._streams, idle_ms=CONSUMER_IDLE_MS)

    async def _in_batches(self, delete: Callable[[Connection], Awaitable[int]]) -> int:
        removed = 0
        for _ in range(BATCHES_MAX):
            async with self._database.transaction() as link:
                if not await upkeep.is_ours(link):
                    return removed
                batch = await delete(link)
            removed += batch
            if batch < upkeep.BATCH:
                break
        return removed
