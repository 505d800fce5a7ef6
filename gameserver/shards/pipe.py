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
    RESEND = "resend"  # a gap: a fresh connection, and again from the first
    FENCED = "fenced"  # another owns the shard: drop it, tell nothing
    HEAL = "heal"  # the store fell back behind what it had confirmed: give it back
    REFOUND = "refound"  # another history stands there, or none: found the shard again from memory
    VOID = "void"  # says nothing: everything is asked again anyway


class Pipe:
    """The unconfirmed records of one shard, and the tail of confirmed ones kept for healing."""

    __slots__ = (
        "_tail_bytes",
        "confirmed_clock",
        "confirmed_digest",
        "confirmed_seq",
        "in_doubt",
        "mending",
        "tail",
        "unconfirmed",
    )

    def __init__(self, confirmed_seq: int, digest: bytes = b"", clock: int = 0) -> None:
        self.confirmed_seq = confirmed_seq
        self.confirmed_digest = digest
        self.confirmed_clock = clock  # the greatest, of records and of renewals
        self.unconfirmed: deque[Commit] = deque(maxlen=limits.UNCONFIRMED_MAX)
        self.tail: deque[tuple[float, Commit]] = deque(maxlen=limits.JOURNAL_RECORDS_MAX)
        self._tail_bytes = 0
        self.in_doubt = False
        self.mending = False  # the store lost something of this shard: it stands still until that is given back

    @property
    def accepts(self) -> bool:
        """Whether a new record may be sent."""
        return not self.in_doubt and not self.mending and len(self.unconfirmed) < limits.UNCONFIRMED_MAX

    def sent(self, commit: Commit) -> None:
        """A new record is on its way."""
        assert self.accepts
        self.unconfirmed.append(commit)

    def answered(self, commit: Commit, reply: CommitReply, now_ms: float) -> Verdict:
        """Judge the answer to a record; on CONFIRMED it is taken off."""
        if self.mending or reply.outcome not in (CommitOutcome.OK, CommitOutcome.DUPLICATE):
            return self.judged(commit.epoch, reply)
        if not self.unconfirmed or self.unconfirmed[0].seq != commit.seq:
            return Verdict.RESEND
        self.unconfirmed.popleft()
        self.confirmed_seq, self.confirmed_digest = commit.seq, commit.digest
        self.confirmed_clock = max(self.confirmed_clock, commit.clock)
        self._keep(commit, now_ms)
        return Verdict.CONFIRMED

    def judged(self, epoch: int, reply: CommitReply) -> Verdict:
        """Judge an answer, to a request of ``epoch``, that confirms nothing."""
        outcome = reply.outcome
        if outcome is CommitOutcome.FENCED:
            return Verdict.FENCED
        if self.mending:
            return Verdict.VOID
        if outcome is not CommitOutcome.BEHIND:
            return Verdict.REFOUND
        if reply.epoch < epoch or reply.seq < self.confirmed_seq:
            return Verdict.HEAL
        self.in_doubt = True
        return Verdict.RESEND

    def lost_beyond(self, seq: int) -> tuple[int, bytes, list[Commit]]:
        """Return what a store that fell back to ``seq`` lost, as far as it is kept: where it begins, the digest there,
        and the records after it.
        """
        kept = [commit for _, commit in self.tail if commit.seq > seq]
        if not kept:
            return self.confirmed_seq, self.confirmed_digest, []
        return kept[0].seq - 1, kept[0].previous, kept

    def _keep(self, commit: Commit, now_ms: float) -> None:
        if len(self.tail) == self.tail.maxlen:
            self._tail_bytes -= _size(self.tail.popleft()[1])
        self.tail.append((now_ms, commit))
        self._tail_bytes += _size(commit)
        while self.tail and (self._tail_bytes > limits.TAIL_BYTES_MAX or now_ms - self.tail[0][0] > limits.TAIL_MS):
            self._tail_bytes -= _size(self.tail.popleft()[1])


def _size(commit: Commit) -> int:
    return len(commit.record) + sum(map(len, commit.results))
