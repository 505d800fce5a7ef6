"""How long a shard's journal is, and from where on it is needed (COMMIT.md §8)."""

from collections import deque
from collections.abc import Sequence

from gameserver.shards import limits


class JournalLength:
    """Sizes of the records that are not trimmed yet, oldest first."""

    __slots__ = ("_bytes", "_sizes", "memory_seq")

    def __init__(self) -> None:
        # Bounded by trimming; the hard end is far beyond what a store that cannot trim would take.
        self._sizes: deque[tuple[int, int]] = deque(maxlen=100 * limits.JOURNAL_RECORDS_MAX)
        self._bytes = 0
        self.memory_seq = 0  # the newest record that carries the shard's own state

    def grew(self, seq: int, size: int) -> None:
        """A record of ``size`` bytes was sent."""
        self._sizes.append((seq, size))
        self._bytes += size

    def recovered(self, sizes: Sequence[tuple[int, int]], memory_seq: int) -> None:
        """Take over what recovery read."""
        for seq, size in sizes:
            self.grew(seq, size)
        self.memory_seq = memory_seq

    def middle(self) -> int | None:
        """Return the record up to which rooms should be checkpointed anew; None while the journal is short."""
        if len(self._sizes) < limits.JOURNAL_RECORDS_MAX and self._bytes < limits.JOURNAL_BYTES_MAX:
            return None
        return self._sizes[len(self._sizes) // 2][0]

    @property
    def worth_trimming(self) -> bool:
        """Whether enough records may have gathered; asked often, so without a look at each room."""
        return self._enough(self.memory_seq)

    def trimmable(self, needed_seq: int) -> int | None:
        """Return the seq before which records may go, when enough have gathered to be worth a call."""
        before = min(needed_seq, self.memory_seq)
        return before if self._enough(before) else None

    def _enough(self, before: int) -> bool:
        return bool(self._sizes) and before > self._sizes[0][0] + limits.JOURNAL_RECORDS_MAX // 8

    def trimmed(self, before_seq: int) -> None:
        """Records with seq < ``before_seq`` are gone."""
        while self._sizes and self._sizes[0][0] < before_seq:
            self._bytes -= self._sizes.popleft()[1]
