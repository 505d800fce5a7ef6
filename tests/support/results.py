"""Results and requests as shards send them, and what a shard finds in its inbox."""

import contextlib
import hashlib
import itertools
import secrets
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from httpapi.worker.streams import GROUP, Entry
from protocol import keys
from protocol.bus import BusMessage, ContentRequest, MatchPlayer, MatchResult
from protocol.codec import canonical, pack_bus, unpack_bus
from protocol.ids import ShardId
from protocol.modes.base import ContentSpec

SHARD = ShardId(3)
_requests = itertools.count(1)


async def add_users(link: asyncpg.Connection, count: int) -> list[str]:
    rows = await link.fetch(
        "INSERT INTO users (id, kind) SELECT gen_random_uuid(), 'guest' FROM generate_series(1, $1) RETURNING id", count
    )
    return [str(row["id"]) for row in rows]


def an_item(identity: str, number: int = 0) -> dict[str, Any]:
    return {"id": identity, "kind": "choice", "text": f"Question {number}?", "options": ["a", "b"], "right": 1}


def a_result(
    users: Sequence[str] = (), *, content: Sequence[dict[str, Any]] = (), scores: Sequence[int] = (), **more: Any
) -> MatchResult:
    """Return a finished match: user n sits at seat n + 1 and answered every question, rightly if it had points."""
    points = list(scores) or [100 * (len(users) - place) for place in range(len(users))]
    players = [
        MatchPlayer(
            seat=place + 1,
            user=user,
            name=f"Player {place + 1}",
            rank=1 + sum(other > points[place] for other in points),
            score=points[place],
            correct=len(content) if points[place] else 0,
            answered=len(content),
            facts=[
                {
                    "question": item["id"],
                    "number": n,
                    "option": 1,
                    "correct": bool(points[place]),
                    "ms": 900,
                    "points": 7,
                }
                for n, item in enumerate(content)
            ],
        )
        for place, user in enumerate(users)
    ]
    fields: dict[str, Any] = {
        "id": secrets.token_hex(16),
        "code": "BCDFGH",
        "mode": "trivia",
        "rules_version": 1,
        "number": 1,
        "settings": {"questions": len(content)},
        "started_ms": 5_000,
        "ended_ms": 65_000,
        "started_at": 1_700_000_000,
        "rated": True,
        "abandoned": False,
        "players": players,
        "seed": b"s" * 32,
        "salt": b"t" * 32,
        "commitment": b"c" * 32,
        "content": list(content),
        "log": b"log",
    }
    return sealed(MatchResult(**{**fields, **more}, digest=b""))


def sealed(result: MatchResult, **changed: Any) -> MatchResult:
    """Return the result, changed, with a digest of its own."""
    plain = msgspec.structs.replace(result, **changed, digest=b"")
    return msgspec.structs.replace(plain, digest=hashlib.blake2b(canonical(plain), digest_size=32).digest())


def a_request(users: Sequence[str] = (), *, code: str = "BCDFGH", identity: str = "", **spec: Any) -> ContentRequest:
    asked = ContentSpec(**{"kind": "trivia", "count": 10, **spec})
    return ContentRequest(
        id=identity or f"request-{next(_requests)}",
        code=code,
        mode="trivia",
        spec=msgspec.to_builtins(asked),
        users=list(users),
    )


async def send(redis: Redis, stream: str, message: BusMessage | bytes) -> None:
    """Put a message into a stream as a shard does."""
    payload = message if isinstance(message, bytes) else pack_bus(message)
    await redis.xadd(stream, {keys.MESSAGE: payload})


async def take(redis: Redis, stream: str, shard: ShardId = SHARD, consumer: str = "test") -> Entry:
    """Return the next entry of a stream as a worker is given it."""
    with contextlib.suppress(ResponseError):  # the group is there already
        await redis.xgroup_create(stream, GROUP, id="0", mkstream=True)
    ((_, ((identity, fields),)),) = await redis.xreadgroup(GROUP, consumer, {stream: ">"}, count=1)
    return Entry(shard, stream, identity.decode(), fields[keys.MESSAGE.encode()])


async def inbox(redis: Redis, shard: ShardId = SHARD) -> list[BusMessage]:
    """Return what the shard finds in its inbox."""
    entries = await redis.xrange(keys.inbox(shard))
    return [unpack_bus(fields[keys.MESSAGE.encode()]) for _, fields in entries]


async def left(redis: Redis, stream: str) -> tuple[int, int]:
    """Return how many entries a stream holds, and how many of them some worker has in hand."""
    pending: Any = await redis.xpending(stream, GROUP)
    return await redis.xlen(stream), pending["pending"]


def uuids(users: Sequence[str]) -> list[UUID]:
    return [UUID(user) for user in users]
