"""Chat and reactions: shell only, not journaled, rate-limited, may be dropped (DESIGN §8)."""

from typing import TYPE_CHECKING

from gameserver.shards import limits
from gameserver.shards.members import MemberState, RoomMember
from protocol import codec, frames
from protocol.server import ChatLine, Reactions, ServerMessage
from protocol.types import WireFormat

if TYPE_CHECKING:
    from gameserver.shards.live import LiveRoom

WINDOW_MS = 10_000


class Chatter:
    """One room's chat and reactions. Nothing said here is state: it needs no commit."""

    __slots__ = ("_counts", "_live")

    def __init__(self, live: "LiveRoom") -> None:
        self._live = live
        self._counts: dict[str, int] = {}

    def chat(self, member: RoomMember, text: str) -> None:
        """Pass a line on to everybody in the room; the muted are not heard, the shadow-muted only by themselves."""
        room = self._live.room
        if member.state is not MemberState.SEATED or not member.welcomed or member.seat is None:
            return
        if not self._spend(member, "chat_budget", limits.CHAT_PER_10_S):
            return
        holder = room.state.seats.get(member.seat)
        if holder is None or holder.muted:
            return
        line = ChatLine(seat=member.seat, name=holder.name, text=text)
        if member.shadow_muted or holder.shadow_muted:
            self._send([member], line)
        else:
            self._send(list(self._live.everybody()), line)

    def react(self, member: RoomMember, emoji: str) -> None:
        """Count a reaction; the room hears the sums four times a second at most."""
        if not member.welcomed or not self._spend(member, "reaction_budget", limits.REACTIONS_PER_10_S):
            return
        if emoji in self._counts or len(self._counts) < limits.REACTION_KINDS_MAX:
            self._counts[emoji] = self._counts.get(emoji, 0) + 1
            self._live.shard.wants_flush(self._live)

    def flush(self) -> None:
        """Tell the reactions counted since the last time."""
        if self._counts:
            counts, self._counts = self._counts, {}
            self._send(list(self._live.everybody()), Reactions(counts=counts))

    def _spend(self, member: RoomMember, budget: str, most: int) -> bool:
        since, used = getattr(member, budget)
        now = self._live.shard.now_ms()
        if now - since > WINDOW_MS:
            since, used = now, 0
        if used >= most:
            return False
        setattr(member, budget, (since, used + 1))
        return True

    def _send(self, members: list[RoomMember], message: ServerMessage) -> None:
        if self._live.shard.frozen():
            return
        wire: dict[WireFormat, bytes] = {}
        for member in members:
            wire_format = member.connection.format
            if wire_format not in wire:
                payload = codec.encode_server(message, wire_format)
                wire[wire_format] = frames.frame_for(wire_format, payload)
            member.connection.send(wire[wire_format])
