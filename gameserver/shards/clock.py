"""The shard clock (COMMIT.md §5): it counts owned, awake time only, and never runs back."""

from typing import Final

STEP_MS_MAX: Final = 250
"""A tick later than this gives the rest of the stall back: nobody's time ran while the node was stuck."""


class ShardClock:
    """Integer milliseconds; advanced once a tick, stamped at each arrival."""

    __slots__ = ("_last_ms", "_remainder", "_stamp", "now", "start")

    def __init__(self, start: int, now_ms: float) -> None:
        self.start = start  # where this owner took it up
        self.now = start
        self._stamp = start
        self._last_ms = now_ms
        self._remainder = 0.0

    def tick(self, now_ms: float) -> int:
        """Advance by the time elapsed since the last tick, at most ``STEP_MS_MAX``, and return the clock."""
        elapsed = min(max(now_ms - self._last_ms, 0.0), STEP_MS_MAX) + self._remainder
        step = int(elapsed)
        self._remainder = elapsed - step
        self._last_ms = now_ms
        self.now = max(self.now + step, self._stamp)
        return self.now

    def stamp(self, now_ms: float) -> int:
        """Return the time of an input that was read at ``now_ms``: never below one already given."""
        since = now_ms - self._last_ms
        if since > STEP_MS_MAX:  # noqa: PLR1730 - asked for every command; a call of min() or max() costs more
            since = STEP_MS_MAX
        at = self.now + int(since) if since > 0.0 else self.now
        if at > self._stamp:  # noqa: PLR1730 - as above
            self._stamp = at
        return self._stamp

    def at_least(self, clock: int) -> None:
        """Jump to a clock that the store knows; never back."""
        self.now = max(self.now, clock)
        self._stamp = max(self._stamp, self.now)

    def hold(self, now_ms: float) -> None:
        """Let time pass without counting it: the shard stands still."""
        self._last_ms = now_ms
