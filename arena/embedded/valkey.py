"""A Valkey (or Redis) server of our own: every write on the disk before it is confirmed, nothing ever evicted."""

import socket
from pathlib import Path
from signal import SIGTERM, Signals

from arena.embedded.binaries import ValkeyBinary, find_valkey
from arena.embedded.errors import EmbeddedError
from arena.embedded.folders import kept_secret, make_folder, runtime_folder
from arena.embedded.process import Child, tail_of
from arena.embedded.waiting import wait_ready

_SOCKET = "valkey.sock"
_PROBE_SECONDS = 0.5


class Valkey:
    """One server below ``home`` (data in ``home/valkey``), reached over a unix socket with a password.

    ``append_fsync`` is Redis's setting: ``always`` is the promise; tests of other things may use less.
    """

    name = "Valkey"

    def __init__(self, home: Path, *, binary: ValkeyBinary | None = None, append_fsync: str = "always") -> None:
        self.binary = binary or find_valkey()
        self._data = make_folder(home / "valkey")
        self._socket = runtime_folder(home, _SOCKET) / _SOCKET
        self._password = kept_secret(self._data / "password")
        self.log = home / "valkey.log"
        self._config = self._data / "valkey.conf"
        self._append_fsync = append_fsync
        self.child = Child(
            "Valkey",
            [self.binary.program.resolve(), self._config.resolve()],
            death_signal=SIGTERM,
            folder=self._data,
            log=self.log,
            lock=home / "valkey.lock",
        )

    @property
    def stop_signal(self) -> Signals:
        """What asks it to stop cleanly."""
        return SIGTERM

    @property
    def url(self) -> str:
        """Where it is reached, password included (as redis-py reads it)."""
        return f"unix://:{self._password}@{self._socket}?db=0"

    def launch(self) -> None:
        """Start it without waiting until it is ready."""
        self._write_config()
        self.child.start()

    def _write_config(self) -> None:
        lines = [
            "port 0",
            f"unixsocket {_quoted(self._socket)}",
            "unixsocketperm 700",
            f"requirepass {self._password}",
            f"dir {_quoted(self._data.resolve())}",
            "appendonly yes",
            f"appendfsync {self._append_fsync}",
            "no-appendfsync-on-rewrite no",
            "aof-load-truncated yes",  # a torn last write is cut off after a crash; it was never confirmed
            'save ""',
            "maxmemory-policy noeviction",
            "databases 2",
            "daemonize no",
            "set-proc-title no",
        ]
        try:
            self._config.touch(mode=0o600)
            self._config.write_text("\n".join(lines) + "\n", encoding="utf-8")
        except OSError as error:
            raise EmbeddedError(f"{self._config} cannot be written: {error.strerror}.") from error

    def is_ready(self) -> bool:
        """Ask once whether it answers (it does not while it loads its data).

        Raises:
            EmbeddedError: it has ended.
        """
        if not self.child.running:
            raise EmbeddedError(
                f"Valkey ended with code {self.child.poll()} at its start: {tail_of(self.log)} (see {self.log})"
            )
        question = f"AUTH {self._password}\r\nPING\r\n".encode()
        try:
            with socket.socket(socket.AF_UNIX) as line:
                line.settimeout(_PROBE_SECONDS)
                line.connect(str(self._socket))
                line.sendall(question)
                answer = b""
                while answer.count(b"\r\n") < 2:
                    piece = line.recv(256)
                    if not piece:
                        return False
                    answer += piece
        except OSError:
            return False
        return answer.endswith(b"+PONG\r\n")

    def start(self, timeout_s: float = 30.0) -> str:
        """Start it, wait until it answers, return its URL."""
        self.launch()
        wait_ready(self, timeout_s)
        return self.url

    def stop(self, timeout_s: float = 20.0) -> None:
        """Stop it cleanly: the append-only file is closed. Kills it when it takes longer."""
        self.child.stop(SIGTERM, timeout_s=timeout_s)
        self._socket.unlink(missing_ok=True)


def _quoted(path: Path) -> str:
    """Return the path as a quoted string of the configuration file's grammar."""
    return '"' + str(path).replace("\\", "\\\\").replace('"', '\\"') + '"'
