"""Health, readiness, metrics, and the description of the API itself."""

import asyncio
from typing import Final

from redis.exceptions import RedisError
from starlette.responses import Response

from arena import metrics
from httpapi.bodies import Health, OpenApi, Readiness
from httpapi.endpoint import Access, Call, Endpoint, Reply
from httpapi.services.all import Services
from httpapi.store.database import DatabaseUnavailable

CHECK_S: Final = 2.0


async def health(_call: Call) -> Health:
    """Answer."""
    return Health(status="ok")


async def _database(services: Services) -> str:
    try:
        async with asyncio.timeout(CHECK_S):
            await services.database.fetchval("SELECT 1")
    except (DatabaseUnavailable, TimeoutError):
        return "unavailable"
    return "ok"


async def _redis(services: Services) -> str:
    try:
        async with asyncio.timeout(CHECK_S):
            await services.redis.time()
    except (RedisError, OSError, TimeoutError):
        return "unavailable"
    return "ok"


async def _nodes(services: Services) -> int:
    try:
        async with asyncio.timeout(CHECK_S):
            return await services.rooms.live_nodes()
    except (RedisError, OSError, TimeoutError):
        return 0


async def readiness(call: Call) -> Reply:
    """Say whether games can be played from start to recorded end: database, Redis and a live node."""
    database, redis, nodes = await asyncio.gather(
        _database(call.services), _redis(call.services), _nodes(call.services)
    )
    ready = database == "ok" and redis == "ok" and nodes > 0
    return Reply(Readiness(ready=ready, database=database, redis=redis, nodes=nodes), 200 if ready else 503)


async def read_metrics(_call: Call) -> Response:
    """Return the metrics of this process."""
    return Response(metrics.exposition(), headers={"content-type": metrics.CONTENT_TYPE, "cache-control": "no-store"})


async def openapi(call: Call) -> Response:
    """Return the description of the API."""
    packed: bytes = call.request.app.state.openapi
    return Response(packed, media_type="application/json", headers={"cache-control": "public, max-age=60"})


ENDPOINTS: Final = [
    Endpoint(
        method="GET",
        path="/healthz",
        handler=health,
        summary="The process answers",
        response=Health,
        access=Access.ANYONE,
    ),
    Endpoint(
        method="GET",
        path="/readyz",
        handler=readiness,
        summary="Whether everything needed is there; 503 with the same body when not",
        response=Readiness,
        also={503: Readiness},
        access=Access.ANYONE,
    ),
    Endpoint(
        method="GET",
        path="/metrics",
        handler=read_metrics,
        summary="Metrics in Prometheus's text format",
        response=None,
        media="text/plain",
        access=Access.ANYONE,
    ),
    Endpoint(
        method="GET",
        path="/api/openapi.json",
        handler=openapi,
        summary="This description",
        response=OpenApi,
        access=Access.ANYONE,
    ),
]
