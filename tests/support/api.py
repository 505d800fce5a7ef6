"""What tests of the HTTP API share: an application like the server's, and people who use it."""

import contextlib
import itertools
import secrets
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from starlette.applications import Starlette

from arena.keys import SigningKeys
from arena.settings import Settings
from httpapi.app import create_app
from httpapi.services.passwords import Cost
from tests.support.asgi import Client

CHEAP = Cost(memory_kib=8, time=1)
PASSWORD = "correct horse battery"  # of users that live for one test

NewClient = Callable[[], Client]

_addresses = itertools.count(1)


def fresh_address() -> str:
    """Return an address nobody has counted anything for (even when tests run again on the same Redis)."""
    number = next(_addresses)
    return f"10.{secrets.randbelow(256)}.{number // 250 % 250}.{number % 250 + 1}"


def settings_for(database_url: str, redis_url: str, **more: Any) -> Settings:
    return Settings(database_url=database_url, redis_url=redis_url, redis_cache_url=redis_url, **more)


@contextlib.asynccontextmanager
async def started(settings: Settings, keys: SigningKeys, web_root: Path) -> AsyncIterator[Starlette]:
    """Run an application as the server would."""
    app = create_app(settings, keys, web_root=web_root, password_cost=CHEAP)
    async with app.router.lifespan_context(app):
        yield app


async def be_guest(client: Client, name: str = "Ann", kind: str = "bot") -> dict[str, Any]:
    """Make the client a guest; return the session."""
    answer = await client.post("/api/auth/guest", {"name": name, "client": kind}, token="")
    assert answer.status == 200, answer
    session: dict[str, Any] = answer.json()
    client.token = session["access_token"]
    return session


def a_username() -> str:
    return f"user.{secrets.token_hex(6)}x"


async def be_account(client: Client, username: str | None = None, kind: str = "bot") -> dict[str, Any]:
    """Make the client a new account; return the session."""
    body = {"username": username or a_username(), "password": PASSWORD, "client": kind}
    answer = await client.post("/api/auth/register", body, token="")
    assert answer.status == 200, answer
    session: dict[str, Any] = answer.json()
    client.token = session["access_token"]
    return session
