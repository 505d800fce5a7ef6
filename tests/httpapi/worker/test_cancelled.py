"""A job that is cancelled ends, whatever redis-py makes of that: it turns a cancellation into a time-out of its own."""

import asyncio
import random
from collections.abc import Awaitable, Callable

import pytest
from redis.asyncio import Redis

from arena.tasks import end
from httpapi.store.database import Database
from httpapi.worker import housekeeping
from httpapi.worker.housekeeping import Housekeeping
from httpapi.worker.reserve import keep_filled
from httpapi.worker.streams import Entry, StreamReader, redis_client
from protocol import keys

STEPS_MAX = 60

Job = Callable[[Database, Redis, asyncio.Event], Awaitable[None]]


async def read_results(_database: Database, redis: Redis, stopping: asyncio.Event) -> None:
    async def handle(_entry: Entry) -> None:
        raise AssertionError("there is nothing to handle")

    reader = StreamReader(
        redis, kind="results", key_of=keys.results, shards=2, consumer="c", handler=handle, in_hand=1, together=False
    )
    await reader.run(stopping)


async def sweep(database: Database, redis: Redis, stopping: asyncio.Event) -> None:
    await Housekeeping(database, redis, shards=2).run(stopping)


@pytest.mark.parametrize("job", [read_results, keep_filled, sweep], ids=lambda job: job.__name__)
@pytest.mark.usefixtures("redis")
async def test_it_ends_at_whatever_step_it_is_cancelled(
    job: Job, database: Database, redis_url: str, stopping: asyncio.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    for every_s in ("LOGINS_EVERY_S", "GUESTS_EVERY_S", "CONSUMERS_EVERY_S"):
        monkeypatch.setattr(housekeeping, every_s, 0)
    start = random.randrange(3)
    for steps in range(start, STEPS_MAX, 3):
        client = redis_client(redis_url)
        task = asyncio.ensure_future(job(database, client, stopping))
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        done, _ = await asyncio.wait([task], timeout=2.0)
        await end([task])
        await client.aclose()
        assert done, f"still running when cancelled after {steps} steps"
