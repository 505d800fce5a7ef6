"""A PostgreSQL server of our own, reached over a unix socket with a password.

PostgreSQL refuses root. Then it runs as ``nobody``: its programs are copied where that user may enter when they
are not already there, and when the data folder itself lies below a folder that user may not enter (such as
root's home), its data goes to ``/var/lib/svidnet-arena`` and the data folder holds a link to it.
"""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from signal import SIGINT, SIGKILL, Signals
from urllib.parse import quote

from arena.embedded.binaries import PostgresBinaries, copy_postgres, find_postgres
from arena.embedded.errors import EmbeddedError
from arena.embedded.folders import kept_secret, make_folder, runtime_folder
from arena.embedded.process import Child, Identity, reachable, tail_of, unprivileged
from arena.embedded.waiting import wait_ready

DATABASE = "arena"
_SOCKET = "pg/.s.PGSQL.5432.lock"
_ELSEWHERE = Path("/var/lib/svidnet-arena")
_SET_UP_SECONDS = 120
_NO_PROCESS = 999_999_999  # above any kernel's largest process id


class Postgres:
    """One server below ``home`` (data in ``home/postgres<major>``).

    ``options`` are settings over ours, for tests of other things (``{"fsync": "off"}``).
    """

    name = "PostgreSQL"

    def __init__(
        self, home: Path, *, binaries: PostgresBinaries | None = None, options: Mapping[str, str] | None = None
    ) -> None:
        self._identity = unprivileged()
        self.home = _home_for(home, self._identity)
        self.binaries = self._runnable(binaries or find_postgres())
        self.data = self.home / f"postgres{self.binaries.major}"
        self._refuse_other_major()
        self._sockets = make_folder(runtime_folder(self.home, _SOCKET) / "pg", owner=self._owner())
        self._password = kept_secret(self.home / "postgres.password")
        self.log = self.home / "postgres.log"
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(self._sockets),
            "unix_socket_permissions": "0700",
            "fsync": "on",
            "max_connections": "200",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "log_line_prefix": "%m [%p] ",
            **(options or {}),
        }
        self.child = Child(
            "PostgreSQL",
            [
                self.binaries.folder / "postgres",
                "-D",
                self.data.resolve(),
                *(f"--{name}={value}" for name, value in settings.items()),
            ],
            death_signal=SIGINT,
            identity=self._identity,
            folder=self.home,
            log=self.log,
            lock=self.home / "postgres.lock",
        )

    def _owner(self) -> tuple[int, int] | None:
        return (self._identity.uid, self._identity.gid) if self._identity else None

    def _runnable(self, binaries: PostgresBinaries) -> PostgresBinaries:
        if reachable(binaries.folder / "postgres", self._identity):
            return binaries
        return copy_postgres(binaries, self.home)

    def _refuse_other_major(self) -> None:
        others = [path.name for path in self.home.glob("postgres[0-9]*") if path.is_dir() and path != self.data]
        if others and not self.data.exists():
            raise EmbeddedError(
                f"{self.home} holds the data of {', '.join(sorted(others))}, but PostgreSQL {self.binaries.version} "
                "was found: install that version again (and dump its data), or use another data folder (--data)."
            )

    @property
    def stop_signal(self) -> Signals:
        """What asks it to stop cleanly."""
        return SIGINT

    @property
    def url(self) -> str:
        """Where it is reached, password included (as asyncpg reads it)."""
        return f"postgresql://arena:{self._password}@/{DATABASE}?host={quote(str(self._sockets), safe='/')}"

    def set_up(self) -> bool:
        """Create the data folder if it is not there yet (about a second); False when it was.

        Made beside its place and renamed, so that a half-made one is never used. Only from the main thread.

        Raises:
            EmbeddedError: it cannot be made.
        """
        if self.data.exists():
            return False
        for stale in self.home.glob(f".{self.data.name}-*"):
            shutil.rmtree(stale, ignore_errors=True)
        partial = make_folder(self.home / f".{self.data.name}-{os.getpid()}", owner=self._owner())
        secret = partial / "password"
        folder = partial / "data"
        secret.write_text(self._password, encoding="ascii")
        secret.chmod(0o600)
        if self._identity:
            os.chown(secret, self._identity.uid, self._identity.gid)
        self._run(
            "initdb",
            "--username=arena",
            "--auth=scram-sha-256",
            f"--pwfile={secret}",
            "--encoding=UTF8",
            "--locale=C",
            "--data-checksums",
            f"--pgdata={folder}",
        )
        create = f"CREATE DATABASE {DATABASE} ENCODING 'UTF8'\n"
        self._run("postgres", "--single", "-D", str(folder), "postgres", text=create)
        folder.rename(self.data)
        shutil.rmtree(partial)
        return True

    def _run(self, program: str, *arguments: str, text: str = "") -> None:
        """Run one of PostgreSQL's programs to its end; it dies with us."""
        said = self.home / f".{program}.log"
        said.unlink(missing_ok=True)
        child = Child(
            f"PostgreSQL's {program}",
            [self.binaries.folder / program, *arguments],
            death_signal=SIGKILL,
            identity=self._identity,
            environment={**os.environ, "LC_ALL": "C"},
            folder=self.home,
            log=said,
            text=text,
        )
        child.start()
        code = child.wait(_SET_UP_SECONDS)
        if code is None:
            child.kill()
            raise EmbeddedError(f"PostgreSQL's {program} took longer than {_SET_UP_SECONDS} s in {self.home}.")
        if code != 0:
            raise EmbeddedError(f"PostgreSQL's data could not be created below {self.home}: {tail_of(said, 4)}")
        said.unlink(missing_ok=True)

    def launch(self) -> None:
        """Start it without waiting until it is ready; makes the data folder if need be."""
        self.set_up()
        self._forget_reused_pid()
        self.child.start()

    def _forget_reused_pid(self) -> None:
        """Let the server start although its stale pid file names a process id that something else has now.

        PostgreSQL would refuse. The rest of the file stays: with the shared memory's key in it the server still
        finds out by itself whether backends of the old one live on.
        """
        file = self.data / "postmaster.pid"
        try:
            lines = file.read_text(encoding="utf-8").splitlines()
            pid = int(lines[0])
        except (OSError, ValueError, IndexError):
            return
        if _is_ours(pid, self.data):
            return  # still stopping: the lock makes the new one wait
        file.write_text("\n".join([str(_NO_PROCESS), *lines[1:], ""]), encoding="utf-8")

    def is_ready(self) -> bool:
        """Look once whether it takes connections, as ``pg_ctl`` does: by the last line of its pid file.

        Raises:
            EmbeddedError: it has ended.
        """
        if not self.child.running:
            raise EmbeddedError(
                f"PostgreSQL ended with code {self.child.poll()} at its start: {tail_of(self.log)} (see {self.log})"
            )
        try:
            lines = (self.data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        except OSError:
            return False
        return len(lines) >= 8 and lines[0] == str(self._server_pid(lines[0])) and lines[7].strip() == "ready"

    def _server_pid(self, told: str) -> str:
        """Return the pid the file must name: the child's own, unless a watcher stands in between."""
        return str(self.child.pid) if self.child.tied_by_kernel else told

    def start(self, timeout_s: float = 60.0) -> str:
        """Start it, wait until it takes connections, return its URL."""
        self.launch()
        wait_ready(self, timeout_s)
        return self.url

    def stop(self, timeout_s: float = 20.0) -> None:
        """Stop it cleanly: sessions are ended, a checkpoint is written. Kills it when it takes longer."""
        self.child.stop(SIGINT, timeout_s=timeout_s)


def _home_for(home: Path, identity: Identity | None) -> Path:
    """Return where the server's files go: ``home``, unless the user it runs as may not enter there."""
    make_folder(home, 0o711 if identity else 0o700)
    link = home / "postgres"
    if link.is_symlink():
        return link.resolve()
    if reachable(home, identity):
        return home.resolve()
    mark = hashlib.sha256(os.fsencode(home.resolve())).hexdigest()[:10]
    other = make_folder(_ELSEWHERE / mark, 0o711)
    link.symlink_to(other)
    return other


def _is_ours(pid: int, data: Path) -> bool:
    """Say whether the process is a PostgreSQL on this data folder (its working folder, or its command line)."""
    try:
        return Path(f"/proc/{pid}/cwd").resolve(strict=True) == data.resolve()
    except (OSError, RuntimeError):
        pass
    try:
        told = subprocess.run(
            ["/bin/ps", "-p", str(pid), "-o", "command="], capture_output=True, text=True, timeout=5, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return str(data.resolve()) in told.stdout
