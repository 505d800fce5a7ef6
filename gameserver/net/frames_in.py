"""Where inbound frames end (RFC 6455 §5.2), so that only whole ones are handed on."""

from typing import Final

from websockets.frames import CloseCode as WireClose

HEADER_BYTES_MAX: Final = 14
_OPCODES: Final = frozenset({0x0, 0x1, 0x2, 0x8, 0x9, 0xA})


class FrameRefused(Exception):  # noqa: N818 - what became of the frame, as the RFC says it
    """A frame that must fail the connection, known from its header alone."""

    def __init__(self, code: WireClose, reason: str) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason


def frame_bytes(data: bytes | bytearray, at: int, payload_max: int) -> int:
    """Return how long the frame that starts at ``at`` is, header and mask included.

    A result beyond ``len(data) - at`` means that the frame, or its header, is not whole yet: it is then the least
    number of bytes worth waiting for. Raises ``FrameRefused`` as soon as the header says so: too long (before
    any of the body is read), not masked, reserved bits or opcode, a control frame that is long or fragmented.
    """
    have = len(data) - at
    if have < 2:
        return 2
    first, second = data[at], data[at + 1]
    if first & 0x70:
        raise FrameRefused(WireClose.PROTOCOL_ERROR, "reserved bits must be 0")
    if first & 0x0F not in _OPCODES:
        raise FrameRefused(WireClose.PROTOCOL_ERROR, "invalid opcode")
    if second < 0x80:
        raise FrameRefused(WireClose.PROTOCOL_ERROR, "client frames must be masked")
    length, header = second & 0x7F, 6
    if first & 0x08:
        if length > 125:
            raise FrameRefused(WireClose.PROTOCOL_ERROR, "control frame too long")
        if not first & 0x80:
            raise FrameRefused(WireClose.PROTOCOL_ERROR, "fragmented control frame")
    elif length >= 126:
        wide = 2 if length == 126 else 8
        if have < 2 + wide:
            return 2 + wide
        length = int.from_bytes(data[at + 2 : at + 2 + wide], "big")
        header += wide
    if length > payload_max:
        raise FrameRefused(WireClose.MESSAGE_TOO_BIG, f"at most {payload_max} bytes a message")
    return header + length
