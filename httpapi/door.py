"""The door (DESIGN §15): finds the node that owns a room and splices the public socket to it, parsing no frames.

``Door.protocol`` is what uvicorn is given as its WebSocket class (``Config(ws=door.protocol)``): it gets the
transport and the bytes of the upgrade request. Headers of ``protocol/door.py`` that a client sent are removed,
ours are added, and from then on bytes go both ways with backpressure.

That a room moved shows only in frames. So a connection that ends within a second, like a refused upgrade, makes the
door forget what it believed about the owner.
"""

import asyncio
import secrets
from collections.abc import Iterable
from typing import Any, Final, cast

from msgspec import Struct
from uvicorn.config import Config
from uvicorn.server import ServerState

from arena import logs, metrics
from arena.tasks import end
from httpapi.door_lines import LineReporter, read_tcp
from httpapi.door_owners import NodeCard, NodesUnavailable, OwnerCache
from httpapi.door_refusals import Refused, room_of
from httpapi.door_silence import SilenceWatcher
from protocol import door
from protocol.door import TcpTimes
from protocol.hops import TrustedProxies
from protocol.ids import RoomCode

SHORT_S: Final = 1.0
OWNER_AGAIN_S: Final = 0.05
"""How often a visitor who waits for an owner looks again; all who wait share one reading of the cards."""

_DROPPED: Final = door.PRIVATE_HEADERS | {"x-forwarded-for"}  # read here, of no use behind

_log = logs.get("door")
_opened = metrics.counter("arena_door_opened", "Connections spliced to a node.")
_refused = metrics.counter("arena_door_refused", "Upgrades refused by the door.", ["reason"])
_spliced = metrics.gauge("arena_door_splices", "Connections spliced now.")


class DoorLimits(Struct, frozen=True, kw_only=True):
    """The door's bounds; what happens when one is reached stands beside it."""

    connections: int = 10_000  # 503 + Retry-After
    request_bytes: int = 32 * 1024  # 431
    connect_s: float = 2.0  # 503 + Retry-After
    owner_s: float = 1.5  # for a room that is changing owners to have one: 503 + Retry-After
    answer_s: float = 5.0  # for the node to answer the upgrade: cut
    ending_s: float = 5.0  # for what is queued to be read after one side has ended: cut
    buffer_bytes: int = 64 * 1024  # each way: the other side is not read meanwhile


class Door:
    """What all connections of this process share. Its owner starts it, and stops it after uvicorn."""

    def __init__(
        self, *, owners: OwnerCache, secret: str, trusted_proxies: Iterable[str] = (), limits: DoorLimits | None = None
    ) -> None:
        self.id = secrets.token_hex(8)
        self.owners = owners
        self.secret = secret
        self.proxies = TrustedProxies(trusted_proxies)
        self.limits = limits or DoorLimits()
        self.splices: set[DoorProtocol] = set()
        self.tasks: set[asyncio.Task[None]] = set()  # at most one a connection that waits for its node
        self._numbers = 0
        self._lines = LineReporter(door_id=self.id, secret=secret, splices=lambda: self.splices)
        self._silence = SilenceWatcher(owners=owners, splices=lambda: self.splices)

    def protocol(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> "DoorProtocol":
        """Return the protocol of one connection (what uvicorn calls)."""
        del config, app_state
        self._numbers += 1
        return DoorProtocol(self, server_state, self._numbers)

    async def start(self) -> None:
        """Begin to report lines, and to look for silent nodes."""
        self._lines.start()
        self._silence.start()

    async def stop(self) -> None:
        """Cut what is left."""
        await self._silence.stop()
        await self._lines.stop()
        for splice in tuple(self.splices):
            splice.cut()
        await end(tuple(self.tasks))
        await self.owners.close()


class _Side(asyncio.Protocol):
    """One of the two sockets of a splice: what comes in goes out at the other."""

    transport: asyncio.Transport | None = None
    other: "_Side | None" = None

    def data_received(self, data: bytes) -> None:
        """Pass it on."""
        assert self.other is not None
        assert self.other.transport is not None
        self.other.transport.write(data)

    def pause_writing(self) -> None:
        """This side takes no more: the other is not read."""
        if self.other is not None and self.other.transport is not None:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        """It does again."""
        if self.other is not None and self.other.transport is not None:
            self.other.transport.resume_reading()


class _Upstream(_Side):
    """The socket to the node."""

    def __init__(self, public: "DoorProtocol", request: bytes) -> None:
        self._public = public
        self._request = request
        self.answered = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.other = self._public
        self.transport.set_write_buffer_limits(self._public.limits.buffer_bytes)
        self.transport.write(self._request)
        self._request = b""

    def data_received(self, data: bytes) -> None:
        if not self.answered:
            self.answered = True
            self._public.node_answered(data)
        super().data_received(data)

    def eof_received(self) -> bool:
        return self._public.half_closed(self._public)

    def connection_lost(self, exc: Exception | None) -> None:
        self._public.node_lost()


class DoorProtocol(_Side):
    """A public socket: its upgrade request, then the splice."""

    def __init__(self, shared: Door, server_state: ServerState, number: int) -> None:
        self.number = number
        self.control = ""
        self.told: TcpTimes | None = None
        self.limits = shared.limits
        self._door = shared
        self._connections = cast("set[asyncio.Protocol]", server_state.connections)
        self.card: NodeCard | None = None
        self.code: RoomCode | None = None
        self._upstream: _Upstream | None = None
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._since = 0.0
        self._eofs = 0
        self._asked = False
        self._is_public = False  # no proxy stands before it: what the kernel says of it counts

    # ---- what uvicorn and the event loop call -------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport over from HTTP."""
        self.transport = cast(asyncio.Transport, transport)
        self.transport.set_write_buffer_limits(self.limits.buffer_bytes)
        self._connections.add(self)
        self._since = asyncio.get_running_loop().time()

    def data_received(self, data: bytes) -> None:
        """Take the upgrade request first (uvicorn hands it over whole), then splice."""
        if self._asked:
            if self.other is not None:
                super().data_received(data)
            return
        self._asked = True
        assert self.transport is not None
        self.transport.pause_reading()
        try:
            request = self._prepare(data)
        except Refused as refused:
            self._refuse(refused)
            return
        task = asyncio.get_running_loop().create_task(self._open(request), name=f"door-{self.number}")
        self._task = task
        self._door.tasks.add(task)
        task.add_done_callback(self._door.tasks.discard)

    def eof_received(self) -> bool:
        """The client sends no more."""
        if self._upstream is None:
            return False
        return self.half_closed(self._upstream)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone: so is the splice."""
        del exc  # a reset and an end of file mean the same here
        self._connections.discard(self)
        if self in self._door.splices:
            self._door.splices.discard(self)
            _spliced.dec()
        if self._task is not None:
            self._task.cancel()
        self._stop_timer()
        upstream, self._upstream = self._upstream, None
        if upstream is not None:
            self._judge()
            if upstream.transport is not None:
                upstream.transport.close()
                self._cut_later(upstream.transport)

    def shutdown(self) -> None:
        """End it: this process stops. No frame can be put in between two others, so the client just comes again."""
        if self._upstream is None:
            self._refuse(Refused(503, "stopping"))
        elif self.transport is not None:
            self.transport.close()
            self._cut_later(self.transport)

    def cut(self) -> None:
        """End it without waiting for anything."""
        for side in (self, self._upstream):
            if side is not None and side.transport is not None:
                side.transport.abort()

    # ---- finding the node ---------------------------------------------------------------------------

    def _prepare(self, data: bytes) -> bytes:
        """Return the upgrade request for the node. Raises ``Refused``."""
        assert self.transport is not None
        if len(data) > self.limits.request_bytes:
            raise Refused(431, "request_bytes")
        if len(self._door.splices) + len(self._door.tasks) >= self.limits.connections:
            raise Refused(503, "full")
        head, _, _ = data.partition(b"\r\n\r\n")
        line, *lines = head.split(b"\r\n")
        target = line.split(b" ")[1].decode("latin-1")
        self.code = room_of(target.partition("?")[0])
        headers = [
            (name.strip().lower().decode("latin-1"), value.strip())
            for name, _, value in (each.partition(b":") for each in lines)
        ]
        peer = self.transport.get_extra_info("peername")
        address = str(peer[0]) if peer else ""
        forwarded = [value.decode("latin-1") for name, value in headers if name == "x-forwarded-for"]
        kept = [b"%s: %s" % (name.encode("latin-1"), value) for name, value in headers if name not in _DROPPED]
        kept.append(f"{door.DOOR}: {self._door.secret}".encode())
        kept.append(f"{door.CLIENT}: {self._door.proxies.client(address, forwarded)}".encode())
        kept.append(f"{door.CONNECTION}: {self._door.id}-{self.number}".encode())
        if self._door.proxies.trusts(address):
            kept += [f"{door.TCP}: ".encode() + value for name, value in headers if name == door.TCP][:1]
        else:
            self.told = self.measure()
            self._is_public = True
            if self.told is not None:
                kept.append(f"{door.TCP}: {door.format_tcp(self.told)}".encode())
        return b"\r\n".join([line, *kept, b"", b""])

    async def _open(self, request: bytes) -> None:
        """Find the node, connect to it, splice. A node that died is replaced within moments: its visitors wait here."""
        loop = asyncio.get_running_loop()
        until = loop.time() + self.limits.owner_s
        try:
            while True:
                try:
                    card, upstream = await self._connect(request)
                    break
                except Refused as refused:
                    if not refused.passing or loop.time() + OWNER_AGAIN_S > until:
                        raise
                self._door.owners.doubt()
                await asyncio.sleep(OWNER_AGAIN_S)
        except Refused as refused:
            self._refuse(refused)
        else:
            self._splice(card, upstream)
        finally:
            self._task = None

    async def _connect(self, request: bytes) -> tuple[NodeCard, _Upstream]:
        """Connect to the room's owner. Raises ``Refused``."""
        card = await self._find()
        host, _, port = card.address.rpartition(":")
        try:
            async with asyncio.timeout(self.limits.connect_s):
                _, upstream = await asyncio.get_running_loop().create_connection(
                    lambda: _Upstream(self, request), host.strip("[]"), int(port)
                )
        except (OSError, TimeoutError, ValueError):
            self._door.owners.unreachable(card)
            raise Refused(503, "node_unreachable") from None
        return card, upstream

    async def _find(self) -> NodeCard:
        try:
            if self.code is None:
                card = await self._door.owners.any_node()
            else:
                card = await self._door.owners.owner(self.code)
        except NodesUnavailable:
            raise Refused(503, "directory") from None
        if card is None:
            raise Refused(503, "owner_unknown")
        return card

    def _splice(self, card: NodeCard, upstream: _Upstream) -> None:
        assert self.transport is not None
        self.card = card
        self._upstream = upstream
        if self.transport.is_closing():  # gone while the node was being reached; connection_lost comes next
            return
        self.other = upstream
        self.control = card.control if self._is_public else ""
        self._door.splices.add(self)
        _spliced.inc()
        _opened.inc()
        self._since = asyncio.get_running_loop().time()
        if not upstream.answered:
            self._timer = asyncio.get_running_loop().call_later(self.limits.answer_s, self.cut)
        self.transport.resume_reading()

    def _refuse(self, refused: Refused) -> None:
        assert self.transport is not None
        if self.transport.is_closing():
            return
        _refused.labels(refused.reason).inc()
        self.transport.write(refused.answer())
        self.transport.close()
        self._cut_later(self.transport)

    # ---- the splice ---------------------------------------------------------------------------------

    def measure(self) -> TcpTimes | None:
        """Read the public socket's times now."""
        return None if self.transport is None or self.transport.is_closing() else read_tcp(self.transport)

    def node_answered(self, data: bytes) -> None:
        """The first bytes from the node: the answer to the upgrade."""
        self._stop_timer()
        if data[9:12] in (b"503", b"421"):
            self._door.owners.doubt()

    def half_closed(self, other: _Side) -> bool:
        """One side sends no more: tell the other; True: keep the first open for what still comes back."""
        self._eofs += 1
        if self._eofs == 2 or other.transport is None or other.transport.is_closing():
            return False
        if not other.transport.can_write_eof():  # TLS has no half-close
            return False
        other.transport.write_eof()
        self._stop_timer()
        self._timer = asyncio.get_running_loop().call_later(self.limits.ending_s, self.cut)
        return True

    def node_lost(self) -> None:
        """The node's side is gone: let the client read what is queued, then close."""
        if self._upstream is None and self.card is not None:
            return
        self._judge()
        self._upstream = None
        self.other = None
        if self.transport is not None and not self.transport.is_closing():
            self.transport.close()
            self._cut_later(self.transport)

    def _judge(self) -> None:
        """What ended within a second may have come to the wrong node."""
        if self.card is not None and asyncio.get_running_loop().time() - self._since < SHORT_S:
            self._door.owners.doubt()

    def _cut_later(self, transport: asyncio.Transport) -> None:
        """Do not wait for ever for a peer to read what is queued."""
        self._stop_timer()
        self._timer = asyncio.get_running_loop().call_later(self.limits.ending_s, transport.abort)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
