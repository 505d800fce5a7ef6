"""A child process tied to this one: it gets its own session, a log, and dies when its owner dies."""

import importlib.util
import json
import os
import pwd
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from arena.embedded.errors import EmbeddedError

_TETHER = Path(__file__).with_name("tether.py")
_KERNEL_TIES = sys.platform.startswith("linux") and importlib.util.find_spec("_ctypes") is not None


class Identity(NamedTuple):
    """The user a server runs as."""

    uid: int
    gid: int
    name: str


def unprivileged() -> Identity | None:
    """Return whom to run a server as that refuses root: None when we are not root.

    Raises:
        EmbeddedError: we are root and the machine has no user ``nobody``.
    """
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError:
        raise EmbeddedError(
            "PostgreSQL does not run as root, and this machine has no user nobody to run it as: "
            "start arena as an ordinary user, or set DATABASE_URL."
        ) from None
    return Identity(entry.pw_uid, entry.pw_gid, entry.pw_name)


def reachable(path: Path, identity: Identity | None) -> bool:
    """Say whether the user may enter every folder on the way to ``path`` and read what is there."""
    if identity is None:
        return True
    resolved = path.resolve()
    return all(_may_enter(place, identity) for place in (resolved, *resolved.parents))


def _may_enter(place: Path, identity: Identity) -> bool:
    status = place.stat()
    bits = status.st_mode
    if status.st_uid == identity.uid:
        return bool(bits & 0o100)
    if status.st_gid == identity.gid:
        return bool(bits & 0o010)
    return bool(bits & 0o001)


class Child:
    """One program, tied to the main thread of this process (``tether.py``).

    ``death_signal`` is what it gets when we die. ``lock`` is a file it holds locked as long as it lives; a start
    waits up to ``lock_wait_s`` for an earlier holder that is still stopping. Standard output and error go to
    ``log`` (appended), else to ours. ``text`` (short) is its standard input; without it there is none.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        death_signal: signal.Signals,
        identity: Identity | None = None,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
        log: Path | None = None,
        lock: Path | None = None,
        lock_wait_s: float = 20.0,
        watch: bool | None = None,
        text: str | None = None,
    ) -> None:
        self.name = name
        self._command = [str(part) for part in command]
        self._order = {
            "parent": os.getpid(),
            "signal": int(death_signal),
            "uid": identity.uid if identity else None,
            "gid": identity.gid if identity else None,
            "lock": str(lock) if lock else None,
            "lock_wait_s": lock_wait_s,
            "watch": not _KERNEL_TIES if watch is None else watch,
            "text": text,
        }
        self._environment = dict(environment) if environment is not None else None
        self._folder = folder
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the program. Only from the main thread: the kernel ties it to the thread that starts it."""
        assert threading.current_thread() is threading.main_thread(), "the death signal follows the starting thread"
        assert self.poll() is not None or self._process is None, f"{self.name} runs already"
        log = self._log.open("ab") if self._log else None
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(_TETHER), json.dumps(self._order), *self._command],
                stdin=subprocess.PIPE,  # only a watcher reads it: its end means that we are gone
                stdout=log,
                stderr=subprocess.STDOUT if log else None,
                env=self._environment,
                cwd=self._folder,
            )
        except OSError as error:
            raise EmbeddedError(f"{self.name} could not be started: {error.strerror}.") from error
        finally:
            if log:
                log.close()

    @property
    def tied_by_kernel(self) -> bool:
        """Whether the process is the program itself, with no watcher in between (a watcher is used elsewhere)."""
        return not self._order["watch"]

    @property
    def pid(self) -> int:
        """The process id; 0 before the first start."""
        return self._process.pid if self._process else 0

    def poll(self) -> int | None:
        """Return the exit code (negative: the signal that ended it), or None while it runs or never ran."""
        code = self._process.poll() if self._process else None
        if code is not None:
            self.close()
        return code

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def send(self, number: signal.Signals) -> None:
        """Send a signal, if it still runs."""
        if self._process is not None:
            self._process.send_signal(number)

    def kill(self) -> None:
        """End it and everything in its session's process group at once."""
        if self._process is None or self._process.poll() is not None:
            return
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            self._process.kill()  # it has not yet made its own group

    def wait(self, timeout_s: float) -> int | None:
        """Wait for the end; None when it still runs after ``timeout_s``."""
        if self._process is None:
            return None
        try:
            code = self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None
        self.close()
        return code

    def close(self) -> None:
        """Let go of the watcher's pipe (a watcher ends its program then)."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()

    def stop(self, number: signal.Signals, *, timeout_s: float) -> int | None:
        """Send ``number``, wait, kill what remains; returns the exit code."""
        if self._process is None:
            return None
        self.send(number)
        code = self.wait(timeout_s)
        if code is None:
            self.kill()
            code = self.wait(timeout_s)
        return code


def tail_of(log: Path, lines: int = 3) -> str:
    """Return the last lines of a log in one line, for an error text; empty when there is none."""
    try:
        with log.open("rb") as stream:
            stream.seek(max(0, log.stat().st_size - 4096))
            text = stream.read().decode("utf-8", "replace")
    except OSError:
        return ""
    told = [line.strip() for line in text.splitlines() if line.strip()]
    return " · ".join(told[-lines:])
