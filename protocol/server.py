"""Messages the server sends to a client. One Struct each; ``t`` is the tag.

Deltas and Acks are the hot ones: their field names are short.
"""

from typing import Any

from msgspec import Struct

from protocol.types import View


class ServerMessage(Struct, frozen=True, tag_field="t", omit_defaults=True):
    """What the server sends. ``t`` names the kind."""


class Welcome(ServerMessage, frozen=True, tag="welcome"):
    """Answers Hello. Sets epoch, n, view and private view whatever they were before."""

    room: str  # the room's code
    role: str  # player, host, cohost or watcher
    audience: str  # players, crowd, screen or host: whose view this is
    epoch: int
    n: int
    clock: int  # the shard clock at the commit this view was made from, ms
    view: View
    seat: int | None = None
    secret: str | None = None  # the resume secret, only when the seat is new or its secret was replaced
    next_id: int | None = None  # the seat's next command id
    private: View | None = None
    resumed: bool = False  # true: ``view`` is empty, keep yours; the missing deltas follow (``private`` is whole)


class Resync(ServerMessage, frozen=True, tag="resync"):
    """A whole view again: after ResyncAsk, or when the server cannot send the missing deltas."""

    epoch: int
    n: int
    clock: int
    view: View
    private: View | None = None


class Delta(ServerMessage, frozen=True, tag="d"):
    """A change of the audience's view, from version ``f`` to version ``n`` of epoch ``e``."""

    e: int
    f: int
    n: int
    c: int  # the shard clock at the commit, ms
    s: dict[str, Any] = {}  # set: path → value
    u: list[str] = []  # unset: paths
    a: dict[str, list[Any]] = {}  # append: path → items at the end of an append-only list


class PrivateDelta(ServerMessage, frozen=True, tag="p"):
    """A change of this seat's private view; follows the delta of version ``n`` in the same epoch."""

    e: int
    n: int
    s: dict[str, Any] = {}
    u: list[str] = []


class Ack(ServerMessage, frozen=True, tag="ack"):
    """The commands with these ids count: they are committed."""

    ids: list[int]


class Refused(ServerMessage, frozen=True, tag="no"):
    """A command was not applied; nothing changed."""

    id: int
    code: str  # an ErrorCode
    detail: str = ""  # for developers; not shown to players


class ClockTell(ServerMessage, frozen=True, tag="clock"):
    """Answers ClockAsk: ``c`` as sent, ``s`` the shard clock now, ms: an estimate, void at the next Resync."""

    c: int
    s: int
    e: int


class ChatLine(ServerMessage, frozen=True, tag="chat"):
    """A line of chat."""

    seat: int
    name: str
    text: str


class Reactions(ServerMessage, frozen=True, tag="react"):
    """Reactions of the last quarter second: emoji → how many."""

    counts: dict[str, int]


class Notice(ServerMessage, frozen=True, tag="notice"):
    """Something a person should read; ``code`` is in the text catalogue."""

    code: str
    text: str = ""


class Farewell(ServerMessage, frozen=True, tag="bye"):
    """The last message before the server closes; ``after_ms`` paces reconnecting."""

    code: int
    reason: str = ""
    after_ms: int = 0


class LobbyRooms(ServerMessage, frozen=True, tag="lobby.rooms"):
    """On ``/ws/lobby``: the public rooms, whole; at the start and when they change (at most once a second)."""

    rooms: list[dict[str, Any]]
