"""Sessions and users that were ended before their access tokens ran out.

``arena:revoked`` holds them until the last such token is void; pub/sub spreads the news at once, and every process
re-reads the set every three seconds, so that a lost message costs three seconds and no more.
"""

import asyncio
import contextlib
import time
from collections.abc import Sequence
from typing import Final

from redis.asyncio import Redis
from redis.exceptions import RedisError

from arena import logs, metrics
from arena.tasks import heed_cancellation
from arena.tokens import ACCESS_SECONDS, LEEWAY_SECONDS
from protocol import keys

CHANNEL: Final = "arena:revocations"
READ_EVERY_S: Final = 3.0
KEEP_S: Final = ACCESS_SECONDS + LEEWAY_SECONDS + 60

FAILED: Final = metrics.counter("arena_revocation_reads_failed", "Reads of arena:revoked that failed")
_log = logs.get("revocation")


class Revocation:
    """What is revoked, as this process knows it. ``run`` keeps it fresh."""

    def __init__(self, redis: Redis, waiting: Redis) -> None:
        self._redis = redis
        self._waiting = waiting
        self._known: frozenset[str] = frozenset()
        self._told: dict[str, float] = {}  # by ourselves or pub/sub, and not read yet → when it need not be kept

    def is_revoked(self, name: str) -> bool:
        """Return whether the session or user was ended."""
        return name in self._known or name in self._told

    def _hear(self, names: Sequence[str]) -> None:
        self._told.update(dict.fromkeys(names, time.monotonic() + KEEP_S))

    async def revoke(self, names: Sequence[str]) -> None:
        """End sessions or users everywhere. Raises ``RedisError``: then this process alone knows."""
        if not names:
            return
        self._hear(names)
        until = int((await self._redis.time())[0]) + KEEP_S
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.zadd(keys.REVOKED, dict.fromkeys(names, until))
            for name in names:
                pipe.publish(CHANNEL, name)
            await pipe.execute()

    async def read(self) -> None:
        """Read the whole set once, and drop from it what no token can need any more. Raises ``RedisError``."""
        told_before = dict(self._told)
        now = int((await self._redis.time())[0])
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.zremrangebyscore(keys.REVOKED, "-inf", now)
            pipe.zrange(keys.REVOKED, 0, -1)
            _, names = await pipe.execute()
        self._known = frozenset(name.decode() for name in names)
        for name, until in told_before.items():
            if name in self._known or time.monotonic() >= until:
                self._told.pop(name, None)

    async def close(self) -> None:
        """Close the connection that listens."""
        await self._waiting.aclose()

    async def run(self) -> None:
        """Keep fresh until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._listen(), name="revocation-listen")
            group.create_task(self._re_read(), name="revocation-read")

    async def _re_read(self) -> None:
        while True:
            try:
                await self.read()
            except (RedisError, OSError, TimeoutError) as error:
                FAILED.inc()
                _log.warning("revoked_not_read", reason=type(error).__name__)
            await _next_round()

    async def _listen(self) -> None:
        while True:
            with contextlib.suppress(RedisError, OSError, TimeoutError):
                async with self._waiting.pubsub(ignore_subscribe_messages=True) as channel:
                    await channel.subscribe(CHANNEL)
                    async for message in channel.listen():
                        self._hear([message["data"].decode()])
            await _next_round()


async def _next_round() -> None:
    heed_cancellation()
    await asyncio.sleep(READ_EVERY_S)
