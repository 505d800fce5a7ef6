"""The listener of a node: WebSocket upgrades, plain health and metrics, and the doors' control connections."""

import asyncio
import random
import socket as sockets
from collections.abc import Callable, Sequence
from typing import Final

from arena import logs, metrics
from gameserver.net import control
from gameserver.net.admission import Admission
from gameserver.net.counters import Counters
from gameserver.net.echo import EchoSocket
from gameserver.net.edge import Edge, Lobby, Tickets, Verify
from gameserver.net.gate import Gate, GateSettings
from gameserver.net.limits import DEFAULTS, EdgeLimits
from gameserver.net.peers import PeerLinks
from gameserver.net.socket import Socket
from gameserver.ports import Hub
from protocol.errors import CloseCode

BACKLOG: Final = 1024
JITTER_MS: Final = 250  # over which clients of a stopping node come back

_log = logs.get("edge")


class Listener:
    """A node's open port. Built by ``serve``; its owner calls ``drain`` or ``close``."""

    def __init__(
        self,
        edge: Edge,
        server: asyncio.Server,
        doors: asyncio.Server | None,
        links: set[control.ControlLink],
    ) -> None:
        self._edge = edge
        self._server = server
        self._doors = doors
        self._links = links
        self._closed = False

    @property
    def port(self) -> int:
        """The port it listens on."""
        return _port(self._server)

    @property
    def control_port(self) -> int:
        """The port for doors; 0 when there is none."""
        return 0 if self._doors is None else _port(self._doors)

    @property
    def connections(self) -> int:
        """How many sockets are open."""
        return len(self._edge.sockets)

    @property
    def counters(self) -> Counters:
        """What was counted."""
        return self._edge.counters

    def stop_accepting(self) -> None:
        """Take nobody new: the ports close, upgrades under way get a 503, ``/healthz`` says so."""
        self._edge.draining = True
        self._server.close()

    async def drain(self, code: CloseCode = CloseCode.SERVICE_RESTART, reason: str = "") -> None:
        """Stop accepting, say farewell to everybody with a jittered time to come back, and close."""
        self.stop_accepting()
        for socket in tuple(self._edge.sockets):
            socket.close(code, reason, after_ms=random.randrange(JITTER_MS))  # noqa: S311 - spreads load, hides nothing
        await self._edge.wait_empty(self._edge.limits.closing_s)
        await self.close()

    async def close(self) -> None:
        """Cut what is left and free the ports; idempotent."""
        if self._closed:
            return
        self._closed = True
        self.stop_accepting()
        if self._doors is not None:
            self._doors.close()
        for link in tuple(self._links):
            link.close()
        for socket in tuple(self._edge.sockets):
            socket.cut("stopped")
        for task in tuple(self._edge.tasks):
            task.cancel()
        self._edge.wheel.stop()
        metrics.remove(self._edge.counters)
        await self._edge.wait_empty(self._edge.limits.closing_s)
        await self._server.wait_closed()
        if self._doors is not None:
            await self._doors.wait_closed()


async def serve(
    *,
    hub: Hub,
    lobby: Lobby,
    directory: Tickets,
    verify_ticket: Verify,
    verify_access: Verify | None = None,
    host: str | Sequence[str],
    port: int,
    control_host: str | None = None,
    control_port: int = 0,
    gate: GateSettings | None = None,
    limits: EdgeLimits = DEFAULTS,
    healthy: Callable[[], bool] = lambda: True,
    peers: PeerLinks | None = None,
) -> Listener:
    """Open the ports and serve until the listener is closed. Raises ``OSError`` when a port is taken.

    ``verify_ticket`` checks a ticket's signature and times; ``verify_access`` (only where access tokens in the
    URL are allowed) turns a bot's access token into claims. ``control_host`` None: no doors are listened to.
    ``peers`` hears other nodes.
    """
    loop = asyncio.get_running_loop()
    settings = gate or GateSettings()
    admission = Admission(limits)
    counters = Counters()

    def is_healthy() -> bool:
        return not edge.draining and healthy()

    edge: Edge = Edge(
        loop=loop,
        hub=hub,
        lobby=lobby,
        directory=directory,
        verify_ticket=verify_ticket,
        verify_access=verify_access,
        plain=lambda path: _plain(path, healthy=is_healthy),
        limits=limits,
        gate=Gate(settings, limits, admission),
        admission=admission,
        counters=counters,
    )
    counters.gauges["arena_connections"] = lambda: len(edge.sockets)
    counters.gauges["arena_unsent_bytes"] = lambda: sum(socket.unsent() for socket in edge.sockets)

    def accept() -> asyncio.Protocol:
        return EchoSocket(edge) if settings.echo else Socket(edge, limits.message_bytes)

    server = await loop.create_server(accept, host, port, backlog=BACKLOG)
    for listening in server.sockets:
        # Inherited by every accepted socket: bounds the kernel's memory for a slow reader.
        listening.setsockopt(sockets.SOL_SOCKET, sockets.SO_SNDBUF, limits.socket_buffer_bytes)
        listening.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, limits.socket_buffer_bytes)
    doors: asyncio.Server | None = None
    links: set[control.ControlLink] = set()
    if control_host is not None:
        try:
            doors, links = await control.listen(
                edge, host=control_host, port=control_port, secret=settings.door_secret, others=peers
            )
        except OSError:
            server.close()
            raise
    metrics.add(counters)
    edge.wheel.start()
    listener = Listener(edge, server, doors, links)
    _log.info("edge_listens", port=listener.port, control_port=listener.control_port)
    return listener


def _port(server: asyncio.Server) -> int:
    return int(server.sockets[0].getsockname()[1]) if server.sockets else 0


def _plain(path: str, *, healthy: Callable[[], bool]) -> tuple[int, str, bytes] | None:
    if path == "/healthz":
        well = healthy()
        return 200 if well else 503, "application/json", b'{"ok":true}' if well else b'{"ok":false}'
    if path == "/metrics":
        return 200, metrics.CONTENT_TYPE, metrics.exposition()
    return None
