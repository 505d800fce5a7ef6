"""A connection's place in a room: what the edge hands messages to."""

import enum
from typing import TYPE_CHECKING

from gameserver.games.mode import Audience
from gameserver.ports import Connection
from gameserver.shards import limits
from protocol.client import Chat, ClientMessage, ClockAsk, Command, Hello, React, ResyncAsk
from protocol.errors import CloseCode, ProtocolErrorCode
from protocol.types import View

if TYPE_CHECKING:
    from gameserver.shards.live import LiveRoom


class MemberState(enum.Enum):
    """Where a connection is on its way through a room."""

    JOINING = "joining"  # its join is in the mail or unconfirmed: nothing told yet
    SEATED = "seated"  # its seat is live; told from Welcome on
    WATCHING = "watching"
    SUPERSEDED = "superseded"  # a newer connection took the seat
    GONE = "gone"


class RoomMember:
    """One connection in one room. ``seat`` is None for watchers."""

    __slots__ = (
        "audience",
        "chat_budget",
        "connection",
        "hello",
        "live",
        "pending_commands",
        "private",
        "reaction_budget",
        "role",
        "seat",
        "secret",
        "shadow_muted",
        "state",
        "user",
        "welcomed",
    )

    def __init__(self, *, live: "LiveRoom", connection: Connection, hello: Hello, role: str, user: str = "") -> None:
        self.live = live
        self.connection = connection
        self.hello = hello
        self.role = role  # player, watcher or screen
        self.user = user
        self.seat: int | None = None
        self.secret: str | None = None  # the fresh resume secret, until it was told
        self.audience = Audience.PLAYERS
        self.state = MemberState.JOINING
        self.welcomed = False
        self.private: View | None = None  # the private view as of the last tick built
        self.pending_commands = 0
        self.shadow_muted = False
        self.chat_budget = (0.0, 0)
        self.reaction_budget = (0.0, 0)

    def receive(self, message: ClientMessage, raw: bytes) -> None:
        """Take a decoded message from the edge."""
        if isinstance(message, Command):
            self._command(message, raw)
        elif isinstance(message, ClockAsk):
            if self.welcomed:
                self.live.shard.tell_clock(self, message.c)
        elif isinstance(message, ResyncAsk):
            if self.welcomed:
                self.live.want_view(self)
        elif isinstance(message, React):
            self.live.chatter.react(self, message.emoji)
        elif isinstance(message, Chat):
            self.live.chatter.chat(self, message.text)
        else:
            self.connection.close(CloseCode.PROTOCOL_ERROR, ProtocolErrorCode.UNEXPECTED)

    def _command(self, command: Command, raw: bytes) -> None:
        if self.state is not MemberState.SEATED or not self.welcomed:
            if self.state is not MemberState.SUPERSEDED:
                self.connection.close(CloseCode.PROTOCOL_ERROR, ProtocolErrorCode.UNEXPECTED)
            return
        if self.pending_commands >= limits.MAIL_PER_SEAT_MAX:
            self.connection.close(CloseCode.RATE_LIMITED, "unanswered commands", 1000)
            return
        self.pending_commands += 1
        self.live.post_command(self, command, raw)

    def gone(self) -> None:
        """The socket is closed or lost."""
        if self.state is MemberState.GONE:
            return
        before = self.state
        self.state = MemberState.GONE
        self.live.member_gone(self, before)

    def close(self, code: CloseCode, reason: str = "", after_ms: int = 0) -> None:
        """Close the connection; whatever it still sends is ignored."""
        self.connection.close(code, reason, after_ms)
