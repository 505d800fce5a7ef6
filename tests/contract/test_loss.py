"""What an owner can give back to a store that lost something: heal and re-found (COMMIT.md §2)."""

import pytest
from msgspec import structs

from gameserver.ports import ClaimOutcome, Commit, CommitOutcome, CommitReply, Healing, JournalEntry, Refounding
from protocol.ids import Nonce
from tests.contract.beds import GENESIS, LEASE, SHARD, Bed, Node, RedisBed, digest_of

OK = CommitOutcome.OK


def healing_of(node: Node, commits: list[Commit], **changes: object) -> Healing:
    """Return what the node would give back: these commits."""
    first = commits[0].seq - 1 if commits else 0
    fields: dict[str, object] = {
        "shard": SHARD,
        "genesis": GENESIS,
        "nonce": node.nonce,
        "epoch": node.epoch,
        "instance": node.instance,
        "claimed": node.epoch,
        "clock": commits[-1].clock if commits else 0,
        "seq": first,
        "digest": digest_of(first),
        "commits": commits,
    }
    return Healing(**(fields | changes))  # type: ignore[arg-type]  # the fields of a Healing


async def heal(node: Node, healing: Healing) -> CommitReply:
    return await node.store.heal(healing, lease_ms=LEASE)


async def trail(node: Node, genesis: str = GENESIS) -> list[tuple[int, bytes]]:
    entries = await node.store.read_journal(SHARD, genesis, after_seq=-1, count=1000)
    return [(entry.seq, entry.record) for entry in entries]


@pytest.mark.parametrize(("kept_from", "fallen_to"), [(1, 0), (1, 3), (3, 3), (4, 3), (2, 9), (3, 12)])
async def test_a_lost_tail_is_given_back_whole(bed: Bed, kept_from: int, fallen_to: int) -> None:
    ann = await bed.node("ann")
    await ann.found()
    snapshots = {0: await bed.snapshot()}
    for seq in range(1, 13):
        await ann.play(seq, seq)
        snapshots[seq] = await bed.snapshot()
    whole, head = await trail(ann), await bed.head()
    await bed.fall_back(snapshots[fallen_to])
    reply = await heal(ann, healing_of(ann, [ann.commit(seq) for seq in range(kept_from, 13)]))
    assert (reply.outcome, reply.seq, reply.epoch, reply.digest) == (OK, 12, ann.epoch, digest_of(12))
    assert await trail(ann) == whole
    healed = await bed.head()
    assert head is not None
    assert healed is not None
    assert (healed.seq, healed.digests, healed.clock, healed.nonce) == (12, head.digests, head.clock, ann.nonce)
    assert (await heal(ann, healing_of(ann, [ann.commit(12)]))).outcome is OK, "twice changes nothing"
    assert await trail(ann) == whole
    await ann.play(13, 14)


async def test_results_come_back_once_and_consumed_messages_go_again(bed: Bed) -> None:
    ann = await bed.node("ann")
    await ann.found()
    entries = [await bed.post(b"%d" % n) for n in range(3)]
    one = ann.commit(1, results=(b"one",), consumed=entries[:1])
    await ann.ask(one)
    before = await bed.snapshot()
    two = ann.commit(2, results=(b"two",), consumed=entries[1:2])
    await ann.ask(two)
    await bed.fall_back(before)
    assert (await heal(ann, healing_of(ann, [one, two]))).outcome is OK
    assert await bed.results() == [b"one", b"two"]
    left = await ann.store.read_inbox({SHARD: "0"}, block_ms=0)
    assert [entry.entry for entry in left[SHARD]] == entries[2:]


async def test_a_store_that_fell_back_before_the_claim_is_claimed_and_healed_at_once(bed: Bed) -> None:
    ann, bob = await bed.node("ann"), await bed.node("bob")
    await ann.found()
    await ann.play(1, 2)
    before = await bed.snapshot()
    await bob.claim(steal=ann.epoch)
    await bob.play(3, 4)
    await bed.fall_back(before)
    reply = await heal(bob, healing_of(bob, [bob.commit(3), bob.commit(4)]))
    assert reply.outcome is OK
    head = await bed.head()
    assert head is not None
    assert (head.nonce, head.epoch, head.claimed, head.seq) == (bob.nonce, bob.epoch, bob.epoch, 4)
    assert (await ann.ask(ann.commit(3)))[0].outcome is CommitOutcome.FENCED
    await bob.play(5, 5)


async def test_what_cannot_be_healed_is_refused_without_a_trace(bed: Bed) -> None:
    ann, bob = await bed.node("ann"), await bed.node("bob")
    await ann.found()
    await ann.play(1, 3)
    before = (await bed.head(), await trail(ann))
    four_and_five = [ann.commit(5), ann.commit(6)]
    wrong = [ann.commit(3, digest=digest_of(3, "other")), ann.commit(4)]
    for healing, outcome in (
        (healing_of(ann, four_and_five), CommitOutcome.BEHIND),
        (healing_of(ann, wrong), CommitOutcome.FORK),
        (healing_of(ann, [ann.commit(2)]), CommitOutcome.FORK),
        (healing_of(ann, [ann.commit(4)], genesis="g2"), CommitOutcome.LOST),
        (healing_of(ann, [ann.commit(4)], nonce=Nonce("another")), CommitOutcome.FENCED),
        (healing_of(ann, [ann.commit(4)], epoch=ann.epoch - 1), CommitOutcome.FENCED),
    ):
        assert (await heal(ann, healing)).outcome is outcome
        assert (await bed.head(), await trail(ann)) == before
    await bob.claim(steal=ann.epoch)
    assert (await heal(ann, healing_of(ann, [ann.commit(4)]))).outcome is CommitOutcome.FENCED
    await bed.wipe()
    assert (await heal(ann, healing_of(ann, [ann.commit(4)]))).outcome is CommitOutcome.LOST


async def pieces(node: Node, genesis: str, first: int, last: int) -> Refounding:
    """Write checkpoints as records first … last of a new journal; return what flips the head."""
    written = [JournalEntry(node.epoch, seq, b"piece %d" % seq) for seq in range(first, last + 1)]
    await node.store.write_pieces(SHARD, genesis, written)
    return Refounding(
        shard=SHARD,
        genesis=genesis,
        nonce=node.nonce,
        epoch=node.epoch,
        instance=node.instance,
        claimed=node.epoch,
        clock=7000,
        seq=last,
        digests={seq: digest_of(seq) for seq in range(max(first - 1, last - 7), last + 1)},
        pieces=len(written),
    )


@pytest.mark.parametrize("emptied", [True, False])
async def test_a_shard_is_founded_again_from_memory_and_goes_on(bed: Bed, emptied: bool) -> None:
    ann = await bed.node("ann")
    await ann.found()
    await ann.claim()
    await ann.play(1, 5)
    if emptied:
        await bed.wipe()
    refounding = await pieces(ann, "g2", 6, 8)
    claim = await ann.store.refound(refounding, lease_ms=LEASE)
    assert claim.outcome is ClaimOutcome.CLAIMED
    head = claim.head
    assert head is not None
    assert head == await bed.head()
    assert head.epoch > ann.epoch
    assert (head.claimed, head.genesis, head.seq, head.clock) == (ann.epoch, "g2", 8, 7000)
    assert head.digests == refounding.digests
    assert await trail(ann, "g2") == [(seq, b"piece %d" % seq) for seq in (6, 7, 8)]
    assert (await ann.ask(ann.commit(9)))[0].outcome is CommitOutcome.LOST, "of the old genesis"
    ann.epoch = head.epoch
    assert (await ann.ask(ann.commit(9, genesis="g2")))[0].outcome is OK
    if isinstance(bed, RedisBed) and not emptied:
        assert 0 < await bed.raw.ttl(f"arena:{{s:{SHARD}}}:journal:{GENESIS}") <= 86_400
    if isinstance(bed, RedisBed):
        assert await bed.raw.ttl(f"arena:{{s:{SHARD}}}:journal:g2") == -1


async def test_the_later_owner_replaces_an_earlier_refounding_never_the_reverse(bed: Bed) -> None:
    ann, bob = await bed.node("ann"), await bed.node("bob")
    await ann.found()
    await ann.claim()
    await bob.claim(steal=ann.epoch)
    await bed.wipe()
    by_ann, by_bob = await pieces(ann, "ga", 1, 2), await pieces(bob, "gb", 1, 2)
    assert (await ann.store.refound(by_ann, lease_ms=LEASE)).outcome is ClaimOutcome.CLAIMED
    assert (await bob.store.refound(by_bob, lease_ms=LEASE)).outcome is ClaimOutcome.CLAIMED
    before = await bed.head()
    assert (await ann.store.refound(await pieces(ann, "gc", 1, 2), lease_ms=LEASE)).outcome is ClaimOutcome.RACED
    assert await bed.head() == before


async def test_a_founding_without_memory_gives_way_to_one_with_memory(bed: Bed) -> None:
    ann, cyd = await bed.node("ann"), await bed.node("cyd")
    await ann.found()
    await ann.claim()
    await bed.wipe()
    await cyd.found(genesis="fresh")
    assert (await ann.store.refound(await pieces(ann, "g2", 1, 1), lease_ms=LEASE)).outcome is ClaimOutcome.CLAIMED
    assert (await cyd.ask(cyd.commit(1, genesis="fresh")))[0].outcome is CommitOutcome.LOST


async def test_pieces_that_were_lost_are_missed(bed: Bed) -> None:
    ann = await bed.node("ann")
    await ann.found()
    refounding = await pieces(ann, "g2", 1, 3)
    await bed.wipe()
    assert (await ann.store.refound(refounding, lease_ms=LEASE)).outcome is ClaimOutcome.MISSING
    assert await bed.head() is None


async def test_two_owners_that_only_ever_founded_do_not_take_turns(bed: Bed) -> None:
    ann, bob = await bed.node("ann"), await bed.node("bob")
    await ann.found()
    await ann.play(1, 2)
    await bed.wipe()
    await bob.found(genesis="gb")
    by_ann, by_bob = await pieces(ann, "ga", 3, 3), await pieces(bob, "gc", 1, 1)
    by_ann, by_bob = structs.replace(by_ann, claimed=0), structs.replace(by_bob, claimed=0)
    first = await ann.store.refound(by_ann, lease_ms=LEASE)
    assert first.head is not None
    assert first.head.claimed == ann.epoch
    assert (await bob.store.refound(by_bob, lease_ms=LEASE)).outcome is ClaimOutcome.RACED
    again = await ann.store.refound(by_ann, lease_ms=LEASE)
    assert again.head is not None, "its answer may have been lost"
    assert again.head.epoch > first.head.epoch
