"""Records on their way: what each answer means, and what is sent again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gameserver.ports import Commit, CommitOutcome, CommitReply
from gameserver.shards import limits
from gameserver.shards.pipe import Pipe, Verdict
from protocol.ids import Nonce, ShardId


def commit(seq: int, size: int = 10) -> Commit:
    return Commit(
        shard=ShardId(1),
        genesis="g",
        nonce=Nonce("n"),
        epoch=1,
        seq=seq,
        previous=b"p",
        digest=bytes([seq % 256]),
        clock=seq,
        record=b"x" * size,
    )


def reply(outcome: CommitOutcome) -> CommitReply:
    return CommitReply(outcome=outcome)


def behind(seq: int, epoch: int = 1) -> CommitReply:
    return CommitReply(outcome=CommitOutcome.BEHIND, seq=seq, epoch=epoch)


def test_at_most_four_are_unconfirmed() -> None:
    pipe = Pipe(0)
    for seq in range(1, limits.UNCONFIRMED_MAX + 1):
        assert pipe.accepts
        pipe.sent(commit(seq))
    assert not pipe.accepts


@pytest.mark.parametrize("outcome", [CommitOutcome.OK, CommitOutcome.DUPLICATE])
def test_a_confirmation_takes_the_first_off(outcome: CommitOutcome) -> None:
    pipe = Pipe(0)
    pipe.sent(commit(1))
    pipe.sent(commit(2))
    assert pipe.answered(commit(1), reply(outcome), 0.0) is Verdict.CONFIRMED
    assert [item.seq for item in pipe.unconfirmed] == [2]
    assert pipe.confirmed_seq == 1


def test_behind_at_a_seq_never_confirmed_is_only_a_gap() -> None:
    pipe = Pipe(3)
    pipe.sent(commit(4))
    pipe.sent(commit(5))
    assert pipe.answered(commit(5), behind(3), 0.0) is Verdict.RESEND
    assert not pipe.accepts
    assert [item.seq for item in pipe.unconfirmed] == [4, 5]


@pytest.mark.parametrize(("seq", "epoch"), [(2, 1), (2, 0), (3, 0), (4, 0)])
def test_behind_what_was_confirmed_or_before_the_claim_is_a_lost_history(seq: int, epoch: int) -> None:
    pipe = Pipe(3)
    pipe.sent(commit(4))
    assert pipe.answered(commit(4), behind(seq, epoch), 0.0) is Verdict.HEAL


@pytest.mark.parametrize("outcome", [CommitOutcome.FORK, CommitOutcome.LOST])
def test_another_history_is_never_written_over(outcome: CommitOutcome) -> None:
    pipe = Pipe(0)
    pipe.sent(commit(1))
    assert pipe.answered(commit(1), reply(outcome), 0.0) is Verdict.REFOUND


@pytest.mark.parametrize("outcome", [CommitOutcome.OK, CommitOutcome.BEHIND, CommitOutcome.FORK, CommitOutcome.LOST])
def test_while_it_is_mended_only_a_fence_counts(outcome: CommitOutcome) -> None:
    pipe = Pipe(0)
    pipe.sent(commit(1))
    pipe.mending = True
    assert not pipe.accepts
    assert pipe.answered(commit(1), reply(outcome), 0.0) is Verdict.VOID
    assert [item.seq for item in pipe.unconfirmed] == [1]
    assert pipe.answered(commit(1), reply(CommitOutcome.FENCED), 0.0) is Verdict.FENCED


@given(kept=st.integers(0, 9), fell_to=st.integers(0, 9))
def test_what_was_lost_is_given_back_as_far_as_it_is_kept(kept: int, fell_to: int) -> None:
    pipe = Pipe(0)
    for seq in range(1, 10):
        pipe.sent(commit(seq))
        pipe.answered(commit(seq), reply(CommitOutcome.OK), 0.0)
    for _ in range(9 - kept):
        pipe.tail.popleft()
    begins, digest, records = pipe.lost_beyond(fell_to)
    assert [record.seq for record in records] == list(range(max(fell_to, 9 - kept) + 1, 10))
    assert begins == (records[0].seq - 1 if records else 9)
    assert digest == (b"p" if records else bytes([9]))


def test_fenced() -> None:
    pipe = Pipe(0)
    pipe.sent(commit(1))
    assert pipe.answered(commit(1), reply(CommitOutcome.FENCED), 0.0) is Verdict.FENCED


def test_the_tail_is_bounded_by_time_and_by_bytes() -> None:
    pipe = Pipe(0)
    for seq in range(1, 11):
        pipe.sent(commit(seq, size=limits.TAIL_BYTES_MAX // 4))
        pipe.answered(commit(seq, size=limits.TAIL_BYTES_MAX // 4), reply(CommitOutcome.OK), 0.0)
    assert [kept.seq for _, kept in pipe.tail] == [7, 8, 9, 10]
    pipe.sent(commit(11))
    pipe.answered(commit(11), reply(CommitOutcome.OK), limits.TAIL_MS + 1.0)
    assert [kept.seq for _, kept in pipe.tail] == [11]
