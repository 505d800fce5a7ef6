"""The command line: worth reading, and it hands the rest over as it is."""

import os
from pathlib import Path

import pytest

from arena import doctor
from arena.datafolder import DataFolder, Running, read_running
from arena.parts import PARTS, stores_of_running
from arena.settings import Settings, SettingsError
from tests.support.ports import free_port
from tests.support.processes import running

WIDE = {"COLUMNS": "160", "TERM": "dumb", "NO_COLOR": "1"}


def test_help_names_every_command_and_what_to_do_first() -> None:
    with running(["-m", "arena", "--help"], **WIDE) as told:
        assert told.ended() == 0
    for word in ("up", "node", "api", "worker", "migrate", "content", "bot", "replay", "verify-match", "bench"):
        assert any(line.startswith(f"│ {word} ") for line in told.lines), word
    for word in ("doctor", "admin", "settings", "arena up runs everything", "Exit code 2"):
        assert word in told.text


@pytest.mark.parametrize(
    "arguments", [["fly"], ["up", "--nodes", "0"], ["up", "--port", "many"], ["up", "--unknown"]], ids=" ".join
)
def test_a_wrong_command_line_is_told_without_a_traceback(arguments: list[str]) -> None:
    with running(["-m", "arena", *arguments], **WIDE) as told:
        assert told.ended() == 2
    assert "Traceback" not in told.text


def test_a_part_gets_its_arguments_as_they_are_and_gives_its_exit_code(tmp_path: Path) -> None:
    with running(["-m", "arena", "replay", str(tmp_path / "no such file")], **WIDE) as told:
        assert told.ended() == 2
    assert "no such file" in told.text
    assert "Traceback" not in told.text


def test_a_parts_help_is_its_own() -> None:
    with running(["-m", "arena", "content", "--help"], **WIDE) as told:
        assert told.ended() == 0
    assert "lint" in told.text


def test_parts_that_need_servers_say_so_when_nothing_runs(tmp_path: Path) -> None:
    with running(["-m", "arena", "content", "stats"], ARENA_DATA=str(tmp_path), **WIDE) as told:
        assert told.ended() == 2
    assert told.lines == [line for line in told.lines if line]
    assert "no `arena up` runs on the data folder" in told.text


def test_every_part_can_be_found() -> None:
    root = Path(__file__).parents[2]
    for part in PARTS.values():
        path = root.joinpath(*part.module.split("."))
        assert path.with_suffix(".py").exists() or (path / "__main__.py").exists(), part.module


def test_parts_use_the_servers_of_the_arena_up_that_runs(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path)
    with pytest.raises(SettingsError, match="ARENA_DATA"):
        stores_of_running(settings)
    told = Running(
        pid=1, address="http://x", database_url="postgresql:///a", redis_url="unix:///b", door_secret="s" * 32
    )
    with DataFolder(tmp_path) as folder:
        folder.tell_running(told)
        assert read_running(tmp_path) == told
        found = stores_of_running(settings)
        assert (found["DATABASE_URL"], found["REDIS_URL"]) == ("postgresql:///a", "unix:///b")
        own = stores_of_running(Settings(data=tmp_path, database_url="postgresql:///mine"))
        assert "DATABASE_URL" not in own
    assert read_running(tmp_path) is None, "the lock is given back"


def test_what_a_killed_one_left_behind_does_not_count_as_running(tmp_path: Path) -> None:
    (tmp_path / "arena.lock").touch()
    (tmp_path / "running.json").write_text('{"pid": 1}')
    assert read_running(tmp_path) is None


def test_settings_are_listed_without_secrets(tmp_path: Path) -> None:
    environment = {
        "DATABASE_URL": "postgresql://u:hidden@h/arena",
        "ARENA_DOOR_SECRET": "hidden-Zq81kLmP0sXc94RtYwBn27VbQ3",
    }
    with running(["-m", "arena", "settings"], **WIDE, **environment) as told:
        assert told.ended() == 0
    assert "hidden" not in told.text
    assert "postgresql://h/arena" in told.text
    assert "ARENA_LEASE_MS" in told.text


def examined(**environment: str) -> dict[str, doctor.Finding]:
    return {finding.what: finding for finding in doctor.examine({"PATH": os.environ["PATH"], **environment})}


def test_the_doctor_finds_a_good_machine_good(tmp_path: Path, redis_url: str, database_url: str) -> None:
    found = examined(ARENA_DATA=str(tmp_path), ARENA_PORT=str(free_port()))
    assert not any(finding.fatal for finding in found.values()), found
    given = examined(
        ARENA_DATA=str(tmp_path), ARENA_PORT=str(free_port()), REDIS_URL=redis_url, DATABASE_URL=database_url
    )
    assert not any(finding.fatal for finding in given.values()), given
    assert "at unix://" in given["Redis"].found


@pytest.mark.parametrize(
    ("environment", "what"),
    [
        ({"ARENA_PORT": "x"}, "Settings"),
        ({"DATABASE_URL": "postgresql://127.0.0.1:1/arena"}, "PostgreSQL"),
        ({"REDIS_URL": "redis://127.0.0.1:1"}, "Redis"),
        ({"ARENA_DATA": "/proc/nothing"}, "Data folder"),
        ({"ARENA_HOST": "192.0.2.77"}, "Public port"),
    ],
)
def test_the_doctor_says_what_is_wrong(environment: dict[str, str], what: str, tmp_path: Path) -> None:
    found = examined(**{"ARENA_DATA": str(tmp_path), "ARENA_PORT": str(free_port()), **environment})
    assert [name for name, finding in found.items() if finding.fatal] == [what]
    assert found[what].advice


def test_the_doctor_warns_of_a_redis_that_forgets(tmp_path: Path, valkey: object, redis_url: str) -> None:
    import redis

    with redis.Redis.from_url(redis_url) as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
        try:
            found = examined(ARENA_DATA=str(tmp_path), ARENA_PORT=str(free_port()), REDIS_URL=redis_url)
            allowed = examined(
                ARENA_DATA=str(tmp_path), ARENA_PORT=str(free_port()), REDIS_URL=redis_url, ARENA_UNSAFE_REDIS="1"
            )
        finally:
            client.config_set("maxmemory-policy", "noeviction")
    assert found["Redis"].fatal
    assert "set it to noeviction" in found["Redis"].advice
    assert not allowed["Redis"].fatal
    assert "may be lost" in allowed["Redis"].advice
