"""``arena migrate``: from nothing to the newest schema, once, however many start it; a newer one is left alone."""

import asyncio

import asyncpg
import pytest
import pytest_asyncio

from arena.embedded.postgres import Postgres
from httpapi import migrate
from tests.support.services import create_database


@pytest.fixture
def empty_url(postgres: Postgres, request: pytest.FixtureRequest) -> str:
    return create_database(postgres.url, f"empty_{request.node.name[:40]}", "template0")


@pytest_asyncio.fixture
async def link(empty_url: str):  # type: ignore[no-untyped-def]  # asyncpg's class takes parameters in its stubs only
    connection = await asyncpg.connect(empty_url, timeout=10, command_timeout=30)
    yield connection
    await connection.close(timeout=10)


async def test_many_at_once_do_it_once(empty_url: str) -> None:
    said: list[str] = []
    async with asyncio.timeout(60):
        steps = await asyncio.gather(*(migrate.migrate(empty_url, said.append) for _ in range(4)))
    assert set(steps) == {migrate.newest()}
    assert said == [f"migrating the database from step nothing to {migrate.newest()}"]


async def test_again_says_and_does_nothing(empty_url: str, link: asyncpg.Connection) -> None:
    await migrate.migrate(empty_url)
    before = await link.fetch("SELECT relname, relfilenode FROM pg_class WHERE relnamespace = 'public'::regnamespace")
    said: list[str] = []
    assert await migrate.migrate(empty_url, said.append) == migrate.newest()
    after = await link.fetch("SELECT relname, relfilenode FROM pg_class WHERE relnamespace = 'public'::regnamespace")
    assert (said, after) == ([], before)


async def test_a_database_of_a_newer_release_is_left_as_it_is(empty_url: str, link: asyncpg.Connection) -> None:
    await migrate.migrate(empty_url)
    await link.execute("UPDATE alembic_version SET version_num = '9999'")
    said: list[str] = []
    assert await migrate.migrate(empty_url, said.append) == "9999"
    assert len(said) == 1
    assert "newer than this code" in said[0]


async def test_a_step_that_is_refused_is_undone(empty_url: str, link: asyncpg.Connection) -> None:
    await link.execute("CREATE TABLE matches (x int)")  # somebody else's
    with pytest.raises(migrate.MigrationError, match="refused and undone"):
        await migrate.migrate(empty_url)
    assert await link.fetchval("SELECT to_regclass('game_sessions')") is None
    await link.execute("DROP TABLE matches")
    assert await migrate.migrate(empty_url) == migrate.newest(), "and goes on from where it was"
