"""What the door in httpapi tells a node: headers of the upgrade request, and lines over the control connection.

A node believes the headers only together with the door's secret, or, for ``TCP``, from a trusted proxy
(nginx: ``proxy_set_header X-Arena-Tcp "$tcpinfo_rtt $tcpinfo_rttvar 0";``). The door removes every one of
them from what a client sent.

A control connection carries frames of a 4-byte big-endian length and a msgpack ``DoorMessage``; the first is
``DoorHello``.
"""

import struct
from typing import Final, NamedTuple

import msgspec
from msgspec import Struct

DOOR: Final = "x-arena-door"  # the secret
CLIENT: Final = "x-arena-client"  # the public socket's address
CONNECTION: Final = "x-arena-connection"  # "<door id>-<number>": what DoorLines refer to
TCP: Final = "x-arena-tcp"  # "<srtt> <rttvar> <min rtt>" of the public socket, microseconds; 0: not known
PRIVATE_HEADERS: Final = frozenset({DOOR, CLIENT, CONNECTION, TCP})

CONTROL_FRAME_BYTES_MAX: Final = 64 * 1024
LINES_IN_A_FRAME_MAX: Final = 1024
US_MAX: Final = 60_000_000  # longer round trips than a minute are nonsense

TCP_INFO_BYTES: Final = 152
"""How much of Linux's ``struct tcp_info`` is read: up to and with ``tcpi_min_rtt``."""

_RTT_AT: Final = 68
_MIN_RTT_AT: Final = 148


class TcpTimes(NamedTuple):
    """A kernel's estimate of a TCP connection's round trip, microseconds; ``min_us`` 0 when it is not known."""

    srtt_us: int
    rttvar_us: int
    min_us: int


class DoorHello(Struct, frozen=True, tag="hello", forbid_unknown_fields=True):
    """The first frame of a control connection."""

    door: str
    secret: str


class DoorLines(Struct, frozen=True, tag="lines", forbid_unknown_fields=True):
    """Public sockets whose estimate changed: (number, srtt, rttvar, min rtt), microseconds."""

    lines: list[tuple[int, int, int, int]]


DoorMessage = DoorHello | DoorLines

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[DoorMessage] = msgspec.msgpack.Decoder(DoorMessage)


def pack_control(message: DoorMessage) -> bytes:
    """Return the message as one frame of a control connection."""
    body = _encoder.encode(message)
    return len(body).to_bytes(4, "big") + body


def unpack_control(body: bytes) -> DoorMessage:
    """Return the message in a frame's body. Raises ``ValueError`` when it is none."""
    try:
        return _decoder.decode(body)
    except msgspec.MsgspecError as error:
        raise ValueError("not a control message") from error


def read_tcp_info(raw: bytes) -> TcpTimes | None:
    """Return what a ``getsockopt(IPPROTO_TCP, TCP_INFO)`` answer says; None when nothing was measured yet."""
    if len(raw) < _RTT_AT + 8:
        return None
    srtt, rttvar = struct.unpack_from("=II", raw, _RTT_AT)
    shortest = struct.unpack_from("=I", raw, _MIN_RTT_AT)[0] if len(raw) >= TCP_INFO_BYTES else 0
    if not srtt:
        return None
    return tcp_times(srtt, rttvar, 0 if shortest == 0xFFFF_FFFF else shortest)


def tcp_times(srtt_us: int, rttvar_us: int, min_us: int) -> TcpTimes | None:
    """Return the times when they make sense, else None."""
    if 0 < srtt_us <= US_MAX and 0 <= rttvar_us <= US_MAX and 0 <= min_us <= US_MAX:
        return TcpTimes(srtt_us, rttvar_us, min_us)
    return None


def format_tcp(times: TcpTimes) -> str:
    """Return the value of the ``TCP`` header."""
    return f"{times.srtt_us} {times.rttvar_us} {times.min_us}"


def parse_tcp(value: str) -> TcpTimes | None:
    """Return what the ``TCP`` header says; None when it is malformed or says nothing (nginx writes ``-``)."""
    parts = value.split()
    if len(parts) != 3 or not all(part.isascii() and part.isdigit() and len(part) <= 9 for part in parts):
        return None
    return tcp_times(int(parts[0]), int(parts[1]), int(parts[2]))
