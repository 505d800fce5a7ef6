"""What has run out goes; what has not stays."""

import asyncio
from typing import Any

import asyncpg
import pytest
from redis.asyncio import Redis

from httpapi.store import upkeep
from httpapi.store.database import Database
from httpapi.store.matches import record
from httpapi.worker.housekeeping import CONSUMER_IDLE_MS, Housekeeping
from httpapi.worker.streams import GROUP, redis_client
from protocol import keys
from tests.support.results import SHARD, a_result, send, take


@pytest.fixture
def housekeeping(database: Database, redis: Redis) -> Housekeeping:
    return Housekeeping(database, redis, shards=8)


async def add_user(link: asyncpg.Connection, days: int, kind: str = "guest") -> Any:
    if kind == "guest":
        sql = """
            INSERT INTO users (id, kind, created_at)
            VALUES (gen_random_uuid(), 'guest', now() - $1 * interval '1 day')
        """
    else:
        sql = """
            INSERT INTO users (id, kind, username, username_key, password_hash, created_at)
            VALUES (gen_random_uuid(), 'account', 'u' || $1::int, 'u' || $1::int, 'x', now() - $1 * interval '1 day')
        """
    return await link.fetchval(f"{sql} RETURNING id", days)


async def add_login(link: asyncpg.Connection, user: Any, expires_in_days: int) -> Any:
    login = await link.fetchval(
        """
        INSERT INTO logins (id, user_id, client, expires_at)
        VALUES (gen_random_uuid(), $1, 'bot', now() + $2 * interval '1 day') RETURNING id
        """,
        user,
        expires_in_days,
    )
    await link.execute(
        """
        INSERT INTO refresh_tokens (hash, login_id, expires_at)
        VALUES (sha256($1::uuid::text::bytea), $1::uuid, now() + $2 * interval '1 day')
        """,
        login,
        expires_in_days,
    )
    return login


async def test_expired_logins_and_tokens_go(link: asyncpg.Connection, housekeeping: Housekeeping) -> None:
    user = await add_user(link, 1)
    old, recent, good = [await add_login(link, user, days) for days in (-2, 0, 3)]
    await link.execute("UPDATE refresh_tokens SET expires_at = now() - interval '3 days' WHERE login_id = $1", good)
    assert await housekeeping.sweep_logins() == 2, "a login with its token, and a token of a login that goes on"
    assert {row["id"] for row in await link.fetch("SELECT id FROM logins")} == {recent, good}
    assert [row["login_id"] for row in await link.fetch("SELECT login_id FROM refresh_tokens")] == [recent]
    assert old is not None
    assert await housekeeping.sweep_logins() == 0


async def test_old_guests_without_plays_go(link: asyncpg.Connection, housekeeping: Housekeeping) -> None:
    gone = await add_user(link, 40)
    stays = {
        "young": await add_user(link, 5),
        "account": await add_user(link, 400, "account"),
        "signed in": await add_user(link, 40),
        "played": await add_user(link, 40),
        "came back": await add_user(link, 40),
    }
    await add_login(link, stays["signed in"], 3)
    await add_login(link, gone, -2)
    await link.execute("UPDATE users SET last_login_at = now() WHERE id = $1", stays["came back"])
    async with link.transaction():
        await record(link, a_result([str(stays["played"])]))
    assert await housekeeping.sweep_guests() == 1
    assert {row["id"] for row in await link.fetch("SELECT id FROM users")} == set(stays.values())


async def test_many_go_in_bounded_batches(
    link: asyncpg.Connection, housekeeping: Housekeeping, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "BATCH", 3)
    for _ in range(8):
        await add_user(link, 50)
    assert await housekeeping.sweep_guests() == 8
    assert await housekeeping.sweep_guests() == 0


async def test_two_sweepers_do_not_do_the_work_twice(link: asyncpg.Connection, housekeeping: Housekeeping) -> None:
    await add_user(link, 50)
    async with link.transaction():
        assert await upkeep.is_ours(link)
        assert await housekeeping.sweep_guests() == 0
    assert await housekeeping.sweep_guests() == 1


async def test_consumers_of_dead_workers_go(redis: Redis, housekeeping: Housekeeping) -> None:
    await send(redis, keys.results(SHARD), b"x")
    await take(redis, keys.results(SHARD), consumer="in hand")
    await redis.xgroup_createconsumer(keys.results(SHARD), GROUP, "new")
    assert await housekeeping.sweep_consumers() == 0
    assert len(await redis.xinfo_consumers(keys.results(SHARD), GROUP)) == 2
    assert CONSUMER_IDLE_MS >= 600_000


def test_periods_are_prime(housekeeping: Housekeeping) -> None:
    periods = [every_s for every_s, _ in housekeeping.sweeps.values()]
    assert len(set(periods)) == len(periods)
    for period in periods:
        assert all(period % number for number in range(2, int(period**0.5) + 1)), period


async def test_a_sweep_while_everything_is_away_is_put_off(stopping: asyncio.Event) -> None:
    database = Database("postgresql://nobody@127.0.0.1:1/none", timeout_s=1)
    redis = redis_client("redis://127.0.0.1:1")
    housekeeping = Housekeeping(database, redis, shards=1)
    tried: list[str] = []

    def counted(what: str, sweep: Any) -> Any:
        async def run() -> int:
            tried.append(what)
            if len(tried) >= 2 * len(housekeeping.sweeps):
                stopping.set()
            return int(await sweep())

        return run

    housekeeping.sweeps = {what: (0, counted(what, sweep)) for what, (_, sweep) in housekeeping.sweeps.items()}
    async with asyncio.timeout(20):
        await housekeeping.run(stopping)
    assert set(tried) == {"logins", "guests", "consumers"}
    await redis.aclose()
    await database.close()
