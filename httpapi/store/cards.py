"""What Redis tells of rooms and nodes. Every function raises ``redis.exceptions.RedisError`` when Redis is away."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import Struct
from redis.asyncio import Redis

from protocol import keys
from protocol.bus import BusMessage, RoomCard
from protocol.codec import pack_bus
from protocol.ids import RoomCode, ShardId, UserId

CREATING_TTL_S: Final = 60
INBOX_MAX: Final = 1_000
READ_AT_ONCE: Final = 200
READS_MAX: Final = 5

_unpack_card = msgspec.json.Decoder(RoomCard).decode


class NodeBeat(Struct, frozen=True):
    """What httpapi reads of a node's card; the other fields do not concern it."""

    name: str
    beat_ms: int
    draining: bool = False


class Known(NamedTuple):
    """What is known before a join: the card, whether the user was given a seat's ticket before, the user's copy."""

    card: RoomCard | None
    came_before: bool
    user_copy: bytes | None


class Place(NamedTuple):
    """A position in the list of public rooms, from the last changed to the first."""

    score: float
    code: str


def _card(packed: bytes | None) -> RoomCard | None:
    if packed is None:
        return None
    try:
        return _unpack_card(packed)
    except msgspec.DecodeError:
        return None  # written by another version


async def take_code(cache: Redis, card: RoomCard) -> bool:
    """Write the card of a room that is being created, unless its code is taken."""
    packed = msgspec.json.encode(card)
    return bool(await cache.set(keys.room_card(RoomCode(card.code)), packed, nx=True, ex=CREATING_TTL_S))


async def give_code_back(cache: Redis, code: RoomCode) -> None:
    """Delete the card of a room that could not be created."""
    await cache.delete(keys.room_card(code))


async def send(redis: Redis, shard: ShardId, message: BusMessage) -> bool:
    """Put a message into a shard's inbox; False when the inbox is full (nobody reads it)."""
    inbox = keys.inbox(shard)
    if await redis.xlen(inbox) >= INBOX_MAX:
        return False
    await redis.xadd(inbox, {keys.MESSAGE: pack_bus(message)})
    return True


async def read(cache: Redis, code: RoomCode) -> RoomCard | None:
    """Return the card."""
    packed: Any = await cache.get(keys.room_card(code))
    return _card(packed)


async def read_for(cache: Redis, code: RoomCode, user: UserId) -> Known:
    """Return what a join needs to know, in one round trip."""
    async with cache.pipeline(transaction=False) as pipe:
        pipe.get(keys.room_card(code))
        pipe.sismember(keys.room_people(code), user)
        pipe.get(keys.user_copy(user))
        packed, came_before, user_copy = await pipe.execute()
    return Known(_card(packed), bool(came_before), user_copy)


async def note_came(cache: Redis, code: RoomCode, user: UserId) -> None:
    """Remember that the user was given a player's ticket."""
    async with cache.pipeline(transaction=False) as pipe:
        pipe.sadd(keys.room_people(code), user)
        pipe.expire(keys.room_people(code), keys.ROOM_CARD_TTL_S)
        await pipe.execute()


async def public(cache: Redis, after: Place | None, count: int) -> tuple[list[RoomCard], Place | None]:
    """Return up to ``count`` cards of public rooms beyond ``after``, and where the next page begins (None: no more)."""
    found: list[RoomCard] = []
    place = after
    for round_number in range(READS_MAX):
        rows: Sequence[tuple[bytes, float]] = await cache.zrange(  # type: ignore[assignment]  # withscores, as bytes
            keys.PUBLIC_ROOMS,
            "+inf" if after is None else repr(after.score),
            "-inf",
            desc=True,
            byscore=True,
            offset=round_number * READ_AT_ONCE,
            num=READ_AT_ONCE,
            withscores=True,
        )
        places = [Place(float(score), code.decode()) for code, score in rows]
        ahead = [place for place in places if after is None or place < after]
        packed: Any = await cache.mget([keys.room_card(RoomCode(each.code)) for each in ahead]) if ahead else []
        for each, card in zip(ahead, (_card(item) for item in packed), strict=True):
            if len(found) == count:
                return found, place
            place = each
            if card is not None and card.public and card.state == "open":
                found.append(card)
        if len(rows) < READ_AT_ONCE:
            return found, None
    return found, place


async def live_nodes(cache: Redis, *, within_ms: int) -> Sequence[NodeBeat]:
    """Return the nodes whose heartbeat is fresh and that are not draining, by the store's clock."""
    async with cache.pipeline(transaction=False) as pipe:
        pipe.time()
        pipe.hvals(keys.NODES)
        (seconds, micros), packed = await pipe.execute()
    now_ms = int(seconds) * 1000 + int(micros) // 1000
    nodes = []
    for item in packed:
        try:
            node = msgspec.json.decode(item, type=NodeBeat)
        except msgspec.DecodeError:
            continue
        if now_ms - node.beat_ms <= within_ms and not node.draining:
            nodes.append(node)
    return nodes
