"""What the supervisor keeps running: our own programs and embedded servers, under one interface."""

import json
import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, Protocol

from arena.embedded.errors import EmbeddedError
from arena.embedded.process import Child, tail_of

ROOT: Final = Path(__file__).resolve().parent.parent
"""The folder that holds our packages, so that ``python -m gameserver`` works from any folder."""

LOG_BYTES_MAX: Final = 16 * 1024 * 1024
_PROBE_SECONDS = 1.0


class Unit(Protocol):
    """Something that runs as one child process, is ready at some moment, and can be started again."""

    child: Child
    log: Path

    @property
    def name(self) -> str:
        """Its name in texts."""

    def launch(self) -> None:
        """Start it without waiting; raises ``EmbeddedError`` when it cannot be."""

    def is_ready(self) -> bool:
        """Ask once, quickly, whether it does its work; raises ``EmbeddedError`` when it has ended."""

    @property
    def stop_signal(self) -> signal.Signals:
        """What asks it to stop cleanly."""


class Program:
    """One of our own processes (``python -m MODULE``), logging to a file.

    Its death signal is SIGKILL: when the supervisor is gone, Redis goes too, and there is nothing to drain into.
    A killed process loses nothing that was confirmed; that is what the journal is for.
    """

    def __init__(
        self,
        name: str,
        command: list[str],
        *,
        environment: Mapping[str, str],
        log: Path,
        ready: Callable[["Program"], bool],
    ) -> None:
        self._name = name
        self.log = log
        self._ready = ready
        self._log_start = 0
        self.child = Child(name, command, death_signal=signal.SIGKILL, environment=environment, log=log, folder=None)

    @property
    def name(self) -> str:
        """Its name in texts."""
        return self._name

    @property
    def stop_signal(self) -> signal.Signals:
        """What asks it to drain and stop."""
        return signal.SIGTERM

    def launch(self) -> None:
        """Start it; what it logs from now on is this life's."""
        rotate(self.log)
        self._log_start = self.log.stat().st_size if self.log.exists() else 0
        self.child.start()

    def is_ready(self) -> bool:
        """Ask once whether it does its work."""
        if not self.child.running:
            raise EmbeddedError(f"{self.name} ended with code {self.child.poll()} at its start")
        return self._ready(self)

    def logged(self) -> bytes:
        """Return what it has logged in this life (at most the first 256 KiB)."""
        try:
            with self.log.open("rb") as stream:
                stream.seek(self._log_start)
                return stream.read(256 * 1024)
        except OSError:
            return b""


def rotate(log: Path) -> None:
    """Put a log that has grown beyond 16 MiB aside (one old one is kept)."""
    if log.exists() and log.stat().st_size > LOG_BYTES_MAX:
        log.replace(log.with_name(log.name + ".1"))


def python(module: str, *arguments: str) -> list[str]:
    """Return the command that runs one of our modules."""
    return [sys.executable, "-m", module, *arguments]


def environment_with(more: Mapping[str, str], *, without: tuple[str, ...] = ()) -> dict[str, str]:
    """Return our environment with ``more``, such that our packages are found from any folder."""
    kept = {name: value for name, value in os.environ.items() if name not in without}
    paths = [str(ROOT), *(part for part in kept.get("PYTHONPATH", "").split(os.pathsep) if part)]
    return {**kept, **more, "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths)), "PYTHONUNBUFFERED": "1"}


def says(event: str) -> Callable[[Program], bool]:
    """Ready when it has logged that event (a JSON line with it under ``event``)."""

    def ready(program: Program) -> bool:
        return bool(said(program, event))

    return ready


def said(program: Program, event: str) -> dict[str, object]:
    """Return the JSON line with that event that the program has logged in this life; empty when there is none yet."""
    for line in program.logged().splitlines():
        if event.encode() in line and _event_of(line) == event:
            told: dict[str, object] = json.loads(line)
            return told
    return {}


def _event_of(line: bytes) -> str:
    try:
        told = json.loads(line)
    except ValueError:
        return ""
    return str(told.get("event", "")) if isinstance(told, dict) else ""


def answers(host: str, port: int, path: str) -> Callable[[Program], bool]:
    """Ready when an HTTP GET of ``path`` gives 200."""
    target = "127.0.0.1" if host in ("0.0.0.0", "") else "::1" if host == "::" else host  # noqa: S104 - compared, not bound

    def ready(_program: Program) -> bool:
        question = f"GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n".encode()
        try:
            with socket.create_connection((target, port), timeout=_PROBE_SECONDS) as line:
                line.sendall(question)
                return line.recv(64).split(b" ", 2)[1:2] == [b"200"]
        except OSError:
            return False

    return ready


def last_words_of(log: Path) -> str:
    """Return the last thing in a log, in one line: what a JSON line says, else the line."""
    line = tail_of(log, 1)
    try:
        told = json.loads(line)
    except ValueError:
        return line[:300]
    if not isinstance(told, dict):
        return line[:300]
    text = " ".join(str(told[name]) for name in ("event", "message", "error", "reason") if told.get(name))
    return (text or line)[:300]
