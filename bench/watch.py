"""What the servers spent: CPU time and memory of their processes, and the nodes' own counters."""

import re
import urllib.request
from collections.abc import Sequence
from typing import Final

import psutil
from msgspec import Struct

from bench.stack import Process

COMMIT: Final = "arena_commit_seconds"
_SAMPLE: Final = re.compile(r"^(\w+)(?:\{(.*)\})? ([0-9.eE+naif-]+)$")


class Reading(Struct, frozen=True):
    """One look at one process: CPU seconds so far, resident bytes, its metrics (name with labels → value)."""

    cpu_s: float
    rss: int
    metrics: dict[str, float]


def read(processes: Sequence[Process]) -> dict[str, Reading]:
    """Look at each process."""
    return {process.name: _read(process) for process in processes}


def _read(process: Process) -> Reading:
    metrics = _metrics(process.metrics) if process.metrics else {}
    seen = psutil.Process(process.pid)
    times = seen.cpu_times()
    return Reading(times.user + times.system, seen.memory_info().rss, metrics)


def _metrics(url: str) -> dict[str, float]:
    with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - our own node's address
        text = answer.read().decode()
    values = {}
    for line in text.splitlines():
        match = _SAMPLE.match(line)
        if match:
            name = match[1] + (f"{{{match[2]}}}" if match[2] else "")
            values[name] = float(match[3])
    return values


def quantile(before: dict[str, float], after: dict[str, float], name: str, q: float) -> float | None:
    """Return a quantile of a histogram between two looks, interpolated within its bucket; None without samples."""
    prefix = f'{name}_bucket{{le="'
    buckets = sorted(
        (float(key[len(prefix) : -2]), value - before.get(key, 0.0))
        for key, value in after.items()
        if key.startswith(prefix)
    )
    if not buckets or buckets[-1][1] <= 0:
        return None
    wanted, low, below = q * buckets[-1][1], 0.0, 0.0
    for bound, count in buckets:
        if count >= wanted:
            return low if bound == float("inf") else low + (bound - low) * (wanted - below) / max(count - below, 1e-9)
        low, below = bound, count
    return low


def added(before: dict[str, float], after: dict[str, float], name: str) -> float:
    """Return by how much a counter grew, all its labels together."""
    return sum(
        value - before.get(key, 0.0) for key, value in after.items() if key == name or key.startswith(f"{name}{{")
    )
