"""What one tick tells of one room, built at the tick's end and held until its commit is confirmed (law 1)."""

from typing import TYPE_CHECKING

from gameserver.shards import losttime
from gameserver.shards.members import MemberState, RoomMember
from gameserver.shards.stream import Step, Stream
from protocol import codec, frames
from protocol.bus import RoomCard
from protocol.errors import CloseCode
from protocol.server import Resync, Welcome
from protocol.types import View, WireFormat

if TYPE_CHECKING:
    from gameserver.shards.live import LiveRoom


class FirstView:
    """A member who gets a whole view: a Welcome, or a Resync when it was welcomed before."""

    __slots__ = ("member", "next_id", "private", "role", "welcome")

    def __init__(
        self, member: RoomMember, *, welcome: bool, role: str, private: View | None, next_id: int | None
    ) -> None:
        self.member = member
        self.welcome = welcome
        self.role = role
        self.private = private
        self.next_id = next_id


class Tell:
    """One room's share of what a tick tells."""

    __slots__ = ("after", "before", "card", "closes", "first_views", "live", "steps")

    def __init__(self, live: "LiveRoom") -> None:
        self.live = live
        self.steps: list[tuple[Stream, Step]] = []
        self.before: dict[RoomMember, bytes] = {}  # acknowledgements and refusals: sent before the delta
        self.after: dict[RoomMember, bytes] = {}  # private deltas: sent behind it
        self.first_views: list[FirstView] = []
        self.closes: list[tuple[RoomMember, CloseCode, str]] = []
        self.card: RoomCard | None = None

    def __bool__(self) -> bool:
        return bool(self.steps or self.before or self.after or self.first_views or self.closes or self.card is not None)

    def concerned(self) -> list[RoomMember]:
        """Return whom it would have welcomed or closed: who was superseded or removed is on no list any more."""
        return [*(first.member for first in self.first_views), *(member for member, _, _ in self.closes)]

    def deliver(self) -> None:
        """Tell it: the commit this waited for is confirmed, and the node is not frozen."""
        before, after = self.before, self.after
        if before or after:
            self._deliver_with_personal(before, after)
        else:
            for stream, step in self.steps:
                stream.confirm(step)
                wire = step.wire
                for member, send in stream.members.items():
                    if send is not None:
                        send(wire)
                    else:
                        member.connection.send(step.frame(member.connection.format))
        for first in self.first_views:
            self._first_view(first)
        for member, code, reason in self.closes:
            member.close(code, reason)

    def _deliver_with_personal(self, before: dict[RoomMember, bytes], after: dict[RoomMember, bytes]) -> None:
        for stream, step in self.steps:
            stream.confirm(step)
            wire = step.wire
            for member, send in stream.members.items():
                if send is not None and member not in before and member not in after:
                    send(wire)
                    continue
                connection = member.connection
                shared = wire if send is not None else step.frame(connection.format)
                connection.send(before.pop(member, b"") + shared + after.pop(member, b""))
        for member, head in before.items():
            tail = after.pop(member, None)
            member.connection.send(head if tail is None else head + tail)
        for member, tail in after.items():
            member.connection.send(tail)

    def _first_view(self, first: FirstView) -> None:
        member = first.member
        if member.state in (MemberState.GONE, MemberState.SUPERSEDED):
            return
        stream = self.live.stream(member.audience)
        assert stream.confirmed is not None, "a first view is built behind a confirmed step"
        connection = member.connection
        if not first.welcome:
            message: Welcome | Resync = Resync(
                epoch=stream.epoch,
                n=stream.confirmed_n,
                clock=stream.confirmed_clock,
                view=stream.confirmed,
                private=first.private,
            )
            missing: list[bytes] = []
        else:
            at = member.hello.at
            resumes = at is not None and at.epoch == stream.epoch
            found = stream.since(at.n, connection.format) if at is not None and resumes else None
            missing = found or []
            message = Welcome(
                room=self.live.room_code,
                role=first.role,
                audience=str(stream.audience),
                epoch=stream.epoch,
                n=stream.confirmed_n if found is None or at is None else at.n,
                clock=stream.confirmed_clock,
                view=stream.confirmed if found is None else {},
                seat=member.seat,
                secret=member.secret,
                next_id=first.next_id,
                private=first.private,
                resumed=found is not None,
            )
            member.welcomed = True
            member.secret = None
        payload = codec.encode_server(message, connection.format)
        out = frames.frame_for(connection.format, payload)
        if self.live.shard.now_ms() < self.live.loss_told_until:
            missing = [*missing, losttime.FRAMES[connection.format]]
        connection.send(out + b"".join(missing))
        stream.members[member] = connection.send if connection.format is WireFormat.MSGPACK else None
        stream.idle_since = None
