"""Where doors tell the kernel's times of their public sockets (DESIGN §15), and other nodes what concerns shards.

Frames and their meaning are in ``protocol/door.py`` and ``protocol/peers.py``. A link that does not begin with the
right secret, or sends anything else than frames of known messages, is closed; the splices live on, their lines just
stay as they were.
"""

import asyncio
import hmac
from typing import Final, cast

from arena import logs
from gameserver.net.edge import Edge
from gameserver.net.peers import PeerLinks
from protocol import door, peers
from protocol.ids import InstanceId

HELLO_S: Final = 5.0
NODE: Final = "node"

_log = logs.get("edge")


class ControlLink(asyncio.Protocol):
    """The control connection of one door, or of another node."""

    def __init__(self, edge: Edge, links: set["ControlLink"], secret: str, others: PeerLinks | None) -> None:
        self._edge = edge
        self._links = links
        self._secret = secret
        self._others = others
        self._door = ""  # who it is: a door's id, "operator", or NODE
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to wait for the hello, unless too many are here already."""
        self._transport = cast(asyncio.Transport, transport)
        if len(self._links) >= self._edge.limits.control_links:
            self._transport.abort()
            return
        self._links.add(self)
        self._timer = self._edge.loop.call_later(HELLO_S, self._transport.abort)

    def data_received(self, data: bytes) -> None:
        """Take whole frames, keep the rest."""
        self._buffer += data
        try:
            while len(self._buffer) >= 4:
                size = int.from_bytes(self._buffer[:4], "big")
                if size > door.CONTROL_FRAME_BYTES_MAX:
                    raise ValueError("frame too long")
                if len(self._buffer) < 4 + size:
                    return
                body = bytes(self._buffer[4 : 4 + size])
                del self._buffer[: 4 + size]
                self._take(peers.unpack_asked(body))
        except ValueError as error:
            _log.warning("control_refused", reason=str(error))
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """The door is gone; what it said stays."""
        del exc
        self._links.discard(self)
        self._stop_timer()

    def close(self) -> None:
        """Cut the link."""
        self._buffer.clear()
        if self._transport is not None:
            self._transport.abort()

    def _take(self, message: peers.Asked) -> None:
        if isinstance(message, door.DoorHello):
            self._check(message.secret)
            self._door = message.door
            return
        if isinstance(message, peers.NodeHello):
            self._check(message.secret)
            self._door = NODE
            if self._others is None:
                raise ValueError("no nodes are expected here")
            self._answer(peers.NodeWelcome(self._others.instance))
            self._others.meet(InstanceId(message.instance), message.control)
            return
        if not self._door:
            raise ValueError("hello comes first")
        if not isinstance(message, door.DoorLines):
            self._answer(None if self._others is None else self._others.heard(message, by_node=self._door == NODE))
            return
        for number, srtt, rttvar, shortest in message.lines:
            meter = self._edge.links.get((self._door, number))
            times = door.tcp_times(srtt, rttvar, shortest)
            if meter is not None and times is not None:
                self._edge.counters.lines_in += 1
                meter.tcp(times)

    def _check(self, secret: str) -> None:
        if not self._secret or not hmac.compare_digest(secret.encode(), self._secret.encode()):
            raise ValueError("wrong secret")
        self._stop_timer()

    def _answer(self, answer: peers.Answer | None) -> None:
        if answer is not None and self._transport is not None:
            self._transport.write(peers.pack(answer))

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


async def listen(
    edge: Edge, *, host: str, port: int, secret: str, others: PeerLinks | None = None
) -> tuple[asyncio.Server, set[ControlLink]]:
    """Listen for doors and nodes; the caller closes the server and the links."""
    links: set[ControlLink] = set()
    server = await edge.loop.create_server(lambda: ControlLink(edge, links, secret, others), host, port)
    return server, links
