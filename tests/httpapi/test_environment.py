"""A wrong environment at every door of this package, as an operator meets it: exit code 2, one line, what to do."""

from pathlib import Path

import pytest

from tests.support.processes import running

API = ["-m", "httpapi"]
WORKER = ["-m", "httpapi.worker"]
MIGRATE = ["-m", "httpapi.migrate"]
STATS = ["-m", "httpapi.content", "stats"]
ADMIN = ["-m", "httpapi.admin", "list"]
NOWHERE = "postgresql://nobody@127.0.0.1:1/none"


@pytest.mark.parametrize(
    ("program", "environment", "said"),
    [
        (API, {"ARENA_TRUSTED_PROXIES": "everybody"}, "ARENA_TRUSTED_PROXIES must be"),
        (API, {"ARENA_SOCKETS": "-1"}, "ARENA_SOCKETS must be"),
        (API, {"ARENA_RENEW_MS": "1999"}, "ARENA_RENEW_MS must be"),
        (WORKER, {"REDIS_URL": "localhost:6379"}, "REDIS_URL must be"),
        (WORKER, {"ARENA_LOG": "loud"}, "ARENA_LOG must be"),
        (MIGRATE, {"DATABASE_URL": ""}, "DATABASE_URL is not set"),
        (MIGRATE, {"DATABASE_URL": "mysql://h/arena"}, "DATABASE_URL"),
        (MIGRATE, {"DATABASE_URL": "postgresql://h:port/arena"}, "DATABASE_URL"),
        (MIGRATE, {}, "cannot connect to DATABASE_URL"),
        (STATS, {"DATABASE_URL": ""}, "DATABASE_URL is not set"),
        (STATS, {"DATABASE_URL": "nonsense"}, "DATABASE_URL must be"),
        (STATS, {}, "the database did not do it"),
        (ADMIN, {"DATABASE_URL": ""}, "DATABASE_URL is not set"),
        (ADMIN, {"ARENA_PORT": "70000"}, "ARENA_PORT must be"),
        (ADMIN, {}, "the database cannot be reached"),
    ],
    ids=lambda value: value[1] if isinstance(value, list) else None if isinstance(value, str) else str(value)[:40],
)
def test_one_clear_line(program: list[str], environment: dict[str, str], said: str, tmp_path: Path) -> None:
    told = {"DATABASE_URL": NOWHERE, "REDIS_URL": "redis://127.0.0.1:1/0", "ARENA_DATA": str(tmp_path), **environment}
    with running(program, **told) as process:
        assert process.ended() == 2, process.text
        assert len(process.lines) == 1, process.text
    assert said in process.lines[0]
    assert "Traceback" not in process.text
