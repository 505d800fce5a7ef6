"""PostgreSQL or Redis is away: what can be answered is, the rest is 503 with Retry-After; afterwards all goes on."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest
import pytest_asyncio
from starlette.applications import Starlette

from arena.embedded.postgres import Postgres
from arena.keys import SigningKeys
from httpapi.services.chronicle import Came, Chronicle
from httpapi.store import database as database_module
from httpapi.store.database import Database, DatabaseUnavailable
from tests.support.api import be_guest, fresh_address, settings_for, started
from tests.support.asgi import Client
from tests.support.rooms_desk import live_node, open_card
from tests.support.services import with_database

NOWHERE = "postgresql://arena@127.0.0.1:1/arena"
NO_REDIS = "redis://127.0.0.1:1/0"


class Switch:
    """A port before PostgreSQL's socket that can be shut."""

    def __init__(self, socket_path: str) -> None:
        self._path = socket_path
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def shut(self) -> None:
        assert self._server is not None
        self._server.close()
        for writer in tuple(self._writers):
            writer.transport.abort()
        if self._tasks:
            _, left = await asyncio.wait(self._tasks, timeout=10)
            assert not left

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        there_reader, there_writer = await asyncio.open_unix_connection(self._path)
        both = {writer, there_writer}
        self._writers |= both
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_pump(reader, there_writer))
                group.create_task(_pump(there_reader, writer))
        finally:
            for one in both:
                one.transport.abort()
            self._writers -= both


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65_536):
            writer.write(data)
    writer.transport.abort()


@pytest_asyncio.fixture(loop_scope="session")
async def away(redis_url: str, keys: SigningKeys, tmp_path: Path) -> AsyncIterator[Starlette]:
    async with started(settings_for(NOWHERE, redis_url), keys, tmp_path) as app:
        yield app


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/api/auth/guest", {"name": "Ann", "client": "bot"}),
        ("POST", "/api/auth/login", {"username": "ann", "password": "x", "client": "bot"}),
        ("POST", "/api/auth/register", {"username": "annie", "password": "correct horse", "client": "bot"}),
        ("POST", "/api/auth/refresh", {"refresh_token": "A" * 43}),
        ("GET", "/api/games/matches/" + "0" * 32, None),
    ],
)
async def test_what_needs_postgresql_says_when_to_come_back(
    away: Starlette, method: str, path: str, body: dict[str, str] | None
) -> None:
    answer = await Client(away, address=fresh_address()).call(method, path, body)
    assert (answer.status, answer.code, answer.headers["retry-after"]) == (503, "database_unavailable", "5"), answer


async def test_who_was_here_before_plays_on(client: Client, away: Starlette, database_url: str) -> None:
    await be_guest(client, "Ann")
    known = (await client.get("/api/users/me")).json()
    there = Client(away, address=fresh_address())
    there.token = client.token
    assert (await there.get("/api/users/me")).json() == known, "from the copy in Redis"
    async with live_node(away):
        made = await there.post("/api/games/rooms", {"mode": "trivia"})
        assert made.status == 201
        code = made.json()["code"]
        await open_card(away, code)
        assert (await there.post(f"/api/games/rooms/{code}/join", {})).status == 200
    assert (await there.get("/api/games/rooms")).status == 200
    assert (await there.get("/api/games/modes")).status == 200
    changed = await there.call("PATCH", "/api/users/me", {"name": "Bea"})
    assert changed.code == "database_unavailable"
    ready = (await there.get("/readyz")).json()
    assert (ready["database"], ready["redis"]) == ("unavailable", "ok")
    assert (await there.get("/healthz")).status == 200


async def test_without_redis_people_can_still_sign_in(database_url: str, keys: SigningKeys, tmp_path: Path) -> None:
    async with started(settings_for(database_url, NO_REDIS), keys, tmp_path) as app:
        client = Client(app, address=fresh_address())
        session = await be_guest(client)
        assert (await client.get("/api/users/me")).json() == session["user"]
        refreshed = await client.post("/api/auth/refresh", {"refresh_token": session["refresh_token"]}, token="")
        assert refreshed.status == 200
        for method, path, body in (
            ("GET", "/api/games/rooms", None),
            ("GET", "/api/games/rooms/BCDF23", None),
            ("POST", "/api/games/rooms", {"mode": "trivia"}),
            ("POST", "/api/games/rooms/BCDF23/join", {}),
        ):
            answer = await client.call(method, path, body)
            assert (answer.status, answer.code) == (503, "store_unavailable"), answer
            assert answer.headers["retry-after"] == "2"
        assert (await client.post("/api/auth/logout", {})).status == 204
        assert (await client.get("/api/users/me")).code == "unauthenticated", "this process knows"
        ready = (await client.get("/readyz")).json()
        assert (ready["database"], ready["redis"], ready["nodes"]) == ("ok", "unavailable", 0)


async def test_postgresql_comes_back(postgres: Postgres, database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_module, "RETRY_AFTER_S", 0.0)
    parts = urlsplit(database_url)
    folder = parse_qs(parts.query)["host"][0]
    port = parse_qs(parts.query).get("port", ["5432"])[0]
    switch = Switch(f"{folder}/.s.PGSQL.{port}")
    await switch.open()
    user = parts.netloc.rpartition("@")[0]
    database = Database(f"postgresql://{user}@127.0.0.1:{switch.port}{parts.path}", timeout_s=1.0)
    assert await database.fetchval("SELECT 1") == 1
    await switch.shut()
    for _ in range(2):
        with pytest.raises(DatabaseUnavailable):
            await database.fetchval("SELECT 1")
    await switch.open()
    assert await database.fetchval("SELECT 2") == 2
    with pytest.raises(DatabaseUnavailable):
        await database.fetchval("SELECT pg_sleep(30)")
    assert await database.fetchval("SELECT 3") == 3
    await database.close()
    await switch.shut()


async def test_a_database_that_is_not_migrated_is_not_there_yet(postgres: Postgres) -> None:
    database = Database(with_database(postgres.url, "postgres"), pool_max=1)
    with pytest.raises(DatabaseUnavailable):
        await database.fetchval("SELECT count(*) FROM users")
    await database.close()


async def test_an_asker_in_a_crowd_waits_not_for_ever(database_url: str) -> None:
    database = Database(database_url, pool_max=1, timeout_s=0.2)
    async with database.connection():
        with pytest.raises(DatabaseUnavailable):
            await database.fetchval("SELECT 1")
    assert await database.fetchval("SELECT 1") == 1
    await database.close()


async def test_the_chronicle_waits_and_drops_the_oldest() -> None:
    chronicle = Chronicle(Database(NOWHERE, timeout_s=1.0), waiting_max=3)
    rows = [Came("BCDF23", UUID(int=number), "player") for number in range(5)]
    for row in rows:
        chronicle.add(row)
    with pytest.raises(DatabaseUnavailable):
        await chronicle.write()
    assert list(chronicle._rows) == rows[2:], "in order, the newest kept"
    await chronicle.close()
