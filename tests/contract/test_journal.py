"""Reading, trimming and cutting a shard's journal."""

import pytest

from protocol.ids import Nonce
from tests.contract.beds import GENESIS, SHARD, Bed, Node


async def seqs(node: Node, after: int = -1, count: int = 10_000) -> list[int]:
    entries = await node.store.read_journal(SHARD, GENESIS, after_seq=after, count=count)
    return [entry.seq for entry in entries]


async def three_epochs(bed: Bed) -> Node:
    """Return an owner after 12 records written in three epochs."""
    ann = await bed.node("ann")
    await ann.found()
    await ann.play(1, 4)
    await ann.claim()
    await ann.play(5, 5)
    await ann.claim()
    await ann.claim()
    await ann.play(6, 12)
    return ann


async def test_a_journal_that_does_not_exist_is_empty(bed: Bed) -> None:
    ann = await bed.node("ann")
    assert await seqs(ann) == []
    assert await ann.store.journal_bounds(SHARD, GENESIS) == (0, 0)


@pytest.mark.parametrize("piece", [1, 2, 5, 12, 100])
async def test_read_in_pieces_over_epochs(bed: Bed, piece: int) -> None:
    ann = await three_epochs(bed)
    read: list[int] = []
    after = -1
    while part := await seqs(ann, after, piece):
        assert len(part) <= piece
        read += part
        after = part[-1]
    assert read == list(range(1, 13))


async def test_read_from_any_seq(bed: Bed) -> None:
    ann = await three_epochs(bed)
    for after in range(-1, 15):
        assert await seqs(ann, after) == list(range(max(after, 0) + 1, 13))


async def test_entries_carry_the_epoch_they_were_written_in(bed: Bed) -> None:
    ann = await three_epochs(bed)
    entries = await ann.store.read_journal(SHARD, GENESIS, after_seq=-1, count=100)
    assert [entry.record for entry in entries] == [b"record %d" % seq for seq in range(1, 13)]
    assert len({entry.epoch for entry in entries}) == 3
    assert [entry.epoch for entry in entries] == sorted(entry.epoch for entry in entries)


async def test_bounds_count_records_and_about_the_bytes(bed: Bed) -> None:
    ann = await bed.node("ann")
    await ann.found()
    await ann.ask(*(ann.commit(seq, record=bytes(10_000)) for seq in range(1, 5)))
    count, size = await ann.store.journal_bounds(SHARD, GENESIS)
    assert count == 4
    assert 40_000 <= size < 120_000


@pytest.mark.parametrize("before", [0, 1, 3, 5, 6, 12, 13, 20])
async def test_trim_deletes_what_is_older(bed: Bed, before: int) -> None:
    ann = await three_epochs(bed)
    left = [seq for seq in range(1, 13) if seq >= before]
    assert await ann.store.trim(SHARD, GENESIS, nonce=ann.nonce, before_seq=before) == 12 - len(left)
    assert await seqs(ann) == left
    await ann.play(13, 13)
    assert await seqs(ann) == [*left, 13]


async def test_only_the_owner_trims_and_only_the_present_journal(bed: Bed) -> None:
    ann = await three_epochs(bed)
    assert await ann.store.trim(SHARD, GENESIS, nonce=Nonce("another"), before_seq=9) == 0
    assert await ann.store.trim(SHARD, "g2", nonce=ann.nonce, before_seq=9) == 0
    assert await ann.store.drop_beyond(SHARD, GENESIS, nonce=Nonce("another"), seq=0) == 0
    assert await seqs(ann) == list(range(1, 13))


async def test_records_beyond_the_head_are_dropped_and_the_next_goes_on(bed: Bed) -> None:
    ann = await three_epochs(bed)
    for seq in (13, 14, 200):
        await bed.stray(ann.epoch, seq)
    bob = await bed.node("bob")
    await bob.claim(steal=ann.epoch)
    assert await bob.store.drop_beyond(SHARD, GENESIS, nonce=bob.nonce, seq=12) == 3
    assert await bob.store.drop_beyond(SHARD, GENESIS, nonce=bob.nonce, seq=12) == 0
    await bob.play(13, 14)
    assert await seqs(bob) == list(range(1, 15))
