"""Where the edge brings connections: finds the room among the owned shards and seats the newcomer."""

import hmac
import secrets

from gameserver.ports import Connection
from gameserver.rooms import inputs
from gameserver.shards import losttime
from gameserver.shards.keeper import Keeper
from gameserver.shards.live import LiveRoom, Mail
from gameserver.shards.members import RoomMember
from gameserver.shards.roomtick import hash_secret
from protocol.client import Hello
from protocol.errors import CloseCode, ErrorCode
from protocol.ids import RoomCode, SeatNumber, shard_of
from protocol.limits import WATCHERS_MAX
from protocol.tickets import TicketClaims

MOVED_AFTER_MS = 250


class RoomHub:
    """All rooms this node owns, as the edge sees them."""

    def __init__(self, keeper: Keeper, *, shards: int) -> None:
        self._keeper = keeper
        self._shards = shards

    def open(
        self, connection: Connection, code: RoomCode, hello: Hello, claims: TicketClaims | None
    ) -> RoomMember | None:
        """Take a connection whose Hello came; None when it was closed instead."""
        shard = self._keeper.owned(shard_of(code, self._shards))
        if shard is None:
            connection.close(CloseCode.MOVED, "", MOVED_AFTER_MS)
            return None
        live = shard.rooms.get(code)
        if live is None and shard.frozen():
            # What this node does not know of may have come to be under another owner: nothing final is said.
            connection.close(CloseCode.MOVED, "", MOVED_AFTER_MS)
            return None
        if live is None or live.room.closed:
            connection.close(CloseCode.ROOM_NOT_FOUND)
            return None
        if claims is None:
            return self._come_back(connection, live, hello)
        if claims.role != "player":
            return self._watch(connection, live, hello, claims)
        return self._join(connection, live, hello, claims)

    def _join(self, connection: Connection, live: LiveRoom, hello: Hello, claims: TicketClaims) -> RoomMember | None:
        member = RoomMember(live=live, connection=connection, hello=hello, role="player", user=claims.sub)
        member.shadow_muted = claims.shadow_muted
        member.secret = secrets.token_urlsafe(32)
        join = inputs.Join(
            user=claims.sub,
            name=claims.name,
            kind=claims.kind,
            avatar=claims.avatar,
            secret_hash=hash_secret(member.secret),
            nonce=hello.nonce or b"",
            muted=claims.muted,
            shadow_muted=claims.shadow_muted,
        )
        return self._post(live, member, join)

    def _come_back(self, connection: Connection, live: LiveRoom, hello: Hello) -> RoomMember | None:
        if hello.seat is None or hello.secret is None:
            connection.close(CloseCode.BAD_TICKET)
            return None
        known = live.room.secret_hash(SeatNumber(hello.seat))
        if known is None or not hmac.compare_digest(known, hash_secret(hello.secret)):
            connection.close(CloseCode.RESUME_REFUSED)
            return None
        member = RoomMember(live=live, connection=connection, hello=hello, role="player")
        return self._post(live, member, inputs.Back(seat=hello.seat, nonce=hello.nonce or b""))

    def _watch(self, connection: Connection, live: LiveRoom, hello: Hello, claims: TicketClaims) -> RoomMember | None:
        if len(live.watchers) >= WATCHERS_MAX:
            connection.close(CloseCode.REFUSED, ErrorCode.FULL)
            return None
        member = RoomMember(live=live, connection=connection, hello=hello, role=claims.role, user=claims.sub)
        live.add_watcher(member)
        return member

    def _post(self, live: LiveRoom, member: RoomMember, item: inputs.Input) -> RoomMember | None:
        if member.hello.at is not None and losttime.was_told_more(live.shard, member.hello.at):
            losttime.notice(live, member.hello.at)
        if not live.post(Mail(item, live.shard.stamp(), member=member)):
            member.close(CloseCode.TRY_AGAIN, "room busy", 1000)
            return None
        return member
