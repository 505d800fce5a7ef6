"""Content for rooms: what they ask for in ``:requests``, a pack each into their shard's inbox.

A request has an id and is sent again until it is answered; every answer to one id is the same pack. Questions come from
PostgreSQL; while that is away, from the reserve in Redis (``httpapi.worker.reserve``). When neither has any the request
is dropped: the room asks again.
"""

import random
from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

import msgspec
from msgspec import Struct
from redis.asyncio import Redis

from arena import logs, metrics
from httpapi.store import questions as store
from httpapi.store.database import Connection, Database, DatabaseUnavailable
from httpapi.store.questions import Listed
from httpapi.worker.choose import Choice, choose
from httpapi.worker.limits import INBOX_MAX, PACK_REMEMBERED_S, ROOM_SEEN_MAX, ROOM_SEEN_S
from httpapi.worker.reserve import read_reserve
from httpapi.worker.streams import Entry, RedisAway, settle
from protocol import keys
from protocol.bus import ContentPack, ContentRequest
from protocol.codec import pack_bus, unpack_bus
from protocol.errors import ProtocolError
from protocol.ids import RoomCode
from protocol.modes.base import ContentSpec

KIND: Final = "trivia"
_TRIES: Final = 3  # a question may be un-approved between the listing and the reading

_log = logs.get("worker.packs")
_served = metrics.counter("arena_content_requests", "Content requests handled", ["outcome"])
_stepped = metrics.counter("arena_content_steps", "Which wish gave way for a pack", ["step"])
_took = metrics.histogram("arena_content_serving_seconds", "Time to serve a content request")


class _List(Struct, frozen=True):
    """The questions that rooms may draw, as of a version."""

    version: int
    listed: list[Listed]


class PackServer:
    """Handles entries of ``:requests``."""

    def __init__(self, database: Database, redis: Redis, rng: random.Random | None = None) -> None:
        self._database = database
        self._redis = redis
        self._rng = rng or random.SystemRandom()
        self._list: _List | None = None

    async def handle(self, entry: Entry) -> None:
        """Answer one request and take it off the stream. Raises what says that Redis is away."""
        try:
            with _took.time():
                outcome, pack = await self._answer(entry)
        except RedisAway:
            raise
        except Exception:  # noqa: BLE001 - supervisor: whatever is wrong with one request, others are served
            _log.exception("request_failed", shard=entry.shard, entry=entry.id)
            outcome, pack = "failed", None
        _served.labels(outcome).inc()
        await settle(self._redis, entry, pack)

    async def _answer(self, entry: Entry) -> tuple[str, ContentPack | None]:
        try:
            request = unpack_bus(entry.payload)
        except ProtocolError as error:
            _log.error("request_unreadable", shard=entry.shard, entry=entry.id, detail=str(error))
            return "unreadable", None
        if not isinstance(request, ContentRequest):
            _log.error("request_unknown", shard=entry.shard, entry=entry.id, kind=type(request).__name__)
            return "unreadable", None
        if await self._redis.xlen(keys.inbox(entry.shard)) >= INBOX_MAX:
            _log.warning("inbox_full", shard=entry.shard, room=request.code)
            return "inbox_full", None
        remembered = await self._redis.get(keys.pack_answer(request.id))
        if remembered is not None:
            return "repeated", _pack(remembered)
        pack = await self._make(request)
        if pack is None:
            _log.warning("nothing_to_serve", room=request.code)
            return "nothing", None
        return ("served" if pack.items else "refused"), await self._remember(pack)

    async def _make(self, request: ContentRequest) -> ContentPack | None:
        """Return the pack, empty with a reason when none fits; None when there is nothing to draw from now."""
        try:
            spec = msgspec.convert(request.spec, ContentSpec)
        except msgspec.ValidationError as error:
            return ContentPack(id=request.id, code=request.code, items=[], reason=f"what was asked for: {error}")
        if spec.kind != KIND:
            return ContentPack(id=request.id, code=request.code, items=[], reason=f"no content of kind {spec.kind}")
        told: Any = await self._redis.lrange(keys.room_seen(RoomCode(request.code)), 0, -1)
        in_room = [identity.decode() for identity in told]
        try:
            choice, items = await self._from_database(spec, request.users, in_room)
        except DatabaseUnavailable:
            found = await self._from_reserve(spec, in_room)
            if found is None:
                return None
            choice, items = found
        if choice.step != "as asked":
            _log.info("wish_gave_way", room=request.code, step=choice.step)
        _stepped.labels(choice.step).inc()
        return ContentPack(id=request.id, code=request.code, items=items, reason=choice.reason)

    async def _from_database(
        self, spec: ContentSpec, users: Sequence[str], in_room: Sequence[str]
    ) -> tuple[Choice, list[dict[str, Any]]]:
        async with self._database.connection() as link:
            seen = merged(await store.count_seen(link, _uuids(users)), in_room)
            for _ in range(_TRIES):
                listed = await self._listed(link)
                choice = choose(listed, spec, seen, self._rng)
                items = await store.read_items(link, choice.ids)
                if len(items) == len(choice.ids):
                    return choice, items
                self._list = None
        return Choice([], reason="the questions are being changed"), []

    async def _listed(self, link: Connection) -> list[Listed]:
        version = await store.read_version(link)
        if self._list is None or self._list.version != version:
            self._list = _List(version, await store.list_approved(link))
        return self._list.listed

    async def _from_reserve(
        self, spec: ContentSpec, in_room: Sequence[str]
    ) -> tuple[Choice, list[dict[str, Any]]] | None:
        reserve = await read_reserve(self._redis)
        choice = choose(reserve.listed, spec, merged({}, in_room), self._rng)
        if not choice.ids:
            return None  # PostgreSQL may have more: the room asks again
        return choice, [reserve.items[identity] for identity in choice.ids]

    async def _remember(self, pack: ContentPack) -> ContentPack:
        """Keep the answer to this id; return the one that was kept first, by whichever worker."""
        first: Any = await self._redis.set(
            keys.pack_answer(pack.id), pack_bus(pack), nx=True, get=True, ex=PACK_REMEMBERED_S
        )
        if first is not None:
            return _pack(first)
        if pack.items:
            key = keys.room_seen(RoomCode(pack.code))
            pipeline = self._redis.pipeline(transaction=True)
            pipeline.lpush(key, *(item["id"] for item in pack.items))
            pipeline.ltrim(key, 0, ROOM_SEEN_MAX - 1)
            pipeline.expire(key, ROOM_SEEN_S)
            await pipeline.execute()
        return pack


def merged(seen: Mapping[str, tuple[int, int]], in_room: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Return what the players saw with what their room was given (newest first): the room counts as one player."""
    together = dict(seen)
    for ago, identity in enumerate(in_room):
        users, before = together.get(identity, (0, ago))
        together[identity] = (users + 1, min(before, ago))
    return together


def _pack(payload: Any) -> ContentPack:
    pack = unpack_bus(payload)
    assert isinstance(pack, ContentPack), "only packs are kept under these keys"
    return pack


def _uuids(users: Sequence[str]) -> list[UUID]:
    found = []
    for user in users:
        try:
            found.append(UUID(user))
        except ValueError:
            _log.warning("user_unreadable")
    return found
