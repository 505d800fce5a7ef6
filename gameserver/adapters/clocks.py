"""The machine's own clocks. Neither is ever told to anybody (told time is the shard clock)."""

import time

_BOOTTIME = getattr(
    time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC
)  # macOS' monotonic clock stops in sleep: no better one


class MachineClocks:
    """``Clocks`` of this machine."""

    def monotonic_ms(self) -> float:
        """Return monotonic time in milliseconds; stands still while the machine sleeps."""
        return time.monotonic() * 1000.0

    def boot_ms(self) -> float:
        """Return monotonic time in milliseconds that goes on while the machine sleeps."""
        return time.clock_gettime(_BOOTTIME) * 1000.0
