"""Behind Sentinel (COMMIT.md §3): the commits follow the master, through real fail-overs."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from gameserver.adapters.redis_directory import RedisDirectory
from gameserver.adapters.redis_store import RedisShardStore
from gameserver.ports import ClaimOutcome, Commit, CommitOutcome, Healing, StoreUnavailable
from protocol import keys
from protocol.ids import ShardId
from tests.contract.beds import GENESIS, INSIST_S, LEASE, SHARD, Node, digest_of
from tests.support.redis_group import HOST, SERVICE, Watched, wait_until, watched

OK, DUPLICATE, BEHIND = CommitOutcome.OK, CommitOutcome.DUPLICATE, CommitOutcome.BEHIND


@pytest.fixture(scope="module")
def group() -> Iterator[Watched]:
    with watched() as servers:
        yield servers


@pytest.fixture
async def ann(group: Watched) -> AsyncIterator[Node]:
    """Give an owner at seq 2."""
    group.master().ask("FLUSHALL")
    node = Node("ann", RedisShardStore(group.url))
    await node.store.reconnect()
    await node.found()
    await node.play(1, 2)
    yield node
    await store_of(node).close()


def store_of(node: Node) -> RedisShardStore:
    assert isinstance(node.store, RedisShardStore)
    return node.store


async def journal(node: Node) -> list[int]:
    """Return the seqs in the journal, once the cold paths have found the master, too."""
    async with asyncio.timeout(INSIST_S):
        while True:
            try:
                return [one.seq for one in await node.store.read_journal(SHARD, GENESIS, after_seq=-1, count=99)]
            except StoreUnavailable:
                await asyncio.sleep(0.02)


async def test_the_master_is_found_and_everything_else_goes_there_too(group: Watched, ann: Node) -> None:
    await ann.play(3, 5)
    assert (await ann.claim()).outcome is ClaimOutcome.CLAIMED
    assert await ann.store.check_safety() == []
    directory = RedisDirectory(group.url)
    assert await directory.use_ticket("ticket-1")
    assert not await directory.use_ticket("ticket-1")
    await directory.close()


async def test_one_sentinel_of_three_is_enough_and_none_is_unavailable(group: Watched) -> None:
    password, _, service = group.url.partition("@")[0], 0, group.url.rpartition("/")[2]
    last = group.sentinels[2].place
    store = RedisShardStore(f"{password}@{HOST}:1,{HOST}:2,{last}/{service}")
    store.open_commits(Node("x", store).sink)
    await store.reconnect()
    await store.close()
    for url in (f"{password}@{HOST}:1,{HOST}:2/{service}", group.url.replace(SERVICE, "another")):
        store = RedisShardStore(url)
        for asked in (store.reconnect(), store.check_safety()):
            with pytest.raises(StoreUnavailable, match="no sentinel names a master"):
                await asked
        await store.close()


def copied(group: Watched, node: Node) -> None:
    """Wait until the replica has the founding, too."""
    head = f"arena:{{s:{SHARD}}}:head"
    for one in group.data:
        wait_until(lambda one=one: int(one.ask("HGET", head, "epoch") or 0) == node.epoch, "the replica has it")  # type: ignore[misc]  # mypy knows no defaults of lambdas


async def heal(node: Node, known: list[Commit]) -> None:
    healing = Healing(
        shard=ShardId(SHARD),
        genesis=GENESIS,
        nonce=node.nonce,
        epoch=node.epoch,
        instance=node.instance,
        claimed=0,
        clock=known[-1].clock,
        seq=0,
        digest=digest_of(0),
        commits=known,
    )
    assert (await node.store.heal(healing, lease_ms=LEASE)).outcome in (OK, DUPLICATE)


async def test_a_master_that_was_deposed_and_does_not_know_is_left(group: Watched, ann: Node) -> None:
    """After SENTINEL FAILOVER the old master serves on until it is told. What it takes meanwhile is given back."""
    old = group.master()
    copied(group, ann)
    group.sentinels[0].ask("SENTINEL", "FAILOVER", SERVICE)
    new = next(one for one in group.data if one is not old)
    wait_until(lambda: new.ask("ROLE")[0] == b"master", "the replica is master")
    directory = RedisDirectory(group.url)
    assert await directory.use_ticket("before")
    confirmed = 2
    async with asyncio.timeout(INSIST_S):
        while not ann.sink.lost:
            replies = await ann.ask(ann.commit(confirmed + 1)) if not ann.sink.lost else []
            confirmed += len(replies)
            await asyncio.sleep(0.02)
    assert store_of(ann).lost_reason in ("masters changed", "READONLY", "closed")
    replies = await ann.insist(ann.commit(confirmed + 1))
    if replies[0].outcome is BEHIND:
        await heal(ann, [ann.commit(seq) for seq in range(1, confirmed + 1)])
        replies = await ann.insist(ann.commit(confirmed + 1))
    assert replies[0].outcome in (OK, DUPLICATE)
    assert await directory.use_ticket("after")
    assert new.ask("EXISTS", keys.ticket("after")) == 1, "a pool's connection that stood leaves the deposed one, too"
    await directory.close()
    assert [one for one in await journal(ann) if one > 0] == list(range(1, confirmed + 2))
    assert new.ask("XLEN", f"arena:{{s:{SHARD}}}:journal:{GENESIS}") == confirmed + 1
    old.ask("REPLICAOF", HOST, new.port)  # as the sentinels will, in ten seconds
    wait_until(lambda: old.ask("ROLE")[0] == b"slave" and old.ask("ROLE")[3] == b"connected", "it follows the new one")
    group.settle()


async def test_a_master_that_dies_is_followed_by_its_replica(group: Watched, ann: Node) -> None:
    """The new master has never seen our scripts, and may lack the tail: what it lacks is given back."""
    dead = group.master()
    copied(group, ann)
    commits = [ann.commit(seq) for seq in range(3, 7)]
    ann.store.send(commits, lease_ms=LEASE)
    dead.kill()
    told = len(ann.sink.told)
    await ann.sink.until(lambda: ann.sink.lost >= 1)
    confirmed = max(request.seq for request, _ in ann.sink.told)
    assert len(ann.sink.told) >= told
    left = [one for one in commits if one.seq > confirmed]
    replies = await ann.insist(*left, ann.commit(7))
    if replies[0].outcome is BEHIND:  # confirmed by the dead one, and not copied in time
        await heal(ann, [ann.commit(seq) for seq in range(1, confirmed + 1)])
        replies = await ann.insist(*left, ann.commit(7))
    assert {reply.outcome for reply in replies} <= {OK, DUPLICATE}
    assert await journal(ann) == [1, 2, 3, 4, 5, 6, 7]
