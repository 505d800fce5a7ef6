"""One room's part of a tick: drain its mail, fire its deadlines, build what it tells.

Pure with respect to the outside: everything it makes goes into the tick's ``Batch``, which is committed as one
record, and into ``Tell`` objects, which wait for that commit.
"""

import hashlib
from typing import TYPE_CHECKING

from gameserver.games.mode import Audience
from gameserver.rooms import inputs
from gameserver.rooms.reply import Reply
from gameserver.shards import limits
from gameserver.shards.live import LiveRoom, Mail
from gameserver.shards.members import MemberState, RoomMember
from gameserver.shards.telling import FirstView, Tell
from protocol import codec, delta, frames
from protocol.errors import CloseCode, ErrorCode
from protocol.ids import SeatNumber
from protocol.limits import CROWD_EVERY_MS
from protocol.server import Refused

if TYPE_CHECKING:
    from gameserver.shards.batch import Batch


def hash_secret(secret: str) -> bytes:
    """Return what is stored of a resume secret: its SHA-256."""
    return hashlib.sha256(secret.encode()).digest()


class RoomTick:
    """The tick of one room."""

    __slots__ = ("acks", "batch", "live", "refusals", "tell")

    def __init__(self, live: LiveRoom, batch: "Batch") -> None:
        self.live = live
        self.batch = batch
        self.tell = Tell(live)
        self.acks: dict[RoomMember, list[int]] = {}
        self.refusals: dict[RoomMember, list[Refused]] = {}

    # ---- inputs ----------------------------------------------------------------------------------

    def drain(self) -> None:
        """Apply all mail, in arrival order."""
        mail, self.live.mail = self.live.mail, []
        for item in mail:
            member = item.member
            if member is not None and item.command is None and member.state is MemberState.GONE:
                continue  # it left before its join was applied: nobody would sit there
            self._apply(item)

    def _apply(self, item: Mail) -> None:
        live = self.live
        try:
            reply = live.room.apply(item.input, item.at, item.command)
        except Exception as error:  # noqa: BLE001 - a fault of ours takes one room, never the shard (COMMIT.md §10)
            self.batch.fault(live, item, error)
            if item.member is not None and item.command is not None:
                self._refuse(item.member, item.command.id, ErrorCode.INTERNAL, "")
            return
        if reply.code is None and not reply.repeated:
            self.batch.journal(live, item)
        else:
            self.batch.not_kept(item)
        if item.command is not None and item.member is not None:
            self._command_reply(item.member, item, reply)
        elif isinstance(item.input, inputs.Join | inputs.Back) and item.member is not None:
            self._seat_reply(item.member, reply)
        for seat in reply.kicked:
            self._close_seat(seat, reply.close)

    def _command_reply(self, member: RoomMember, item: Mail, reply: Reply) -> None:
        member.pending_commands -= 1
        assert item.command is not None
        if reply.code is not None:
            self._refuse(member, item.command.id, reply.code, reply.detail)
            return
        self.acks.setdefault(member, []).append(item.command.id)

    def _refuse(self, member: RoomMember, command_id: int, code: ErrorCode, detail: str) -> None:
        self.live.shard.metrics.refusals.labels(str(code)).inc()
        self.refusals.setdefault(member, []).append(Refused(id=command_id, code=str(code), detail=detail))

    def _seat_reply(self, member: RoomMember, reply: Reply) -> None:
        if reply.code is not None or reply.seat is None:
            code = CloseCode.RESUME_REFUSED if reply.code is ErrorCode.NOT_FOUND else CloseCode.REFUSED
            self.tell.closes.append((member, code, str(reply.code)))
            member.state = MemberState.SUPERSEDED
            return
        older = self.live.seat_taken(member, reply.seat)
        if older is not None:
            self.tell.closes.append((older, CloseCode.REPLACED, ""))
        self.live.wanted_views[member] = None

    def _close_seat(self, seat: int, code: CloseCode) -> None:
        member = self.live.seats.get(seat)
        if member is not None:
            self.tell.closes.append((member, code, ""))
            self._unseat(member)

    def _unseat(self, member: RoomMember) -> None:
        member.state = MemberState.SUPERSEDED
        if member.seat is not None and self.live.seats.get(member.seat) is member:
            del self.live.seats[member.seat]

    # ---- what it tells ----------------------------------------------------------------------------

    def build(self, clock: int, *, crowd_due: bool) -> None:
        """Build what this tick tells of the room, once for each audience.

        ``crowd_due``: watchers were kept waiting by an earlier tick, and their pause is over.
        """
        live = self.live
        shared, seats = live.room.take_touched()
        if live.audiences_seen != live.room.audiences_changed:
            live.audiences_seen = live.room.audiences_changed
            self._redraw_audiences()
        for member, ids in self.acks.items():
            wire = member.connection.format
            self.tell.before[member] = frames.frame_for(wire, codec.encode_ack(ids, wire=wire))
        for member, refused in self.refusals.items():
            head = self.tell.before.get(member, b"")
            for message in refused:
                payload = codec.encode_server(message, member.connection.format)
                head += frames.frame_for(member.connection.format, payload)
            self.tell.before[member] = head
        wanted = self._audiences_wanted()
        if crowd_due:
            wanted.add(Audience.CROWD)
        if shared or wanted:
            self._build_streams(clock, shared, wanted)
        self._build_privates(seats)
        if live.wanted_views:
            self._build_first_views()
        if shared or live.membership_changed:
            live.membership_changed = False
            live.shard.stale_cards[live] = None
        if live.card_wanted:
            live.card_wanted = False
            live.shard.stale_cards.pop(live, None)
            self.tell.card = live.room.card()

    def _audiences_wanted(self) -> set[Audience]:
        return {member.audience for member in self.live.wanted_views} if self.live.wanted_views else set()

    def _build_streams(self, clock: int, shared: bool, wanted: set[Audience]) -> None:
        live = self.live
        for audience in Audience:  # a set has no order of its own
            if audience in wanted:
                live.stream(audience)
        # A tick without a record of its own tells the last one's clock: a later one would be in no commit (law 1).
        told = clock if self.batch.dirty else live.shard.recorded_clock
        for audience, stream in live.streams.items():
            if audience not in wanted:
                if not shared or stream.live is None:
                    continue
                if audience is not Audience.PLAYERS and self._resting(audience, clock):
                    stream.rest()
                    continue
                if audience is Audience.CROWD and clock - stream.built_at < CROWD_EVERY_MS:
                    live.shard.wants_crowd(live, stream.built_at + CROWD_EVERY_MS)
                    continue
            step = stream.build(live.room.view(audience), clock, self.batch.append_only(live), told=told)
            if step is not None:
                self.tell.steps.append((stream, step))

    def _resting(self, audience: Audience, clock: int) -> bool:
        stream = self.live.streams[audience]
        return not stream.members and stream.idle_since is not None and clock - stream.idle_since > limits.CROWD_IDLE_MS

    def _build_privates(self, seats: frozenset[int] | None) -> None:
        live = self.live
        if seats is not None and not seats:
            return
        numbers = live.seats.keys() if seats is None else seats
        for number in numbers:
            member = live.seats.get(number)
            if member is None or member in live.wanted_views:
                continue
            after = live.room.private_view(SeatNumber(number)) or {}
            patch = delta.diff(member.private or {}, after, frozenset())
            if not patch:
                continue
            member.private = after
            wire = member.connection.format
            payload = codec.encode_private(live.shard.epoch, live.stream(member.audience).n, patch, wire=wire)
            self.tell.after[member] = frames.frame_for(wire, payload)

    def _build_first_views(self) -> None:
        live = self.live
        for member in live.wanted_views:
            if member.state in (MemberState.GONE, MemberState.SUPERSEDED):
                continue
            seat = member.seat
            role, next_id = member.role, None
            if seat is not None:
                number = SeatNumber(seat)
                member.private = live.room.private_view(number)
                next_id = live.room.next_id(number)
                role = live.room.role_of(number)
            self.tell.first_views.append(
                FirstView(member, welcome=not member.welcomed, role=role, private=member.private, next_id=next_id)
            )
        live.wanted_views = {}

    def _redraw_audiences(self) -> None:
        """Roles changed: who now belongs to another audience gets its whole view."""
        live = self.live
        for number, member in live.seats.items():
            audience = live.room.audience_of(SeatNumber(number))
            if audience is member.audience:
                continue
            stream = live.streams.get(member.audience)
            if stream is not None:
                stream.members.pop(member, None)
            member.audience = audience
            live.wanted_views[member] = None
