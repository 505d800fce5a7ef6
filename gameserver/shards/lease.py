"""How fresh an owner's claim is: when what was last confirmed had been *sent* (COMMIT.md §4, "Frozen")."""

from collections import deque
from collections.abc import Iterable

from gameserver.ports import Clocks


class Lease:
    """Times of requests on their way, by CLOCK_BOOTTIME: monotonic time stands still while the machine sleeps."""

    __slots__ = ("_clocks", "_commits", "_fresh_ms", "_last_sent_ms", "_ms", "_renewals")

    def __init__(self, lease_ms: int, clocks: Clocks) -> None:
        self._ms = lease_ms
        self._clocks = clocks
        self._commits: dict[int, tuple[float, float]] = {}  # seq → (sent, perf counter when its tick began)
        self._renewals: deque[float] = deque(maxlen=64)
        self._fresh_ms = self._last_sent_ms = clocks.boot_ms()

    def began(self, asked_ms: float) -> None:
        """The claim was asked for then; reading the journal may have taken a while since."""
        self._fresh_ms = self._last_sent_ms = asked_ms

    @property
    def stale(self) -> bool:
        """Whether the last confirmation was sent more than half a lease ago: then nothing at all may be told."""
        return self._clocks.boot_ms() - self._fresh_ms > self._ms / 2

    def commit_sent(self, seq: int, started: float) -> None:
        """A record is on its way."""
        self._last_sent_ms = self._clocks.boot_ms()
        self._commits[seq] = (self._last_sent_ms, started)

    def commit_confirmed(self, seq: int) -> float:
        """The record is confirmed; return when its tick began."""
        sent_ms, started = self._commits.pop(seq)
        self._fresh_ms = max(self._fresh_ms, sent_ms)
        return started

    def due(self, every_ms: int) -> bool:
        """Whether nothing was sent for ``every_ms``."""
        return self._clocks.boot_ms() - self._last_sent_ms >= every_ms

    def renewal_sent(self) -> None:
        """A renewal is on its way."""
        self._last_sent_ms = self._clocks.boot_ms()
        self._renewals.append(self._last_sent_ms)

    def renewal_answered(self, *, confirmed: bool) -> None:
        """The oldest renewal on its way was answered."""
        sent_ms = self._renewals.popleft() if self._renewals else self._fresh_ms
        if confirmed:
            self._fresh_ms = max(self._fresh_ms, sent_ms)

    def sent_again(self, seqs: Iterable[int]) -> None:
        """These records go out again on a fresh connection; what else was on its way will not be answered."""
        self._renewals.clear()
        now = self._clocks.boot_ms()
        self._commits = {seq: (now, self._commits[seq][1]) for seq in seqs}

    def mended(self, sent_ms: float, *, anew: bool) -> None:
        """The store took back what it had lost, asked at ``sent_ms``; ``anew``: nothing is on its way any more."""
        self._fresh_ms = max(self._fresh_ms, sent_ms)
        if anew:
            self._commits.clear()
            self._renewals.clear()
