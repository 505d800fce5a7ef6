"""Reading what shards send: their ``:results`` and ``:requests`` streams, by consumer groups.

Each entry is handled at least once by some worker and is deleted when it is settled. What another worker took and did
not settle in time is taken over: handlers must not mind an entry that comes again.

One read covers many streams of one server. With Redis Cluster a command may touch one slot only: ``by_slot`` makes
a read for each shard (whose keys share a slot), each on a connection of its own.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from msgspec import Struct
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

from arena import logs, metrics, redis_masters
from arena.redis_address import is_cluster
from arena.tasks import heed_cancellation
from httpapi.store.redis import connect_cluster
from httpapi.worker.backoff import BackOff
from httpapi.worker.limits import READ_BLOCK_MS, REDIS_S_MAX, STALE_MS
from protocol import keys
from protocol.bus import BusMessage
from protocol.codec import pack_bus
from protocol.ids import ShardId

GROUP: Final = "workers"
CLAIM_EVERY_S: Final = 2.999  # a prime number of milliseconds: workers do not beat together
CANCEL_AGAIN_S: Final = 0.05
CONNECTIONS_MAX: Final = 16
"""To one server; of a cluster, beside those on which reads wait."""

_MESSAGE: Final = keys.MESSAGE.encode()

RedisAway = (RedisError, OSError, TimeoutError)
"""What says that Redis cannot be asked now; whether a command was done is unknown."""

_log = logs.get("worker.streams")
_taken_over = metrics.counter("arena_worker_entries_taken_over", "Entries taken over from a worker that left", ["kind"])
_away = metrics.counter("arena_worker_redis_away", "Times that a read found Redis away", ["kind"])


class Entry(Struct, frozen=True):
    """One entry of a stream."""

    shard: ShardId
    stream: str
    id: str
    payload: bytes


Handler = Callable[[Entry], Awaitable[None]]


def redis_client(url: str, *, connections: int = CONNECTIONS_MAX) -> Redis:
    """Return a client that retries nothing by itself. Blocking reads bring their own deadline.

    ``connections`` to one server, or to each of a cluster's: there, each shard's streams are read on one of their own.
    """
    timeout_s = READ_BLOCK_MS / 1000 + REDIS_S_MAX
    if is_cluster(url):
        return connect_cluster(url, connections=connections, timeout_s=timeout_s)
    return redis_masters.connect(
        url,
        protocol=2,
        retry=Retry(NoBackoff(), 0),
        socket_timeout=timeout_s,
        socket_connect_timeout=REDIS_S_MAX,
        health_check_interval=0,
        max_connections=connections,
    )


async def settle(redis: Redis, entry: Entry, answer: BusMessage | None = None) -> None:
    """Take the entry off its stream and put the answer into the shard's inbox, in one step (all in one slot)."""
    pipeline = redis.pipeline(transaction=True)
    if answer is not None:
        pipeline.xadd(keys.inbox(entry.shard), {keys.MESSAGE: pack_bus(answer)})
    pipeline.xack(entry.stream, GROUP, entry.id)
    pipeline.xdel(entry.stream, entry.id)
    async with asyncio.timeout(REDIS_S_MAX):
        await pipeline.execute()


class StreamReader:
    """Reads one kind of stream of all shards and hands each entry to the handler.

    ``in_hand`` entries a shard are read at a time and handled side by side when ``together``, else one by one.
    """

    def __init__(
        self,
        redis: Redis,
        *,
        kind: str,
        key_of: Callable[[ShardId], str],
        shards: int,
        consumer: str,
        handler: Handler,
        in_hand: int,
        together: bool,
        by_slot: bool = False,
        stale_ms: int = STALE_MS,
        claim_every_s: float = CLAIM_EVERY_S,
    ) -> None:
        self._redis = redis
        self._kind = kind
        self._shards = {key_of(ShardId(shard)).encode(): ShardId(shard) for shard in range(shards)}
        self._consumer = consumer
        self._handler = handler
        self._in_hand = in_hand
        self._together = together
        self._by_slot = by_slot
        self._stale_ms = stale_ms
        self._claim_every_s = claim_every_s

    async def run(self, stopping: asyncio.Event) -> None:
        """Read until ``stopping`` is set; what is in hand then is finished."""
        streams = list(self._shards)
        reads = [[stream] for stream in streams] if self._by_slot else [streams]
        async with asyncio.TaskGroup() as group:
            for number, read in enumerate(reads):
                group.create_task(self._read_on(read, stopping), name=f"read-{self._kind}-{number}")
        await self._leave(streams)

    async def _read_on(self, streams: Sequence[bytes], stopping: asyncio.Event) -> None:
        back_off = BackOff()
        ready = False
        claim_at = 0.0
        clock = asyncio.get_running_loop().time
        while not stopping.is_set():
            heed_cancellation()
            try:
                if not ready:
                    await self._make_groups(streams)
                    await self._finish_own(streams, stopping)
                    ready = True
                if clock() >= claim_at:
                    await self._handle(await self._take_over(streams), stopping)
                    claim_at = clock() + self._claim_every_s
                else:
                    await self._handle(await self._read(streams, stopping, until=claim_at), stopping)
                back_off.reset()
            except RedisAway as error:
                ready = False  # a server that came back may have lost the groups
                if back_off.tries == 0:
                    _log.warning("redis_away", kind=self._kind, error=type(error).__name__)
                _away.labels(self._kind).inc()
                await back_off.wait(stopping)

    async def _make_groups(self, streams: Sequence[bytes]) -> None:
        pipeline = self._redis.pipeline(transaction=False)
        for stream in streams:
            pipeline.xgroup_create(stream, GROUP, id="0", mkstream=True)
        async with asyncio.timeout(REDIS_S_MAX):
            for answer in await pipeline.execute(raise_on_error=False):
                if isinstance(answer, Exception) and not str(answer).startswith("BUSYGROUP"):
                    raise answer

    async def _finish_own(self, streams: Sequence[bytes], stopping: asyncio.Event) -> None:
        """Handle what this consumer was given before Redis went away, and did not settle."""
        after: dict[Any, Any] = dict.fromkeys(streams, b"0")
        while not stopping.is_set():
            async with asyncio.timeout(REDIS_S_MAX):
                answer: Any = await self._redis.xreadgroup(GROUP, self._consumer, after, count=self._in_hand)
            entries = self._entries(answer)
            if not entries:
                return
            for entry in entries:
                after[entry.stream.encode()] = entry.id.encode()
            await self._handle(entries, stopping)

    async def _read(self, streams: Sequence[bytes], stopping: asyncio.Event, *, until: float) -> list[Entry]:
        left_ms = (until - asyncio.get_running_loop().time()) * 1000
        block_ms = max(1, min(READ_BLOCK_MS, int(left_ms)))
        command: Awaitable[Any] = self._redis.xreadgroup(
            GROUP,
            self._consumer,
            dict.fromkeys(streams, ">"),
            count=self._in_hand,
            block=block_ms,
        )
        async with _either(command, stopping, block_ms / 1000 + REDIS_S_MAX) as answer:
            return self._entries(answer or [])

    async def _take_over(self, streams: Sequence[bytes]) -> list[Entry]:
        """Take what some worker (this one too) was given and did not settle in time."""
        pipeline = self._redis.pipeline(transaction=False)
        for stream in streams:
            pipeline.xautoclaim(stream, GROUP, self._consumer, self._stale_ms, count=self._in_hand)
        async with asyncio.timeout(REDIS_S_MAX):
            answers = await pipeline.execute()
        found = self._entries([(stream, answer[1]) for stream, answer in zip(streams, answers, strict=True)])
        if found:
            _taken_over.labels(self._kind).inc(len(found))
            _log.info("entries_taken_over", kind=self._kind, entries=len(found))
        return found

    def _entries(self, answer: Sequence[tuple[bytes, Any]]) -> list[Entry]:
        return [
            Entry(self._shards[stream], stream.decode(), identity.decode(), fields.get(_MESSAGE, b""))
            for stream, entries in answer
            for identity, fields in entries
            if fields is not None  # deleted meanwhile
        ]

    async def _handle(self, entries: Sequence[Entry], stopping: asyncio.Event) -> None:
        if not self._together:
            for entry in entries:
                if stopping.is_set():
                    return  # not settled: another worker takes it over
                await self._handler(entry)
            return
        outcomes = await asyncio.gather(*(self._handler(entry) for entry in entries), return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome

    async def _leave(self, streams: Sequence[bytes]) -> None:
        """Take this consumer off streams where it holds nothing; best effort, housekeeping does it too."""
        try:
            await remove_idle_consumers(self._redis, streams, idle_ms=0, only=self._consumer)
        except RedisAway as error:
            _log.info("consumer_left_behind", kind=self._kind, error=type(error).__name__)


async def remove_idle_consumers(
    redis: Redis, streams: Sequence[bytes], *, idle_ms: int, only: str | None = None
) -> int:
    """Take consumers that hold nothing and did nothing for so long off the streams; return how many."""
    removed = 0
    for stream in streams:
        async with asyncio.timeout(REDIS_S_MAX):
            try:
                consumers: Any = await redis.xinfo_consumers(stream, GROUP)
            except ResponseError:
                continue  # no such stream or group: nobody to remove
            for consumer in consumers:
                name = consumer["name"].decode()
                if consumer["pending"] == 0 and consumer["idle"] >= idle_ms and only in (None, name):
                    await redis.xgroup_delconsumer(stream, GROUP, name)
                    removed += 1
    return removed


@asynccontextmanager
async def _either(command: Awaitable[Any], stopping: asyncio.Event, deadline_s: float) -> AsyncIterator[Any]:
    """Give the command's answer, or None when ``stopping`` came first (its connection is dropped then)."""
    reading = asyncio.ensure_future(command)
    told = asyncio.create_task(stopping.wait(), name="told-to-stop")
    try:
        done, _ = await asyncio.wait({reading, told}, timeout=deadline_s, return_when=asyncio.FIRST_COMPLETED)
        if reading not in done and told not in done:
            raise TimeoutError
        yield reading.result() if reading in done else None
    finally:
        told.cancel()
        while not reading.done():
            reading.cancel()  # redis-py loses a cancellation that comes while it looks at an idle connection
            await asyncio.wait({reading}, timeout=CANCEL_AGAIN_S)
        if not reading.cancelled():
            reading.exception()  # seen: nobody waits for it any more
