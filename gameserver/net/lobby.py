"""``/ws/lobby``: the public rooms, told whole at the start and when they change, at most once a second.

The store is asked only while somebody is connected, and once for all of them.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Final, Protocol

from arena import logs
from gameserver.ports import Connection, StoreUnavailable
from protocol.client import ClientMessage, ClockAsk
from protocol.codec import encode_server
from protocol.errors import CloseCode, ProtocolErrorCode
from protocol.frames import frame_for
from protocol.server import LobbyRooms
from protocol.tickets import TicketClaims
from protocol.types import WireFormat

ROOMS_MAX: Final = 100
POLL_S: Final = 1.0

_log = logs.get("lobby")


class PublicRooms(Protocol):
    """Where the lobby reads."""

    async def list_public(self) -> Sequence[dict[str, Any]]:
        """Return the cards of public rooms as builtins, best first. Raises ``StoreUnavailable``."""


class LobbyMember:
    """A connection in the lobby. It has nothing to say."""

    def __init__(self, lobby: "LobbyHub", connection: Connection) -> None:
        self._lobby = lobby
        self._connection = connection

    def receive(self, message: ClientMessage, raw: bytes) -> None:
        """Refuse whatever is not a clock question (rooms answer those; here there is no clock)."""
        del raw
        if not isinstance(message, ClockAsk):
            self._connection.close(CloseCode.PROTOCOL_ERROR, ProtocolErrorCode.UNEXPECTED)

    def gone(self) -> None:
        """Leave."""
        self._lobby.leave(self._connection)


class LobbyHub:
    """Everybody in the lobby of one node."""

    def __init__(self, rooms: PublicRooms, *, poll_s: float = POLL_S) -> None:
        self._rooms = rooms
        self._poll_s = poll_s
        self._members: dict[int, Connection] = {}
        self._told: list[dict[str, Any]] | None = None
        self._frames: dict[WireFormat, bytes] = {}
        self._task: asyncio.Task[None] | None = None

    def open(self, connection: Connection, claims: TicketClaims) -> LobbyMember:
        """Take a connection; the list follows at once when it is known, else with the first look."""
        del claims  # everybody sees the same
        self._members[connection.id] = connection
        if self._task is None:
            self._told = None
            self._task = asyncio.get_running_loop().create_task(self._poll(), name="lobby")
        elif self._told is not None:
            connection.send(self._frame(connection.format))
        return LobbyMember(self, connection)

    def leave(self, connection: Connection) -> None:
        """Forget a connection; the last one takes the polling with it."""
        self._members.pop(connection.id, None)
        if not self._members and self._task is not None:
            self._task.cancel()
            self._task = None

    async def _poll(self) -> None:
        while True:
            try:
                async with asyncio.timeout(self._poll_s):
                    rooms = list(await self._rooms.list_public())[:ROOMS_MAX]
            except (StoreUnavailable, TimeoutError):
                _log.warning("lobby_unavailable")
            else:
                self._tell(rooms)
            await asyncio.sleep(self._poll_s)

    def _tell(self, rooms: list[dict[str, Any]]) -> None:
        if rooms == self._told:
            return
        self._told = rooms
        self._frames.clear()
        for connection in tuple(self._members.values()):
            connection.send(self._frame(connection.format))

    def _frame(self, wire: WireFormat) -> bytes:
        frame = self._frames.get(wire)
        if frame is None:
            frame = frame_for(wire, encode_server(LobbyRooms(rooms=self._told or []), wire))
            self._frames[wire] = frame
        return frame
