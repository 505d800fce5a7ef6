"""The way in: our own framing in front of ``websockets``' ServerProtocol (DESIGN §8).

Whole, masked, unfragmented data frames of the connection's type go straight to ``_message``, and pongs to ``_pong``.
Everything else goes to ServerProtocol, and only as whole frames: a partial one waits in our own buffer, which is
bounded because a declared length above the cap is refused from the header. (That ServerProtocol's buffer is empty
says nothing about frame boundaries: it may have consumed a two-byte header.)

ServerProtocol takes 3 KB with the request it keeps. It is let go after the handshake, and made again only for a
connection that sends something rare: most never do.
"""

import logging
from collections.abc import Sequence
from typing import Final

from websockets.frames import CloseCode as WireClose
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from gameserver.net.frames_in import FrameRefused, frame_bytes
from gameserver.net.gate import SUBPROTOCOLS
from gameserver.net.outflow import Outflow
from protocol.types import WireFormat

try:
    from websockets.speedups import apply_mask
except ImportError:  # a build of websockets without its C part
    from websockets.utils import apply_mask

_OFFERED: Final = [Subprotocol(name) for name in SUBPROTOCOLS]
_PONG: Final = 0x8A

WHOLE_BINARY: Final = b"\x82"
WHOLE_TEXT: Final = b"\x81"
NONE_WHOLE: Final = b""

_log = logging.getLogger("gameserver.net.wire")
_log.setLevel(logging.ERROR)  # its info lines ("connection open") are counters of ours


class Wire(ServerProtocol):
    """ServerProtocol that offers our subprotocols but insists on none: a client that names none speaks msgpack."""

    def __init__(self, payload_max: int, state: State) -> None:
        super().__init__(max_size=payload_max, state=state, subprotocols=_OFFERED, logger=_log)

    def select_subprotocol(self, subprotocols: Sequence[Subprotocol]) -> Subprotocol | None:
        """Return the one we like best; raises ``NegotiationError`` when all offered ones are unknown."""
        return super().select_subprotocol(subprotocols) if subprotocols else None

    @property
    def format(self) -> WireFormat:
        """The negotiated encoding."""
        return SUBPROTOCOLS.get(str(self.subprotocol), WireFormat.MSGPACK)

    def release(self) -> None:
        """Free the parser, which otherwise lives in a reference cycle until the collector finds it."""
        self.parser.close()


class Inflow(Outflow):
    """Bytes in, messages out."""

    __slots__ = ("_fragments", "_need", "_partial", "_payload_max", "_whole", "_wire")

    def __init__(self, payload_max: int) -> None:
        super().__init__()
        self._payload_max = payload_max
        self._wire: Wire | None = None
        self._whole = NONE_WHOLE  # first bytes of frames that need no ServerProtocol
        self._partial: bytearray | None = None
        self._need = 0  # bytes the partial frame needs at least before another look is worth it
        self._fragments: list[bytes] | None = None

    def data_received(self, data: bytes) -> None:
        """Take bytes from the transport."""
        if self._partial is not None or not self._whole:
            self._take_slowly(data)
            return
        at, end = 0, len(data)
        while end - at >= 6:
            second = data[at + 1]
            if data[at] not in self._whole or not 0x80 <= second < 0xFE:
                break
            body = at + 6
            stop = body + (second & 0x7F)
            if stop > end:
                break
            self._message(data[at], apply_mask(data[body:stop], data[at + 2 : body]))
            at = stop
        if at < end:
            self._take_slowly(data[at:] if at else data)

    def _take_slowly(self, data: bytes | bytearray) -> None:
        """Cut anything into whole frames; keep the rest. Stops as soon as no frame is wanted any more."""
        partial = self._partial
        if partial is not None:
            partial += data
            data = partial
            if len(data) < self._need:
                return
            self._partial = None
        at, end = 0, len(data)
        try:
            while at < end:
                if not self._wants_frames():
                    return
                size = frame_bytes(data, at, self._payload_max)
                if at + size > end:
                    self._partial, self._need = bytearray(data[at:]), size
                    return
                self._frame(bytes(data[at : at + size]))
                at += size
        except FrameRefused as refused:
            self._fail(refused.code, refused.reason)

    def _frame(self, frame: bytes) -> None:
        """Take one whole frame."""
        if frame[0] in self._whole:
            header = {0x7E: 8, 0x7F: 14}.get(frame[1] & 0x7F, 6)
            self._message(frame[0], apply_mask(frame[header:], frame[header - 4 : header]))
            return
        if frame[0] & 0x08:
            if not self._charge_control():
                return
            if frame[0] == _PONG:
                self._pong(apply_mask(frame[6:], frame[2:6]))
                return
            if frame[0] & 0x0F == Opcode.CLOSE:
                # A close between two fragments is a close like any other (RFC 6455 §5.4); ServerProtocol would
                # take it for an error.
                self._fragments = None
                self._wired().current_size = None
        elif not self._is_open():
            return  # after our own close only the peer's close matters
        elif not frame[0] & 0x80 and not self._charge_fragment():
            return  # a final frame is charged as the message it completes
        wire = self._wired()
        wire.receive_data(frame)
        for event in wire.events_received():
            assert isinstance(event, Frame)
            if event.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
                self._assemble(event)
        self._after_wire()

    def _assemble(self, frame: Frame) -> None:
        """Put a fragment to the ones before it."""
        if frame.opcode is not Opcode.CONT:
            self._fragments = [bytes((0x80 | frame.opcode,))]
            self._expect_whole(False)
        assert self._fragments is not None, "ServerProtocol refuses a continuation of nothing"
        self._fragments.append(bytes(frame.data))
        if frame.fin:
            kind, *pieces = self._fragments
            self._fragments = None
            self._expect_whole(True)
            self._message(kind[0], b"".join(pieces))

    # ---- ServerProtocol -----------------------------------------------------------------------------

    def _wired(self) -> Wire:
        """Return the ServerProtocol, making it when there is none just now."""
        if self._wire is None:
            self._wire = Wire(self._payload_max, State.OPEN if self._is_open() else State.CONNECTING)
        return self._wire

    def _unwire(self) -> None:
        """Let it go."""
        if self._wire is not None:
            self._wire.release()
            self._wire = None

    def _fail(self, code: WireClose, reason: str) -> None:
        """Fail the connection (RFC 6455 §7.1.7)."""
        self._wired().fail(code, reason)
        self._after_wire()

    def _after_wire(self) -> None:
        """Send what ServerProtocol wants sent, and notice that it is done."""
        wire = self._wired()
        for data in wire.data_to_send():
            if data:
                self._write(data)
            else:
                self._half_close()
        if wire.state is not State.OPEN:
            self._wire_ended()

    def _read_request(self, head: bytes) -> Request | None:
        """Parse an upgrade request that ends with its empty line; None: it was no HTTP and is being refused."""
        wire = self._wired()
        wire.receive_data(head)
        for event in wire.events_received():
            if isinstance(event, Request):
                return event
        return None

    # ---- what the connection around it says ---------------------------------------------------------

    def _wants_frames(self) -> bool:
        raise AssertionError("told by the connection")

    def _expect_whole(self, whole: bool) -> None:
        raise AssertionError("told by the connection")

    def _message(self, first: int, payload: bytes) -> None:
        raise AssertionError("told by the connection")

    def _charge_control(self) -> bool:
        raise AssertionError("told by the connection")

    def _charge_fragment(self) -> bool:
        raise AssertionError("told by the connection")

    def _pong(self, data: bytes) -> None:
        raise AssertionError("told by the connection")

    def _wire_ended(self) -> None:
        raise AssertionError("told by the connection")
