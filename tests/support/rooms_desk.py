"""Stands in for the node's side of Redis, where a test of httpapi needs a heartbeat or a card and no game."""

import contextlib
import secrets
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import orjson
from starlette.types import ASGIApp

from httpapi.services.all import Services
from protocol import keys
from protocol.bus import RoomCard
from protocol.ids import RoomCode


def services_of(app: ASGIApp) -> Services:
    found: Services = app.state.services  # type: ignore[attr-defined]  # tests pass Starlette applications
    return found


async def beat(services: Services, instance: str, *, age_ms: int = 0, **more: Any) -> None:
    """Write a node's card as its heartbeat does."""
    seconds, micros = await services.cache.time()
    card = {
        "name": "node-1",
        "instance": instance,
        "address": "127.0.0.1:1",
        "control": "127.0.0.1:2",
        "since_ms": 0,
        "beat_ms": int(seconds) * 1000 + int(micros) // 1000 - age_ms,
        "shards": [],
        "connections": 0,
        "rooms": 0,
        "draining": False,
        **more,
    }
    await services.cache.hset(keys.NODES, instance, orjson.dumps(card))


@contextlib.asynccontextmanager
async def live_node(app: ASGIApp, **more: Any) -> AsyncIterator[None]:
    """Let a node be alive for as long as one test needs (its heartbeat is a minute ahead)."""
    services = services_of(app)
    instance = secrets.token_hex(16)
    await beat(services, instance, age_ms=-60_000, **more)
    try:
        yield
    finally:
        await services.cache.hdel(keys.NODES, instance)


async def open_card(app: ASGIApp, code: str, *, list_it: bool = False, **changes: Any) -> RoomCard:
    """Do what a shard does when it has opened the room: write its card, and list it."""
    services = services_of(app)
    packed: Any = await services.cache.get(keys.room_card(RoomCode(code)))
    card = msgspec.structs.replace(msgspec.json.decode(packed, type=RoomCard), state="open", **changes)
    await put_card(app, card, list_it=list_it)
    return card


async def put_card(app: ASGIApp, card: RoomCard, *, list_it: bool = False, at: float | None = None) -> None:
    """Write a card; ``at`` is when (Unix seconds, for the order of the list)."""
    services = services_of(app)
    await services.cache.set(keys.room_card(RoomCode(card.code)), msgspec.json.encode(card), ex=keys.ROOM_CARD_TTL_S)
    if list_it:
        seconds = (await services.cache.time())[0] if at is None else at
        await services.cache.zadd(keys.PUBLIC_ROOMS, {card.code: float(seconds)})


def a_card(code: str, **changes: Any) -> RoomCard:
    """Return the card of a room that anybody may join."""
    fields: dict[str, Any] = {
        "code": code,
        "state": "open",
        "mode": "trivia",
        "title": "",
        "public": True,
        "locked": False,
        "phase": "lobby",
        "players": 1,
        "seats_max": 500,
        "watchers": 0,
        "host_name": "Ann",
        "settings": {},
    }
    return RoomCard(**{**fields, **changes})
