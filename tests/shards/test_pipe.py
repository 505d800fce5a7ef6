"""Records on their way: what each answer means, and what is sent again."""

import pytest

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


def reply(outcome: CommitOutcome, seq: int = 0) -> CommitReply:
    return CommitReply(outcome=outcome, seq=seq)


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
    assert pipe.answered(commit(5), reply(CommitOutcome.BEHIND, 3), 0.0) is Verdict.RESEND
    assert not pipe.accepts
    assert [item.seq for item in pipe.unconfirmed] == [4, 5]


def test_behind_a_confirmed_seq_is_a_lost_history() -> None:
    pipe = Pipe(3)
    pipe.sent(commit(4))
    assert pipe.answered(commit(4), reply(CommitOutcome.BEHIND, 2), 0.0) is Verdict.DIVERGED


@pytest.mark.parametrize("outcome", [CommitOutcome.FORK, CommitOutcome.LOST])
def test_another_history_is_never_written_over(outcome: CommitOutcome) -> None:
    pipe = Pipe(0)
    pipe.sent(commit(1))
    assert pipe.answered(commit(1), reply(outcome), 0.0) is Verdict.DIVERGED


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
