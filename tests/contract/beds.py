"""The two stores behind one set of handles, so that one suite holds both to the same behaviour."""

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from redis.asyncio import Redis

from arena.redis_address import parse
from arena.redis_cluster import Cluster
from gameserver.adapters.memory import MemoryShardStore
from gameserver.adapters.memory_directory import MemoryDirectory
from gameserver.adapters.memory_world import MemoryWorld
from gameserver.adapters.redis_client import client
from gameserver.adapters.redis_directory import RedisDirectory
from gameserver.adapters.redis_store import RedisShardStore
from gameserver.ports import (
    Claim,
    Commit,
    CommitOutcome,
    CommitReply,
    Head,
    Renewal,
    ShardStore,
    StoreUnavailable,
)
from protocol import keys
from protocol.ids import InstanceId, Nonce, RoomCode, ShardId
from tests.contract.shaky import ShakyLine

SHARD = ShardId(3)
OTHER = ShardId(4)
GENESIS = "g1"
LEASE = 60_000
WAIT_S = 5
INSIST_S = 20


def digest_of(seq: int, tag: str = "") -> bytes:
    """Return a digest that stands for the timeline ``tag`` at ``seq``; the founding's is empty."""
    return hashlib.blake2b(f"{seq}{tag}".encode(), digest_size=16).digest() if seq else b""


class Sink:
    """Keeps what a store tells."""

    def __init__(self) -> None:
        self.told: list[tuple[Commit | Renewal, CommitReply]] = []
        self.lost = 0
        self._changed = asyncio.Event()

    def committed(self, request: Commit | Renewal, reply: CommitReply) -> None:
        self.told.append((request, reply))
        self._changed.set()

    def store_lost(self) -> None:
        self.lost += 1
        self._changed.set()

    async def until(self, met: Callable[[], bool]) -> None:
        async with asyncio.timeout(WAIT_S):
            while not met():
                self._changed.clear()
                await self._changed.wait()

    @property
    def outcomes(self) -> list[CommitOutcome]:
        return [reply.outcome for _, reply in self.told]


class Node:
    """One node as the store sees it: an instance, a nonce, and what it believes of a shard."""

    def __init__(self, name: str, store: ShardStore) -> None:
        self.instance = InstanceId(f"{name}-instance")
        self.nonce = Nonce(f"{name}-nonce")
        self.store = store
        self.sink = Sink()
        store.open_commits(self.sink)
        self.epoch = 0

    async def found(self, shard: ShardId = SHARD, genesis: str = GENESIS) -> Claim:
        return self._hold(
            await self.store.found(shard, instance=self.instance, nonce=self.nonce, lease_ms=LEASE, genesis=genesis)
        )

    async def claim(self, shard: ShardId = SHARD, *, steal: int | None = None, lease_ms: int = LEASE) -> Claim:
        return self._hold(
            await self.store.claim(
                shard, instance=self.instance, nonce=self.nonce, lease_ms=lease_ms, steal_epoch=steal
            )
        )

    def _hold(self, claim: Claim) -> Claim:
        if claim.head is not None:
            self.epoch = claim.head.epoch
        return claim

    def commit(self, seq: int, **changes: Any) -> Commit:
        """Return the ordinary commit of ``seq``, with ``changes``."""
        tag = changes.pop("tag", "")
        fields: dict[str, Any] = {
            "shard": SHARD,
            "genesis": GENESIS,
            "nonce": self.nonce,
            "epoch": self.epoch,
            "seq": seq,
            "previous": digest_of(seq - 1, tag if seq > 1 else ""),
            "digest": digest_of(seq, tag),
            "clock": seq * 50,
            "record": b"record %d" % seq,
        }
        return Commit(**(fields | changes))

    def renewal(self, seq: int, **changes: Any) -> Renewal:
        fields: dict[str, Any] = {
            "shard": SHARD,
            "genesis": GENESIS,
            "nonce": self.nonce,
            "epoch": self.epoch,
            "seq": seq,
            "digest": digest_of(seq),
            "clock": seq * 50 + 7,
        }
        return Renewal(**(fields | changes))

    async def ask(self, *requests: Commit | Renewal) -> list[CommitReply]:
        """Send in one write; return the answers once all are there."""
        before = len(self.sink.told)
        self.store.send(requests, lease_ms=LEASE)
        await self.sink.until(lambda: len(self.sink.told) >= before + len(requests))
        return [reply for _, reply in self.sink.told[before:]]

    async def insist(self, *requests: Commit | Renewal) -> list[CommitReply]:
        """Send them as the shell does: after each loss on fresh connections, what is unanswered, from the first."""
        told, before = self.sink.told, len(self.sink.told)
        async with asyncio.timeout(INSIST_S):
            while len(told) < before + len(requests):
                lost = self.sink.lost
                try:
                    await self.store.reconnect()
                    self.store.send(requests[len(told) - before :], lease_ms=LEASE)
                except StoreUnavailable:
                    await asyncio.sleep(0.02)  # as the shell waits: for a server, which nobody can be told of
                    continue
                await self.sink.until(lambda lost=lost: self.sink.lost > lost or len(told) >= before + len(requests))  # type: ignore[misc]  # mypy knows no defaults of lambdas
        return [reply for _, reply in told[before:]]

    async def play(self, first: int, last: int) -> None:
        """Commit these seqs; each must be OK."""
        for reply in await self.ask(*(self.commit(seq) for seq in range(first, last + 1))):
            assert reply.outcome is CommitOutcome.OK


class Bed(Protocol):
    """A store, looked at from outside."""

    async def node(self, name: str, *, connected: bool = True) -> Node: ...
    async def shaky_node(self, name: str) -> Node: ...
    def cut_next(self, node: Node, *, applied: bool, answered: int = 0) -> None: ...
    async def directory(self) -> MemoryDirectory | RedisDirectory: ...
    async def pass_time(self) -> None: ...
    async def end_lease(self, shard: ShardId = SHARD) -> None: ...
    async def lease_left_ms(self, shard: ShardId = SHARD) -> int | None: ...
    async def head(self, shard: ShardId = SHARD) -> Head | None: ...
    async def post(self, message: bytes, shard: ShardId = SHARD) -> str: ...
    async def results(self, shard: ShardId = SHARD) -> list[bytes]: ...
    async def requests(self, shard: ShardId = SHARD) -> list[bytes]: ...
    async def stray(self, epoch: int, seq: int, shard: ShardId = SHARD) -> None: ...
    async def wipe(self) -> None: ...
    async def snapshot(self) -> Any: ...
    async def fall_back(self, snapshot: Any) -> None: ...
    async def room_card(self, code: str) -> bytes | None: ...
    async def connections(self, code: str) -> dict[str, int]: ...
    async def public_rooms(self) -> list[str]: ...
    async def revoke(self, who: str, until_s: int) -> None: ...
    async def now_s(self) -> int: ...
    async def age_beat(self, instance: str, by_ms: int) -> None: ...
    async def unsafe(self) -> Sequence[str]: ...
    async def close(self) -> None: ...


class MemoryBed:
    def __init__(self) -> None:
        self.now_us = 1_790_000_000_000_000
        self.world = MemoryWorld(lambda: self.now_us)

    async def node(self, name: str, *, connected: bool = True) -> Node:
        node = Node(name, MemoryShardStore(self.world))
        if connected:
            await node.store.reconnect()
        return node

    async def shaky_node(self, name: str) -> Node:
        return await self.node(name)

    def cut_next(self, node: Node, *, applied: bool, answered: int = 0) -> None:
        assert isinstance(node.store, MemoryShardStore)
        node.store.break_next(applied=None if applied else 0, answered=answered)

    async def directory(self) -> MemoryDirectory:
        return MemoryDirectory(self.world)

    async def pass_time(self) -> None:
        self.now_us += 1000

    async def end_lease(self, shard: ShardId = SHARD) -> None:
        self.world.shard(shard).owner = None

    async def lease_left_ms(self, shard: ShardId = SHARD) -> int | None:
        return self.world.owner_left_ms(self.world.shard(shard))

    async def head(self, shard: ShardId = SHARD) -> Head | None:
        return self.world.shard(shard).head

    async def post(self, message: bytes, shard: ShardId = SHARD) -> str:
        return self.world.post(shard, message)

    async def results(self, shard: ShardId = SHARD) -> list[bytes]:
        return list(self.world.shard(shard).results)

    async def requests(self, shard: ShardId = SHARD) -> list[bytes]:
        return list(self.world.shard(shard).requests)

    async def stray(self, epoch: int, seq: int, shard: ShardId = SHARD) -> None:
        self.world.stray(shard, GENESIS, epoch, seq, b"stray")

    async def wipe(self) -> None:
        self.world.wipe()

    async def snapshot(self) -> Any:
        return self.world.snapshot()

    async def fall_back(self, snapshot: Any) -> None:
        self.world.fall_back(snapshot)

    async def room_card(self, code: str) -> bytes | None:
        card = self.world.cards.get(code)
        return card[0] if card else None

    async def connections(self, code: str) -> dict[str, int]:
        return self.world.connections.get(code, ({}, 0))[0]

    async def public_rooms(self) -> list[str]:
        return sorted(self.world.public)

    async def revoke(self, who: str, until_s: int) -> None:
        self.world.revoked[who] = until_s

    async def now_s(self) -> int:
        return self.now_us // 1_000_000

    async def age_beat(self, instance: str, by_ms: int) -> None:
        self.now_us += by_ms * 1000

    async def unsafe(self) -> Sequence[str]:
        self.world.unsafe.append("appendonly is off")
        return await (await self.node("x")).store.check_safety()

    async def close(self) -> None:
        return None


class RedisBed:
    def __init__(self, url: str, folder: Path) -> None:
        self.url = url
        self._folder = folder
        self._line: ShakyLine | None = None
        self.raw: Redis = self._connect(url)
        self._stores: list[RedisShardStore] = []
        self._directories: list[RedisDirectory] = []

    def _connect(self, url: str) -> Redis:
        return client(url)

    async def node(self, name: str, *, connected: bool = True) -> Node:
        return await self._node(name, self.url, connected=connected)

    async def shaky_node(self, name: str) -> Node:
        self._line, url = await ShakyLine.start(self.url, self._folder)
        return await self._node(name, url, connected=True)

    async def _node(self, name: str, url: str, *, connected: bool) -> Node:
        store = RedisShardStore(url)
        self._stores.append(store)
        node = Node(name, store)
        if connected:
            await store.reconnect()
        return node

    def cut_next(self, node: Node, *, applied: bool, answered: int = 0) -> None:
        assert self._line is not None, "only a shaky node's line can be cut"
        self._line.cut_next(applied=applied, answered=answered)

    async def directory(self) -> RedisDirectory:
        directory = RedisDirectory(self.url)
        self._directories.append(directory)
        return directory

    async def pass_time(self) -> None:
        await asyncio.sleep(0.001)  # the server's clock is the one thing here that cannot be waited for

    async def end_lease(self, shard: ShardId = SHARD) -> None:
        await self.raw.delete(keys.owner(shard))

    async def lease_left_ms(self, shard: ShardId = SHARD) -> int | None:
        left = await self.raw.pttl(keys.owner(shard))
        return None if left == -2 else int(left)

    async def head(self, shard: ShardId = SHARD) -> Head | None:
        return await read_head(self.raw, shard)

    async def post(self, message: bytes, shard: ShardId = SHARD) -> str:
        entry: Any = await self.raw.xadd(keys.inbox(shard), {keys.MESSAGE: message})
        return str(entry.decode())

    async def results(self, shard: ShardId = SHARD) -> list[bytes]:
        return await self._stream(keys.results(shard))

    async def requests(self, shard: ShardId = SHARD) -> list[bytes]:
        return await self._stream(keys.requests(shard))

    async def _stream(self, key: str) -> list[bytes]:
        entries: Any = await self.raw.xrange(key)
        return [fields[keys.MESSAGE.encode()] for _, fields in entries]

    async def stray(self, epoch: int, seq: int, shard: ShardId = SHARD) -> None:
        await self.raw.xadd(keys.journal(shard, GENESIS), {keys.MESSAGE: b"stray"}, id=f"{epoch}-{seq}")

    async def wipe(self) -> None:
        await self.raw.flushall()

    async def snapshot(self) -> Any:
        names: Any = await self.raw.keys("*")
        return {name: (await self.raw.dump(name), max(await self.raw.pttl(name), 0)) for name in names}

    async def fall_back(self, snapshot: Any) -> None:
        await self.raw.flushdb()
        for name, (value, left) in snapshot.items():
            await self.raw.restore(name, left, value)

    async def room_card(self, code: str) -> bytes | None:
        card: Any = await self.raw.get(keys.room_card(RoomCode(code)))
        if card is not None:
            assert 0 < await self.raw.ttl(keys.room_card(RoomCode(code))) <= keys.ROOM_CARD_TTL_S
        return card

    async def connections(self, code: str) -> dict[str, int]:
        key = keys.ws_connections(RoomCode(code))
        counts: Any = await self.raw.hgetall(key)
        if counts:
            assert 0 < await self.raw.ttl(key) <= keys.WS_CONNECTIONS_TTL_S
        return {node.decode(): int(count) for node, count in counts.items()}

    async def public_rooms(self) -> list[str]:
        codes: Any = await self.raw.zrange(keys.PUBLIC_ROOMS, 0, -1)
        return sorted(code.decode() for code in codes)

    async def revoke(self, who: str, until_s: int) -> None:
        await self.raw.zadd(keys.REVOKED, {who: until_s})

    async def now_s(self) -> int:
        return int((await self.raw.time())[0])

    async def age_beat(self, instance: str, by_ms: int) -> None:
        raw: Any = await self.raw.hget(keys.NODES, instance)
        before, _, after = raw.partition(b'"beat_ms":')
        beat, comma, rest = after.partition(b",")
        await self.raw.hset(keys.NODES, instance, before + b'"beat_ms":%d' % (int(beat) - by_ms) + comma + rest)

    async def unsafe(self) -> Sequence[str]:
        await self.raw.config_set("appendonly", "no")
        try:
            return await (await self.node("x")).store.check_safety()
        finally:
            await self.raw.config_set("appendonly", "yes")
            await self._rewritten()

    async def _rewritten(self) -> None:
        async with asyncio.timeout(WAIT_S):
            while (await self.raw.info("persistence")).get("aof_rewrite_in_progress"):
                await self.pass_time()

    async def close(self) -> None:
        for thing in (*self._stores, *self._directories):
            await thing.close()
        if self._line is not None:
            await self._line.close()
        await self.raw.aclose()


class ClusterBed(RedisBed):
    """A cluster: whatever needs a line of its own, another configuration or the directory is tested elsewhere."""

    def _connect(self, url: str) -> Redis:
        return Cluster(parse(url), socket_timeout=WAIT_S)

    async def wipe(self) -> None:
        assert isinstance(self.raw, Cluster)
        for master in await self.raw.masters():
            await master.flushall()

    async def snapshot(self) -> Any:
        assert isinstance(self.raw, Cluster)
        found: dict[Any, Any] = {}
        for master in await self.raw.masters():
            for name in await master.keys("*"):
                found[name] = (await master.dump(name), max(await master.pttl(name), 0))
        return found

    async def fall_back(self, snapshot: Any) -> None:
        await self.wipe()
        for name, (value, left) in snapshot.items():
            await self.raw.restore(name, left, value)


async def read_head(raw: Redis, shard: ShardId) -> Head | None:
    """Return the head as Redis holds it."""
    fields: Any = await raw.hgetall(keys.head(shard))
    if not fields:
        return None
    seq = int(fields[b"seq"])
    digests, packed, at = {}, fields[b"digests"], seq
    while packed:
        digests[at] = packed[1 : 1 + packed[0]]
        packed, at = packed[1 + packed[0] :], at - 1
    return Head(
        int(fields[b"epoch"]),
        fields[b"nonce"].decode(),
        seq,
        digests,
        int(fields[b"clock"]),
        fields[b"genesis"].decode(),
        int(fields[b"claimed"]),
    )
