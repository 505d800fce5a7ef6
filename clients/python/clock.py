"""The clocks (SPEC §8): the server's shard clock as seen from here, with a bound on the error.

All times are whole milliseconds; ``now`` is this client's own monotonic clock.
"""

from collections import deque
from typing import Final, NamedTuple

from protocol.types import View

SAMPLES_KEPT: Final = 8
BURST: Final = 5
BURST_EVERY_MS: Final = 100
EVERY_MS: Final = 10_000
DRIFT_MS: Final = 10_000  # an error grows by 1 ms in this time


class Sample(NamedTuple):
    """One measurement: shard clock − our clock, at most ``error`` wrong at ``at``."""

    offset: int
    error: int
    at: int


class ClockSync:
    """Keeps the estimate. ``reset`` at each change of epoch."""

    def __init__(self) -> None:
        self._samples: deque[Sample] = deque(maxlen=SAMPLES_KEPT)
        self._floor: int | None = None
        self._epoch = -1
        self._asked = 0
        self._ask_at: int | None = None

    def reset(self, epoch: int, now: int) -> None:
        """Forget everything and begin a burst of questions."""
        self._samples.clear()
        self._floor = None
        self._epoch = epoch
        self._asked = 0
        self._ask_at = now

    def stop(self) -> None:
        """Ask no more: the connection is gone."""
        self._ask_at = None

    @property
    def ask_at(self) -> int | None:
        """When the next question is due; None: never."""
        return self._ask_at

    def asked(self, now: int) -> None:
        """Note that a question was sent."""
        self._asked += 1
        self._ask_at = now + (BURST_EVERY_MS if self._asked < BURST else EVERY_MS)

    def answered(self, asked: int, shard: int, epoch: int, now: int) -> bool:
        """Take an answer; False when it is void."""
        rtt = now - asked
        if epoch != self._epoch or rtt < 0:
            return False
        self._samples.append(Sample(shard - asked - rtt // 2, rtt // 2 + 1, now))
        return True

    def saw(self, clock: int, now: int) -> None:
        """Take note that the shard clock is at least ``clock``."""
        least = clock - now
        if self._floor is None or least > self._floor:
            self._floor = least

    def _best(self, now: int) -> Sample | None:
        return min(self._samples, key=lambda sample: _error(sample, now), default=None)

    def shard(self, now: int) -> int | None:
        """Return the shard clock as estimated; None before anything is known."""
        best = self._best(now)
        offsets = [offset for offset in (best and best.offset, self._floor) if offset is not None]
        return now + max(offsets) if offsets else None

    def error(self, now: int) -> int | None:
        """Return by how much the estimate may be wrong while the server's clock runs; None: not measured."""
        best = self._best(now)
        return None if best is None else _error(best, now)

    def room(self, view: View, now: int) -> int | None:
        """Return the room clock, from the view's ``clock``; None before anything is known."""
        clock = view.get("clock")
        if not isinstance(clock, dict):
            return None
        stopped = clock.get("stopped")
        if stopped is not None:
            return int(stopped)
        shard = self.shard(now)
        return None if shard is None else shard - int(clock["offset"])


def _error(sample: Sample, now: int) -> int:
    return sample.error + max(0, now - sample.at) // DRIFT_MS


def stands_still(view: View) -> bool:
    """Say whether the room's clock stands still."""
    clock: dict[str, int | None] = view.get("clock") or {}
    return clock.get("stopped") is not None
