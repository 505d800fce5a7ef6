"""The Redis key layout, in one place. Keys of a shard share one hash tag, so a script touches one slot.

Every stream entry has one field, ``MESSAGE``, with the whole message as bytes.
"""

from typing import Final

from protocol.ids import RoomCode, ShardId, UserId

PREFIX = "arena"

NODES = "arena:nodes"
"""Hash: instance -> JSON of its NodeCard (gameserver.ports)."""

REVOKED = "arena:revoked"
"""Sorted set: id of a revoked session or user -> Unix second (the store's) from which it need not be kept."""

LOBBY_CHANNEL = "arena:lobby"

PUBLIC_ROOMS = "arena:rooms:public"
"""Sorted set: code of a public room -> Unix second (the store's) of its card's last writing.

A code whose card is gone (its TTL ran out) is to be skipped; whoever writes cards drops those older than a card's TTL.
"""

MESSAGE: Final = "m"
"""The one field of an entry in ``:journal``, ``:results``, ``:inbox`` and ``:requests``."""

ROOM_CARD_TTL_S: Final = 7200
WS_CONNECTIONS_TTL_S: Final = 90
TICKET_TTL_S: Final = 60
REQUESTS_MAX: Final = 10_000
"""Entries a ``:requests`` stream keeps; the oldest go first."""


def head(shard: ShardId) -> str:
    """Hash, never expires: the truth about a shard."""
    return f"arena:{{s:{shard}}}:head"


def owner(shard: ShardId) -> str:
    """String with PX = lease: until when nobody else should claim."""
    return f"arena:{{s:{shard}}}:owner"


def journal(shard: ShardId, genesis: str) -> str:
    """Stream of records with ids ``epoch-seq``."""
    return f"arena:{{s:{shard}}}:journal:{genesis}"


def results(shard: ShardId) -> str:
    """Stream of results for the worker."""
    return f"arena:{{s:{shard}}}:results"


def inbox(shard: ShardId) -> str:
    """Stream of bus messages into the shard."""
    return f"arena:{{s:{shard}}}:inbox"


def requests(shard: ShardId) -> str:
    """Stream of bus messages out of the shard."""
    return f"arena:{{s:{shard}}}:requests"


def room_card(code: RoomCode) -> str:
    """JSON of a ``RoomCard`` (protocol.bus), TTL 2 h."""
    return f"arena:room:{code}"


def ws_connections(code: RoomCode) -> str:
    """Hash node name → how many connections of the room it holds, TTL 90 s; written anew every 30 s."""
    return f"arena:ws_connections:{code}"


def ticket(jti: str) -> str:
    """Set once when a ticket is used, TTL 60 s."""
    return f"arena:ticket:{jti}"


def user_channel(user: UserId) -> str:
    """Pub/sub channel of one user's notifications."""
    return f"arena:user:{user}"


def rate_limit(who: str, what: str) -> str:
    """Counter of one rate limit, TTL its window."""
    return f"arena:rate_limit:{who}:{what}"


def user_copy(user: UserId) -> str:
    """JSON of a user's profile as httpapi tells it, TTL 24 h: for while PostgreSQL is away."""
    return f"arena:user_copy:{user}"


def room_people(code: RoomCode) -> str:
    """Set: ids of the users who were given a player's ticket to the room, TTL as its card."""
    return f"arena:room_people:{code}"


def packs(mode: str) -> str:
    """List of content packs kept ready for settings that most rooms use."""
    return f"arena:packs:{mode}"


def pack_answer(request: str) -> str:
    """The content pack that answered this request id, TTL 1 h: whoever asks again gets the same."""
    return f"arena:pack:{request}"


def room_seen(code: RoomCode) -> str:
    """List of content ids the room was given, newest first, TTL 2 h."""
    return f"arena:room_seen:{code}"
