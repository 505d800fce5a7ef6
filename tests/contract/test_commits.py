"""Every answer to a commit and to a renewal, and what each leaves behind (COMMIT.md §2)."""

import pytest

from gameserver.ports import CommitOutcome, StoreUnavailable
from tests.contract.beds import GENESIS, LEASE, OTHER, SHARD, Bed, Node, digest_of

OK = CommitOutcome.OK


async def owner(bed: Bed, last: int = 0) -> Node:
    """Return a node that founded the shard and committed up to ``last``."""
    node = await bed.node("ann")
    await node.found()
    if last:
        await node.play(1, last)
    return node


async def trail(node: Node, genesis: str = GENESIS) -> list[tuple[int, int, bytes]]:
    """Return the whole journal."""
    entries = await node.store.read_journal(SHARD, genesis, after_seq=-1, count=10_000)
    return [(entry.epoch, entry.seq, entry.record) for entry in entries]


async def refused_without_a_trace(bed: Bed, node: Node, request: object, outcome: CommitOutcome) -> None:
    """Ask, and see that head, journal, results, inbox and lease are as before."""
    head, journal, results = await bed.head(), await trail(node), await bed.results()
    inbox = await node.store.read_inbox({SHARD: "0"}, block_ms=0)
    reply = (await node.ask(request))[0]  # type: ignore[arg-type]  # commits and renewals alike
    assert reply.outcome is outcome
    if head is not None:
        assert (reply.seq, reply.epoch) == (head.seq, head.epoch)
        assert reply.digest == head.digests[head.seq]
    assert (await bed.head(), await trail(node), await bed.results()) == (head, journal, results)
    assert await node.store.read_inbox({SHARD: "0"}, block_ms=0) == inbox


async def test_a_commit_writes_record_and_head(bed: Bed) -> None:
    ann = await owner(bed)
    reply = (await ann.ask(ann.commit(1, clock=42, record=bytes(range(256)))))[0]
    assert (reply.outcome, reply.seq, reply.epoch, reply.digest) == (OK, 1, ann.epoch, digest_of(1))
    assert await trail(ann) == [(ann.epoch, 1, bytes(range(256)))]
    head = await bed.head()
    assert head is not None
    assert (head.seq, head.clock, head.epoch) == (1, 42, ann.epoch)
    assert head.digests == {0: b"", 1: digest_of(1)}


async def test_answers_come_in_the_order_sent_for_all_shards_of_one_write(bed: Bed) -> None:
    ann = await owner(bed)
    await ann.found()
    other = await bed.node("oto")
    await other.found(OTHER)
    requests = []
    for seq in range(1, 5):
        requests.append(ann.commit(seq))
        requests.append(ann.commit(seq, shard=OTHER, nonce=other.nonce, epoch=other.epoch))
    replies = await ann.ask(*requests)
    assert [reply.outcome for reply in replies] == [OK] * 8
    assert [request for request, _ in ann.sink.told] == requests


async def test_results_and_consumed_messages_go_with_the_record_or_not_at_all(bed: Bed) -> None:
    ann = await owner(bed)
    entries = [await bed.post(b"message %d" % n) for n in range(3)]
    await refused_without_a_trace(bed, ann, ann.commit(3, results=(b"r",), consumed=entries), CommitOutcome.BEHIND)
    await refused_without_a_trace(
        bed, ann, ann.commit(1, nonce="x" * 9, results=(b"r",), consumed=entries), CommitOutcome.FENCED
    )
    assert (await ann.ask(ann.commit(1, results=(b"one", b"two"), consumed=entries[:2])))[0].outcome is OK
    assert await bed.results() == [b"one", b"two"]
    left = await ann.store.read_inbox({SHARD: "0"}, block_ms=0)
    assert [(entry.entry, entry.message) for entry in left[SHARD]] == [(entries[2], b"message 2")]


async def test_many_consumed_messages_and_messages_already_gone(bed: Bed) -> None:
    ann = await owner(bed)
    entries = [await bed.post(b"m") for _ in range(3)]
    gone = [f"1-{n}" for n in range(2_500)]
    assert (await ann.ask(ann.commit(1, consumed=gone + entries)))[0].outcome is OK
    assert await ann.store.read_inbox({SHARD: "0"}, block_ms=0) == {}


async def test_a_repeat_is_a_duplicate_and_keeps_the_lease(bed: Bed) -> None:
    ann = await owner(bed)
    commit = ann.commit(1, results=(b"once",))
    await ann.ask(commit)
    journal = await trail(ann)
    await bed.end_lease()
    reply = (await ann.ask(commit))[0]
    assert (reply.outcome, reply.seq) == (CommitOutcome.DUPLICATE, 1)
    assert (await trail(ann), await bed.results()) == (journal, [b"once"])
    left = await bed.lease_left_ms()
    assert left is not None
    assert 0 < left <= LEASE


async def test_a_repeat_after_later_records_is_still_a_duplicate(bed: Bed) -> None:
    ann = await owner(bed, last=8)
    for seq in range(1, 9):
        reply = (await ann.ask(ann.commit(seq)))[0]
        assert (reply.outcome, reply.seq, reply.digest) == (CommitOutcome.DUPLICATE, 8, digest_of(8))


async def test_a_repeat_older_than_the_digests_kept_is_a_fork(bed: Bed) -> None:
    ann = await owner(bed, last=9)
    await refused_without_a_trace(bed, ann, ann.commit(1), CommitOutcome.FORK)


async def test_another_digest_at_a_known_seq_is_a_fork(bed: Bed) -> None:
    ann = await owner(bed, last=3)
    for seq in (1, 2, 3):
        await refused_without_a_trace(bed, ann, ann.commit(seq, digest=digest_of(seq, "other")), CommitOutcome.FORK)


async def test_a_previous_digest_that_is_not_the_heads_is_a_fork(bed: Bed) -> None:
    ann = await owner(bed, last=3)
    await refused_without_a_trace(bed, ann, ann.commit(4, previous=digest_of(3, "other")), CommitOutcome.FORK)
    await refused_without_a_trace(bed, ann, ann.commit(4, previous=b""), CommitOutcome.FORK)


async def test_a_gap_is_behind(bed: Bed) -> None:
    ann = await owner(bed, last=3)
    await refused_without_a_trace(bed, ann, ann.commit(5), CommitOutcome.BEHIND)


async def test_another_nonce_at_a_greater_or_equal_epoch_is_fenced(bed: Bed) -> None:
    ann, bob = await owner(bed, last=2), await bed.node("bob")
    old = ann.epoch
    await bob.claim(steal=old)
    await refused_without_a_trace(bed, ann, ann.commit(3), CommitOutcome.FENCED)
    await refused_without_a_trace(bed, ann, ann.commit(2), CommitOutcome.FENCED)
    await refused_without_a_trace(bed, ann, ann.renewal(2), CommitOutcome.FENCED)
    await refused_without_a_trace(bed, ann, ann.commit(3, epoch=bob.epoch), CommitOutcome.FENCED)


async def test_another_nonce_at_an_older_epoch_means_the_store_fell_back(bed: Bed) -> None:
    ann, bob = await owner(bed, last=2), await bed.node("bob")
    before = await bed.snapshot()
    await bob.claim(steal=ann.epoch)
    await bob.play(3, 4)
    await bed.fall_back(before)
    await refused_without_a_trace(bed, bob, bob.commit(5), CommitOutcome.BEHIND)
    await refused_without_a_trace(bed, bob, bob.renewal(4), CommitOutcome.BEHIND)


async def test_my_own_nonce_at_another_epoch_is_judged_by_the_epoch(bed: Bed) -> None:
    ann = await owner(bed, last=2)
    old = ann.epoch
    await ann.claim()
    await refused_without_a_trace(bed, ann, ann.commit(3, epoch=old), CommitOutcome.FENCED)
    await refused_without_a_trace(bed, ann, ann.commit(3, epoch=ann.epoch + 1), CommitOutcome.BEHIND)
    assert (await ann.ask(ann.commit(3)))[0].outcome is OK


async def test_a_store_that_lost_a_tail_says_behind_with_its_seq_and_digest(bed: Bed) -> None:
    ann = await owner(bed, last=2)
    before = await bed.snapshot()
    await ann.play(3, 5)
    await bed.fall_back(before)
    reply = (await ann.ask(ann.commit(6)))[0]
    assert (reply.outcome, reply.seq, reply.digest) == (CommitOutcome.BEHIND, 2, digest_of(2))


async def test_no_head_or_another_genesis_is_lost(bed: Bed) -> None:
    ann = await owner(bed, last=2)
    await refused_without_a_trace(bed, ann, ann.commit(3, genesis="g2"), CommitOutcome.LOST)
    await refused_without_a_trace(bed, ann, ann.renewal(2, genesis="g2"), CommitOutcome.LOST)
    await bed.wipe()
    await refused_without_a_trace(bed, ann, ann.commit(3), CommitOutcome.LOST)
    await refused_without_a_trace(bed, ann, ann.renewal(2), CommitOutcome.LOST)
    reply = (await ann.ask(ann.commit(3)))[0]
    assert (reply.seq, reply.epoch, reply.digest) == (0, 0, b"")


async def test_an_expired_owner_key_with_my_nonce_is_not_a_loss(bed: Bed) -> None:
    ann, bob = await owner(bed, last=1), await bed.node("bob")
    for request in (ann.commit(2), ann.renewal(2), ann.commit(2)):
        await bed.end_lease()
        assert (await ann.ask(request))[0].outcome in (OK, CommitOutcome.DUPLICATE)
        assert (await bob.claim()).ms_left > 0, "the lease was taken again"


async def test_the_committed_clock_never_runs_back(bed: Bed) -> None:
    ann = await owner(bed)
    clocks = []
    for request in (
        ann.commit(1, clock=700),
        ann.commit(2, clock=300),
        ann.renewal(2, clock=400),
        ann.renewal(2, clock=900),
        ann.commit(3, clock=899),
    ):
        assert (await ann.ask(request))[0].outcome is OK
        head = await bed.head()
        assert head is not None
        clocks.append(head.clock)
    assert clocks == [700, 700, 700, 900, 900]


async def test_a_renewal_keeps_the_lease_and_writes_no_record(bed: Bed) -> None:
    ann = await owner(bed, last=2)
    journal = await trail(ann)
    await bed.end_lease()
    reply = (await ann.ask(ann.renewal(2)))[0]
    assert (reply.outcome, reply.seq, reply.epoch) == (OK, 2, ann.epoch)
    assert await trail(ann) == journal
    assert await bed.lease_left_ms() is not None


async def test_a_renewal_knows_the_timeline(bed: Bed) -> None:
    ann = await owner(bed, last=9)
    assert (await ann.ask(ann.renewal(8)))[0].outcome is OK
    await refused_without_a_trace(bed, ann, ann.renewal(10), CommitOutcome.BEHIND)
    await refused_without_a_trace(bed, ann, ann.renewal(9, digest=digest_of(9, "other")), CommitOutcome.FORK)
    await refused_without_a_trace(bed, ann, ann.renewal(1), CommitOutcome.FORK)


async def test_a_record_of_a_mebibyte_and_an_empty_one(bed: Bed) -> None:
    ann = await owner(bed)
    large = bytes(range(256)) * 4096
    replies = await ann.ask(ann.commit(1, record=large), ann.commit(2, record=b""))
    assert [reply.outcome for reply in replies] == [OK, OK]
    assert [record for _, _, record in await trail(ann)] == [large, b""]


async def lose(bed: Bed, ann: Node, *, applied: bool, answered: int = 0) -> list[CommitOutcome]:
    """Send four records over a line that is cut; resend from the first unconfirmed; return the repeat's outcomes."""
    four = [ann.commit(seq, results=(b"result %d" % seq,)) for seq in range(1, 5)]
    bed.cut_next(ann, applied=applied, answered=answered)
    ann.store.send(four, lease_ms=LEASE)
    await ann.sink.until(lambda: ann.sink.lost == 1)
    assert ann.sink.outcomes == [OK] * answered
    with pytest.raises(StoreUnavailable):
        ann.store.send(four, lease_ms=LEASE)
    await ann.store.reconnect()
    return [reply.outcome for reply in await ann.ask(*four[answered:])]


@pytest.mark.parametrize("answered", [0, 1, 2, 3])
async def test_answers_lost_from_the_nth_of_four_on_are_recognised_when_sent_again(bed: Bed, answered: int) -> None:
    """COMMIT.md §3: every unconfirmed record is sent again, in order, from the first."""
    ann = await bed.shaky_node("ann")
    await ann.found()
    outcomes = await lose(bed, ann, applied=True, answered=answered)
    assert outcomes == [CommitOutcome.DUPLICATE] * (4 - answered)
    assert [seq for _, seq, _ in await trail(ann)] == [1, 2, 3, 4]
    assert await bed.results() == [b"result 1", b"result 2", b"result 3", b"result 4"]


async def test_requests_that_never_arrived_are_done_when_sent_again(bed: Bed) -> None:
    ann = await bed.shaky_node("ann")
    await ann.found()
    assert await lose(bed, ann, applied=False) == [OK] * 4
    assert [seq for _, seq, _ in await trail(ann)] == [1, 2, 3, 4]


async def test_a_connection_dropped_while_answers_are_due_tells_that_they_are_in_doubt(bed: Bed) -> None:
    ann = await owner(bed, last=1)
    ann.store.send([ann.commit(2)], lease_ms=LEASE)
    await ann.store.reconnect()
    assert ann.sink.lost == 1
    assert [reply.outcome for reply in await ann.ask(ann.commit(2), ann.commit(3))][1] is OK


async def test_reconnecting_an_idle_connection_loses_nothing(bed: Bed) -> None:
    ann = await owner(bed, last=1)
    await ann.store.reconnect()
    await ann.store.reconnect()
    assert ann.sink.lost == 0
    await ann.play(2, 3)


async def test_nothing_is_sent_without_a_connection(bed: Bed) -> None:
    ann = await bed.node("ann", connected=False)
    await ann.found()
    with pytest.raises(StoreUnavailable):
        ann.store.send([ann.commit(1)], lease_ms=LEASE)
    assert ann.sink.lost == 0
    await ann.store.reconnect()
    await ann.play(1, 1)
