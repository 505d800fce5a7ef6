"""What is known of one connection's line (DESIGN §9): R, J, B, and the clock-sync error.

R = min(lowest ping round trip in the window, TCP round trip of the public socket + 30 ms). Delaying pongs raises
only the first, and the second comes from the kernel. J is the kernel's own mean deviation, never pong spread.
Without times of the public socket R is the ping alone, J is 0 and the line is not rated.
"""

from typing import Final

from protocol.door import TcpTimes

WINDOW_S: Final = 60.0
TCP_MARGIN_US: Final = 30_000
CREDIT_CAP_US: Final = 120_000
UNMEASURED_ONE_WAY_MS: Final = 125  # half of what a bad line takes; only until the first pong
ONE_WAY_MS_MAX: Final = 1_000


def _ms_up(us: float) -> int:
    return -int(-us // 1000)


class LineMeter:
    """The measurement of one connection; implements ``ports.Line``. Whole milliseconds, rounded up."""

    __slots__ = ("_before_us", "_now_us", "_since", "_tcp", "credit_cap_ms", "error_ms", "one_way_ms")

    def __init__(self) -> None:
        self.one_way_ms = UNMEASURED_ONE_WAY_MS
        self.credit_cap_ms = 0
        self.error_ms = UNMEASURED_ONE_WAY_MS
        self._tcp: TcpTimes | None = None
        # The window's minimum is kept as two halves: the running one and the one before it.
        self._now_us = 0
        self._before_us = 0
        self._since = 0.0

    @property
    def rated(self) -> bool:
        """Whether the kernel's times of the public socket are known."""
        return self._tcp is not None

    @property
    def ping_us(self) -> int | None:
        """The lowest ping round trip in the window, microseconds."""
        known = [us for us in (self._now_us, self._before_us) if us]
        return min(known) if known else None

    def pong(self, round_trip_s: float, now: float) -> None:
        """Take the round trip of a ping that was just answered; ``now`` is monotonic seconds."""
        if now - self._since >= WINDOW_S / 2:
            # After a whole window without a pong the older half says nothing any more.
            self._before_us = self._now_us if now - self._since < WINDOW_S else 0
            self._now_us = 0
            self._since = now
        taken = max(1, int(round_trip_s * 1_000_000))
        self._now_us = min(self._now_us, taken) if self._now_us else taken
        self._measure()

    def tcp(self, times: TcpTimes) -> None:
        """Take the kernel's times of the public socket."""
        self._tcp = times
        self._measure()

    def _measure(self) -> None:
        ping, tcp = self.ping_us, self._tcp
        bounds = [] if ping is None else [ping]
        jitter = 0
        if tcp is not None:
            bounds.append(tcp.srtt_us + TCP_MARGIN_US)
            jitter = tcp.rttvar_us
        if not bounds:
            return
        half = min(bounds) / 2
        self.one_way_ms = min(_ms_up(half + jitter), ONE_WAY_MS_MAX)
        self.credit_cap_ms = _ms_up(min(half + jitter, CREDIT_CAP_US))
        self.error_ms = min(_ms_up(half), ONE_WAY_MS_MAX)
