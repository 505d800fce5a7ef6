"""``python -m httpapi.worker`` as an operator runs it: it records, survives its own death, drains, and exits."""

import asyncio
import signal
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from httpapi.worker.limits import DRAIN_S
from protocol import keys
from protocol.bus import MatchResult, Recorded
from tests.support.eventually import eventually
from tests.support.processes import Running, running
from tests.support.results import SHARD, a_result, add_users, an_item, inbox, left, send

STREAM = keys.results(SHARD)
SHARDS = str(SHARD + 1)
RECORDED_S = 40.0  # taking over waits 10 s for a sign of life


@pytest.fixture
def environment(worker_database_url: str, redis_url: str, tmp_path: Path) -> dict[str, str]:
    return {
        "DATABASE_URL": worker_database_url,
        "REDIS_URL": redis_url,
        "ARENA_DATA": str(tmp_path),
        "ARENA_SHARDS": SHARDS,
    }


@pytest.fixture
def worker(environment: dict[str, str], link: asyncpg.Connection, redis: Redis) -> Iterator[Running]:
    """Run a worker; the database and Redis are empty."""
    del link, redis
    with running(["-m", "httpapi.worker"], **environment) as process:
        process.wait_for("worker_ready")
        yield process


async def recorded(link: asyncpg.Connection, result: MatchResult) -> bool:
    return await link.fetchval("SELECT count(*) FROM matches WHERE id = $1", result.id) == 1


async def end(process: Running, number: signal.Signals) -> int:
    process.send(number)
    return await asyncio.to_thread(process.ended, DRAIN_S + 10)


async def test_a_result_is_recorded_and_a_signal_ends_it_in_time(
    worker: Running, link: asyncpg.Connection, redis: Redis
) -> None:
    result = a_result(await add_users(link, 2), content=[an_item("x")])
    await send(redis, STREAM, result)
    await eventually(lambda: inbox(redis), "the shard is told", 20)
    assert await inbox(redis) == [Recorded(id=result.id, code=result.code)]
    assert await recorded(link, result)
    assert await left(redis, STREAM) == (0, 0)
    began = asyncio.get_running_loop().time()
    assert await end(worker, signal.SIGTERM) == 0
    assert asyncio.get_running_loop().time() - began < DRAIN_S
    assert "worker_stopped" in worker.text
    assert "Traceback" not in worker.text


@pytest.mark.parametrize("committed", [False, True], ids=["before its commit", "after its commit"])
async def test_killed_between_reading_and_acknowledging(
    worker: Running, environment: dict[str, str], link: asyncpg.Connection, redis: Redis, committed: bool
) -> None:
    """The worker that has the result in hand is killed; another one takes it over, and it counts once."""
    users = await add_users(link, 2)
    result = a_result(users)
    async with link.transaction():
        await link.execute("LOCK TABLE matches IN ACCESS EXCLUSIVE MODE")
        await send(redis, STREAM, result)
        await eventually(lambda: in_hand(redis), "the worker has the result in hand", 20)
        await redis.execute_command("CLIENT", "PAUSE", 20_000, "WRITE")  # what is recorded cannot be acknowledged
        if not committed:
            assert await end(worker, signal.SIGKILL) == -signal.SIGKILL
    if committed:
        await eventually(lambda: recorded(link, result), "it is recorded", 20)
        assert await end(worker, signal.SIGKILL) == -signal.SIGKILL
    assert await recorded(link, result) == committed
    await redis.execute_command("CLIENT", "UNPAUSE")
    assert await left(redis, STREAM) == (1, 1), "nobody has acknowledged it"
    with running(["-m", "httpapi.worker"], **environment) as second:
        await eventually(lambda: inbox(redis), "the second worker takes it over", RECORDED_S)
        assert await end(second, signal.SIGINT) == 0
    assert await left(redis, STREAM) == (0, 0)
    assert await link.fetchval("SELECT count(*) FROM matches") == 1
    assert await link.fetchval("SELECT sum(played) FROM user_statistics") == len(users)
    assert await link.fetchval("SELECT last_no FROM recording") == 1


async def in_hand(redis: Redis) -> bool:
    try:
        return (await left(redis, STREAM))[1] == 1
    except ResponseError:  # the worker has not made its group yet
        return False


async def test_a_signal_while_postgresql_is_held_leaves_the_result_to_another(
    worker: Running, link: asyncpg.Connection, redis: Redis
) -> None:
    result = a_result()
    async with link.transaction():
        await link.execute("LOCK TABLE matches IN ACCESS EXCLUSIVE MODE")
        await send(redis, STREAM, result)
        await eventually(lambda: in_hand(redis), "the worker has the result in hand", 20)
        assert await end(worker, signal.SIGTERM) == 0
    assert await left(redis, STREAM) == (1, 1)
    assert not await recorded(link, result)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"DATABASE_URL": ""}, "DATABASE_URL is not set"),
        ({"REDIS_URL": ""}, "REDIS_URL is not set"),
        ({"DATABASE_URL": "mysql://h/x"}, "DATABASE_URL must be"),
        ({"ARENA_SHARDS": "many"}, "ARENA_SHARDS must be"),
    ],
    ids=str,
)
def test_a_bad_environment_is_one_clear_line(environment: dict[str, str], changes: dict[str, str], said: str) -> None:
    with running(["-m", "httpapi.worker"], **{**environment, **changes}) as process:
        assert process.ended() == 2
        (line,) = process.lines
    assert line.startswith(f"worker: {said}")


async def test_it_starts_before_its_servers_and_waits(environment: dict[str, str]) -> None:
    away = {"DATABASE_URL": "postgresql://a@127.0.0.1:1/a", "REDIS_URL": "redis://127.0.0.1:1/0"}
    with running(["-m", "httpapi.worker"], **{**environment, **away}) as process:
        await asyncio.to_thread(process.wait_for, "redis_away")
        assert process.process.poll() is None
        assert await end(process, signal.SIGTERM) == 0
