"""What a session tells its owner. State itself is read from the session: events say that it changed."""

from typing import Any

from msgspec import Struct

from protocol.server import Delta, PrivateDelta


class Event(Struct, frozen=True):
    """Something happened."""


class Welcomed(Event, frozen=True):
    """The seat is live on this connection; the view is there. ``resumed``: missed deltas follow."""

    resumed: bool


class Resynced(Event, frozen=True):
    """The view was replaced whole."""


class Changed(Event, frozen=True):
    """The view changed by this delta."""

    delta: Delta


class PrivateChanged(Event, frozen=True):
    """The private view changed by this delta."""

    delta: PrivateDelta


class Gap(Event, frozen=True):
    """A delta did not fit; a whole view was asked for."""


class Accepted(Event, frozen=True):
    """The command counts: it is durable."""

    order: int
    command_id: int


class Turned(Event, frozen=True):
    """The command was refused for good; nothing changed."""

    order: int
    command_id: int
    code: str
    detail: str


class Held(Event, frozen=True):
    """The room stands still; the command is kept and sent again when it runs."""

    order: int
    command_id: int


class Lost(Event, frozen=True):
    """The seat is another one now: what became of this command will never be known."""

    order: int


class ClockSet(Event, frozen=True):
    """The clock was measured; the estimate is at most ``error_ms`` wrong."""

    error_ms: int


class Said(Event, frozen=True):
    """Somebody said something."""

    seat: int
    name: str
    text: str


class Reacted(Event, frozen=True):
    """Reactions: emoji → how many."""

    counts: dict[str, int]


class Noticed(Event, frozen=True):
    """Something a person should read."""

    code: str
    text: str


class Lobby(Event, frozen=True):
    """On a lobby connection: the public rooms."""

    rooms: list[dict[str, Any]]


class Away(Event, frozen=True):
    """The connection is gone; the next attempt comes in ``wait_ms``. From ``RoomClient`` only."""

    code: int
    reason: str
    wait_ms: int


class Ended(Event, frozen=True):
    """It ended for good. From ``RoomClient`` only; the last event."""

    code: int
    reason: str
