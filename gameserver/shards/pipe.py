"""A shard's records on their way to the store: at most four unconfirmed, in order, each sent until answered.

COMMIT.md §3. Whether a record whose answer was lost stands in the journal is unknown; so after any doubt nothing
new is sent, and every unconfirmed record is sent again from the first: the store knows a repeat by its digest.
"""

import enum
from collections import deque

from gameserver.ports import Commit, CommitOutcome, CommitReply
from gameserver.shards import limits


class Verdict(enum.Enum):
    """What an answer means for the shard."""

    CONFIRMED = "confirmed"
    RESEND = "resend"  # a gap, or nothing known: a fresh connection, and again from the first
    FENCED = "fenced"  # another owns the shard: drop it, tell nothing
    DIVERGED = "diverged"  # the store lost confirmed records, or another history stands there


class Pipe:
    """The unconfirmed records of one shard, and the tail of confirmed ones kept for healing."""

    __slots__ = ("_tail_bytes", "confirmed_seq", "in_doubt", "tail", "unconfirmed")

    def __init__(self, confirmed_seq: int) -> None:
        self.confirmed_seq = confirmed_seq
        self.unconfirmed: deque[Commit] = deque(maxlen=limits.UNCONFIRMED_MAX)
        self.tail: deque[tuple[float, Commit]] = deque(maxlen=limits.JOURNAL_RECORDS_MAX)
        self._tail_bytes = 0
        self.in_doubt = False

    @property
    def accepts(self) -> bool:
        """Whether a new record may be sent."""
        return not self.in_doubt and len(self.unconfirmed) < limits.UNCONFIRMED_MAX

    def sent(self, commit: Commit) -> None:
        """A new record is on its way."""
        assert self.accepts
        self.unconfirmed.append(commit)

    def answered(self, commit: Commit, reply: CommitReply, now_ms: float) -> Verdict:
        """Judge the answer to a record; on CONFIRMED it is taken off."""
        if reply.outcome in (CommitOutcome.OK, CommitOutcome.DUPLICATE):
            if not self.unconfirmed or self.unconfirmed[0].seq != commit.seq:
                return Verdict.RESEND
            self.unconfirmed.popleft()
            self.confirmed_seq = commit.seq
            self._keep(commit, now_ms)
            return Verdict.CONFIRMED
        return self.judged(reply)

    def judged(self, reply: CommitReply) -> Verdict:
        """Judge an answer that is not a confirmation."""
        if reply.outcome is CommitOutcome.FENCED:
            return Verdict.FENCED
        if reply.outcome is CommitOutcome.BEHIND and reply.seq >= self.confirmed_seq:
            self.in_doubt = True
            return Verdict.RESEND
        return Verdict.DIVERGED

    def _keep(self, commit: Commit, now_ms: float) -> None:
        self.tail.append((now_ms, commit))
        self._tail_bytes += len(commit.record)
        while self.tail and (self._tail_bytes > limits.TAIL_BYTES_MAX or now_ms - self.tail[0][0] > limits.TAIL_MS):
            self._tail_bytes -= len(self.tail.popleft()[1].record)
