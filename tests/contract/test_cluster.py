"""On Redis Cluster (COMMIT.md §3): a lane to each master, slots that move, masters that die."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any, Final

import pytest

from arena import checks
from arena.values import SettingsError
from gameserver.adapters.redis_layout import Finder, slot_of
from gameserver.adapters.redis_store import RedisShardStore
from gameserver.ports import Commit, CommitOutcome, CommitReply, StoreUnavailable
from protocol import keys
from protocol.ids import ShardId
from tests.contract.beds import GENESIS, INSIST_S, LEASE, Node
from tests.support.redis_group import HOST, PASSWORD, SLOTS, SmallCluster, clustered, wait_until

OK, DUPLICATE = CommitOutcome.OK, CommitOutcome.DUPLICATE
SHARDS: Final = [ShardId(number) for number in range(12)]


@pytest.fixture(scope="module")
def group() -> Iterator[SmallCluster]:
    with clustered(replicas=1) as cluster:
        yield cluster


class Owner:
    """An owner of many shards, that sends again what was not answered, as the shell does."""

    def __init__(self, url: str) -> None:
        self.node = Node("ann", RedisShardStore(url))
        self.store = self.node.store
        self.epochs: dict[ShardId, int] = {}
        self.seqs = dict.fromkeys(SHARDS, 0)

    async def found(self) -> None:
        await self.store.reconnect()
        for shard in SHARDS:
            self.epochs[shard] = (await self.node.found(shard)).head.epoch  # type: ignore[union-attr]  # the store is empty

    def next(self, shards: list[ShardId]) -> list[Commit]:
        made = []
        for shard in shards:
            self.seqs[shard] += 1
            made.append(self.node.commit(self.seqs[shard], shard=shard, epoch=self.epochs[shard]))
        return made

    async def insist(self, commits: list[Commit]) -> list[CommitReply]:
        """Send until each is answered. A part that was answered is not sent again."""
        sink, begin = self.node.sink, len(self.node.sink.told)
        async with asyncio.timeout(INSIST_S):
            while True:
                done = {(one.shard, one.seq) for one, _ in sink.told[begin:]}
                left = [one for one in commits if (one.shard, one.seq) not in done]
                if not left:
                    return [reply for _, reply in sink.told[begin:]]
                lost, before = sink.lost, len(sink.told)
                try:
                    self.store.send(left, lease_ms=LEASE)
                except StoreUnavailable:
                    await self._reconnect()
                    continue
                count = before + len(left)
                await sink.until(lambda lost=lost, count=count: sink.lost > lost or len(sink.told) >= count)  # type: ignore[misc]  # mypy knows no defaults of lambdas

    async def _reconnect(self) -> None:
        try:
            await self.store.reconnect()
        except StoreUnavailable:
            await asyncio.sleep(0.05)  # as the shell waits: for servers, which nobody can be told of

    async def close(self) -> None:
        assert isinstance(self.store, RedisShardStore)
        await self.store.close()


@pytest.fixture
async def ann(group: SmallCluster) -> AsyncIterator[Owner]:
    for one in group.servers:
        if one.child.running and one.ask("ROLE")[0] == b"master":
            one.ask("FLUSHALL")
    owner = Owner(group.url)
    await owner.found()
    yield owner
    await owner.close()


async def journals(owner: Owner) -> dict[ShardId, list[int]]:
    found = {}
    for shard in SHARDS:
        async with asyncio.timeout(INSIST_S):
            while shard not in found:
                try:
                    entries = await owner.store.read_journal(shard, GENESIS, after_seq=-1, count=99)
                    found[shard] = [entry.seq for entry in entries]
                except StoreUnavailable:
                    await asyncio.sleep(0.02)  # the cold paths find the new master, too
    return found


def placed(number: int) -> list[ShardId]:
    """Return the shards that the cluster's first layout gives to this master."""
    first, last = SLOTS[number]
    return [shard for shard in SHARDS if first <= slot_of(shard) <= last]


async def test_shards_spread_over_all_masters_and_each_write_reaches_its_own(group: SmallCluster, ann: Owner) -> None:
    assert all(placed(number) for number in range(3))
    replies = await ann.insist(ann.next(SHARDS))
    assert [reply.outcome for reply in replies] == [OK] * len(SHARDS)
    for number, master in enumerate(group.masters):
        for shard in placed(number):
            assert master.ask("HGET", keys.head(shard), "seq") == b"1"
    assert ann.node.sink.lost == 0


async def test_inboxes_and_requests_of_all_masters(group: SmallCluster, ann: Owner) -> None:
    for number, master in enumerate(group.masters):
        for shard in placed(number):
            master.ask("XADD", keys.inbox(shard), "*", keys.MESSAGE, f"to {shard}")
            await ann.store.request(shard, [b"from %d" % shard])
    found = await ann.store.read_inbox(dict.fromkeys(SHARDS, "0"), block_ms=1000)
    assert {shard: [one.message for one in entries] for shard, entries in found.items()} == {
        shard: [b"to %d" % shard] for shard in SHARDS
    }
    assert await ann.store.read_inbox({shard: entries[-1].entry for shard, entries in found.items()}, block_ms=30) == {}


def move_slot(group: SmallCluster, slot: int, source: int, target: int) -> None:
    """Move one slot with what is in it, as resharding does."""
    here, there = group.masters[source], group.masters[target]
    there.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", here.id())
    here.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", there.id())
    found: Any = here.ask("CLUSTER", "GETKEYSINSLOT", slot, 100)
    if found:
        here.ask("MIGRATE", HOST, there.port, "", 0, 2000, "AUTH", PASSWORD, "KEYS", *found)
    for one in (there, here, *group.masters):
        one.ask("CLUSTER", "SETSLOT", slot, "NODE", there.id())


async def test_a_slot_that_moved_is_followed(group: SmallCluster, ann: Owner) -> None:
    """MOVED, while the shard is played; and the cold paths find it, too."""
    shard = placed(1)[0]
    await ann.insist(ann.next(SHARDS))
    move_slot(group, slot_of(shard), 1, 2)
    try:
        replies = await ann.insist(ann.next(SHARDS))
        assert {reply.outcome for reply in replies} <= {OK, DUPLICATE}
        assert store_of(ann).lost_reason == "MOVED"
        assert await journals(ann) == {one: [1, 2] for one in SHARDS}
        assert group.masters[2].ask("HGET", keys.head(shard), "seq") == b"2"
    finally:
        move_slot(group, slot_of(shard), 2, 1)


async def test_a_slot_on_its_way_is_waited_for(group: SmallCluster, ann: Owner) -> None:
    """ASK and TRYAGAIN: half of the keys are there, half here. Nobody writes until all of them are on one side."""
    shard = placed(1)[0]
    slot, here, there = slot_of(shard), group.masters[1], group.masters[2]
    await ann.insist(ann.next(SHARDS))
    there.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", here.id())
    here.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", there.id())
    sending = asyncio.create_task(ann.insist(ann.next([shard])))
    await ann.node.sink.until(lambda: ann.node.sink.lost >= 2)
    assert store_of(ann).lost_reason in ("ASK", "TRYAGAIN")
    assert not sending.done()
    here.ask("CLUSTER", "SETSLOT", slot, "STABLE")
    there.ask("CLUSTER", "SETSLOT", slot, "STABLE")
    async with asyncio.timeout(INSIST_S):
        assert [reply.outcome for reply in await sending] == [OK]


def store_of(owner: Owner) -> RedisShardStore:
    assert isinstance(owner.store, RedisShardStore)
    return owner.store


async def test_readiness_and_the_operators_check(group: SmallCluster, ann: Owner) -> None:
    assert await ann.store.check_safety() == []
    version, unsafe = await checks.check_redis(group.url)
    assert (int(version.split(".")[0]) >= 7, unsafe) == (True, [])
    with pytest.raises(SettingsError, match="has 0 replicas past their first copy"):
        await checks.check_redis(group.url, replicas=1)
    group.masters[2].ask("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    try:
        assert "maxmemory-policy" in (await ann.store.check_safety())[0]
    finally:
        group.masters[2].ask("CONFIG", "SET", "maxmemory-policy", "noeviction")


async def test_nobody_to_ask_is_unavailable(redis_url: str) -> None:
    for url in ("cluster://127.0.0.1:1", "cluster://127.0.0.1:1,127.0.0.1:2"):
        store = RedisShardStore(url)
        for asked in (store.reconnect(), store.check_safety(), store.look(ShardId(1))):
            with pytest.raises(StoreUnavailable, match="no node tells the slots"):
                await asked
        await store.close()
    assert not Finder(redis_url).address.places


async def test_a_dead_master_stops_its_shards_only_and_its_replica_takes_over(group: SmallCluster, ann: Owner) -> None:
    """The last test of this cluster: it loses a server."""
    dying, others = placed(0), [*placed(1), *placed(2)]
    await ann.insist(ann.next(SHARDS))
    replica = group.replicas[0]
    for shard in dying:
        wait_until(lambda shard=shard: key_in(replica, shard), "the replica has it")  # type: ignore[misc]  # mypy knows no defaults of lambdas
    group.masters[0].kill()
    await ann.node.sink.until(lambda: ann.node.sink.lost >= 1)
    for _ in range(3):
        assert {reply.outcome for reply in await ann.insist(ann.next(others))} <= {OK, DUPLICATE}
    assert replica.ask("ROLE")[0] == b"slave", "the others went on before anybody took over"
    replies = await ann.insist(ann.next(SHARDS))
    assert {reply.outcome for reply in replies} <= {OK, DUPLICATE}
    assert replica.ask("ROLE")[0] == b"master"
    assert await journals(ann) == {shard: list(range(1, ann.seqs[shard] + 1)) for shard in SHARDS}


def key_in(server: Any, shard: ShardId) -> bool:
    with server.client() as client:
        client.execute_command("READONLY")
        return bool(client.execute_command("HGET", keys.head(shard), "seq") == b"1")
