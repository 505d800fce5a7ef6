"""Connections between clients and nodes: TCP streams that are slow, stall and break."""

from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from gameserver.ports import Member
from protocol import codec
from protocol.client import Command, Hello
from protocol.errors import CloseCode
from protocol.server import Farewell
from protocol.tickets import TicketClaims
from protocol.types import View, WireFormat
from tests.shards.support import split
from tests.sim.loop import Process, State

if TYPE_CHECKING:
    from tests.sim.node import SimNode
    from tests.sim.oracle import Oracle
    from tests.sim.world import Log

PING_S: Final = (10.0, 15.0)
"""When the node, or the client, notices a line that fell silent."""
NO_CLOSE_FRAME: Final = 1006


class Road(Struct):
    """How bad the lines between clients and nodes are; probabilities for each message."""

    low_ms: float = 1.0
    high_ms: float = 40.0
    stall: float = 0.0
    stall_ms: float = 1_500.0
    break_: float = 0.0
    silent: float = 0.0  # of those that break: nobody is told


class SimLine:
    """What is known of a line."""

    def __init__(self, one_way_ms: int) -> None:
        self.one_way_ms = one_way_ms
        self.credit_cap_ms = min(120, one_way_ms)
        self.error_ms = 5


class Link:
    """One TCP connection, both directions. ``alive`` until it breaks; then nothing passes any more."""

    def __init__(self, network: "Network", node: "SimNode", client: Process) -> None:
        self.network = network
        self.node = node
        self.client = client
        self.alive = True
        self.to_node_at = 0.0
        self.to_client_at = 0.0
        self.connection: SimConnection | None = None
        self.on_payload: Callable[[bytes], None] = lambda payload: None
        self.on_lost: Callable[[int, str], None] = lambda code, reason: None
        self.lost = False  # the client was told

    def _when(self, last: float) -> float:
        road, random = self.network.road, self.network.random
        ms = random.uniform(road.low_ms, road.high_ms)
        if road.stall and random.random() < road.stall:
            ms += random.uniform(0.0, road.stall_ms)
        return max(last + 1e-6, self.client.loop.time() + ms / 1000)

    def _may_break(self) -> None:
        road, random = self.network.road, self.network.random
        if road.break_ and self.alive and random.random() < road.break_:
            self.cut(silently=random.random() < road.silent)

    def cut(self, *, silently: bool = False) -> None:
        """Break it: what is under way may be lost; both sides notice, sooner or later."""
        if not self.alive:
            return
        self.alive = False
        random = self.network.random
        low, high = PING_S if silently else (0.0, 0.1)
        self.client.call(random.uniform(low, high), self._client_lost, NO_CLOSE_FRAME, "")
        self.node.process.call(random.uniform(low, high), self._node_lost)

    def _client_lost(self, code: int, reason: str) -> None:
        if not self.lost:
            self.lost = True
            self.alive = False
            self.on_lost(code, reason)

    def _node_lost(self) -> None:
        if self.connection is not None:
            self.connection.gone()

    # ---- client → node ------------------------------------------------------------------------------

    def send(self, payload: bytes) -> None:
        """Write a message, as the client."""
        if not self.alive:
            return
        self.to_node_at = self._when(self.to_node_at)
        self.node.process.call(self.to_node_at - self.client.loop.time(), self._at_node, payload)
        self._may_break()

    def _at_node(self, payload: bytes) -> None:
        if self.alive and self.connection is not None:
            self.connection.received(payload)

    def close(self) -> None:
        """Close it, as the client."""
        if self.alive:
            self.lost = True
            self.to_node_at = self._when(self.to_node_at)
            self.node.process.call(self.to_node_at - self.client.loop.time(), self._closed_by_client)

    def _closed_by_client(self) -> None:
        self.alive = False
        self._node_lost()

    # ---- node → client ------------------------------------------------------------------------------

    def tell(self, payload: bytes) -> None:
        """Write a message, as the node."""
        if not self.alive:
            return
        self.to_client_at = self._when(self.to_client_at)
        self.client.call(self.to_client_at - self.client.loop.time(), self._at_client, payload)
        self._may_break()

    def _at_client(self, payload: bytes) -> None:
        if self.alive and not self.lost:
            self.on_payload(payload)

    def tell_close(self, code: int, reason: str) -> None:
        """Write a close frame, as the node."""
        if self.alive:
            self.to_client_at = self._when(self.to_client_at)
            self.client.call(self.to_client_at - self.client.loop.time(), self._client_lost, code, reason)


class SimConnection:
    """The node's end: ``gameserver.ports.Connection``, as the edge would be, with what the oracle knows of it."""

    def __init__(self, number: int, link: Link, code: str, claims: TicketClaims | None, wire: WireFormat) -> None:
        self.id = number
        self.link = link
        self.code = code
        self.format = wire
        self.line = SimLine(link.network.random.randrange(5, 120))
        self.instance = link.node.instance
        self._claims = claims
        self._member: Member | None = None
        self._greeted = False
        self._open = True
        # what was told, as the oracle saw it
        self.seat: int | None = None
        self.audience = "players"
        self.view: View = {}
        self.private: View = {}
        self.epoch = self.n = self.clock = 0
        self.commands: dict[int, tuple[bytes, int]] = {}  # command id → as it came, and at which event

    def __str__(self) -> str:
        return f"connection {self.id} of {self.link.client.name} to {self.code} on {self.instance}"

    # ---- Connection -----------------------------------------------------------------------------------

    @property
    def read_ms(self) -> float:
        return self.link.node.clocks.monotonic_ms()

    def send(self, frames: bytes) -> None:
        if not self._open:
            return
        network = self.link.network
        for payload in split(frames):
            message = codec.decode_server(payload, self.format)
            network.log.next("tell", self.id, len(payload), type(message).__name__)
            network.oracle.told(self, message)
            self.link.tell(payload)

    def close(self, code: CloseCode, reason: str = "", after_ms: int = 0) -> None:
        if not self._open:
            return
        self._open = False
        self.link.network.log.next("close", self.id, int(code), reason)
        farewell = Farewell(code=int(code), reason=reason, after_ms=after_ms)
        self.link.tell(codec.encode_server(farewell, self.format))
        self.link.tell_close(int(code), reason)
        self.link.node.process.loop.call_soon(self.gone)

    # ---- the edge's part ------------------------------------------------------------------------------

    def received(self, payload: bytes) -> None:
        """Take a message from the client."""
        if not self._open:
            return
        message = codec.decode_client(payload, self.format)
        raw = payload if self.format is WireFormat.MSGPACK else codec.encode_client(message)
        number = self.link.network.log.next("hear", self.id, type(message).__name__, getattr(message, "id", ""))
        if isinstance(message, Command):
            self.commands[message.id] = (raw, number)
            key = (self.link.client.name, message.id)
            self.link.network.heard[key] = self.link.network.heard.get(key, 0) + 1
        if self._member is not None:
            self._member.receive(message, raw)
            return
        assert isinstance(message, Hello), "clients greet first"
        self._greeted = True
        claims, self._claims = self._claims, None
        if claims is None and (message.seat is None or message.secret is None):
            self.close(CloseCode.BAD_TICKET, "no ticket")
            return
        hub: Any = self.link.node.hub
        self._member = hub.open(self, self.code, message, claims)

    def gone(self) -> None:
        """The socket is lost or closed: tell the room, once."""
        self._open = False
        member, self._member = self._member, None
        if member is not None:
            member.gone()


class Network:
    """All lines, and the door."""

    def __init__(self, *, random: Random, log: "Log", oracle: "Oracle") -> None:
        self.random = random
        self.log = log
        self.oracle = oracle
        self.road = Road()
        self.links: list[Link] = []
        self.heard: dict[tuple[str, int], int] = {}  # (client, command id) → how often it reached a node
        self._numbers = 0

    def connect(
        self,
        *,
        client: Process,
        node: "SimNode",
        code: str,
        claims: TicketClaims | None,
        wire: WireFormat,
        opened: Callable[[Link], None],
        failed: Callable[[], None],
    ) -> None:
        """Begin to connect; a dead node refuses, a paused one lets the client wait."""
        link = Link(self, node, client)
        if node.process.state is State.DEAD:
            client.call(self.random.uniform(0.001, 0.05), failed)
            return
        settled = [False]

        def accept() -> None:
            if settled[0]:
                return
            settled[0] = True
            self._numbers += 1
            link.connection = SimConnection(self._numbers, link, code, claims, wire)
            self.links.append(link)
            link.to_client_at = link._when(link.to_client_at)
            client.call(link.to_client_at - client.loop.time(), opened, link)

        def give_up() -> None:
            if not settled[0]:
                settled[0] = True
                failed()

        node.process.call(self.random.uniform(0.001, 0.05), accept)
        client.call(10.0, give_up)

    def node_died(self, node: "SimNode", *, silently: bool) -> None:
        """Its kernel closes every socket; a host that falls silent closes none."""
        for link in self.links:
            if link.node is node and link.alive:
                link.cut(silently=silently)
        self.links = [link for link in self.links if link.alive]
