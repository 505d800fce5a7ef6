"""Ended sessions: known everywhere at once by pub/sub, at the latest by re-reading, and forgotten when void."""

import asyncio
import secrets
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from redis.asyncio import Redis
from redis.exceptions import RedisError

from arena.tasks import end
from httpapi.services import revocation
from httpapi.services.revocation import KEEP_S, Revocation
from httpapi.store.redis import connect, connect_waiting
from protocol import keys as layout
from tests.support.eventually import eventually


@pytest_asyncio.fixture(loop_scope="session")
async def cache(redis_url: str) -> AsyncIterator[Redis]:
    client = connect(redis_url)
    yield client
    await client.aclose()


@pytest_asyncio.fixture(loop_scope="session")
async def two(redis_url: str, cache: Redis) -> AsyncIterator[tuple[Revocation, Revocation]]:
    """Give two processes' views; nobody listens yet."""
    both = (Revocation(cache, connect_waiting(redis_url)), Revocation(cache, connect_waiting(redis_url)))
    yield both
    for one in both:
        await one.close()


async def is_heard(cache: Redis) -> bool:
    return bool((await cache.pubsub_numsub(revocation.CHANNEL))[0][1])


async def test_the_news_travels_by_itself(
    two: tuple[Revocation, Revocation], cache: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(revocation, "READ_EVERY_S", 3600.0)
    here, there = two
    listening = asyncio.create_task(there.run())
    await eventually(lambda: is_heard(cache), "somebody listens")
    name = secrets.token_hex(8)
    await here.revoke([name])
    assert here.is_revoked(name)
    await eventually(lambda: there.is_revoked(name), "the news arrives")
    await end([listening])


async def test_a_lost_message_is_read_later(two: tuple[Revocation, Revocation]) -> None:
    here, there = two
    name = secrets.token_hex(8)
    await here.revoke([name])
    assert not there.is_revoked(name)
    await there.read()
    assert there.is_revoked(name)
    await here.read()
    assert here.is_revoked(name), "reading does not make it forgotten"


async def test_what_no_token_can_need_is_dropped(two: tuple[Revocation, Revocation], cache: Redis) -> None:
    here, there = two
    name, old = secrets.token_hex(8), secrets.token_hex(8)
    await here.revoke([name, old])
    now = int((await cache.time())[0])
    assert now < (await cache.zscore(layout.REVOKED, name) or 0) <= now + KEEP_S
    await cache.zadd(layout.REVOKED, {old: now})
    await there.read()
    assert there.is_revoked(name)
    assert not there.is_revoked(old)
    assert await cache.zscore(layout.REVOKED, old) is None


async def test_without_redis_this_process_at_least_knows() -> None:
    nowhere = "redis://127.0.0.1:1"
    view = Revocation(connect(nowhere), connect_waiting(nowhere))
    with pytest.raises(RedisError):
        await view.revoke(["x"])
    assert view.is_revoked("x")
    await view.close()


async def test_it_stops_whenever_it_is_told_to(redis_url: str) -> None:
    """Cancelled in any of its first steps (redis-py swallows a cancellation while it connects)."""
    for steps in range(0, 60, 3):
        cache = connect(redis_url)
        view = Revocation(cache, connect_waiting(redis_url))
        task = asyncio.create_task(view.run())
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        done, _ = await asyncio.wait([task], timeout=2.0)
        await end([task])
        assert done, f"still running when cancelled after {steps} steps"
        await view.close()
        await cache.aclose()
