"""``python -m httpapi.migrate``: brings the database to the newest step of ``migrations/``.

Alembic orders the steps and writes their SQL; asyncpg runs it, one transaction a step, under an advisory lock:
two migrating at once are safe (the second waits, then finds nothing to do). A database newer than this code is
left alone: each step works with the code of the step before. Then the modes of the registry are told to game_modes.
"""

import asyncio
import io
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

import migrations
from httpapi.services.modes import titles
from httpapi.store.rooms import sync_modes

LOCK_KEY: Final = 7_283_118_220_411
CONNECT_S: Final = 10
WAIT_FOR_OTHER_S: Final = 300
LOCK_WAIT: Final = "4s"
STATEMENT_TIME: Final = "60s"

Say = Callable[[str], None]


class MigrationError(Exception):
    """The database could not be migrated; the text is one line with what to do."""


class _Statements(io.StringIO):
    """Keeps what alembic writes as one item a statement, without lone comments and closing semicolons."""

    def __init__(self) -> None:
        super().__init__()
        self.items: list[str] = []

    def write(self, text: str, /) -> int:
        statement = text.strip().rstrip("; \n")
        if statement and not (statement.startswith("--") and "\n" not in statement):
            self.items.append(statement)
        return len(text)


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    return config


def newest() -> str:
    """Return the id of the newest step."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    assert head is not None
    return head


def known() -> frozenset[str]:
    """Return the ids of all steps this code knows."""
    return frozenset(step.revision for step in ScriptDirectory.from_config(_config()).walk_revisions())


def statements(current: str | None) -> list[str]:
    """Return the SQL that leads from step ``current`` (None: an empty database) to the newest."""
    config = _config()
    written = _Statements()
    config.attributes["output"] = written
    command.upgrade(config, f"{current}:head" if current else "head", sql=True)
    return written.items


async def _current(connection: asyncpg.Connection) -> str | None:
    if await connection.fetchval("SELECT to_regclass('alembic_version') IS NULL"):
        return None
    found: str | None = await connection.fetchval("SELECT version_num FROM alembic_version")
    return found


async def _apply(connection: asyncpg.Connection, say: Say) -> str:
    current = await _current(connection)
    if current is not None and current not in known():
        say(f"the database is at step {current}, newer than this code ({newest()}): left as it is")
        return current
    if current == newest():
        return current
    say(f"migrating the database from step {current or 'nothing'} to {newest()}")
    for statement in statements(current):  # BEGIN and COMMIT are among them; closing the connection undoes a step
        await connection.execute(statement)
    return newest()


async def migrate(database_url: str, say: Say = lambda _line: None) -> str:
    """Bring the database to the newest step; return the step it is at.

    Raises:
        MigrationError: it cannot be reached, refused a step, or another migration holds the lock for five minutes.
    """
    try:
        connection = await asyncpg.connect(database_url, timeout=CONNECT_S, server_settings={"timezone": "UTC"})
    except (OSError, ValueError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise MigrationError(
            f"cannot connect to DATABASE_URL: {_one_line(error)}; check the URL and the server"
        ) from error
    try:
        try:
            await connection.execute("SELECT pg_advisory_lock($1)", LOCK_KEY, timeout=WAIT_FOR_OTHER_S)
        except TimeoutError as error:
            raise MigrationError("another migration has held the lock for five minutes; look at pg_locks") from error
        await connection.execute(f"SET lock_timeout = '{LOCK_WAIT}'; SET statement_timeout = '{STATEMENT_TIME}'")
        try:
            step = await _apply(connection, say)
            await sync_modes(connection, titles())
            return step
        except asyncpg.PostgresError as error:
            raise MigrationError(f"a step was refused and undone: {_one_line(error)}") from error
    finally:
        await connection.close(timeout=CONNECT_S)  # ends the advisory lock too


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _tell(line: str) -> None:
    sys.stderr.write(f"migrate: {line}\n")


def main() -> int:
    """Migrate the database named by ``DATABASE_URL``; return the exit code (2: cannot)."""
    url = os.environ.get("DATABASE_URL", "")
    if not url:
        _tell("DATABASE_URL is not set; example: postgresql://user:password@host:5432/arena")
        return 2
    try:
        step = asyncio.run(migrate(url, _tell))
    except MigrationError as error:
        _tell(str(error))
        return 2
    _tell(f"the database is at step {step}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
