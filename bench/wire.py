"""A WebSocket client's bytes, without I/O: cheap enough that one process plays a thousand clients."""

import os
from typing import Final

SUBPROTOCOL: Final = "svidnet.arena.v1+msgpack"
BINARY: Final = 2
CLOSE: Final = 8
PING: Final = 9
PONG: Final = 10
HEAD_END: Final = b"\r\n\r\n"


def upgrade(path: str, host: str) -> bytes:
    """Return the request that opens a connection."""
    return (
        f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
        f"Sec-WebSocket-Protocol: {SUBPROTOCOL}\r\n\r\n"
    ).encode()


def answer_of(head: bytes) -> tuple[int, float]:
    """Return status and seconds of Retry-After (0: none) of an HTTP answer's head."""
    lines = head.decode("latin-1").split("\r\n")
    wait = 0.0
    for line in lines[1:]:
        name, _, value = line.partition(":")
        if name.lower() == "retry-after" and value.strip().isdigit():
            wait = float(value)
    return int(lines[0].split(" ")[1]), wait


def frame(opcode: int, payload: bytes) -> bytes:
    """Return a masked frame of at most 65,535 bytes."""
    size = len(payload)
    key = os.urandom(4)
    mask = int.from_bytes((key * (size // 4 + 1))[:size], "big")
    masked = (int.from_bytes(payload, "big") ^ mask).to_bytes(size, "big")
    if size < 126:
        return bytes((0x80 | opcode, 0x80 | size)) + key + masked
    return bytes((0x80 | opcode, 0xFE, size >> 8, size & 255)) + key + masked


def split(data: bytes) -> tuple[list[tuple[int, bytes]], bytes]:
    """Return the whole frames in ``data`` as (opcode, payload), and the rest."""
    frames: list[tuple[int, bytes]] = []
    at, end = 0, len(data)
    while end - at >= 2:
        size, start = data[at + 1], at + 2
        if size == 126:
            start = at + 4
            size = int.from_bytes(data[at + 2 : start], "big")
        elif size == 127:
            start = at + 10
            size = int.from_bytes(data[at + 2 : start], "big")
        if start + size > end:
            break
        frames.append((data[at] & 15, data[start : start + size]))
        at = start + size
    return frames, data[at:]
