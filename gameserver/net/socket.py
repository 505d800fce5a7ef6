"""A client's socket: from the upgrade request to the last byte. Implements ``ports.Connection``.

No task and no queue: the event loop calls ``data_received``, rooms call ``send``, the wheel calls ``ping`` and
``sweep``. The only task is the one that uses a ticket up, and it ends before 101 is sent.
``Member.gone`` is called exactly once, from the event loop and never from inside ``send`` or ``close``: a room may
be in the middle of its own fan-out.
"""

import asyncio
import socket as sockets
import struct
from typing import Final, cast

from gameserver.net.admission import ROUNDING_S
from gameserver.net.edge import Edge
from gameserver.net.gate import Route
from gameserver.net.handshake import Handshake
from gameserver.net.inflow import NONE_WHOLE, WHOLE_BINARY, WHOLE_TEXT
from gameserver.net.phases import Phase, Step, next_phase
from gameserver.ports import Member
from protocol.client import ClientMessage, Hello
from protocol.codec import decode_client, encode_client, encode_server
from protocol.door import TCP_INFO_BYTES, read_tcp_info
from protocol.errors import CloseCode, ProtocolError, ProtocolErrorCode
from protocol.frames import frame_for
from protocol.server import Farewell
from protocol.types import WireFormat

NO_SLOT: Final = -1
FAILURES: Final = frozenset({CloseCode.BAD_TICKET, CloseCode.ROOM_NOT_FOUND, CloseCode.RESUME_REFUSED})
"""Closes that count against the client's address."""

_PING: Final = b"\x89\x08"  # a ping frame's header for a nonce of eight bytes
_REASON_BYTES_MAX: Final = 120
_RESET: Final = struct.pack("ii", 1, 0)  # struct linger: on, for 0 s
_TCP_INFO: Final = getattr(sockets, "TCP_INFO", None)  # Linux only


class Socket(Handshake):
    """One client's connection."""

    __slots__ = ("_control_due", "_due", "_member", "_nonce", "_pinged_at", "_slot")

    def __init__(self, edge: Edge, payload_max: int) -> None:
        super().__init__(edge, payload_max)
        self._member: Member | None = None
        self._due = 0.0  # rate limit of messages (GCRA): when the next one is due
        self._control_due = 0.0  # the same for control frames
        self._nonce = b""  # of the ping whose pong is missing
        self._pinged_at = 0.0
        self._slot = NO_SLOT  # of the keep-alive wheel

    # ---- what rooms use (ports.Connection) ----------------------------------------------------------

    @property
    def read_ms(self) -> float:
        """When the bytes of the message that is being received were read (monotonic ms)."""
        return self._edge.read_at * 1000.0

    def send(self, frames: bytes) -> None:
        """Send whole frames in order. Never blocks, never raises; a reader too slow is closed."""
        if self._clear:
            self._edge.counters.frames_out += 1
            try:
                taken = self._kernel(frames)
            except OSError:
                taken = 0  # as in _put, which is not called here: this is the hottest line there is
            if taken != len(frames):
                self._transport.write(frames[taken:])
        elif self._paused and self._is_open():
            if self.unsent() + len(frames) > self._edge.limits.outbox_bytes:
                self._drop_outbox()
                self.close(CloseCode.SLOW_READER)
                return
            self._edge.counters.frames_out += 1
            self._write(frames)

    def close(self, code: CloseCode, reason: str = "", after_ms: int = 0) -> None:
        """Send Farewell and a close frame after what is queued; idempotent."""
        if not self._is_open():
            return
        edge = self._edge
        edge.counters.closes[code.name] += 1
        if code in FAILURES and self._visit is not None:
            edge.admission.failed(self._visit.who, self._now())
        reason = reason.encode()[:_REASON_BYTES_MAX].decode(errors="ignore")
        farewell = Farewell(code=int(code), reason=reason, after_ms=after_ms)
        wire = self._wired()
        wire.send_close(code, reason)
        frames = frame_for(self.format, encode_server(farewell, self.format))
        self._write(b"".join((frames, *wire.data_to_send())))
        self._end()

    # ---- what the event loop calls ------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to wait for the upgrade request."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=0)
        self._open_direct()
        peer = transport.get_extra_info("peername")
        self._peer = str(peer[0]) if peer else ""
        self._edge.sockets.add(self)
        self._deadline = self._now() + self._edge.limits.handshake_s
        self._watch()
        limits = self._edge.limits
        if len(self._edge.sockets) > limits.connections + limits.unasked:
            self.cut("sockets")

    def data_received(self, data: bytes) -> None:
        """Take bytes: of the request first, of frames from then on."""
        arrivals = self._edge.arrivals
        if not arrivals:
            self._edge.loop.call_soon(self._edge.take_arrivals)
        arrivals.append((self, data, self._edge.clock()))

    def take(self, data: bytes) -> None:
        """Look at bytes that were read."""
        if self._phase is Phase.REQUEST or self._phase is Phase.ADMIT:
            self._take_early(data)
        else:
            super().data_received(data)

    def eof_received(self) -> None:
        """The peer sends no more: so it is over (the transport closes itself then)."""
        self._edge.take_arrivals()
        if self._phase not in (Phase.CLOSING, Phase.CLOSED):
            self._end()

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone: leave every list before the number of its descriptor can come again."""
        del exc  # a reset and an end of file mean the same here
        edge = self._edge
        edge.take_arrivals()
        self._clear = False
        self._close_direct()
        self._whole = NONE_WHOLE
        self._phase = next_phase(self._phase, Step.LOST)
        self._drop_outbox()
        self._partial = None
        if self._task is not None:
            self._task.cancel()
        edge.wheel.remove(self, self._slot)
        edge.left(self)
        if self._visit is not None:
            edge.admission.closed(self._visit.who)
            if self._visit.link is not None and edge.links.get(self._visit.link) is self.meter:
                del edge.links[self._visit.link]
        self._unwire()
        self._tell_gone()

    # ---- messages -----------------------------------------------------------------------------------

    def _wants_frames(self) -> bool:
        if self._wire is None:
            return self._is_open()
        return self._phase is not Phase.CLOSED and not self._wire.eof_sent

    def _expect_whole(self, whole: bool) -> None:
        if not whole or not self._is_open():
            self._whole = NONE_WHOLE
        else:
            self._whole = WHOLE_TEXT if self.format is WireFormat.JSON else WHOLE_BINARY

    def _message(self, first: int, payload: bytes) -> None:
        """Take a whole message, whatever it was cut into: rate, type, codec, room."""
        if not self._charge() or not self._is_open():
            return
        self._edge.counters.frames_in += 1
        try:
            if (first == 0x81) is not (self.format is WireFormat.JSON):
                raise ProtocolError(ProtocolErrorCode.WRONG_FRAME)
            message = decode_client(payload, self.format)
            member = self._member
            if member is None:
                self._greet(message)
            elif self.format is WireFormat.JSON:
                member.receive(message, encode_client(message, WireFormat.MSGPACK))
            else:
                member.receive(message, payload)
        except ProtocolError as error:
            self._edge.counters.protocol_errors[error.code] += 1
            too_big = error.code is ProtocolErrorCode.TOO_LARGE
            self.close(CloseCode.TOO_BIG if too_big else CloseCode.PROTOCOL_ERROR, str(error))

    def _greet(self, message: ClientMessage) -> None:
        """Hand the connection to its room: the first message must be Hello."""
        visit, claims = self._visit, self._claims
        assert visit is not None
        if not isinstance(message, Hello):
            raise ProtocolError(ProtocolErrorCode.UNEXPECTED, "hello comes first")
        if claims is None and (visit.route is Route.LOBBY or message.seat is None or message.secret is None):
            self.close(CloseCode.BAD_TICKET, "no ticket")
            return
        self._claims = None
        member: Member | None
        if visit.route is Route.LOBBY:
            assert claims is not None
            member = self._edge.lobby.open(self, claims)
        else:
            member = self._edge.hub.open(self, visit.code, message, claims)
        self._member = member
        if self._phase is not Phase.HELLO:
            return  # closed meanwhile: whoever was taken is told from the event loop
        if member is None:
            self.close(CloseCode.INTERNAL)  # a hub that takes nobody says why; this one did not
        else:
            self._phase = next_phase(self._phase, Step.GREETED)
            self._slot = self._edge.wheel.add(self)

    def _charge(self) -> bool:
        """Take one message from the allowance; False: there was none, and the connection is being closed."""
        edge = self._edge
        now = edge.clock()
        due = (self._due if self._due > now else now) + edge.message_interval_s
        if due - now > edge.message_slack_s:
            self.close(CloseCode.RATE_LIMITED, after_ms=1000)
            return False
        self._due = due
        return True

    def _charge_fragment(self) -> bool:
        self._edge.counters.fragments_in += 1
        return self._charge()

    def _charge_control(self) -> bool:
        """Take one control frame from the allowance; False: there was none, and the connection is cut."""
        self._edge.counters.control_in += 1
        per_s = self._edge.limits.control_per_s
        now = self._now()
        due = max(self._control_due, now) + 1.0 / per_s
        if due - now > 1.0 + ROUNDING_S:
            self.cut("control_flood")
            return False
        self._control_due = due
        return True

    # ---- the wheel ----------------------------------------------------------------------------------

    def ping(self, nonce: bytes) -> bool:
        """Send a ping, unless it would have to wait behind unsent bytes: its round trip would mean nothing."""
        if not self._clear:
            return False
        self._nonce, self._pinged_at = nonce, self._now()
        self._put(_PING + nonce)
        return True

    def awaits(self, nonce: bytes) -> bool:
        """Say whether the pong to this ping is still missing."""
        return self._nonce == nonce and self._phase is Phase.OPEN

    def pong_missed(self) -> None:
        """Close: nobody seems to be there."""
        self.close(CloseCode.PING_TIMEOUT)

    def _pong(self, data: bytes) -> None:
        if not self._nonce or data != self._nonce:
            return
        self._nonce = b""
        if self._visit is not None and self._visit.public:
            self._read_tcp()
        now = self._edge.read_at
        self.meter.pong(now - self._pinged_at, now)

    def _read_tcp(self) -> None:
        socket = self._transport.get_extra_info("socket")
        if _TCP_INFO is None or socket is None:
            return
        times = read_tcp_info(socket.getsockopt(sockets.IPPROTO_TCP, _TCP_INFO, TCP_INFO_BYTES))
        if times is not None:
            self.meter.tcp(times)

    def sweep(self, now: float) -> bool:
        """Apply deadlines; True while this connection needs watching."""
        limits = self._edge.limits
        if self._is_stuck(now, limits):
            self.cut("stuck")
        elif self._paused and self.unsent() > 2 * limits.outbox_bytes:
            self.cut("unsent_bytes")  # what the protocol itself owes (pongs) is bounded too
        elif self._phase is Phase.OPEN:
            return self._paused
        elif now >= self._deadline:
            if self._phase is Phase.HELLO:
                self.close(CloseCode.HELLO_TIMEOUT)
            else:
                self.cut("closing" if self._phase is Phase.CLOSING else "handshake")
        return self._phase is not Phase.CLOSED

    # ---- the end ------------------------------------------------------------------------------------

    def cut(self, reason: str) -> None:
        """End it without waiting for anything."""
        if self._phase is Phase.CLOSED:
            return
        self._edge.counters.aborts[reason] += 1
        self._drop_outbox()
        if self._phase is not Phase.CLOSING:
            self._end()
        socket = self._transport.get_extra_info("socket")
        if socket is not None:
            # A reset: the kernel, too, forgets what the peer never read.
            socket.setsockopt(sockets.SOL_SOCKET, sockets.SO_LINGER, _RESET)
        self._transport.abort()

    def _wire_ended(self) -> None:
        """ServerProtocol is done: the peer closed or broke the protocol, or an HTTP refusal was sent."""
        if self._phase not in (Phase.CLOSING, Phase.CLOSED):
            self._end()

    def _end(self) -> None:
        """Take and send nothing more; wait ``closing_s`` for the peer to go."""
        self._phase = next_phase(self._phase, Step.ENDED)
        self._clear = False
        self._whole = NONE_WHOLE
        self._deadline = self._now() + self._edge.limits.closing_s
        self._watch()
        self._edge.loop.call_soon(self._tell_gone)

    def _tell_gone(self) -> None:
        """Tell the room, once."""
        member, self._member = self._member, None
        if member is not None:
            member.gone()

    def _now(self) -> float:
        return self._edge.clock()

    def _is_open(self) -> bool:
        return self._phase is Phase.OPEN or self._phase is Phase.HELLO

    def _watch(self) -> None:
        if self._phase is not Phase.CLOSED:
            self._edge.wheel.watch(self)
