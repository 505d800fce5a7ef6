"""Streams are read by all workers together: every entry is handled, and not forgotten when a worker is."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from httpapi.worker.streams import GROUP, Entry, StreamReader, redis_client, remove_idle_consumers, settle
from protocol import keys
from protocol.bus import Recorded
from protocol.ids import ShardId
from tests.support.results import inbox, left, send, take

SHARDS = 4
STREAMS = [keys.results(ShardId(shard)) for shard in range(SHARDS)]


@pytest_asyncio.fixture
async def clients(redis_url: str) -> AsyncIterator[list[Redis]]:
    """Give two clients, as two workers have."""
    found = [redis_client(redis_url), redis_client(redis_url)]
    yield found
    for client in found:
        await client.aclose()


class Sink:
    """Settles what it is handed, and tells when it has so much."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        self.entries: list[Entry] = []
        self.arrived = asyncio.Condition()

    async def handle(self, entry: Entry) -> None:
        await settle(self.redis, entry, Recorded(id=entry.payload.decode(), code="BCDFGH"))
        async with self.arrived:
            self.entries.append(entry)
            self.arrived.notify_all()

    async def wait_for(self, count: int) -> None:
        async with asyncio.timeout(20), self.arrived:
            await self.arrived.wait_for(lambda: len(self.entries) >= count)

    @property
    def payloads(self) -> list[bytes]:
        return sorted(entry.payload for entry in self.entries)


def a_reader(
    redis: Redis,
    handler: Callable[[Entry], Awaitable[None]],
    consumer: str = "one",
    *,
    together: bool = False,
    by_slot: bool = False,
    stale_ms: int = 10_000,
) -> StreamReader:
    return StreamReader(
        redis,
        kind="results",
        key_of=keys.results,
        shards=SHARDS,
        consumer=consumer,
        handler=handler,
        in_hand=2,
        together=together,
        by_slot=by_slot,
        stale_ms=stale_ms,
        claim_every_s=stale_ms / 100,
    )


@pytest.mark.parametrize("by_slot", [False, True], ids=["one read", "a read for each slot"])
@pytest.mark.parametrize("together", [False, True], ids=["one by one", "together"])
async def test_everything_of_every_shard_is_handled_once(
    redis: Redis, clients: list[Redis], stopping: asyncio.Event, by_slot: bool, together: bool
) -> None:
    sink = Sink(redis)
    names = [f"{shard}.{number}" for shard in range(SHARDS) for number in range(7)]
    for name in names[: len(names) // 2]:
        await send(redis, STREAMS[int(name[0])], name.encode())
    async with asyncio.TaskGroup() as group:
        for number, client in enumerate(clients):
            reader = a_reader(client, sink.handle, f"w{number}", by_slot=by_slot, together=together)
            group.create_task(reader.run(stopping))
        for name in names[len(names) // 2 :]:
            await send(redis, STREAMS[int(name[0])], name.encode())
        await sink.wait_for(len(names))
        stopping.set()
    assert [payload.decode() for payload in sink.payloads] == sorted(names)
    for shard, stream in enumerate(STREAMS):
        assert await left(redis, stream) == (0, 0)
        told = sorted(message.id for message in await inbox(redis, ShardId(shard)))
        assert told == [f"{shard}.{number}" for number in range(7)]
        assert await redis.xinfo_consumers(stream, GROUP) == [], "who leaves takes its name along"


async def test_what_a_dead_worker_had_in_hand_is_taken_over(redis: Redis, stopping: asyncio.Event) -> None:
    for number in range(3):
        await send(redis, STREAMS[1], f"{number}".encode())
        await take(redis, STREAMS[1], ShardId(1), consumer="dead")
    sink = Sink(redis)
    async with asyncio.TaskGroup() as group:
        group.create_task(a_reader(redis, sink.handle, stale_ms=1).run(stopping))
        await sink.wait_for(3)
        stopping.set()
    assert sink.payloads == [b"0", b"1", b"2"]
    assert [entry.shard for entry in sink.entries] == [1, 1, 1]


async def test_what_a_living_worker_has_in_hand_is_left_to_it(redis: Redis, stopping: asyncio.Event) -> None:
    await send(redis, STREAMS[0], b"in hand")
    await take(redis, STREAMS[0], ShardId(0), consumer="alive")
    await send(redis, STREAMS[0], b"free")
    sink = Sink(redis)
    async with asyncio.TaskGroup() as group:
        group.create_task(a_reader(redis, sink.handle).run(stopping))
        await sink.wait_for(1)
        stopping.set()
    assert sink.payloads == [b"free"]
    assert await left(redis, STREAMS[0]) == (1, 1)


async def test_a_redis_that_forgot_everything_is_read_again(redis: Redis, stopping: asyncio.Event) -> None:
    sink = Sink(redis)
    async with asyncio.TaskGroup() as group:
        group.create_task(a_reader(redis, sink.handle).run(stopping))
        await send(redis, STREAMS[0], b"before")
        await sink.wait_for(1)
        await redis.flushall()
        await send(redis, STREAMS[2], b"after")
        await sink.wait_for(2)
        stopping.set()
    assert sink.payloads == [b"after", b"before"]


async def test_connections_that_are_cut_are_opened_again(
    redis: Redis, clients: list[Redis], stopping: asyncio.Event
) -> None:
    admin = clients[0]
    sink = Sink(redis)
    async with asyncio.TaskGroup() as group:
        group.create_task(a_reader(redis, sink.handle).run(stopping))
        for number in range(5):
            await send(admin, STREAMS[number % SHARDS], f"{number}".encode())
            await sink.wait_for(number + 1)
            await admin.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        stopping.set()
    assert sink.payloads == [b"0", b"1", b"2", b"3", b"4"]


async def test_an_entry_whose_answer_got_lost_is_handled_again_soon(redis: Redis, stopping: asyncio.Event) -> None:
    """Redis goes away while an entry is in hand: after the reconnection it comes first, not after it is stale."""
    sink = Sink(redis)
    failures = 0

    async def fail_twice(entry: Entry) -> None:
        nonlocal failures
        if failures < 2:
            failures += 1
            raise ConnectionResetError
        await sink.handle(entry)

    async with asyncio.TaskGroup() as group:
        group.create_task(a_reader(redis, fail_twice).run(stopping))
        for number in range(3):
            await send(redis, STREAMS[0], f"{number}".encode())
        await sink.wait_for(3)
        stopping.set()
    assert sink.payloads == [b"0", b"1", b"2"]


async def test_stopping_finishes_what_is_in_hand_and_leaves_the_rest(redis: Redis, stopping: asyncio.Event) -> None:
    sink = Sink(redis)

    async def stop_first(entry: Entry) -> None:
        stopping.set()
        await sink.handle(entry)

    for number in range(2):
        await send(redis, STREAMS[0], f"{number}".encode())
    await a_reader(redis, stop_first).run(stopping)
    assert sink.payloads == [b"0"]
    assert await left(redis, STREAMS[0]) == (1, 1)


async def test_an_idle_reader_stops_at_once(redis: Redis, stopping: asyncio.Event) -> None:
    async with asyncio.timeout(2), asyncio.TaskGroup() as group:
        group.create_task(a_reader(redis, Sink(redis).handle).run(stopping))
        while await redis.exists(*STREAMS) < SHARDS:  # noqa: ASYNC110 - nothing tells when a group was made
            await asyncio.sleep(0)
        stopping.set()


async def test_consumers_that_left_without_a_word_are_removed(redis: Redis) -> None:
    await send(redis, STREAMS[0], b"0")
    await take(redis, STREAMS[0], ShardId(0), consumer="holds one")
    await redis.xgroup_createconsumer(STREAMS[0], GROUP, "idle")
    raw = [stream.encode() for stream in STREAMS]
    assert await remove_idle_consumers(redis, raw, idle_ms=60_000) == 0
    assert await remove_idle_consumers(redis, raw, idle_ms=0) == 1
    (kept,) = await redis.xinfo_consumers(STREAMS[0], GROUP)
    assert kept["name"] == b"holds one"
