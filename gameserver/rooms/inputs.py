"""Everything that enters a room. Inputs are what the journal keeps: replaying them rebuilds the room.

Encoded as MessagePack arrays with an integer tag (see ``gameserver.rooms.record``); never sent to clients.
New fields go to the end with a default: old journals stay readable.
"""

from typing import Any

from msgspec import Struct


class Input(Struct, frozen=True, array_like=True, tag_field="k"):
    """Anything that enters a room."""


class Create(Input, frozen=True, tag=1):
    """The room begins. Journaled as its first input."""

    code: str
    host: str  # UserId
    mode: str
    settings: dict[str, Any]
    public: bool
    entropy: bytes
    title: str = ""
    created_at: int = 0


class Join(Input, frozen=True, tag=2):
    """A connection with a ticket asks for a seat; a user who already has one gets that (a return)."""

    user: str
    name: str
    kind: str  # guest, account or bot
    avatar: str
    secret_hash: bytes  # SHA-256 of the resume secret the shell drew; replaces an older one
    nonce: bytes = b""  # the seat's part of the next seed
    muted: bool = False
    shadow_muted: bool = False


class Back(Input, frozen=True, tag=3):
    """A seat's connection is back, by its resume secret (checked by the shell against confirmed state)."""

    seat: int
    nonce: bytes = b""


class Drop(Input, frozen=True, tag=4):
    """A seat's connection is lost."""

    seat: int


class CommandInput(Input, frozen=True, tag=5):
    """A command as it came: ``raw`` is its msgpack encoding (JSON clients' are re-encoded)."""

    seat: int
    raw: bytes
    credit_cap_ms: int = 0
    error_ms: int = 0


class Content(Input, frozen=True, tag=6):
    """The worker's answer to a content request. ``request`` is the id the room asked with."""

    request: str
    items: list[dict[str, Any]]
    reason: str = ""


class Recorded(Input, frozen=True, tag=7):
    """The worker recorded the result of this match."""

    match: str


class Measure(Input, frozen=True, tag=8):
    """What the shell measured of the room's lines; in force from the next question on."""

    lead_ms: int
    window_ms: int


class Adopt(Input, frozen=True, tag=9):
    """A new owner took the room over: all seats are away; those that were connected are awaited."""

    epoch: int
    planned: bool = False  # a hand-over: between questions it needs no count-in if all are back at once


class Regroup(Input, frozen=True, tag=10):
    """The room stood still for over a second without a change of owner: regroup before play goes on."""

    awaiting: bool = False  # False: connections held, only the count-in is needed; True: they are lost, as at Adopt


class Close(Input, frozen=True, tag=11):
    """An administrator, or housekeeping, ends the room."""

    reason: str


class Moderate(Input, frozen=True, tag=12):
    """A user was muted, unmuted or banned."""

    user: str
    action: str


class Void(Input, frozen=True, tag=13):
    """The running match cannot go on (its rules changed under it): it ends openly as void, unrated."""

    reason: str


AnyInput = (
    Create
    | Join
    | Back
    | Drop
    | CommandInput
    | Content
    | Recorded
    | Measure
    | Adopt
    | Regroup
    | Close
    | Moderate
    | Void
)
