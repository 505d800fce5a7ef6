"""A server on a real socket, built from ``protocol`` alone: HTTP for tickets, WebSockets to one ``FakeRoom``.

It is a raw ``asyncio.Protocol`` over the sans-I/O half of ``websockets``, so that a test can cut a connection after
any byte in either direction.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any, cast

from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from protocol.types import WireFormat
from tests.clients.fake_room import FakePeer, FakeRoom


class FakeServer:
    """What all connections share. ``cuts`` holds for each coming WebSocket how many bytes may pass (up, down)."""

    def __init__(self) -> None:
        self.room = FakeRoom()
        self.cuts: list[tuple[int | None, int | None]] = []
        self.refusals: list[tuple[int, dict[str, str]]] = []  # of coming WebSocket handshakes
        self.answers: dict[str, list[tuple[int, dict[str, str], Any]]] = {}  # of coming HTTP requests, by path
        self.requests: list[tuple[str, dict[str, str], Any]] = []  # HTTP requests: path, headers, body
        self.paths: list[str] = []  # of WebSocket handshakes
        self.tickets = 0
        self.connections: set[FakeConnection] = set()
        self.address = ""
        self.happened = asyncio.Event()  # something arrived, was sent or was cut

    def respond(self, path: str, headers: dict[str, str], body: Any) -> tuple[int, dict[str, str], Any]:
        """Answer an HTTP request."""
        self.requests.append((path, headers, body))
        prepared = self.answers.get(path)
        if prepared:
            return prepared.pop(0)
        if path.startswith("/api/auth/"):
            return 201, {}, {"user": {}, "access_token": "access", "expires_in": 900, "refresh_token": "refresh"}
        if path.endswith("/join"):
            self.tickets += 1
            return 200, {}, {"ticket": f"t{self.tickets}", "url": "/ws/game/BCDF23", "room": {}}
        if path == "/api/games/rooms":
            return 201, {}, {"code": "BCDF23"}
        if path == "/api/games/lobby":
            return 200, {}, {"ticket": "lobby", "url": "/ws/lobby"}
        return 404, {}, {"type": "about:blank", "title": "There is nothing here.", "status": 404, "code": "not_found"}

    def flush(self) -> None:
        """Send what the room told since the last time."""
        for connection in list(self.connections):
            connection.flush()

    async def until(self, condition: Any) -> None:
        """Wait until a condition holds, looking whenever something happened."""
        async with asyncio.timeout(10):
            while not condition():
                self.happened.clear()
                await self.happened.wait()


class FakeConnection(asyncio.Protocol):
    """One TCP connection."""

    def __init__(self, server: FakeServer) -> None:
        self._server = server
        self._early = bytearray()
        self._wire: ServerProtocol | None = None
        self._peer: FakePeer | None = None
        self._up: int | None = None
        self._down: int | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._server.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.connections.discard(self)
        if self._peer in self._server.room.peers:
            self._server.room.peers.remove(self._peer)
        self._server.happened.set()

    def data_received(self, data: bytes) -> None:
        if self._wire is None:
            self._early += data
            if b"\r\n\r\n" not in self._early:
                return
            data = bytes(self._early)
            if b"upgrade: websocket" not in data.lower():
                self._http(data)
                return
            if self._server.cuts:
                self._up, self._down = self._server.cuts.pop(0)
            formats = [Subprotocol(f"svidnet.arena.v1+{wire}") for wire in WireFormat]
            self._wire = ServerProtocol(subprotocols=formats)
        if self._up is not None:
            data = data[: self._up]
            self._up -= len(data)
        self._wire.receive_data(data)
        for event in self._wire.events_received():
            self._event(event)
        self._server.flush()
        if self._up == 0:
            self._transport.abort()
        self._server.happened.set()

    def _event(self, event: Any) -> None:
        assert self._wire is not None
        if isinstance(event, Request):
            self._server.paths.append(event.path)
            if self._server.refusals:
                status, headers = self._server.refusals.pop(0)
                response = self._wire.reject(HTTPStatus(status), "no\n")
                response.headers.update(headers)
                self._wire.send_response(response)
                return
            self._wire.send_response(self._wire.accept(event))
            self._server.room.wire = WireFormat(str(self._wire.subprotocol).rpartition("+")[2])
            self._peer = FakePeer(self._server.room, ticket="token=" in event.path)
        elif isinstance(event, Frame) and event.opcode in (Opcode.TEXT, Opcode.BINARY):
            assert self._peer is not None
            self._peer.take(bytes(event.data))

    def flush(self) -> None:
        """Send what is there to be sent, as far as it may pass."""
        wire, peer = self._wire, self._peer
        if wire is None:
            return
        while peer is not None and peer.outgoing:
            payload = peer.outgoing.popleft()
            (wire.send_text if peer.room.wire is WireFormat.JSON else wire.send_binary)(payload)
        if peer is not None and peer.closed is not None:
            wire.send_close(int(peer.closed), peer.closed.name.lower())
            self._peer = None
        for chunk in wire.data_to_send():
            if not chunk:  # this is how the protocol says that it has nothing more to send
                self._transport.close()
                break
            part = chunk if self._down is None else chunk[: self._down]
            self._transport.write(part)
            if self._down is not None:
                self._down -= len(part)
        if self._down == 0:
            # What was written still leaves; the end comes right behind it.
            self._transport.close()
        self._server.happened.set()

    def cut(self) -> None:
        """End it without a word."""
        self._transport.abort()

    def _http(self, data: bytes) -> None:
        head, _, body = data.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
        if len(body) < int(headers.get("content-length", "0")):
            return
        path = lines[0].split(" ")[1]
        status, more, told = self._server.respond(path, headers, json.loads(body) if body else None)
        payload = told if isinstance(told, bytes) else json.dumps(told).encode()
        extra = "".join(f"{name}: {value}\r\n" for name, value in more.items())
        self._transport.write(
            f"HTTP/1.1 {status} x\r\nContent-Length: {len(payload)}\r\nConnection: close\r\n{extra}\r\n".encode()
            + payload
        )
        self._transport.close()


@asynccontextmanager
async def fake_server() -> AsyncIterator[FakeServer]:
    """Run a server on a free port."""
    server = FakeServer()
    listener = await asyncio.get_running_loop().create_server(lambda: FakeConnection(server), "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    server.address = f"http://127.0.0.1:{port}"
    try:
        yield server
    finally:
        listener.close()
        for connection in list(server.connections):
            connection.cut()
        await listener.wait_closed()
