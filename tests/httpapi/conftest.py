"""The application in this process, on real PostgreSQL and Valkey, with cheap password hashes."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from starlette.applications import Starlette

from arena.keys import SigningKeys, make_keys
from httpapi.services.all import Services
from tests.support.api import NewClient, fresh_address, settings_for, started
from tests.support.asgi import Client


@pytest.fixture(scope="session")
def keys() -> SigningKeys:
    return make_keys()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def app(
    database_url: str, redis_url: str, keys: SigningKeys, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Starlette]:
    async with started(settings_for(database_url, redis_url), keys, tmp_path_factory.mktemp("web")) as app:
        yield app


@pytest.fixture
def services(app: Starlette) -> Services:
    found: Services = app.state.services
    return found


@pytest.fixture
def client(app: Starlette) -> Client:
    """Give a machine that has done nothing yet."""
    return Client(app, address=fresh_address())


@pytest.fixture
def new_client(app: Starlette) -> NewClient:
    """Give a maker of such machines."""
    return lambda: Client(app, address=fresh_address())
