"""Who may open another connection: limits by address, and the pace of new ones.

A classroom shares one address, so what is counted against an address is failures (unknown codes, bad tickets)
and open sockets, never good joins.
"""

import math
from collections import OrderedDict
from typing import Final

from gameserver.net.limits import EdgeLimits

WINDOW_S: Final = 60.0
ROUNDING_S: Final = 1e-6
"""What monotonic seconds, as floats, may be off by; so that a burst of 40 is not now and then one of 39."""


class Pace:
    """A token bucket kept as one number (GCRA): ``per_s`` on average, ``burst`` at once."""

    __slots__ = ("_due", "_interval", "_slack")

    def __init__(self, per_s: float, burst: int) -> None:
        self._interval = 1.0 / per_s
        self._slack = burst / per_s + ROUNDING_S
        self._due = 0.0

    def take(self, now: float) -> float:
        """Take one token; return 0, or how many seconds to wait when there is none."""
        due = max(self._due, now) + self._interval
        if due - now > self._slack:
            return due - now - self._slack
        self._due = due
        return 0.0


class Admission:
    """The books of one listener. ``now`` is monotonic seconds everywhere."""

    def __init__(self, limits: EdgeLimits) -> None:
        self._limits = limits
        self._pace = Pace(limits.opens_per_s, limits.opens_burst)
        self._open: dict[str, int] = {}
        self._failures: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def locked_out(self, who: str, now: float) -> int:
        """Return for how many seconds this address is refused because of its failures; 0: it is not."""
        since, count = self._failures.get(who, (0.0, 0))
        left = since + WINDOW_S - now
        return math.ceil(left) if count >= self._limits.failures_per_minute and left > 0 else 0

    def failed(self, who: str, now: float) -> None:
        """Count a failure of this address."""
        since, count = self._failures.get(who, (now, 0))
        if now - since >= WINDOW_S:
            since, count = now, 0
            self._failures.pop(who, None)  # a new window goes to the end: the front is always the oldest
        self._failures[who] = (since, count + 1)
        if len(self._failures) > self._limits.addresses:
            self._failures.popitem(last=False)

    def crowded(self, who: str) -> bool:
        """Say whether this address has as many sockets open as it may."""
        return self._open.get(who, 0) >= self._limits.connections_per_address

    def wait(self, now: float) -> int:
        """Take a place among the new ones of this second; return 0, or seconds to wait."""
        return math.ceil(self._pace.take(now))

    def opened(self, who: str) -> None:
        """Count an open socket."""
        self._open[who] = self._open.get(who, 0) + 1

    def closed(self, who: str) -> None:
        """Forget an open socket."""
        left = self._open[who] - 1
        if left:
            self._open[who] = left
        else:
            del self._open[who]
