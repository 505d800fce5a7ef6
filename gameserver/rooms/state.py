"""A room's whole state, as it is stored. Integers, text, bytes and maps; no floats, no sets.

What is big and never changes once written lies beside it, covered by digests inside: the match log, and results
that wait to be recorded. New fields go to the end with a default; other changes need an upgrade (``dump.py``).
"""

from typing import Any

from msgspec import Struct

from gameserver.games.match import MatchState
from gameserver.games.mode import Role
from gameserver.rooms.phases import Phase


class Seat(Struct, array_like=True):
    """A place in the room and its holder."""

    number: int
    user: str
    name: str
    avatar: str
    kind: str
    secret_hash: bytes
    nonce: bytes
    role: Role = Role.PLAYER
    playing: bool = True
    here: bool = True
    ready: bool = False
    muted: bool = False
    shadow_muted: bool = False
    gone_at: int = 0  # shard clock, while not here
    id_base: int = 0  # the first command id of its present connection
    accepted: int = 0  # the highest command id accepted
    recent: list[int] = []  # the last 64 accepted, oldest first


class Person(Struct, frozen=True, array_like=True):
    """Who a seat of a match is, also after it left the room."""

    user: str
    name: str
    avatar: str


class Regrouping(Struct):
    """A standstill in which the room waits for its seats. Shard clock."""

    since: int
    until: int
    awaited: dict[int, bool]
    planned: bool = False  # a hand-over between questions
    first_back: bool = False


class Starting(Struct):
    """A start under way: content wanted, then counting down."""

    seats: list[int]  # who was to play when it was started
    request: str | None = None  # the content request's id, until it is answered
    spec: dict[str, Any] = {}
    users: list[str] = []
    give_up_at: int | None = None  # shard clock, while content is awaited
    content: list[dict[str, Any]] = []
    until: int | None = None  # room clock, once it counts down


class Match(Struct):
    """The running match."""

    id: str
    run: MatchState
    roster: dict[int, Person]
    secret: bytes
    seed: bytes
    commitment: bytes
    settings: dict[str, Any]


class LastMatch(Struct, frozen=True):
    """How the last match ended: shown while the room is at its results."""

    id: str
    abandoned: bool
    rated: bool
    rows: list[dict[str, Any]]
    commitment: bytes
    secret: bytes
    seed: bytes


class RoomState(Struct):
    """Everything about a room."""

    code: str
    title: str
    public: bool
    creator: str
    created_at: int
    entropy: bytes
    mode: str
    settings: dict[str, Any]
    offset: int  # room clock = shard clock − offset
    host_due: int | None  # shard clock: the next in line becomes host
    empty_since: int | None  # shard clock
    phase: Phase = Phase.LOBBY
    number: int = 0  # matches started so far
    attempt: int = 0  # starts so far, also those taken back
    locked: bool = False
    seats: dict[int, Seat] = {}
    next_seat: int = 1
    host: int | None = None
    creator_awaited: bool = True
    banned: list[str] = []
    stopped: int | None = None  # the room clock while it stands still
    paused: bool = False
    regrouping: Regrouping | None = None
    count_in: int | None = None  # shard clock: when play goes on
    lead_ms: int = 300
    window_ms: int = 250
    starting: Starting | None = None
    match: Match | None = None
    last: LastMatch | None = None
    unrecorded: dict[str, bytes] = {}  # match id → digest of the result that waits for the worker
    notice: str | None = None  # why the last start fell through
