"""Fault points: where a test may have this node kill itself, inside a tick (DECISIONS 13)."""

import os
import signal
from collections.abc import Callable
from typing import Final

POINTS: Final = ("before_commit", "in_flight", "committed_not_told")


def nothing(name: str) -> None:
    """Do nothing: no fault is armed."""


def armed_by_signal(point: str) -> Callable[[str], None]:
    """Return a fault function that kills the process at ``point`` once SIGUSR1 has come.

    Raises:
        ValueError: there is no such point.
    """
    if point not in POINTS:
        raise ValueError(f"there is no fault point {point}: one of {', '.join(POINTS)}")
    armed = False

    def arm(_signal: int, _frame: object) -> None:
        nonlocal armed
        armed = True

    def fault(name: str) -> None:
        if armed and name == point:
            os.kill(os.getpid(), signal.SIGKILL)

    signal.signal(signal.SIGUSR1, arm)
    return fault
