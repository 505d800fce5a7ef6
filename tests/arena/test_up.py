"""``arena up`` as real processes: real servers, real signals, small programs in the place of ours."""

import json
import os
import pwd
import socket
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from signal import SIGINT, SIGKILL, SIGTERM

import psutil
import pytest

from arena.datafolder import read_running
from arena.embedded.process import Identity, reachable
from tests.support.ports import free_port
from tests.support.processes import Running, alive, family_of, running, small_up, until
from tests.support.services import REPOSITORY, short_folder


def _users() -> list[int | None]:
    """Ourselves; and where we are root and another may read the sources, an ordinary user too."""
    if os.geteuid() != 0:
        return [None]
    nobody = pwd.getpwnam("nobody")
    who = Identity(nobody.pw_uid, nobody.pw_gid, "nobody")
    return [None, who.uid] if reachable(REPOSITORY / "arena" / "up.py", who) else [None]


@pytest.fixture
def data() -> Iterator[Path]:
    with short_folder() as folder:
        yield folder / "data"


def _gone(pids: list[int]) -> None:
    until(lambda: not any(alive(pid) for pid in pids), "all processes have ended")


def _family(up: Running) -> list[int]:
    return [child.pid for child in family_of(up.process.pid)]


@pytest.mark.parametrize("user", _users(), ids=lambda user: "ourselves" if user is None else "unprivileged")
def test_it_tells_where_it_is_and_stops_without_leaving_anything(data: Path, user: int | None) -> None:
    if user is not None:
        os.chown(data.parent, user, user)
    with small_up(data, free_port(), user=user) as up:
        up.wait_for("On this computer   http://127.0.0.1:")
        up.wait_for("Ctrl-C stops it")
        family = _family(up)
        told = read_running(data)
        assert told is not None
        assert told.pid == up.process.pid
        assert stat.S_IMODE((data / "running.json").stat().st_mode) == 0o600
        up.send(SIGTERM)
        assert up.ended() == 0, up.text
        assert "Stopped." in up.text
    _gone(family)
    assert not (data / "running.json").exists()
    assert not [path for path in data.rglob("*") if path.is_socket()]


def test_the_second_start_takes_less_than_the_first_and_finds_everything(data: Path) -> None:
    for _ in range(2):
        started = time.monotonic()
        with small_up(data, free_port()) as up:
            up.wait_for("is ready")
            took = time.monotonic() - started
            up.send(SIGINT)
            assert up.ended() == 0
    assert "The database is created" not in up.text
    assert took < 10


@pytest.mark.parametrize("part", ["node_ready", "HTTPServer", "valkey-server", "postgres"])
def test_a_part_that_is_killed_is_started_again(data: Path, part: str) -> None:
    with small_up(data, free_port()) as up:
        up.wait_for("is ready")
        pid = up.pid_of(part)
        os.kill(pid, SIGKILL)
        line = up.wait_for("was ended by SIGKILL")
        assert "starting it again" in line
        assert "log:" in line
        until(lambda: any(part in " ".join(child.cmdline()) for child in _living(up)), f"{part} runs again")
        until(lambda: up.process.poll() is None and up.pid_of(part) != pid, "it is another process")
        up.send(SIGTERM)
        assert up.ended() == 0


def _living(up: Running) -> list[psutil.Process]:
    return [child for child in family_of(up.process.pid) if alive(child.pid)]


def test_kill_9_of_the_supervisor_leaves_nothing_and_locks_nothing(data: Path) -> None:
    with small_up(data, free_port()) as up:
        up.wait_for("is ready")
        family = _family(up)
        assert len(family) >= 6
        up.send(SIGKILL)
        up.ended()
    _gone(family)
    with small_up(data, free_port()) as again:
        again.wait_for("is ready")
        again.send(SIGTERM)
        assert again.ended() == 0


def test_kill_9_while_it_starts_leaves_nothing_and_spoils_nothing(data: Path) -> None:
    with small_up(data, free_port()) as up:
        until(lambda: any("postgres" in path.name for path in data.glob("*")), "PostgreSQL is being set up")
        family = _family(up)
        up.send(SIGKILL)
        up.ended()
    _gone(family)
    with small_up(data, free_port()) as again:
        again.wait_for("is ready")
        again.send(SIGTERM)
        assert again.ended() == 0


def test_ctrl_c_twice_stops_at_once_although_a_part_does_not_listen(data: Path) -> None:
    with small_up(data, free_port(), kind="stubborn") as up:
        up.wait_for("is ready")
        family = _family(up)
        up.send(SIGINT)
        up.wait_for("Stopping")
        started = time.monotonic()
        while up.process.poll() is None:  # a second one within 0.3 s counts as the same
            up.send(SIGINT)
            time.sleep(0.05)
        assert up.ended() == 130
        assert time.monotonic() - started < 5
    _gone(family)


def _refused(up: Running, *parts: str) -> None:
    """The process ended with 2 and said so in one line with those parts, and no traceback."""
    assert up.ended() == 2, up.text
    errors = [line for line in up.lines if line.startswith("arena:")]
    assert len(errors) == 1, up.text
    for part in parts:
        assert part in errors[0]
    assert "Traceback" not in up.text


def test_a_second_one_on_the_same_data_is_refused(data: Path) -> None:
    with small_up(data, free_port()) as first:
        first.wait_for("is ready")
        with small_up(data, free_port()) as second:
            _refused(second, str(data), f"process {first.process.pid}", "--data")
        first.send(SIGTERM)
        assert first.ended() == 0


def test_a_busy_port_is_refused(data: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, small_up(data, taken.getsockname()[1]) as up:
        _refused(up, f"Port {taken.getsockname()[1]} is taken", "--port")


def test_an_unwritable_data_folder_is_refused(data: Path) -> None:
    data.parent.joinpath("file").write_text("")
    with small_up(data.parent / "file" / "data", free_port()) as up:
        _refused(up, "cannot be written", "--data")


@pytest.mark.parametrize(
    ("environment", "parts"),
    [
        ({"DATABASE_URL": "mysql://somewhere/arena"}, ["DATABASE_URL", "postgresql://"]),
        ({"DATABASE_URL": "postgresql://u:hidden@127.0.0.1:1/arena"}, ["cannot be reached", "DATABASE_URL"]),
        ({"REDIS_URL": "http://somewhere"}, ["REDIS_URL", "redis://"]),
        ({"REDIS_URL": "redis://:hidden@127.0.0.1:1/0"}, ["cannot be reached", "REDIS_URL"]),
        ({"ARENA_RENEW_MS": "1900"}, ["ARENA_RENEW_MS", "third"]),
    ],
    ids=lambda value: next(iter(value.items()))[1] if isinstance(value, dict) else "",
)
def test_wrong_settings_are_refused(data: Path, environment: dict[str, str], parts: list[str]) -> None:
    arguments = ["-m", "arena", "up", "--no-web", "--data", str(data), "--port", str(free_port())]
    with running(arguments, **environment) as up:
        _refused(up, *parts)
        assert "hidden" not in up.text


def test_a_part_that_says_its_settings_are_wrong_ends_the_start_with_its_words(data: Path) -> None:
    with small_up(data, free_port(), kind="wrong") as up:
        _refused(up, "node-", "REDIS_URL is wrong: set it right", "log:")
        assert not _family(up)


def test_servers_of_the_operator_are_used_when_their_urls_are_set(
    data: Path, redis_url: str, fresh_database_url: str
) -> None:
    with small_up(data, free_port(), REDIS_URL=redis_url, DATABASE_URL=fresh_database_url) as up:
        up.wait_for("is ready")
        assert not any("postgres" in " ".join(child.cmdline()) for child in _living(up))
        assert not (data / "valkey").exists()
        told = json.loads((data / "running.json").read_text())
        assert (told["redis_url"], told["database_url"]) == (redis_url, fresh_database_url)
        up.send(SIGTERM)
        assert up.ended() == 0
