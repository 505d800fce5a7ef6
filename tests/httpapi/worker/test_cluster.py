"""The worker and the API on a cluster: each shard's streams at their master, a shard's things in one step."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Final

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from httpapi.store import cards
from httpapi.store.redis import connect, connect_waiting
from httpapi.worker.streams import RedisAway, StreamReader, redis_client
from protocol import keys
from protocol.bus import CloseRoom, Recorded
from protocol.codec import unpack_bus
from protocol.ids import ShardId
from tests.httpapi.worker.test_streams import Sink
from tests.support.redis_group import SmallCluster, clustered

SHARDS: Final = [ShardId(number) for number in range(6)]


@pytest.fixture(scope="module")
def group() -> Iterator[SmallCluster]:
    with clustered(replicas=0) as cluster:
        yield cluster


@pytest.fixture
async def worker(group: SmallCluster) -> AsyncIterator[Redis]:
    client = redis_client(group.url, connections=32)
    yield client
    await client.aclose()


async def test_results_of_all_masters_are_read_settled_and_told(worker: Redis) -> None:
    sink, stopping = Sink(worker), asyncio.Event()
    for shard in SHARDS:
        await worker.xadd(keys.results(shard), {keys.MESSAGE: b"result of %d" % shard})
    reader = StreamReader(
        worker,
        kind="results",
        key_of=keys.results,
        shards=len(SHARDS),
        consumer="one",
        handler=sink.handle,
        in_hand=2,
        together=False,
        by_slot=True,
    )
    reading = asyncio.create_task(reader.run(stopping))
    await sink.wait_for(len(SHARDS))
    await worker.xadd(keys.results(SHARDS[3]), {keys.MESSAGE: b"another"})
    await sink.wait_for(len(SHARDS) + 1)
    stopping.set()
    async with asyncio.timeout(10):
        await reading
    assert sink.payloads == sorted([b"another", *(b"result of %d" % shard for shard in SHARDS)])
    for shard in SHARDS:
        assert await worker.xlen(keys.results(shard)) == 0
        entries = await worker.xrange(keys.inbox(shard))
        told = [unpack_bus(fields[keys.MESSAGE.encode()]) for _, fields in entries]
        assert isinstance(told[0], Recorded)


async def test_packs_of_one_room_are_kept_in_one_step(worker: Redis) -> None:
    pipeline = worker.pipeline(transaction=True)
    pipeline.lpush("arena:room_seen:BCDFGH", "one", "two")
    pipeline.ltrim("arena:room_seen:BCDFGH", 0, 0)
    pipeline.expire("arena:room_seen:BCDFGH", 60)
    await pipeline.execute()
    assert await worker.lrange("arena:room_seen:BCDFGH", 0, -1) == [b"two"]


async def test_the_api_reaches_inboxes_and_knows_whether_the_cluster_is_there(group: SmallCluster) -> None:
    redis = connect(group.url)
    await redis.time()
    for shard in SHARDS:
        before = await redis.xlen(keys.inbox(shard))
        assert await cards.send(redis, shard, CloseRoom(id=f"close-{shard}", code="BCDFGH", reason="a test"))
        assert await redis.xlen(keys.inbox(shard)) == before + 1
    await redis.aclose()
    with pytest.raises(ValueError, match="REDIS_CACHE_URL"):
        connect_waiting(group.url)


async def test_a_cluster_that_is_not_there_is_away() -> None:
    for client in (connect("cluster://127.0.0.1:1"), redis_client("cluster://127.0.0.1:1,127.0.0.1:2")):
        with pytest.raises(RedisAway):
            await client.xlen("x")
        await client.aclose()
    nobody = connect("sentinel://127.0.0.1:1/games")
    with pytest.raises(RedisError, match="no sentinel"):
        await nobody.get("x")
    await nobody.aclose()
