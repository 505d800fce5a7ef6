"""Watching real processes in tests, without sleeping longer than needed."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil

from tests.support.services import REPOSITORY

WAIT_SECONDS = 20.0


def until(condition: Callable[[], bool], what: str, seconds: float = WAIT_SECONDS) -> None:
    """Wait until the condition holds; fail with ``what`` when it does not in time."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited {seconds} s in vain: {what}"
        time.sleep(0.01)


def alive(pid: int) -> bool:
    """Say whether the process runs (a zombie does not)."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def family_of(pid: int) -> list[psutil.Process]:
    """Return all living descendants."""
    try:
        return [child for child in psutil.Process(pid).children(recursive=True) if alive(child.pid)]
    except psutil.NoSuchProcess:
        return []


class Running:
    """A process under test whose output is read as it comes."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []
        self._news = threading.Condition()
        self._readers = [
            threading.Thread(target=self._read, args=(stream,), daemon=True)
            for stream in (process.stdout, process.stderr)
        ]
        for reader in self._readers:
            reader.start()

    def _read(self, stream: Any) -> None:
        for line in stream:
            with self._news:
                self.lines.append(line.rstrip("\n"))
                self._news.notify_all()
        stream.close()

    @property
    def text(self) -> str:
        """Everything it has written so far."""
        return "\n".join(self.lines)

    def wait_for(self, text: str, seconds: float = WAIT_SECONDS) -> str:
        """Wait for a line with that text; return the line."""

        def found() -> str | None:
            return next((line for line in self.lines if text in line), None)

        with self._news:
            self._news.wait_for(lambda: found() is not None or self.process.poll() is not None, seconds)
        if found() is None:
            for reader in self._readers:
                reader.join(2)
        line = found()
        assert line is not None, f"no line with {text!r}; it wrote:\n{self.text}"
        return line

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def ended(self, seconds: float = WAIT_SECONDS) -> int:
        """Wait for its end; return the exit code."""
        code = self.process.wait(seconds)
        for reader in self._readers:
            reader.join(5)
        return code

    def pid_of(self, part: str) -> int:
        """Return the process id of a descendant whose command line has that text."""
        found = [child.pid for child in family_of(self.process.pid) if part in " ".join(_command(child))]
        assert found, f"no process with {part!r} below {self.process.pid}"
        return found[0]


def _command(process: psutil.Process) -> Sequence[str]:
    try:
        return process.cmdline()
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return ()


@contextlib.contextmanager
def running(arguments: Sequence[str], *, user: int | None = None, **environment: str) -> Iterator[Running]:
    """Run a Python program of the repository; whatever is left of it at the end is killed."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("ARENA_", "PYTEST_"))}
    inherited.pop("DATABASE_URL", None)
    inherited.pop("REDIS_URL", None)
    process = subprocess.Popen(
        [sys.executable, *arguments],
        cwd=REPOSITORY,
        env={**inherited, "PYTHONDONTWRITEBYTECODE": "1", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        user=user,
        group=user,
        extra_groups=[] if user is not None else None,
        start_new_session=True,
    )
    watched = Running(process)
    try:
        yield watched
    finally:
        family = family_of(process.pid)
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        process.wait(10)
        for child in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()


def small_up(
    data: Path, port: int, *, user: int | None = None, kind: str = "node", nodes: int = 2, **environment: str
) -> contextlib.AbstractContextManager[Running]:
    """Run ``arena up`` with small programs (``tests/support/small_programs.py``)."""
    told = {
        "environment": {"ARENA_DATA": str(data), "ARENA_PORT": str(port), **environment},
        "kind": kind,
        "nodes": nodes,
    }
    return running(["-m", "tests.support.small_programs", json.dumps(told)], user=user)
