"""Strict mode (COMMIT.md §3): nothing is told before replicas have it, on a real master with a real replica."""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import pytest
from redis.asyncio import Redis

from gameserver.adapters.redis_client import client
from gameserver.adapters.redis_lane import TOO_FEW
from gameserver.adapters.redis_store import RedisShardStore
from gameserver.ports import ClaimOutcome, Commit, CommitOutcome, StoreUnavailable
from protocol.ids import ShardId
from tests.contract.beds import GENESIS, LEASE, OTHER, SHARD, Node, digest_of, read_head
from tests.support.redis_group import DataServer, replicated, wait_until

OK, DUPLICATE = CommitOutcome.OK, CommitOutcome.DUPLICATE
Group = tuple[DataServer, DataServer]


@pytest.fixture(scope="module")
def group() -> Iterator[Group]:
    with replicated() as servers:
        yield servers


@pytest.fixture
async def raw(group: Group) -> AsyncIterator[Redis]:
    connection = client(group[0].url)
    await connection.flushall()
    yield connection
    await connection.aclose()


@pytest.fixture
async def ann(group: Group, raw: Redis) -> AsyncIterator[Node]:
    """Give an owner in strict mode, at seq 2."""
    node = Node("ann", RedisShardStore(group[0].url, replicas=1))
    await node.store.reconnect()
    await node.found()
    await node.play(1, 2)
    yield node
    await store_of(node).close()


def store_of(node: Node) -> RedisShardStore:
    assert isinstance(node.store, RedisShardStore)
    return node.store


@contextmanager
def standing(server: DataServer) -> Iterator[None]:
    server.stand()
    try:
        yield
    finally:
        server.go_on()


async def test_what_is_told_is_on_the_replica(group: Group, ann: Node) -> None:
    copy = client(group[1].url)
    try:
        for seq in range(3, 23):
            await ann.play(seq, seq)
            head = await read_head(copy, SHARD)
            assert head is not None
            assert head.seq >= seq
    finally:
        await copy.aclose()


async def test_without_the_replica_nothing_is_told_and_with_it_nothing_was_lost(
    group: Group, ann: Node, raw: Redis
) -> None:
    with standing(group[1]):
        told = len(ann.sink.told)
        ann.store.send([ann.commit(3), ann.commit(4)], lease_ms=LEASE)
        await ann.sink.until(lambda: ann.sink.lost == 1)
        assert store_of(ann).lost_reason in (TOO_FEW, "deadline"), "the server counts its time in tenths of a second"
        head = await read_head(raw, SHARD)
        assert head is not None
        assert head.seq == 4, "the master has it: this is what default mode would have told"
        await ann.store.reconnect()
        ann.store.send([ann.commit(3), ann.commit(4), ann.renewal(4)], lease_ms=LEASE)
        await ann.sink.until(lambda: ann.sink.lost == 2)
        assert len(ann.sink.told) == told, "a repeat proves no more than the first"
    replies = await ann.insist(ann.commit(3), ann.commit(4), ann.commit(5))
    assert [reply.outcome for reply in replies] == [DUPLICATE, DUPLICATE, OK]
    entries = await ann.store.read_journal(SHARD, GENESIS, after_seq=-1, count=9)
    assert [entry.seq for entry in entries] == [1, 2, 3, 4, 5]


async def test_wait_on_another_connection_proves_nothing(group: Group, ann: Node) -> None:
    """Why the pair is a pair, and not one connection that writes and one that waits."""
    writes, waits = client(group[0].url), client(group[0].url)
    try:
        assert await waits.execute_command("WAIT", 1, 100) == 1
        with standing(group[1]):
            async with writes.pipeline(transaction=False) as same:
                same.set("probe", "x")
                same.execute_command("WAIT", 1, 100)
                count = (await same.execute())[1]
            assert count == 0, "the replica does not have it …"
            assert await waits.execute_command("WAIT", 1, 100) == 1, "… and another connection says that it has"
    finally:
        await writes.aclose()
        await waits.aclose()


async def test_claims_foundings_and_renewals_wait_as_commits_do(group: Group, ann: Node) -> None:
    with standing(group[1]):
        told = len(ann.sink.told)
        ann.store.send([ann.renewal(2)], lease_ms=LEASE)
        await ann.sink.until(lambda: ann.sink.lost == 1)
        assert len(ann.sink.told) == told
        for asked in (
            ann.store.found(OTHER, instance=ann.instance, nonce=ann.nonce, lease_ms=LEASE, genesis=GENESIS),
            ann.store.claim(SHARD, instance=ann.instance, nonce=ann.nonce, lease_ms=LEASE),
        ):
            with pytest.raises(StoreUnavailable, match="replicas"):
                await asked
    claim = await ann.store.claim(SHARD, instance=ann.instance, nonce=ann.nonce, lease_ms=LEASE)
    assert claim.outcome is ClaimOutcome.CLAIMED, "the same claim again is no race with itself"


async def test_a_refusal_needs_no_replica(group: Group, ann: Node) -> None:
    bob = Node("bob", RedisShardStore(group[0].url))
    await bob.claim(steal=ann.epoch)
    with standing(group[1]):
        assert (await ann.ask(ann.commit(3)))[0].outcome is CommitOutcome.FENCED
        held = await ann.store.claim(SHARD, instance=ann.instance, nonce=ann.nonce, lease_ms=LEASE)
        assert held.outcome is ClaimOutcome.HELD
    await store_of(bob).close()


async def test_pulses_of_many_shards_overlap_and_each_is_told_once_and_in_order(ann: Node) -> None:
    """Record k+1 leaves while the WAIT of k is still under way; the order of each shard holds."""
    shards = [ShardId(number) for number in range(20, 28)]
    epochs = {}
    for shard in shards:
        claim = await ann.store.found(shard, instance=ann.instance, nonce=ann.nonce, lease_ms=LEASE, genesis=GENESIS)
        assert claim.head is not None
        epochs[shard] = claim.head.epoch
    before = len(ann.sink.told)
    for seq in range(1, 4):
        for half in (shards[:4], shards[4:]):
            ann.store.send([ann.commit(seq, shard=shard, epoch=epochs[shard]) for shard in half], lease_ms=LEASE)
    await ann.sink.until(lambda: len(ann.sink.told) >= before + 3 * len(shards) or ann.sink.lost > 0)
    assert ann.sink.lost == 0
    told = [(request.shard, request.seq) for request, reply in ann.sink.told[before:] if reply.outcome is OK]
    for shard in shards:
        assert [seq for at, seq in told if at == shard] == [1, 2, 3]
    assert len(told) == 3 * len(shards)


async def test_a_lost_connection_of_the_pair_leaves_nothing_half_sent(ann: Node, raw: Redis) -> None:
    commits: list[Commit] = [ann.commit(seq) for seq in (3, 4, 5, 6)]
    for one in commits:
        ann.store.send([one], lease_ms=LEASE)
    await raw.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    await ann.sink.until(lambda: ann.sink.lost == 1)
    await ann.store.reconnect()
    told = len(ann.sink.told)
    left = [one for one in commits if one.seq > max(request.seq for request, _ in ann.sink.told)]
    replies = await ann.ask(*left) if left else []
    assert {reply.outcome for reply in replies} <= {OK, DUPLICATE}
    assert len(ann.sink.told) == told + len(left)
    entries = await ann.store.read_journal(SHARD, GENESIS, after_seq=-1, count=9)
    assert [entry.seq for entry in entries] == [1, 2, 3, 4, 5, 6]


async def test_readiness(group: Group, ann: Node, raw: Redis) -> None:
    """A master that would write without replicas is refused; a replica counts after its first copy only."""
    master, replica = group
    assert "min-replicas-to-write is 0" in (await ann.store.check_safety())[0]
    await raw.config_set("min-replicas-to-write", 1)
    try:
        assert await ann.store.check_safety() == []
        replica.ask("REPLICAOF", "NO", "ONE")
        wait_until(lambda: master.ask("INFO", "replication")["connected_slaves"] == 0, "the replica left")
        with pytest.raises(StoreUnavailable, match="0 of 1 replicas"):
            await ann.store.check_safety()
        ann.store.send([ann.commit(3)], lease_ms=LEASE)
        await ann.sink.until(lambda: ann.sink.lost == 1)
        assert store_of(ann).lost_reason == "NOREPLICAS"
    finally:
        await raw.config_set("min-replicas-to-write", 0)
        replica.follow(master)
    assert (await ann.insist(ann.commit(3)))[0].digest == digest_of(3)
