"""What a commit costs: CPU of ``send`` and of its answer, and the time to the answer, on a server with fsync always."""

import asyncio
import hashlib
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import uvloop
from msgspec import Struct

from arena.embedded.valkey import Valkey
from gameserver.adapters.redis_store import RedisShardStore
from gameserver.ports import Commit, CommitOutcome, CommitReply, Renewal
from protocol.ids import InstanceId, Nonce, ShardId

SHARDS: Final = 64
LEASE_MS: Final = 60_000


class Row(Struct, frozen=True):
    """One size of write: microseconds of our CPU for each commit, and milliseconds until the last answer is in."""

    commits_a_write: int
    record_bytes: int
    cpu_us: float
    p50_ms: float
    p99_ms: float


class _Sink:
    def __init__(self) -> None:
        self.left = 0
        self.done = asyncio.Event()

    def committed(self, request: Commit | Renewal, reply: CommitReply) -> None:
        assert reply.outcome is CommitOutcome.OK, reply
        self.left -= 1
        if not self.left:
            self.done.set()

    def store_lost(self) -> None:
        raise AssertionError("the store was lost")


class _Shards:
    """Sixty-four owned shards and their next commits."""

    def __init__(self, store: RedisShardStore, record: bytes) -> None:
        self._store = store
        self._record = record
        self._epochs: list[int] = []
        self._seqs = [0] * SHARDS
        self._digests = [b""] * SHARDS

    async def found(self) -> None:
        for number in range(SHARDS):
            claim = await self._store.found(
                ShardId(number), instance=InstanceId("bench"), nonce=Nonce("bench"), lease_ms=LEASE_MS, genesis="bench"
            )
            assert claim.head is not None, "the store was not empty"
            self._epochs.append(claim.head.epoch)

    def batch(self, first: int, count: int) -> list[Commit]:
        """Return one commit for each of ``count`` shards."""
        commits = []
        for number in range(first, first + count):
            shard = number % SHARDS
            self._seqs[shard] += 1
            previous = self._digests[shard]
            digest = hashlib.blake2b(previous + self._record, digest_size=16).digest()
            self._digests[shard] = digest
            commits.append(
                Commit(
                    shard=ShardId(shard),
                    genesis="bench",
                    nonce=Nonce("bench"),
                    epoch=self._epochs[shard],
                    seq=self._seqs[shard],
                    previous=previous,
                    digest=digest,
                    clock=self._seqs[shard] * 50,
                    record=self._record,
                )
            )
        return commits


async def _measure(url: str, writes: int, commits_a_write: int, record_bytes: int) -> Row:
    store, sink = RedisShardStore(url), _Sink()
    store.open_commits(sink)
    await store.reconnect()
    shards = _Shards(store, bytes(record_bytes))
    await shards.found()
    batches = [shards.batch(n * commits_a_write, commits_a_write) for n in range(writes)]
    took: list[float] = []
    cpu = time.process_time()
    for batch in batches:
        sink.left = len(batch)
        sink.done.clear()
        before = time.perf_counter()
        store.send(batch, lease_ms=LEASE_MS)
        await sink.done.wait()
        took.append((time.perf_counter() - before) * 1000)
    cpu = time.process_time() - cpu
    await store.close()
    quantiles = statistics.quantiles(took, n=100)
    return Row(
        commits_a_write, record_bytes, round(cpu * 1e6 / (writes * commits_a_write), 1), round(quantiles[49], 3),
        round(quantiles[98], 3),
    )  # fmt: skip


def measure(sizes: Sequence[tuple[int, int, int]] = ((2000, 1, 300), (500, 13, 300), (200, 64, 300))) -> list[Row]:
    """Return a row for each (writes, commits a write, bytes a record), each on a server of its own."""
    rows = []
    for writes, commits_a_write, record_bytes in sizes:
        with tempfile.TemporaryDirectory(prefix="arena-bench-") as folder:
            server = Valkey(Path(folder))
            server.start()
            try:
                rows.append(uvloop.run(_measure(server.url, writes, commits_a_write, record_bytes)))
            finally:
                server.stop()
    return rows
