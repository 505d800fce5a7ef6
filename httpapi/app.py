"""The composition root of httpapi: which routes there are, what every request passes, what the parts are made of.

Both lists are read top to bottom: the first middleware is the outermost.
"""

import asyncio
import contextlib
import importlib.metadata
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from redis.exceptions import RedisError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response

from arena.keys import SigningKeys
from arena.settings import Settings
from arena.tasks import end
from httpapi import openapi
from httpapi.endpoint import Endpoint, routes
from httpapi.middleware import Context, Gatekeeper, InFlight, SecurityHeaders, Supervisor
from httpapi.problem import Code, Problem, response
from httpapi.routes import auth, games, matches, system, trivia, users
from httpapi.services.all import Services
from httpapi.services.auth import Auth
from httpapi.services.chronicle import Chronicle
from httpapi.services.matches import Matches
from httpapi.services.passwords import OWASP, Cost, Passwords
from httpapi.services.rates import Rates
from httpapi.services.revocation import Revocation
from httpapi.services.rooms import RoomDesk
from httpapi.services.tickets import Tickets
from httpapi.services.trivia import Trivia
from httpapi.services.users import Users
from httpapi.static import site_route
from httpapi.store.database import Database, DatabaseUnavailable
from httpapi.store.redis import connect, connect_waiting
from protocol.hops import HostNames, TrustedProxies

WEB_ROOT: Final = Path(__file__).resolve().parents[1] / "clients" / "web" / "dist"

ENDPOINTS: Final[list[Endpoint]] = [
    *system.ENDPOINTS,
    *auth.ENDPOINTS,
    *users.ENDPOINTS,
    *games.ENDPOINTS,
    *matches.ENDPOINTS,
    *trivia.ENDPOINTS,
]


def _middleware(settings: Settings) -> list[Middleware]:
    proxies = TrustedProxies(str(network) for network in settings.trusted_proxies)
    stack = [
        Middleware(Context, proxies=proxies),
        Middleware(SecurityHeaders),
        Middleware(Supervisor),
        Middleware(InFlight),
        Middleware(Gatekeeper, hosts=HostNames(settings.hosts), origins=settings.origins),
    ]
    if settings.origins:
        stack.append(
            Middleware(
                CORSMiddleware,
                allow_origins=list(settings.origins),
                allow_methods=["GET", "POST", "PATCH", "DELETE"],
                allow_headers=["Authorization", "Content-Type", "X-CSRF-Token"],
                expose_headers=["Retry-After", "X-Request-Id"],
            )
        )
    return stack


def build_services(settings: Settings, keys: SigningKeys, cost: Cost = OWASP) -> Services:
    """Make the parts; nothing connects yet."""
    database = Database(settings.require_database())
    redis = connect(settings.require_redis())
    cache = connect(settings.redis_cache_url or settings.redis_url)
    revocation = Revocation(cache, connect_waiting(settings.redis_cache_url or settings.redis_url))
    users_service = Users(database, cache)
    passwords = Passwords(cost)
    chronicle = Chronicle(database)
    return Services(
        settings=settings,
        keys=keys,
        database=database,
        redis=redis,
        cache=cache,
        passwords=passwords,
        rates=Rates(cache),
        revocation=revocation,
        users=users_service,
        auth=Auth(database=database, keys=keys, passwords=passwords, revocation=revocation, users=users_service),
        rooms=RoomDesk(
            redis=redis,
            cache=cache,
            tickets=Tickets(keys),
            chronicle=chronicle,
            shards=settings.shards,
            lease_ms=settings.lease_ms,
        ),
        trivia=Trivia(database),
        matches=Matches(database),
        chronicle=chronicle,
    )


@contextlib.asynccontextmanager
async def running(services: Services) -> AsyncIterator[None]:
    """Keep the parts alive: background tasks while it lasts, everything closed at the end."""
    tasks = [
        asyncio.create_task(services.revocation.run(), name="revocation"),
        asyncio.create_task(services.chronicle.run(), name="chronicle"),
    ]
    try:
        yield
    finally:
        await end(tasks)
        await services.chronicle.close()
        await services.revocation.close()
        services.passwords.close()
        await services.database.close()
        await services.redis.aclose()
        await services.cache.aclose()


async def _problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return response(error, request.scope.get("arena.request_id", ""))


async def _database_away(request: Request, _error: Exception) -> Response:
    return await _problem(request, Problem(Code.DATABASE_UNAVAILABLE))


async def _redis_away(request: Request, _error: Exception) -> Response:
    return await _problem(request, Problem(Code.STORE_UNAVAILABLE))


async def _starlettes(request: Request, error: Exception) -> Response:
    """Answer for what Starlette itself refuses: no such route, or not that method."""
    assert isinstance(error, HTTPException)
    code = {404: Code.NOT_FOUND, 405: Code.METHOD_NOT_ALLOWED}.get(error.status_code, Code.BAD_REQUEST)
    return await _problem(request, Problem(code, headers=error.headers))


def create_app(
    settings: Settings, keys: SigningKeys, *, web_root: Path = WEB_ROOT, password_cost: Cost = OWASP
) -> Starlette:
    """Return the application. Raises ``SettingsError`` when a URL is missing."""
    services = build_services(settings, keys, password_cost)

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        async with running(services):
            yield

    app = Starlette(
        routes=[*routes(ENDPOINTS), site_route(web_root)],
        middleware=_middleware(settings),
        exception_handlers={
            Problem: _problem,
            DatabaseUnavailable: _database_away,
            RedisError: _redis_away,
            HTTPException: _starlettes,
        },
        lifespan=lifespan,
    )
    app.state.services = services
    app.state.openapi = openapi.packed(ENDPOINTS, _version())
    return app


def _version() -> str:
    try:
        return importlib.metadata.version("svidnet-arena")
    except importlib.metadata.PackageNotFoundError:
        return "0.1.0"  # run from a checkout that is not installed
