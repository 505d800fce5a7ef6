"""What tests of the edge stand on: a hub and a directory that remember, a clock by hand, a client of bare frames."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any, cast

from gameserver.net.admission import Admission
from gameserver.net.counters import Counters
from gameserver.net.echo import EchoSocket
from gameserver.net.edge import Audience, Edge
from gameserver.net.gate import Gate, GateSettings
from gameserver.net.limits import EdgeLimits
from gameserver.net.server import Listener, serve
from gameserver.net.socket import Socket
from gameserver.ports import Connection, StoreUnavailable
from protocol.client import ClientMessage, Hello
from protocol.codec import decode_server, encode_client
from protocol.errors import CloseCode
from protocol.ids import RoomCode
from protocol.server import ServerMessage
from protocol.tickets import ISSUER, TicketClaims
from protocol.types import WireFormat

CODE = RoomCode("BCDFGH")
MASK = b"\x37\xfa\x21\x3d"
KEY = "dGhlIHNhbXBsZSBub25jZQ=="


class FakeMember:
    """Remembers what it was told."""

    def __init__(self, hub: "FakeHub", connection: Connection, claims: TicketClaims | None) -> None:
        self.hub = hub
        self.connection = connection
        self.claims = claims
        self.received: list[tuple[ClientMessage, bytes]] = []
        self.gone_count = 0
        self.left = asyncio.Event()
        self.on_message: Callable[[ClientMessage], None] = lambda message: None

    def receive(self, message: ClientMessage, raw: bytes) -> None:
        self.received.append((message, raw))
        self.on_message(message)
        self.hub.changed()

    def gone(self) -> None:
        self.gone_count += 1
        self.left.set()
        self.hub.changed()

    @property
    def messages(self) -> list[ClientMessage]:
        return [message for message, _ in self.received]


class FakeHub:
    """A hub of one room that takes everybody, unless told to close them."""

    def __init__(self) -> None:
        self.members: list[FakeMember] = []
        self.hellos: list[tuple[RoomCode, Hello, TicketClaims | None]] = []
        self.refuse: CloseCode | None = None
        self._changed = asyncio.Event()

    def open(
        self, connection: Connection, code: RoomCode, hello: Hello, claims: TicketClaims | None
    ) -> FakeMember | None:
        self.hellos.append((code, hello, claims))
        if self.refuse is not None:
            connection.close(self.refuse)
            return None
        member = FakeMember(self, connection, claims)
        self.members.append(member)
        self.changed()
        return member

    def changed(self) -> None:
        self._changed.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until the condition holds; it is looked at whenever a member was told something."""
        async with asyncio.timeout(20):
            while not condition():
                self._changed.clear()
                await self._changed.wait()


class FakeLobby:
    """Takes everybody and has nothing to say."""

    def __init__(self) -> None:
        self.hub = FakeHub()

    def open(self, connection: Connection, claims: TicketClaims) -> FakeMember:
        member = self.hub.open(connection, RoomCode(""), Hello(), claims)
        assert member is not None
        return member


class FakeDirectory:
    """Uses tickets up, or fails as told."""

    def __init__(self) -> None:
        self.used: set[str] = set()
        self.broken = False
        self.gate: asyncio.Event | None = None

    async def use_ticket(self, jti: str) -> bool:
        if self.gate is not None:
            await self.gate.wait()
        if self.broken:
            raise StoreUnavailable
        fresh = jti not in self.used
        self.used.add(jti)
        return fresh


_tickets = itertools.count(1)


def ticket(room: str = CODE, *, aud: str = "game", jti: str = "") -> str:
    """Return a token that ``verify`` takes: what it says, by colons."""
    return f"ticket:{aud}:{room}:{jti or next(_tickets)}"


def verify(token: str, audience: Audience) -> TicketClaims | None:
    kind, _, rest = token.partition(":")
    aud, _, rest = rest.partition(":")
    room, _, jti = rest.partition(":")
    if kind != "ticket" or aud != audience or not jti:
        return None
    return TicketClaims(
        iss=ISSUER, aud=audience, sub="user", jti=jti, iat=0, exp=30, name="Ada", kind="guest", room=room
    )


# ---- frames as a client builds them -----------------------------------------------------------------


def frame(opcode: int, payload: bytes = b"", *, fin: bool = True, mask: bytes | None = MASK, rsv: int = 0) -> bytes:
    """Return a client's frame; ``mask`` None leaves it unmasked."""
    head = bytes(((0x80 if fin else 0) | rsv << 4 | opcode,))
    flag = 0x80 if mask is not None else 0
    if len(payload) < 126:
        head += bytes((flag | len(payload),))
    elif len(payload) < 65536:
        head += bytes((flag | 126,)) + len(payload).to_bytes(2, "big")
    else:
        head += bytes((flag | 127,)) + len(payload).to_bytes(8, "big")
    if mask is None:
        return head + payload
    return head + mask + bytes(byte ^ mask[place % 4] for place, byte in enumerate(payload))


def message(told: ClientMessage, wire: WireFormat = WireFormat.MSGPACK) -> bytes:
    """Return a whole frame with this message."""
    return frame(1 if wire is WireFormat.JSON else 2, encode_client(told, wire))


def close_frame(code: int = 1000, reason: str = "") -> bytes:
    return frame(8, code.to_bytes(2, "big") + reason.encode())


def parse_frames(data: bytes) -> tuple[list[tuple[int, bytes]], bytes]:
    """Return the server's whole frames as (opcode, payload) and the rest."""
    found = []
    while len(data) >= 2:
        assert data[0] & 0x70 == 0, "no reserved bit may be set"
        assert data[1] < 0x80, "a server does not mask"
        length, at = data[1], 2
        if length >= 126:
            wide = 2 if length == 126 else 8
            length, at = int.from_bytes(data[2 : 2 + wide], "big"), 2 + wide
        if len(data) < at + length:
            break
        found.append((data[0] & 0x0F, data[at : at + length]))
        data = data[at + length :]
    return found, data


def request(
    path: str = f"/ws/game/{CODE}",
    *,
    token: str = "",
    headers: Iterable[tuple[str, str]] = (),
    drop: Iterable[str] = (),
    method: str = "GET",
) -> bytes:
    """Return an upgrade request; ``headers`` are added, ``drop`` are left out (by lower-case name)."""
    dropped = set(drop)
    lines = [f"{method} {path}{'?token=' + token if token else ''} HTTP/1.1"]
    standard = [
        ("Host", "127.0.0.1:9000"),
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Key", KEY),
        ("Sec-WebSocket-Version", "13"),
    ]
    lines += [f"{name}: {value}" for name, value in [*standard, *headers] if name.lower() not in dropped]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


# ---- without an event loop: one socket, a clock by hand ---------------------------------------------


class ManualLoop:
    """The part of an event loop that the edge uses, turned by hand."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.soon: list[tuple[Callable[..., None], tuple[Any, ...]]] = []

    def time(self) -> float:
        return self.now

    def call_soon(self, callback: Callable[..., None], *arguments: Any) -> None:
        self.soon.append((callback, arguments))

    def turn(self) -> None:
        while self.soon:
            waiting, self.soon = self.soon, []
            for callback, arguments in waiting:
                callback(*arguments)


class FakeTransport(asyncio.Transport):
    """A transport whose kernel takes as much as it is told (without end by default)."""

    def __init__(self, protocol: asyncio.Protocol, loop: ManualLoop) -> None:
        super().__init__({"peername": ("192.0.2.1", 4711)})
        self._protocol = protocol
        self._loop = loop
        self.room: int | None = None  # bytes the kernel takes; None: all
        self.out = bytearray()
        self.buffer = bytearray()
        self.writes = 0
        self.eof = False
        self.closed = False
        self.lost = False
        self._paused = False

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        assert high == 0

    def get_write_buffer_size(self) -> int:
        return len(self.buffer)

    def write(self, data: bytes) -> None:  # type: ignore[override]  # the edge writes bytes only
        assert not self.eof, "write after write_eof"
        assert not self.lost, "write after the loss"
        self.writes += 1
        self.buffer += data
        self._drain()
        if self.buffer and not self._paused:
            self._paused = True
            self._protocol.pause_writing()

    def take(self, count: int | None) -> None:
        """Let the kernel take so many bytes more."""
        self.room = None if count is None else (self.room or 0) + count
        self._drain()
        if not self.buffer and self._paused:
            self._paused = False
            self._protocol.resume_writing()

    def _drain(self) -> None:
        count = len(self.buffer) if self.room is None else min(self.room, len(self.buffer))
        self.out += self.buffer[:count]
        del self.buffer[:count]
        if self.room is not None:
            self.room -= count

    def write_eof(self) -> None:
        self.eof = True

    def can_write_eof(self) -> bool:
        return True

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.abort()

    def abort(self) -> None:
        if not self.closed:
            self.closed = True
            self._loop.call_soon(self._lose)

    def _lose(self) -> None:
        self.lost = True
        self._protocol.connection_lost(None)


class _Prompt(Socket):
    """Looks at bytes when they are read: one at a time there is no turn of a loop to wait for."""

    __slots__ = ()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._edge.take_arrivals()


class _PromptEcho(_Prompt, EchoSocket):
    __slots__ = ()


class Bench:
    """One socket on a fake transport."""

    def __init__(
        self,
        *,
        limits: EdgeLimits | None = None,
        gate: GateSettings | None = None,
        hub: FakeHub | None = None,
        directory: FakeDirectory | None = None,
    ) -> None:
        self.loop = ManualLoop()
        self.limits = limits or EdgeLimits()
        self.hub = hub or FakeHub()
        self.lobby = FakeLobby()
        admission = Admission(self.limits)
        self.edge = Edge(
            loop=cast(asyncio.AbstractEventLoop, self.loop),
            hub=self.hub,
            lobby=self.lobby,
            directory=directory or FakeDirectory(),
            verify_ticket=verify,
            verify_access=None,
            plain=lambda path: None,
            limits=self.limits,
            gate=Gate(gate or GateSettings(), self.limits, admission),
            admission=admission,
            counters=Counters(),
            clock=self.loop.time,
        )
        self.socket, self.transport = self.connect()

    def connect(self, *, echo: bool = False) -> tuple[Socket, FakeTransport]:
        """Accept one more socket."""
        socket = _PromptEcho(self.edge) if echo else _Prompt(self.edge, self.limits.message_bytes)
        transport = FakeTransport(socket, self.loop)
        socket.connection_made(transport)
        return socket, transport

    def upgrade(self, *headers: tuple[str, str], hello: bool = True, path: str = f"/ws/game/{CODE}") -> None:
        """Come back to a seat (that needs no ticket and so no task)."""
        self.socket.data_received(request(path, headers=headers))
        answer, _, rest = bytes(self.transport.out).partition(b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 101"), answer
        self.transport.out[:] = rest
        if hello:
            wire = WireFormat.JSON if ("Sec-WebSocket-Protocol", "svidnet.arena.v1+json") in headers else None
            self.socket.data_received(message(Hello(seat=1, secret="s" * 16), wire or WireFormat.MSGPACK))
            assert self.hub.members

    @property
    def member(self) -> FakeMember:
        return self.hub.members[-1]

    def frames(self) -> list[tuple[int, bytes]]:
        """Take the whole frames that came out so far, pings left out."""
        found, rest = parse_frames(bytes(self.transport.out))
        self.transport.out[:] = rest
        return [each for each in found if each[0] != 9]

    def step(self, seconds: float = 0.1) -> None:
        """Let time pass in the wheel's steps."""
        for _ in range(round(seconds / self.limits.sweep_s)):
            self.loop.now += self.limits.sweep_s
            self.edge.wheel.step()
            self.loop.turn()


def close_code(frames: list[tuple[int, bytes]]) -> int:
    """Return the code of the close frame that ends them."""
    opcode, payload = frames[-1]
    assert opcode == 8, frames
    return int.from_bytes(payload[:2], "big")


# ---- with a real listener ---------------------------------------------------------------------------


class Client:
    """A client of bare frames on a real socket."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.head = b""
        self.answers_pings = True
        self._rest = b""
        self._frames: list[tuple[int, bytes]] = []

    @property
    def status(self) -> int:
        return int(self.head.split(b" ")[1])

    def header(self, name: str) -> str | None:
        for line in self.head.decode("latin-1").split("\r\n")[1:]:
            key, _, value = line.partition(":")
            if key.lower() == name.lower():
                return value.strip()
        return None

    async def read_head(self) -> "Client":
        async with asyncio.timeout(20):
            self.head = await self.reader.readuntil(b"\r\n\r\n")
        return self

    async def next(self) -> tuple[int, bytes]:
        """Return the next frame that is no ping; raises ``EOFError`` at the end."""
        async with asyncio.timeout(20):
            while True:
                while self._frames:
                    opcode, payload = self._frames.pop(0)
                    if opcode != 9:
                        return opcode, payload
                    if self.answers_pings:
                        self.writer.write(frame(10, payload))
                data = await self.reader.read(65536)
                if not data:
                    raise EOFError
                self._frames, self._rest = parse_frames(self._rest + data)

    async def next_message(self) -> ServerMessage:
        opcode, payload = await self.next()
        return decode_server(payload, WireFormat.JSON if opcode == 1 else WireFormat.MSGPACK)

    async def close_code(self) -> int:
        """Return the code of the close frame that comes."""
        while True:
            opcode, payload = await self.next()
            if opcode == 8:
                return int.from_bytes(payload[:2], "big")

    async def ended(self) -> None:
        """Wait for the end of the stream."""
        try:
            while True:
                await self.next()
        except (EOFError, ConnectionError):
            self.writer.close()


async def eventually(condition: Callable[[], object]) -> None:
    """Wait until something holds that tells nobody when it changes."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0.001)


class Node:
    """A real listener with its fakes."""

    def __init__(self, listener: Listener, hub: FakeHub, lobby: FakeLobby, directory: FakeDirectory) -> None:
        self.listener = listener
        self.hub = hub
        self.lobby = lobby
        self.directory = directory
        self.clients: list[Client] = []

    async def knock(self, sent: bytes = b"") -> Client:
        """Connect and send bytes."""
        client = Client(*await asyncio.open_connection("127.0.0.1", self.port))
        client.writer.write(sent)
        self.clients.append(client)
        return client

    async def dial(self, asked: bytes | None = None) -> Client:
        """Connect, send the request (a good one by default) and read the head of the answer."""
        client = await self.knock(request(token=ticket()) if asked is None else asked)
        return await client.read_head()

    @property
    def port(self) -> int:
        return self.listener.port

    async def join(self, *headers: tuple[str, str]) -> tuple[Client, FakeMember]:
        """Open a connection with a ticket and say Hello."""
        client = await self.dial(request(token=ticket(), headers=headers))
        assert client.status == 101, client.head
        before = len(self.hub.members)
        client.writer.write(message(Hello()))
        await self.hub.until(lambda: len(self.hub.members) > before)
        return client, self.hub.members[before]


@asynccontextmanager
async def node(
    *, limits: EdgeLimits | None = None, gate: GateSettings | None = None, control: bool = False, **more: Any
) -> AsyncIterator[Node]:
    """Run a listener on a free port."""
    hub, lobby, directory = FakeHub(), FakeLobby(), FakeDirectory()
    more.setdefault("lobby", lobby)
    listener = await serve(
        hub=hub,
        directory=directory,
        verify_ticket=verify,
        host="127.0.0.1",
        port=0,
        gate=gate,
        limits=limits or EdgeLimits(),
        control_host="127.0.0.1" if control else None,
        **more,
    )
    running = Node(listener, hub, lobby, directory)
    try:
        yield running
    finally:
        await listener.close()
        for client in running.clients:
            client.writer.close()
            with contextlib.suppress(OSError):
                await client.writer.wait_closed()
