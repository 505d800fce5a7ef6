"""Real servers for tests: each test process runs its own PostgreSQL and its own Valkey, gone when it ends."""

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from arena.embedded.postgres import Postgres
from arena.embedded.valkey import Valkey

REPOSITORY = Path(__file__).resolve().parents[2]
DATA = REPOSITORY.parent / "shared" / "data"
"""Public data sets that tests read where they are there (``../shared/data`` beside the repository)."""


def public_data(*parts: str) -> Path:
    """Return a file of the public data sets; skip the test, saying why, where they are missing."""
    path = DATA.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"public test data that is not in the repository is missing: ../shared/data/{'/'.join(parts)}")
    return path


_MIGRATE_SECONDS = 60


@contextmanager
def short_folder(prefix: str = "arena-tests-") -> Iterator[Path]:
    """Give a folder with a short path that an unprivileged PostgreSQL may enter (pytest's own is 0700 and deep)."""
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def running_valkey(append_fsync: str = "always") -> Iterator[Valkey]:
    """Give a Valkey of one's own, as production runs it."""
    with short_folder() as home:
        server = Valkey(home, append_fsync=append_fsync)
        server.start()
        try:
            yield server
        finally:
            server.stop()


@contextmanager
def running_postgres() -> Iterator[Postgres]:
    """Give a PostgreSQL of one's own with an empty database; without fsync, for speed (crash tests start theirs)."""
    with short_folder() as home:
        server = Postgres(
            home, options={"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off", "autovacuum": "off"}
        )
        server.start()
        try:
            yield server
        finally:
            server.stop()


def with_database(url: str, database: str) -> str:
    """Return the URL with another database's name."""
    return urlsplit(url)._replace(path=f"/{database}").geturl()


def migrate(url: str) -> None:
    """Bring the database to the newest schema, as an operator does."""
    done = subprocess.run(
        [sys.executable, "-m", "httpapi.migrate"],
        cwd=REPOSITORY,
        env={**os.environ, "DATABASE_URL": url},
        capture_output=True,
        text=True,
        timeout=_MIGRATE_SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"the migrations failed:\n{done.stdout}{done.stderr}"


def create_database(url: str, name: str, template: str) -> str:
    """Create a database as a copy of ``template`` (to which nobody may be connected); returns its URL."""

    async def create() -> None:
        connection = await asyncpg.connect(with_database(url, "postgres"), timeout=10, command_timeout=60)
        try:
            await connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY FILE_COPY')
        finally:
            await connection.close(timeout=10)

    with ThreadPoolExecutor(1) as elsewhere:  # a loop of its own, whatever the tests' loop is doing
        elsewhere.submit(asyncio.run, create()).result(_MIGRATE_SECONDS)
    return with_database(url, name)
