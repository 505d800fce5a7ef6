"""A WebSocket client made of a bare socket, straight to a node: whatever comes is kept, frame by frame."""

import asyncio
import base64
import os
import struct
from collections.abc import Callable
from typing import Final, NamedTuple

from protocol import codec
from protocol.client import ClientMessage, Hello
from protocol.server import ServerMessage

CLOSE: Final = 0x8
PING: Final = 0x9
BINARY: Final = 0x2
MASK: Final = b"\x00\x00\x00\x00"


class Frame(NamedTuple):
    """One frame of the server."""

    opcode: int
    payload: bytes

    @property
    def message(self) -> ServerMessage:
        """What a binary frame says."""
        return codec.decode_server(self.payload)


class RawClient:
    """One connection. ``frames`` are the whole ones that have come."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.frames: list[Frame] = []
        self.ended = asyncio.Event()
        self._writer = writer
        self._left = b""
        self._changed = asyncio.Event()
        self._task = asyncio.create_task(self._read(reader))

    @classmethod
    async def connect(cls, port: int, path: str, token: str) -> "RawClient":
        """Open a connection to the node and say Hello with a ticket."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        key = base64.b64encode(os.urandom(16)).decode()
        lines = (
            f"GET {path}?token={token} HTTP/1.1",
            f"Host: 127.0.0.1:{port}",
            "Connection: Upgrade",
            "Upgrade: websocket",
            f"Sec-WebSocket-Key: {key}",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Protocol: svidnet.arena.v1+msgpack",
        )
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n")
        async with asyncio.timeout(10):
            answer = await reader.readuntil(b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 101"), answer
        client = cls(reader, writer)
        client.say(Hello(client="raw 1"))
        return client

    def say(self, message: ClientMessage) -> None:
        """Send one message."""
        body = codec.encode_client(message)
        size = bytes((0x80 | len(body),)) if len(body) < 126 else bytes((0xFE,)) + struct.pack(">H", len(body))
        self._writer.write(bytes((0x80 | BINARY,)) + size + MASK + body)

    async def until(self, holds: Callable[[list[Frame]], bool]) -> None:
        """Wait for frames."""
        async with asyncio.timeout(20):
            while not holds(self.frames):
                self._changed.clear()
                await self._changed.wait()

    async def close(self) -> None:
        """Cut the connection."""
        self._writer.transport.abort()
        await asyncio.wait([self._task], timeout=5)

    async def _read(self, reader: asyncio.StreamReader) -> None:
        try:
            while data := await reader.read(65_536):
                self._left += data
                self._take()
                self._changed.set()
        except OSError:
            pass  # reset: an end like another
        self.ended.set()

    def _take(self) -> None:
        while len(self._left) >= 2:
            head, size = 2, self._left[1] & 0x7F
            if size >= 126:
                head = 4 if size == 126 else 10
                size = int.from_bytes(self._left[2:head], "big")
            if len(self._left) < head + size:
                return
            self.frames.append(Frame(self._left[0] & 0x0F, self._left[head : head + size]))
            self._left = self._left[head + size :]
