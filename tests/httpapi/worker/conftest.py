"""A worker's parts on real servers."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest
import pytest_asyncio
from redis.asyncio import Redis

from httpapi.store.database import Database
from httpapi.worker.streams import redis_client


@pytest_asyncio.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    client = redis_client(redis_url)
    await client.flushall()
    yield client
    await client.aclose()


@pytest_asyncio.fixture
async def database(fresh_database_url: str) -> AsyncIterator[Database]:
    found = Database(fresh_database_url, pool_max=4)
    yield found
    await found.close()


@pytest_asyncio.fixture
async def link(fresh_database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """Give a connection of the test's own, to look at what stands there."""
    connection = await asyncpg.connect(fresh_database_url)
    yield connection
    await connection.close()


@pytest.fixture
def stopping() -> asyncio.Event:
    return asyncio.Event()
