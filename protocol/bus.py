"""Messages between httpapi, worker and shards: the inbox, the requests, the results, the room cards.

Every message has an ``id`` that makes it count once. Bytes by ``protocol.codec.pack_bus`` / ``unpack_bus``.
"""

from typing import Any

from msgspec import Struct

from protocol.types import View


class BusMessage(Struct, frozen=True, tag_field="t", forbid_unknown_fields=True):
    """What processes tell each other through Redis. ``id`` makes it count once."""

    id: str


# ---- into a shard (:inbox) -------------------------------------------------------------------------


class CreateRoom(BusMessage, frozen=True, tag="create"):
    """httpapi: a room shall exist. Refused when the code lives or was tombstoned."""

    code: str
    host: str  # UserId of who created it: that user's seat becomes the host
    mode: str
    settings: dict[str, Any]
    public: bool
    entropy: bytes  # 32 random bytes: the root of the room's server secrets
    title: str = ""
    created_at: int = 0  # Unix seconds; for people, never for rules


class ContentPack(BusMessage, frozen=True, tag="content"):
    """worker: the content a room asked for; ``id`` is the request's id. Empty items with a reason: none fits."""

    code: str
    items: list[dict[str, Any]]
    reason: str = ""


class Recorded(BusMessage, frozen=True, tag="recorded"):
    """worker: the result stands in PostgreSQL (or in result_failures); ``id`` is the match id."""

    code: str


class CloseRoom(BusMessage, frozen=True, tag="close"):
    """httpapi: an administrator ends the room."""

    code: str
    reason: str


class Moderate(BusMessage, frozen=True, tag="moderate"):
    """httpapi: a user was muted, unmuted or banned."""

    code: str
    user: str
    action: str  # mute, unmute, ban


# ---- out of a shard (:requests) --------------------------------------------------------------------


class ContentRequest(BusMessage, frozen=True, tag="want_content"):
    """A room asks for content. Sent again every 5 s under the same id until answered."""

    code: str
    mode: str
    spec: dict[str, Any]  # the mode's ContentSpec as builtins
    users: list[str]  # who plays: what they saw last is avoided


# ---- results (:results) ----------------------------------------------------------------------------


class MatchPlayer(Struct, frozen=True, forbid_unknown_fields=True):
    """One player's part in a finished match."""

    seat: int
    user: str
    name: str
    rank: int  # 1 is best; ties share a rank
    score: int
    correct: int = 0
    answered: int = 0
    finished: bool = True  # false: left before the end
    facts: list[dict[str, Any]] = []  # per-answer facts, as the mode tells them


class MatchResult(BusMessage, frozen=True, tag="result"):
    """A match is over; ``id`` is the match id. The same bytes for the same match, whoever computes them."""

    code: str
    mode: str
    rules_version: int
    number: int  # which match of the room
    settings: dict[str, Any]
    started_ms: int  # room clock
    ended_ms: int
    started_at: int  # Unix seconds, from the room's creation time and its clock; for people
    rated: bool
    abandoned: bool
    players: list[MatchPlayer]
    seed: bytes
    salt: bytes
    commitment: bytes
    content: list[dict[str, Any]]
    log: bytes  # the match log, compressed; empty when it grew beyond its limit
    digest: bytes  # BLAKE2b-256 over everything above


# ---- cards -----------------------------------------------------------------------------------------


class RoomCard(Struct, frozen=True):
    """What httpapi shows of a room: JSON in ``arena:room:{code}``, made from confirmed state only."""

    code: str
    state: str  # creating, open, closed
    mode: str
    title: str
    public: bool
    locked: bool
    phase: str
    players: int
    seats_max: int
    watchers: int
    host_name: str
    settings: View
    node: str = ""
    created_at: int = 0
