"""A journal that does not fit its head: a store that fell back in between is looked at again, soon."""

import itertools
from pathlib import Path

import pytest

from gameserver.ports import Head
from gameserver.shards import claiming, recovery
from protocol.client import SetReady
from protocol.ids import ShardId, shard_of
from tests.shards.support import CODE, SHARDS, Node

SHARD = shard_of(CODE, SHARDS)


async def test_a_store_that_fell_back_between_claim_and_reading_delays_the_shard_only_a_little(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = Node(tmp_path)
    await node.start()
    await node.create()
    ann = await node.join("ann")
    before = node.world.snapshot()
    ann.command(SetReady, ready=True)
    await node.tick()
    node.clocks.now += 10_000
    second = Node(tmp_path, name="b", world=node.world, clocks=node.clocks)
    read = recovery.read_records
    falls = [None]

    async def read_later(store: object, shard: ShardId, head: Head) -> object:
        if shard == SHARD and falls:
            falls.pop()
            node.world.fall_back(before)
        return await read(second.keeper.store, shard, head)

    monkeypatch.setattr(claiming.recovery, "read_records", read_later)
    await second.start()
    assert second.keeper.owned(SHARD) is None
    waited = 0
    while second.keeper.owned(SHARD) is None:
        node.clocks.now += 50
        waited += 50
        assert waited <= 5_000, "it is not tried again"
        await second.keeper.claim_free()
    assert CODE in second.keeper.shards[SHARD].rooms


async def test_a_journal_that_stays_broken_is_asked_for_less_and_less_often(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[float] = []
    node = Node(tmp_path)

    read = recovery.read_records

    async def broken(_store: object, shard: ShardId, head: Head) -> object:
        if shard != SHARD:
            return await read(node.store, shard, head)
        tries.append(node.clocks.now)
        raise recovery.JournalBroken("for good")

    monkeypatch.setattr(claiming.recovery, "read_records", broken)
    await node.start()
    for _ in range(2_000):
        node.clocks.now += 50
        await node.keeper.claim_free()
    pauses = [int(later - earlier) for earlier, later in itertools.pairwise(tries)]
    assert pauses == sorted(pauses)
    assert 10 * node.keeper.settings.lease_ms <= pauses[-1] <= 11 * node.keeper.settings.lease_ms
