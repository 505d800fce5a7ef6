"""The data folder of ``arena up``: checked, locked against a second one, and telling the others what runs."""

import fcntl
import os
from pathlib import Path
from types import TracebackType

import msgspec
from msgspec import Struct

from arena.values import SettingsError

_LOCK = "arena.lock"
_RUNNING = "running.json"


class Running(Struct, frozen=True, kw_only=True):
    """What runs on a data folder; kept in ``running.json`` (0600: the URLs hold passwords) while it does."""

    pid: int
    address: str
    database_url: str
    redis_url: str
    door_secret: str


class DataFolder:
    """A data folder held by this process. Use as a context: the lock is given back at the end.

    The kernel drops the lock when the process dies, however it dies, so no stale lock can remain.

    Raises:
        SettingsError: it cannot be made or written, or another ``arena up`` holds it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().absolute()
        self.logs = self.path / "logs"
        self._descriptor = -1

    def __enter__(self) -> "DataFolder":
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self.logs.mkdir(exist_ok=True)
            # Root's PostgreSQL runs as another user and must be able to pass through.
            self.path.chmod(0o711 if os.geteuid() == 0 else 0o700)
            self._descriptor = os.open(self.path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise SettingsError(
                f"The data folder {self.path} cannot be written ({error.strerror}): "
                "make it writable, or use another with --data."
            ) from None
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._descriptor)
            raise SettingsError(self._held_by()) from None
        return self

    def _held_by(self) -> str:
        other = read_running(self.path)
        who = f"process {other.pid}, {other.address}" if other else "still starting"
        return (
            f"Another `arena up` already runs on the data folder {self.path} ({who}): "
            "stop it first, or use another folder with --data."
        )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        (self.path / _RUNNING).unlink(missing_ok=True)
        os.close(self._descriptor)

    def tell_running(self, running: Running) -> None:
        """Write down what runs, for ``arena content``, ``arena admin`` and the like."""
        partial = self.path / f".{_RUNNING}"
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(msgspec.json.encode(running))
        partial.rename(self.path / _RUNNING)


def read_running(path: Path) -> Running | None:
    """Return what runs on the data folder; None when nothing does (or it has not told yet)."""
    try:
        with (path / _LOCK).open("rb") as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return msgspec.json.decode((path / _RUNNING).read_bytes(), type=Running)
    except (OSError, msgspec.DecodeError):
        return None
    return None
