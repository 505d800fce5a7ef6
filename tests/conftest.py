"""What every test stands on: real servers, an event loop like production's, and no silent failures."""

import asyncio
import functools
import inspect
import itertools
import socket
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
import uvloop

from arena.embedded.postgres import Postgres
from arena.embedded.valkey import Valkey
from tests.support.services import create_database, migrate, running_postgres, running_valkey

pytest_plugins = ("tests.support.watchdog",)

TESTS = Path(__file__).parent
PURE = ("protocol", "games", "rooms", "judge")
"""Folders whose tests need no socket: what they test does no I/O."""

ASYNC_TEST_SECONDS = 90.0

_loop_failures: list[str] = []
_database_numbers = itertools.count(1)


def _remember(_loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
    error = context.get("exception")
    _loop_failures.append(f"{context.get('message')}: {error!r}" if error else str(context.get("message")))


def _production_loop() -> asyncio.AbstractEventLoop:
    loop = uvloop.new_event_loop()
    loop.set_exception_handler(_remember)
    return loop


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run asynchronous tests on uvloop, as production does."""
    return {"uvloop": _production_loop}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give every asynchronous test a time limit of its own: uvloop swallows what pytest-timeout's signal raises."""
    for item in items:
        if isinstance(item, pytest.Function) and inspect.iscoroutinefunction(item.obj):
            marker = item.get_closest_marker("timeout")
            item.obj = _limited(item.obj, float(marker.args[0]) if marker and marker.args else ASYNC_TEST_SECONDS)


def _limited(test: Callable[..., Awaitable[None]], seconds: float) -> Callable[..., Awaitable[None]]:
    @functools.wraps(test)
    async def limited(*arguments: object, **named: object) -> None:
        async with asyncio.timeout(seconds):
            await test(*arguments, **named)

    return limited


@pytest.fixture(autouse=True)
def _no_unhandled_loop_errors() -> Iterator[None]:
    """Fail a test when the event loop met an exception that nobody handled."""
    _loop_failures.clear()
    yield
    assert not _loop_failures, "the event loop saw unhandled exceptions:\n" + "\n".join(_loop_failures)


class _NoSocket(socket.socket):
    def __init__(self, *_args: object, **_kwargs: object) -> None:
        raise AssertionError("tests of pure packages open no socket")


@pytest.fixture(autouse=True)
def _no_sockets_in_pure_tests(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    path = request.node.path
    if path.is_relative_to(TESTS) and path.relative_to(TESTS).parts[0] in PURE:
        monkeypatch.setattr(socket, "socket", _NoSocket)


@pytest.fixture(scope="session")
def valkey() -> Iterator[Valkey]:
    """Give this test process's Valkey. Tests that need it empty flush it."""
    with running_valkey() as server:
        yield server


@pytest.fixture(scope="session")
def redis_url(valkey: Valkey) -> str:
    """Give the URL of this test process's Valkey (AOF always, noeviction)."""
    return valkey.url


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """Give this test process's PostgreSQL; its database ``arena`` is migrated and stays empty, as a template."""
    with running_postgres() as server:
        migrate(server.url)
        yield server


@pytest.fixture(scope="session")
def database_url(postgres: Postgres) -> str:
    """Give the URL of a migrated database, shared by the tests of this test process."""
    return create_database(postgres.url, "shared", "arena")


@pytest.fixture
def fresh_database_url(postgres: Postgres) -> str:
    """Give the URL of a migrated database for one test alone (about 50 ms)."""
    return create_database(postgres.url, f"fresh_{next(_database_numbers)}", "arena")
