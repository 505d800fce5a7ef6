"""Questions kept ready in Redis, so that matches start while PostgreSQL is away.

``arena:packs:trivia`` is a list of packs, each of many questions of all kinds, none twice. They are only read, never
used up; they are made anew when the questions changed and once an hour.
"""

import asyncio
import random
import time
from typing import Any, Final

import msgspec
from msgspec import Struct
from redis.asyncio import Redis

from arena import logs
from arena.tasks import heed_cancellation
from httpapi.store import questions as store
from httpapi.store.database import Database, DatabaseUnavailable
from httpapi.store.questions import Listed
from httpapi.worker.backoff import wait_for
from httpapi.worker.choose import choose
from httpapi.worker.limits import RESERVE_PACK_ITEMS, RESERVE_PACKS
from httpapi.worker.streams import RedisAway
from protocol import keys
from protocol.modes.base import ContentSpec

KEY: Final = keys.packs("trivia")
LOOK_EVERY_S: Final = 61.0
RETRY_S: Final = 2.0
OLD_S: Final = 3_600

_log = logs.get("worker.reserve")


class StoredPack(Struct, frozen=True):
    """One pack as it lies in Redis (JSON). ``made_at``: Unix seconds."""

    version: int
    made_at: int
    items: list[dict[str, Any]]
    categories: list[str]  # the slug of each item's category


class Reserve(Struct, frozen=True):
    """All of the reserve."""

    listed: list[Listed]
    items: dict[str, dict[str, Any]]


async def read_reserve(redis: Redis) -> Reserve:
    """Return the reserve; empty when there is none."""
    raw: Any = await redis.lrange(KEY, 0, -1)
    items: dict[str, dict[str, Any]] = {}
    listed: list[Listed] = []
    for one in raw:
        pack = msgspec.json.decode(one, type=StoredPack)
        for item, category in zip(pack.items, pack.categories, strict=True):
            if item["id"] not in items:
                items[item["id"]] = item
                listed.append(Listed(item["id"], category, item["difficulty"], item["kind"]))
    return Reserve(listed, items)


async def fill(database: Database, redis: Redis, rng: random.Random, *, now: int) -> bool:
    """Make the reserve anew if it is missing, old, or of other questions; return whether it was made.

    Raises ``DatabaseUnavailable`` and what says that Redis is away.
    """
    async with database.connection() as link:
        version = await store.read_version(link)
        if await _is_good(redis, version, now):
            return False
        listed = await store.list_approved(link)
        spec = ContentSpec(kind="trivia", count=min(len(listed), RESERVE_PACKS * RESERVE_PACK_ITEMS))
        chosen = choose(listed, spec, {}, rng).ids
        items = await store.read_items(link, chosen)
    slugs = {one.id: one.category for one in listed}
    pipeline = redis.pipeline(transaction=True)
    pipeline.delete(KEY)
    for start in range(0, len(items), RESERVE_PACK_ITEMS):
        part = items[start : start + RESERVE_PACK_ITEMS]
        pack = StoredPack(version=version, made_at=now, items=part, categories=[slugs[item["id"]] for item in part])
        pipeline.rpush(KEY, msgspec.json.encode(pack))
    await pipeline.execute()
    return True


async def _is_good(redis: Redis, version: int, now: int) -> bool:
    raw: Any = await redis.lindex(KEY, 0)
    if raw is None:
        return False
    try:
        pack = msgspec.json.decode(raw, type=StoredPack)
    except msgspec.DecodeError:
        return False  # another release's form
    return pack.version == version and 0 <= now - pack.made_at < OLD_S


async def keep_filled(database: Database, redis: Redis, stopping: asyncio.Event) -> None:
    """Look after the reserve until ``stopping`` is set."""
    rng = random.SystemRandom()
    while not stopping.is_set():
        wait_s = LOOK_EVERY_S
        try:
            if await fill(database, redis, rng, now=int(time.time())):
                _log.info("reserve_filled")
        except (DatabaseUnavailable, *RedisAway) as error:
            _log.info("reserve_waits", error=type(error).__name__)
            wait_s = RETRY_S
        heed_cancellation()
        await wait_for(stopping, wait_s)
