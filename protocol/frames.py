"""WebSocket frames from server to client (RFC 6455 §5.2): whole, final, unmasked, built once for many sockets."""

from struct import Struct as Layout
from typing import Final

from protocol.types import WireFormat

_FIN_TEXT: Final = 0x81
_FIN_BINARY: Final = 0x82
_FIN_CLOSE: Final = 0x88

CLOSE_REASON_BYTES_MAX: Final = 123

_MEDIUM: Final = Layout("!BBH")
_LONG: Final = Layout("!BBQ")
_CLOSE: Final = Layout("!BBH")
_SHORT_BINARY: Final = tuple(bytes((_FIN_BINARY, length)) for length in range(126))
_SHORT_TEXT: Final = tuple(bytes((_FIN_TEXT, length)) for length in range(126))


def _longer(first: int, payload: bytes) -> bytes:
    length = len(payload)
    if length < 65_536:
        return _MEDIUM.pack(first, 126, length) + payload
    return _LONG.pack(first, 127, length) + payload


def binary(payload: bytes) -> bytes:
    """Return a binary frame with this payload."""
    return _SHORT_BINARY[len(payload)] + payload if len(payload) < 126 else _longer(_FIN_BINARY, payload)


def text(payload: bytes) -> bytes:
    """Return a text frame; ``payload`` is UTF-8 already."""
    return _SHORT_TEXT[len(payload)] + payload if len(payload) < 126 else _longer(_FIN_TEXT, payload)


def payload_of(frame: bytes) -> bytes:
    """Return the payload of a frame made here."""
    return frame[{126: 4, 127: 10}.get(frame[1], 2) :]


def close(code: int, reason: str = "") -> bytes:
    """Return a close frame. A reason over 123 bytes is cut at a character's boundary."""
    told = reason.encode("utf-8", "replace")
    if len(told) > CLOSE_REASON_BYTES_MAX:
        told = told[:CLOSE_REASON_BYTES_MAX].decode("utf-8", "ignore").encode("utf-8")
    return _CLOSE.pack(_FIN_CLOSE, 2 + len(told), code) + told


def frame_for(wire: WireFormat, payload: bytes) -> bytes:
    """Return the frame that carries a message of this format: binary for msgpack, text for JSON."""
    return text(payload) if wire is WireFormat.JSON else binary(payload)
