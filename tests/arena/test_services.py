"""The fixtures everybody leans on give what they promise."""

import asyncpg
import redis.asyncio


async def test_the_redis_of_the_tests_keeps_what_it_confirmed_and_evicts_nothing(redis_url: str) -> None:
    client = redis.asyncio.Redis.from_url(redis_url)
    try:
        settings = await client.config_get("appendonly", "appendfsync", "maxmemory-policy")
    finally:
        await client.aclose()
    assert settings == {"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction"}


async def test_the_database_of_the_tests_is_migrated(database_url: str, fresh_database_url: str) -> None:
    for url in (database_url, fresh_database_url):
        connection = await asyncpg.connect(url)
        try:
            assert await connection.fetchval("select to_regclass('alembic_version')") == "alembic_version"
        finally:
            await connection.close()
