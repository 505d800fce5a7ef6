"""What all sockets of one listener share. Built by ``server.serve``, passed in, never global."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, Protocol

from gameserver.net.admission import ROUNDING_S, Admission
from gameserver.net.counters import Counters
from gameserver.net.gate import Gate
from gameserver.net.limits import EdgeLimits
from gameserver.net.line import LineMeter
from gameserver.net.wheel import Wheel
from gameserver.ports import Connection, Hub, Member
from protocol.tickets import TicketClaims

if TYPE_CHECKING:
    from gameserver.net.socket import Socket

Audience = Literal["game", "lobby"]
Verify = Callable[[str, Audience], TicketClaims | None]
"""Claims of a good token for that audience (signature, type, issuer, expiry checked), or None."""


class Tickets(Protocol):
    """The part of ``ports.Directory`` that the edge needs."""

    async def use_ticket(self, jti: str) -> bool:
        """Mark a ticket used; False when it was already. Raises ``StoreUnavailable``."""


class Lobby(Protocol):
    """What ``/ws/lobby`` leads to."""

    def open(self, connection: Connection, claims: TicketClaims) -> Member:
        """Take a connection whose Hello came."""


class Plain(Protocol):
    """Answers plain HTTP requests of our own machines."""

    def __call__(self, path: str) -> tuple[int, str, bytes] | None:
        """Return status, content type and body; None: there is nothing at this path."""


class Edge:
    """The shared part of all sockets."""

    __slots__ = (
        "_numbers",
        "admission",
        "arrivals",
        "clock",
        "counters",
        "directory",
        "draining",
        "emptied",
        "gate",
        "hub",
        "limits",
        "links",
        "lobby",
        "loop",
        "message_interval_s",
        "message_slack_s",
        "plain",
        "read_at",
        "sockets",
        "tasks",
        "verify_access",
        "verify_ticket",
        "wheel",
    )

    def __init__(
        self,
        *,
        loop: asyncio.AbstractEventLoop,
        hub: Hub,
        lobby: Lobby,
        directory: Tickets,
        verify_ticket: Verify,
        verify_access: Verify | None,
        plain: Plain,
        limits: EdgeLimits,
        gate: Gate,
        admission: Admission,
        counters: Counters,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.loop = loop
        self.clock = clock  # monotonic seconds; finer than uvloop's own, which stands still during a turn
        self.hub = hub
        self.lobby = lobby
        self.directory = directory
        self.verify_ticket = verify_ticket
        self.verify_access = verify_access
        self.plain = plain
        self.limits = limits
        self.gate = gate
        self.admission = admission
        self.counters = counters
        self.wheel = Wheel(loop, limits, clock)
        self.sockets: set[Socket] = set()
        self.arrivals: list[tuple[Socket, bytes, float]] = []  # read at that time, not looked at yet
        self.read_at = 0.0  # when the bytes that are being looked at were read
        self.links: dict[tuple[str, int], LineMeter] = {}  # by what doors call a public socket
        self.tasks: set[asyncio.Task[None]] = set()  # at most one a socket in ADMIT
        self.draining = False
        self.emptied = asyncio.Event()
        self.message_interval_s = 1.0 / limits.messages_per_s
        self.message_slack_s = limits.messages_burst / limits.messages_per_s + ROUNDING_S
        self._numbers = 0

    def take_arrivals(self) -> None:
        """Look at everything that was read, in that order.

        Reading all that is ready before looking at any of it keeps the code of each warm: 7 % less user time of a
        loaded node (DECISIONS 35).
        """
        while self.arrivals:
            arrivals, self.arrivals = self.arrivals, []
            for socket, data, at in arrivals:
                self.read_at = at
                socket.take(data)

    def number(self) -> int:
        """Return the next connection id."""
        self._numbers += 1
        return self._numbers

    def left(self, socket: "Socket") -> None:
        """Forget a socket that is gone."""
        self.sockets.discard(socket)
        if not self.sockets:
            self.emptied.set()

    async def wait_empty(self, within_s: float) -> None:
        """Return when the last socket is gone, or after ``within_s``."""
        self.emptied.clear()
        if self.sockets:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(within_s):
                    await self.emptied.wait()

    def own(self, task: asyncio.Task[None]) -> asyncio.Task[None]:
        """Hold the task until it ends."""
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task
