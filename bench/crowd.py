"""Several swarms at once: started, told what to do together, listened to while they play."""

import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Final

import msgspec

from bench.swarm import LATENESS_US, Counts, Orders

OPEN_S: Final = 180
DONE_S: Final = 60


class Crowd:
    """Processes that play a load. Use as a context: they are gone at the end."""

    def __init__(self, orders: Sequence[Orders]) -> None:
        self._orders = orders
        self._processes: list[subprocess.Popen[bytes]] = []
        self._lines: queue.Queue[tuple[int, dict[str, Any] | None]] = queue.Queue(maxsize=10_000)
        self.latest: list[dict[str, Any]] = [{} for _ in orders]
        self.codes: list[list[str]] = [[] for _ in orders]
        self.notes: list[dict[str, Any]] = []
        self.closes: dict[str, int] = {}

    def __enter__(self) -> "Crowd":
        for number, orders in enumerate(self._orders):
            process = subprocess.Popen(
                [sys.executable, "-m", "bench.swarm"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ
            )
            self._processes.append(process)
            threading.Thread(target=self._listen, args=(number, process), daemon=True).start()
            self._say(process, msgspec.json.encode(orders))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._processes:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()

    def _say(self, process: subprocess.Popen[bytes], line: bytes) -> None:
        assert process.stdin is not None
        process.stdin.write(line + b"\n")
        process.stdin.flush()

    def _listen(self, number: int, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                self._lines.put((number, json.loads(line)))
        except ValueError:
            pass  # closed under us at the end
        self._lines.put((number, None))

    def tell_all(self, word: str) -> None:
        """Tell every process the same word."""
        for process in self._processes:
            self._say(process, word.encode())

    def wait(self, event: str, seconds: float, look: Callable[[], None]) -> None:
        """Wait until every process has told this event, calling ``look`` after each line.

        Raises:
            RuntimeError: one of them ended, or time is up.
        """
        missing = set(range(len(self._orders)))
        until = time.monotonic() + seconds
        while missing:
            try:
                number, line = self._lines.get(timeout=max(until - time.monotonic(), 0.01))
            except queue.Empty:
                raise RuntimeError(f"load processes did not say {event!r} within {seconds:.0f} s") from None
            if line is None:
                raise RuntimeError(f"a load process ended with code {self._processes[number].wait()}")
            self._take(number, line)
            if line["event"] == event:
                missing.discard(number)
            look()

    def watch(self, seconds: float, look: Callable[[], None]) -> None:
        """Listen for a time."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            try:
                number, line = self._lines.get(timeout=min(left, 0.25))
            except queue.Empty:
                continue
            if line is None:
                raise RuntimeError(f"a load process ended with code {self._processes[number].wait()}")
            self._take(number, line)
            look()

    def _take(self, number: int, line: dict[str, Any]) -> None:
        self.latest[number] = self.latest[number] | line
        if line["event"] == "rooms":
            self.codes[number] = line["codes"]
        if line["event"] == "done":
            self.notes.append(line["notes"])
            for why, times in line["closes"].items():
                self.closes[why] = self.closes.get(why, 0) + times

    def total(self, field: str) -> int:
        """Return a figure of the latest progress, all processes together."""
        return sum(int(line.get(field, 0)) for line in self.latest)

    def counts(self) -> Counts:
        """Return what all have seen, after ``done``."""
        whole = Counts()
        for line in self.latest:
            part = msgspec.convert(line["counts"], Counts, strict=False)
            for name in ("frames", "frame_bytes", "other_frames", "commands", "command_bytes"):
                setattr(whole, name, getattr(whole, name) + getattr(part, name))
            for name in ("acks", "refused", "dropped"):
                setattr(whole, name, getattr(whole, name) + getattr(part, name))
            whole.lag_us = max(whole.lag_us, part.lag_us)
            whole.worst_us = max(whole.worst_us, part.worst_us)
            for table, more in ((whole.receipts, part.receipts), (whole.ack_times, part.ack_times)):
                for step, times in more.items():
                    table[step] = table.get(step, 0) + times
        return whole


def quantile_ms(table: dict[int, int], q: float) -> float | None:
    """Return a quantile of counted latencies in milliseconds; None when there are none."""
    wanted = q * sum(table.values())
    for step in sorted(table):
        wanted -= table[step]
        if wanted <= 0:
            return round((step + 0.5) * LATENESS_US / 1000, 2)
    return None
