"""Who holds a shard: found, claim, steal, release (COMMIT.md §2)."""

import asyncio

from gameserver.ports import ClaimOutcome, CommitOutcome
from protocol.ids import Nonce
from tests.contract.beds import GENESIS, LEASE, OTHER, SHARD, WAIT_S, Bed


async def test_a_shard_without_a_head_is_missing_until_it_is_founded(bed: Bed) -> None:
    ann = await bed.node("ann")
    assert (await ann.claim()).outcome is ClaimOutcome.MISSING
    founded = await ann.found()
    assert founded.outcome is ClaimOutcome.CLAIMED
    assert founded.head is not None
    assert founded.head.epoch > 1_700_000_000_000_000, "an epoch is the store's microseconds since 1970"
    assert founded.head == await bed.head()
    assert (founded.head.seq, founded.head.clock, founded.head.claimed) == (0, 0, 0)
    assert (founded.head.nonce, founded.head.genesis, founded.head.digests) == (ann.nonce, GENESIS, {0: b""})


async def test_founding_what_is_founded_is_raced_and_changes_nothing(bed: Bed) -> None:
    ann, bob = await bed.node("ann"), await bed.node("bob")
    await ann.found()
    before = await bed.head()
    assert (await bob.found(genesis="g2")).outcome is ClaimOutcome.RACED
    assert await bed.head() == before


async def test_a_held_shard_tells_how_long_it_is_held(bed: Bed) -> None:
    ann, bob = await bed.node("ann"), await bed.node("bob")
    await ann.found()
    answer = await bob.claim()
    assert answer.outcome is ClaimOutcome.HELD
    assert 0 < answer.ms_left <= LEASE
    assert answer.head is None


async def test_a_lease_that_ran_out_lets_another_claim(bed: Bed) -> None:
    ann, bob = await bed.node("ann"), await bed.node("bob")
    await ann.found()
    await ann.play(1, 10)
    await bed.end_lease()
    claimed = await bob.claim()
    assert claimed.outcome is ClaimOutcome.CLAIMED
    head = claimed.head
    assert head is not None
    assert head.epoch > ann.epoch
    assert head.claimed == head.epoch
    assert (head.nonce, head.seq, head.clock, head.genesis) == (bob.nonce, 10, 500, GENESIS)
    assert sorted(head.digests) == list(range(3, 11)), "the digests of the last 8 seqs stay"
    assert head == await bed.head()


async def test_epochs_grow_even_when_the_store_has_a_greater_one_than_its_time(bed: Bed) -> None:
    ann = await bed.node("ann")
    await ann.found()
    epochs = [ann.epoch]
    for _ in range(5):  # the memory's time stands still: the same microsecond
        await bed.end_lease()
        await ann.claim()
        epochs.append(ann.epoch)
    assert epochs == sorted(set(epochs))


async def test_a_lease_runs_out_by_itself(bed: Bed) -> None:
    ann, bob = await bed.node("ann"), await bed.node("bob")
    await ann.found()
    await bed.end_lease()
    await ann.claim(lease_ms=20)
    async with asyncio.timeout(WAIT_S):
        while (answer := await bob.claim()).outcome is ClaimOutcome.HELD:
            await bed.pass_time()
    assert answer.outcome is ClaimOutcome.CLAIMED


async def test_steal_takes_a_held_shard_from_the_epoch_named(bed: Bed) -> None:
    ann, bob = await bed.node("ann"), await bed.node("bob")
    await ann.found()
    old = ann.epoch
    assert (await bob.claim(steal=old)).outcome is ClaimOutcome.CLAIMED
    assert bob.epoch > old
    reply = (await ann.ask(ann.commit(1)))[0]
    assert (reply.outcome, reply.epoch) == (CommitOutcome.FENCED, bob.epoch)


async def test_steal_from_another_epoch_is_raced(bed: Bed) -> None:
    ann, bob, cyd = [await bed.node(name) for name in ("ann", "bob", "cyd")]
    await ann.found()
    old = ann.epoch
    await bob.claim(steal=old)
    before = await bed.head()
    assert (await cyd.claim(steal=old)).outcome is ClaimOutcome.RACED
    assert await bed.head() == before


async def test_a_claim_whose_answer_was_lost_may_come_again(bed: Bed) -> None:
    ann, bob = await bed.node("ann"), await bed.node("bob")
    await ann.found()
    first = ann.epoch
    await bob.claim(steal=first)
    stolen = bob.epoch
    again = await bob.claim(steal=first)
    assert again.outcome is ClaimOutcome.CLAIMED
    assert bob.epoch > stolen
    assert (await bob.claim()).outcome is ClaimOutcome.CLAIMED


async def test_release_frees_the_shard_and_fences_what_comes_later(bed: Bed) -> None:
    ann, bob = await bed.node("ann"), await bed.node("bob")
    await ann.found()
    await ann.play(1, 2)
    assert await ann.store.release(SHARD, nonce=ann.nonce)
    assert await bed.lease_left_ms() is None
    for request in (ann.commit(3), ann.commit(2), ann.renewal(2)):
        assert (await ann.ask(request))[0].outcome is CommitOutcome.FENCED
    assert (await bob.claim()).outcome is ClaimOutcome.CLAIMED


async def test_only_the_owner_releases(bed: Bed) -> None:
    ann = await bed.node("ann")
    await ann.found()
    before = await bed.head()
    assert not await ann.store.release(SHARD, nonce=Nonce("another"))
    assert not await ann.store.release(OTHER, nonce=ann.nonce)
    assert await bed.head() == before
    assert await bed.lease_left_ms() is not None


async def test_shards_do_not_know_of_each_other(bed: Bed) -> None:
    ann, bob = await bed.node("ann"), await bed.node("bob")
    await ann.found()
    assert (await bob.claim(OTHER)).outcome is ClaimOutcome.MISSING
    assert (await bob.found(OTHER)).outcome is ClaimOutcome.CLAIMED


async def test_looking_at_a_shard_changes_nothing(bed: Bed) -> None:
    ann, bob = await bed.node("ann"), await bed.node("bob")
    assert await bob.store.look(SHARD) is None
    await ann.found()
    await ann.claim()
    await ann.play(1, 10)
    before = await bed.head()
    look = await bob.store.look(SHARD)
    assert look is not None
    assert (look.head, look.instance) == (before, ann.instance)
    assert await bed.head() == before
    await ann.store.release(SHARD, nonce=ann.nonce)
    look = await bob.store.look(SHARD)
    assert look is not None
    assert look.head.nonce == ""
