"""A room as its shard runs it: the pure room, its mail, its members and streams."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, TypeAlias

from gameserver.games.mode import Audience
from gameserver.rooms import inputs
from gameserver.rooms.record import pack_input
from gameserver.rooms.room import Room
from gameserver.shards import limits
from gameserver.shards.chatter import Chatter
from gameserver.shards.members import MemberState, RoomMember
from gameserver.shards.stream import Stream
from protocol.bus import RoomCard
from protocol.client import Command
from protocol.errors import CloseCode
from protocol.ids import RoomCode, SeatNumber

if TYPE_CHECKING:
    from gameserver.shards.shard import Shard


CardSaid: TypeAlias = tuple[RoomCard, int]
"""What a room's card in the directory says: the room's part, and how many watch."""


class Mail:
    """One input on its way into a room."""

    __slots__ = ("at", "command", "entry", "input", "member", "message_id")

    def __init__(
        self,
        item: inputs.Input,
        at: int,
        *,
        member: RoomMember | None = None,
        command: Command | None = None,
        entry: str = "",
        message_id: str = "",
    ) -> None:
        self.input = item
        self.at = at
        self.member = member
        self.command = command
        self.entry = entry  # inbox stream id, to be consumed by the commit
        self.message_id = message_id  # bus message id, remembered so that it counts once


class LiveRoom:
    """One room of an owned shard."""

    __slots__ = (
        "asked_at",
        "audiences_seen",
        "base",
        "base_seq",
        "card",
        "card_at",
        "card_said",
        "card_wanted",
        "chatter",
        "connections_told",
        "deadline",
        "faults_at",
        "hash_at",
        "loss_told_until",
        "mail",
        "match_seen",
        "measured",
        "measured_at",
        "membership_changed",
        "published",
        "room",
        "room_code",
        "seats",
        "shard",
        "streams",
        "tail",
        "wanted_views",
        "watchers",
    )

    def __init__(self, shard: "Shard", code: RoomCode, room: Room) -> None:
        self.shard = shard
        self.room_code = code
        self.room = room
        self.mail: list[Mail] = []
        self.seats: dict[int, RoomMember] = {}
        self.watchers: dict[RoomMember, None] = {}
        self.streams: dict[Audience, Stream] = {}
        self.wanted_views: dict[RoomMember, None] = {}
        self.chatter = Chatter(self)
        self.deadline: int | None = None
        self.base: bytes = b""  # the newest checkpoint in the journal …
        self.base_seq = 0  # … and the record that carries it
        self.tail: list[bytes] = []  # packed inputs since then: what a rebuild replays
        self.hash_at = 0
        self.loss_told_until = 0.0  # monotonic ms: who gets a whole view before then hears of a lost timeline
        self.match_seen: str | None = None
        self.measured = (0, 0)
        self.measured_at = 0.0  # monotonic ms, as the two below
        self.asked_at: dict[str, float] = {}  # content request id → when last asked
        self.published: set[str] = set()  # match ids whose result this owner has put into a commit
        self.card_at = 0.0
        self.card_said: CardSaid | None = None  # what was written last
        self.connections_told = (0, 0.0)  # how many, and when that was written (monotonic ms)
        self.card: RoomCard | None = None  # as of the last confirmed tick that made one
        self.card_wanted = True
        self.faults_at: int | None = None
        self.membership_changed = False
        self.audiences_seen = room.audiences_changed

    # ---- who is here -----------------------------------------------------------------------------

    def stream(self, audience: Audience) -> Stream:
        """Return the audience's stream, made at its first use."""
        found = self.streams.get(audience)
        if found is None:
            found = self.streams[audience] = Stream(audience, self.shard.epoch)
        return found

    def everybody(self) -> Iterator[RoomMember]:
        """Yield every member that has been welcomed."""
        for stream in self.streams.values():
            yield from stream.members

    def connections(self) -> int:
        """Return how many connections are in the room."""
        return len(self.seats) + len(self.watchers)

    def want_view(self, member: RoomMember) -> None:
        """A member shall get a whole view behind this tick's commit."""
        self.wanted_views[member] = None
        self.shard.wants_tick(self)

    def add_watcher(self, member: RoomMember) -> None:
        """A watcher or a big screen arrives: no input, a first view with the next tick."""
        member.audience = Audience.SCREEN if member.role == "screen" else Audience.CROWD
        member.state = MemberState.WATCHING
        self.watchers[member] = None
        self.membership_changed = True
        self.want_view(member)

    # ---- mail ------------------------------------------------------------------------------------

    def post(self, mail: Mail) -> bool:
        """Put an input into the mail; False when it is full."""
        if len(self.mail) >= limits.MAIL_PER_ROOM_MAX:
            self.shard.metrics.mail_full.inc()
            return False
        self.mail.append(mail)
        self.shard.wants_tick(self)
        return True

    def post_command(self, member: RoomMember, command: Command, raw: bytes) -> None:
        """Post a seat's command with what is measured of its line."""
        assert member.seat is not None
        line = member.connection.line
        item = inputs.CommandInput(seat=member.seat, raw=raw, credit_cap_ms=line.credit_cap_ms, error_ms=line.error_ms)
        at = self.shard.clock.stamp(member.connection.read_ms)
        if not self.post(Mail(item, at, member=member, command=command)):
            member.close(CloseCode.TRY_AGAIN, "room busy", 1000)

    def member_gone(self, member: RoomMember, before: MemberState) -> None:
        """A connection ended: take it off every list, and tell the room when it held a seat."""
        stream = self.streams.get(member.audience)
        if stream is not None:
            stream.members.pop(member, None)
            if not stream.members:
                stream.idle_since = self.shard.clock.now
        self.wanted_views.pop(member, None)
        if member in self.watchers:
            del self.watchers[member]
            self.membership_changed = True
            self.shard.wants_tick(self)
        seat = member.seat
        if seat is not None and self.seats.get(seat) is member:
            del self.seats[seat]
            if before is MemberState.SEATED:
                self.mail.append(Mail(inputs.Drop(seat=seat), self.shard.stamp()))
                self.shard.wants_tick(self)

    def seat_taken(self, member: RoomMember, seat: int) -> RoomMember | None:
        """Give the seat to a member whose join was applied; return the member it replaces."""
        older = self.seats.get(seat)
        self.seats[seat] = member
        member.seat = seat
        member.state = MemberState.SEATED
        member.audience = self.room.audience_of(SeatNumber(seat))
        if older is None or older is member:
            return None
        older.state = MemberState.SUPERSEDED
        stream = self.streams.get(older.audience)
        if stream is not None:
            stream.members.pop(older, None)
        return older

    def told_may_be_lost(self) -> None:
        """The store lost something: card, number of connections and requests may be gone, too. Write them again."""
        self.card_said = None
        self.connections_told = (-1, 0.0)
        self.asked_at.clear()
        if self.card is not None:
            self.shard.changed_cards.setdefault(self.room_code, self)

    # ---- rebuilding ------------------------------------------------------------------------------

    def checkpointed(self, blob: bytes, seq: int) -> None:
        """The record ``seq`` carries this checkpoint."""
        self.base, self.base_seq = blob, seq
        self.tail = []

    def journaled(self, mail: Mail) -> bytes:
        """Return the packed input for the record, and keep it for a rebuild."""
        packed = pack_input(mail.at, mail.input)
        self.tail.append(packed)
        return packed
