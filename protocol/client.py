"""Messages a client sends. One Struct each; ``t`` is the tag. SPEC describes them for strangers.

``Command`` subclasses carry a ``command_id`` and are answered with ``Ack`` or ``Refused``. Commands of a
mode live in ``protocol/modes/<mode>.py`` and are registered in ``protocol/registry.py``.
"""

from typing import Annotated, Any

from msgspec import Meta, Struct

from protocol import limits
from protocol.types import ChatText, CommandId, Millis, NonceBytes, Reaction, SeatNo, Token


class ClientMessage(Struct, frozen=True, forbid_unknown_fields=True, tag_field="t"):
    """What a client sends. ``t`` names the kind."""


class ResumePoint(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The last version the client holds.

    ``clock`` is the clock it was told with: ``c`` of a delta, ``clock`` of a whole view; 0 where it is not known. An
    owner that took the shard over, and whose memory ends before that clock, knows by it that the store lost a
    timeline, and says so to the room (Notice ``timeline_lost``).
    """

    epoch: Millis
    n: Millis
    clock: Millis = 0


class Hello(ClientMessage, frozen=True, tag="hello"):
    """The first frame, within five seconds of the handshake.

    With a ticket in the URL only ``client`` is needed. To come back without a ticket, ``seat`` and
    ``secret`` name the seat; ``at`` asks to go on from a version of the same epoch.
    """

    client: Annotated[str, Meta(max_length=limits.CLIENT_NAME_CHARS_MAX)] = ""
    seat: SeatNo | None = None
    secret: Token | None = None
    at: ResumePoint | None = None
    nonce: NonceBytes | None = None  # the seat's part of the next match's seed (16 random bytes)


class ClockAsk(ClientMessage, frozen=True, tag="clock"):
    """Asks for the shard clock; ``c`` is the client's own clock and comes back unchanged."""

    c: Millis


class ResyncAsk(ClientMessage, frozen=True, tag="resync"):
    """Asks for a whole view: a delta did not fit."""


class Chat(ClientMessage, frozen=True, tag="chat"):
    """A line for everybody in the room; not journaled, may be dropped."""

    text: ChatText


class React(ClientMessage, frozen=True, tag="react"):
    """A reaction for everybody in the room; not journaled, may be dropped. Watchers may send it too."""

    emoji: Reaction


class Command(ClientMessage, frozen=True):
    """What a seat asks for. ``id`` is its command id: it counts up for each seat."""

    id: CommandId


class RoomCommand(Command, frozen=True):
    """A command about the room around a match."""


class SetReady(RoomCommand, frozen=True, tag="room.ready"):
    """Says whether this seat is ready for the match to start."""

    ready: bool


class SetSettings(RoomCommand, frozen=True, tag="room.settings"):
    """Host: replaces the settings of the next match (and its mode, if given). Only in the lobby or at results."""

    settings: dict[str, Any]
    mode: Annotated[str, Meta(max_length=32)] | None = None


class SetPlaying(RoomCommand, frozen=True, tag="room.playing"):
    """Says whether this seat plays the next match, or only hosts it."""

    playing: bool


class StartMatch(RoomCommand, frozen=True, tag="room.start"):
    """Host: starts the match."""


class CancelStart(RoomCommand, frozen=True, tag="room.cancel"):
    """Host: takes a start back while it counts down."""


class BackToLobby(RoomCommand, frozen=True, tag="room.lobby"):
    """Host: from results back to the lobby."""


class EndMatch(RoomCommand, frozen=True, tag="room.end"):
    """Host: ends the running match at once; it is recorded as abandoned and not rated."""


class Rematch(RoomCommand, frozen=True, tag="room.rematch"):
    """Host: from results straight into another match with the same settings."""


class Kick(RoomCommand, frozen=True, tag="room.kick"):
    """Host: removes a seat; its user may not come back to this room."""

    seat: SeatNo


class Lock(RoomCommand, frozen=True, tag="room.lock"):
    """Host: locks the room for newcomers, or opens it."""

    locked: bool


class HandOver(RoomCommand, frozen=True, tag="room.host"):
    """Host: makes another seat the host."""

    seat: SeatNo


class SetCoHost(RoomCommand, frozen=True, tag="room.cohost"):
    """Host: makes a seat a co-host, or a player again."""

    seat: SeatNo
    cohost: bool


class Pause(RoomCommand, frozen=True, tag="room.pause"):
    """Host: stops the room's clock."""


class Unpause(RoomCommand, frozen=True, tag="room.unpause"):
    """Host: lets the room's clock run again, after a count-in of three seconds."""


class Leave(RoomCommand, frozen=True, tag="room.leave"):
    """Gives the seat up for good. The server closes with NORMAL."""
