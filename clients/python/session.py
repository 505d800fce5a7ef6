"""One client's session with one room, without I/O: payloads and times in, payloads and events out (SPEC whole).

Use: ``opened`` when the WebSocket is open, ``received`` for each message, ``lost`` when it is closed, ``tick`` no
later than ``due``; after each of them send what ``data_to_send`` returns. Times are whole milliseconds of any
monotonic clock. The same object lives through reconnects; ``path`` and ``lost`` say how to make the next one.
"""

import enum
from collections.abc import Callable
from typing import Any, Final

from msgspec import Struct

from clients.python import events
from clients.python.clock import ClockSync, stands_still
from clients.python.events import Event
from clients.python.mirror import Mirror, Took
from clients.python.orders import Orders
from protocol import server
from protocol.client import Chat, ClientMessage, ClockAsk, Command, Hello, React, ResumePoint, ResyncAsk
from protocol.codec import decode_server, encode_client
from protocol.errors import CLOSE_RULES, Advice, CloseCode, ProtocolError, ProtocolErrorCode
from protocol.server import ServerMessage
from protocol.types import View, WireFormat

BACKOFF_MS: Final = 250
BACKOFF_MAX_MS: Final = 8_000
BAD_TICKETS_MAX: Final = 2
NO_CLOSE_FRAME: Final = 1006


class Phase(enum.Enum):
    """Where the session is."""

    AWAY = "away"  # no connection
    GREETING = "greeting"  # Hello is sent
    LIVE = "live"
    OVER = "over"  # it ended for good


class Way(enum.Enum):
    """How to make the next connection."""

    RESUME = "resume"  # without a token; Hello names seat and secret
    TICKET = "ticket"  # with a new ticket
    STOP = "stop"  # not at all: tell the person


class Plan(Struct, frozen=True):
    """What to do after a connection ended, or could not be made."""

    way: Way
    wait_ms: int
    code: int
    reason: str


class Session:
    """The protocol's client side. ``draw(a, b)`` returns a random integer with a ≤ it ≤ b (for jitter)."""

    def __init__(
        self,
        *,
        draw: Callable[[int, int], int],
        client: str = "arena-python",
        wire: WireFormat = WireFormat.MSGPACK,
        nonce: bytes | None = None,
    ) -> None:
        self.wire = wire
        self.mirror = Mirror()
        self.clock = ClockSync()
        self.orders = Orders()
        self.phase = Phase.AWAY
        self.room = ""
        self.role = ""
        self.audience = ""
        self.seat: int | None = None
        self._draw = draw
        self._client = client
        self._nonce = nonce
        self._secret: str | None = None
        self._way = Way.TICKET
        self._attempt = 0
        self._bad_tickets = 0
        self._resyncing = False
        self._farewell: server.Farewell | None = None
        self._outgoing: list[bytes] = []

    # ---- what the owner of the socket calls ----------------------------------------------------------

    @property
    def way(self) -> Way:
        """How the next connection is to be made."""
        return self._way

    def opened(self) -> None:
        """The WebSocket is open: say Hello."""
        assert self.phase is Phase.AWAY
        self.phase = Phase.GREETING
        self._farewell = None
        resuming = self._way is Way.RESUME
        self._send(
            Hello(
                client=self._client,
                seat=self.seat if resuming else None,
                secret=self._secret if resuming else None,
                at=ResumePoint(self.mirror.epoch, self.mirror.n, self.mirror.clock) if self.mirror.known else None,
                nonce=self._nonce,
            )
        )

    def received(self, payload: bytes, now: int) -> list[Event]:
        """Take one message. Raises ``ProtocolError`` when the server broke SPEC (messages not known are no error)."""
        try:
            message = decode_server(payload, self.wire)
        except ProtocolError as error:
            if error.code is ProtocolErrorCode.UNKNOWN_TAG:
                return []
            raise
        told = self._take(message, now)
        self._flush()
        return told

    def lost(self, code: int, reason: str = "") -> Plan:
        """The connection ended with this close code (1006: without a close frame); return what to do."""
        farewell = self._farewell
        if code == NO_CLOSE_FRAME and farewell is not None:
            code, reason = farewell.code, farewell.reason
        self._drop_connection()
        self._way = self._way_after(code)
        if self._way is Way.STOP:
            self.phase = Phase.OVER
            return Plan(Way.STOP, 0, code, reason)
        return Plan(self._way, self._backoff(farewell.after_ms if farewell else 0), code, reason)

    def failed(self, retry_after_ms: int = 0) -> Plan:
        """A connection could not be made (or a ticket not be had) this time; return what to do."""
        self._drop_connection()
        if self._way is Way.RESUME and self._secret is None:
            self._way = Way.TICKET
        return Plan(self._way, self._backoff(retry_after_ms), NO_CLOSE_FRAME, "")

    def tick(self, now: int) -> None:
        """Do what is due."""
        if self.phase is not Phase.LIVE:
            return
        ask_at = self.clock.ask_at
        if ask_at is not None and now >= ask_at:
            self._send(ClockAsk(c=now))
            self.clock.asked(now)
        thaw_at = self.orders.thaw_at
        if thaw_at is not None and now >= thaw_at and not stands_still(self.view):
            self.orders.thawed()
        self._flush()

    def due(self) -> int | None:
        """Return when ``tick`` is to be called at the latest; None: only after something else happened."""
        if self.phase is not Phase.LIVE:
            return None
        thaw_at = None if stands_still(self.view) else self.orders.thaw_at
        return min((at for at in (self.clock.ask_at, thaw_at) if at is not None), default=None)

    def data_to_send(self) -> list[bytes]:
        """Return the payloads to send, each in a WebSocket message of its own."""
        outgoing, self._outgoing = self._outgoing, []
        return outgoing

    # ---- what the player calls -----------------------------------------------------------------------

    @property
    def view(self) -> View:
        """The room's view as of the last message."""
        return self.mirror.view

    @property
    def private(self) -> View | None:
        """What only this seat sees."""
        return self.mirror.private

    def submit(self, kind: type[Command], **fields: Any) -> int:
        """Want a command done; return its order's number, which ``Accepted`` and ``Turned`` name.

        Sent as soon as it may be, kept through reconnects and standstills. Raises ``TooManyOrders``.
        """
        order = self.orders.submit(kind, fields)
        self._flush()
        return order.number

    def chat(self, text: str) -> None:
        """Say something; it is lost when there is no connection just now."""
        if self.phase is Phase.LIVE:
            self._send(Chat(text=text))

    def react(self, emoji: str) -> None:
        """React; it is lost when there is no connection just now."""
        if self.phase is Phase.LIVE:
            self._send(React(emoji=emoji))

    # ---- messages --------------------------------------------------------------------------------------

    def _take(self, message: ServerMessage, now: int) -> list[Event]:
        kind = type(message)
        if self.phase is not Phase.LIVE and kind not in _BEFORE_WELCOME:
            raise ProtocolError(ProtocolErrorCode.UNEXPECTED, "before Welcome")
        return _TAKERS[kind](self, message, now)

    def _bye(self, message: server.Farewell, now: int) -> list[Event]:
        del now
        self._farewell = message
        return []

    def _lobby(self, message: server.LobbyRooms, now: int) -> list[Event]:
        del now
        self._settled()
        return [events.Lobby(message.rooms)]

    def _welcome(self, message: server.Welcome, now: int) -> list[Event]:
        if self.phase is not Phase.GREETING:
            raise ProtocolError(ProtocolErrorCode.UNEXPECTED, "welcome")
        mirror = self.mirror
        if message.resumed and not (mirror.known and mirror.epoch == message.epoch and mirror.n == message.n):
            raise ProtocolError(ProtocolErrorCode.UNEXPECTED, "resumed")
        same_seat = self.seat in (None, message.seat)
        same_stream = not message.resumed or message.audience == self.audience
        self._settled()
        self._resyncing = False
        self.room, self.role, self.audience, self.seat = message.room, message.role, message.audience, message.seat
        if message.secret is not None:
            self._secret = message.secret
        mirror.set_whole(
            epoch=message.epoch,
            n=message.n,
            clock=message.clock,
            view=None if message.resumed else message.view,
            private=message.private,
        )
        self.clock.reset(message.epoch, now)
        self.clock.saw(message.clock, now)
        again, lost = self.orders.welcomed(message.next_id, same_seat=same_seat)
        for command in again:
            self._send(command)
        told: list[Event] = [events.Welcomed(resumed=message.resumed)]
        told += [events.Lost(order.number) for order in lost]
        # Each audience has a stream of its own: what was held is of another one.
        return told if same_stream else told + self._ask_resync()

    def _settled(self) -> None:
        self.phase = Phase.LIVE
        self._attempt = 0
        self._bad_tickets = 0

    def _delta(self, delta: server.Delta, now: int) -> list[Event]:
        if self._resyncing:
            return []
        took = self.mirror.take(delta)
        if took is Took.GAP:
            return self._ask_resync()
        if took is Took.PASSED:
            return []
        self.clock.saw(delta.c, now)
        self._look_for_thaw()
        return [events.Changed(delta)]

    def _private_delta(self, delta: server.PrivateDelta, now: int) -> list[Event]:
        del now
        if self._resyncing:
            return []
        took = self.mirror.take_private(delta)
        if took is Took.GAP:
            return self._ask_resync()
        return [events.PrivateChanged(delta)] if took is Took.APPLIED else []

    def _ask_resync(self) -> list[Event]:
        self._resyncing = True
        self._send(ResyncAsk())
        return [events.Gap()]

    def _resync(self, message: server.Resync, now: int) -> list[Event]:
        self._resyncing = False
        if message.epoch != self.mirror.epoch:
            self.clock.reset(message.epoch, now)
        self.clock.saw(message.clock, now)
        self.mirror.set_whole(
            epoch=message.epoch, n=message.n, clock=message.clock, view=message.view, private=message.private
        )
        self._look_for_thaw()
        return [events.Resynced()]

    def _ack(self, message: server.Ack, now: int) -> list[Event]:
        del now
        orders = [(command_id, self.orders.acknowledged(command_id)) for command_id in message.ids]
        return [events.Accepted(order.number, command_id) for command_id, order in orders if order is not None]

    def _refused(self, message: server.Refused, now: int) -> list[Event]:
        order, kept = self.orders.was_refused(message.id, message.code, now)
        if order is None:
            return []
        if kept:
            return [events.Held(order.number, message.id)]
        return [events.Turned(order.number, message.id, message.code, message.detail)]

    def _clock(self, message: server.ClockTell, now: int) -> list[Event]:
        took = self.clock.answered(message.c, message.s, message.e, now)
        return [events.ClockSet(self.clock.error(now) or 0)] if took else []

    def _said(self, message: server.ChatLine, now: int) -> list[Event]:
        del now
        return [events.Said(message.seat, message.name, message.text)]

    def _reacted(self, message: server.Reactions, now: int) -> list[Event]:
        del now
        return [events.Reacted(message.counts)]

    def _noticed(self, message: server.Notice, now: int) -> list[Event]:
        del now
        return [events.Noticed(message.code, message.text)]

    def _look_for_thaw(self) -> None:
        if not stands_still(self.view):
            self.orders.thawed()

    # ---- inside ----------------------------------------------------------------------------------------

    def _flush(self) -> None:
        if self.phase is Phase.LIVE:
            for command in self.orders.take(standing_still=stands_still(self.view)):
                self._send(command)

    def _send(self, message: ClientMessage) -> None:
        self._outgoing.append(encode_client(message, self.wire))

    def _drop_connection(self) -> None:
        self.phase = Phase.AWAY
        self._outgoing.clear()
        self._farewell = None
        self._resyncing = False
        self.clock.stop()
        self.orders.broke()

    def _way_after(self, code: int) -> Way:
        rule = CLOSE_RULES.get(CloseCode(code)) if code in CloseCode._value2member_map_ else None
        advice = Advice.RESUME if rule is None else rule.advice
        if code == CloseCode.RESUME_REFUSED:
            self._secret = None
        if code == CloseCode.BAD_TICKET:
            self._bad_tickets += 1
            if self._bad_tickets >= BAD_TICKETS_MAX:
                return Way.STOP
        if advice is Advice.STOP:
            return Way.STOP
        return Way.TICKET if advice is Advice.TICKET or self._secret is None else Way.RESUME

    def _backoff(self, least_ms: int) -> int:
        most = min(BACKOFF_MS << min(self._attempt, 16), BACKOFF_MAX_MS)
        self._attempt += 1
        return least_ms + self._draw(most // 2, most)


_BEFORE_WELCOME: Final = frozenset({server.Welcome, server.Farewell, server.LobbyRooms})

_TAKERS: Final[dict[type[ServerMessage], Callable[[Session, Any, int], list[Event]]]] = {
    server.Welcome: Session._welcome,
    server.Resync: Session._resync,
    server.Delta: Session._delta,
    server.PrivateDelta: Session._private_delta,
    server.Ack: Session._ack,
    server.Refused: Session._refused,
    server.ClockTell: Session._clock,
    server.ChatLine: Session._said,
    server.Reactions: Session._reacted,
    server.Notice: Session._noticed,
    server.Farewell: Session._bye,
    server.LobbyRooms: Session._lobby,
}
