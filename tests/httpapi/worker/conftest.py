"""A worker's parts on real servers."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest
import pytest_asyncio
from redis.asyncio import Redis

from arena.embedded.postgres import Postgres
from httpapi.store.database import Database
from httpapi.worker.streams import redis_client
from tests.support.services import create_database


@pytest_asyncio.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    client = redis_client(redis_url)
    await client.flushall()
    yield client
    await client.aclose()


_EMPTY = """
TRUNCATE users, content_sources, categories, matches, result_failures RESTART IDENTITY CASCADE;
UPDATE recording SET last_no = 0;
UPDATE content_versions SET version = 1;
"""


@pytest.fixture(scope="session")
def worker_database_url(postgres: Postgres) -> str:
    """Give the URL of a database for these tests; each of them finds it empty."""
    return create_database(postgres.url, "worker", "arena")


@pytest_asyncio.fixture
async def link(worker_database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """Give a connection of the test's own, to look at what stands there; the database is empty."""
    connection = await asyncpg.connect(worker_database_url, timeout=10, command_timeout=30)
    await connection.execute(_EMPTY)
    yield connection
    await connection.close(timeout=10)


@pytest_asyncio.fixture
async def database(worker_database_url: str, link: asyncpg.Connection) -> AsyncIterator[Database]:
    """Give a pool on the empty database."""
    assert not link.is_closed()
    found = Database(worker_database_url, pool_max=4)
    yield found
    await found.close()


@pytest.fixture
def stopping() -> asyncio.Event:
    return asyncio.Event()
