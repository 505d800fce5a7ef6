"""A session over a real socket: connects, keeps the clock, comes back by itself (SPEC §9).

``run`` owns everything and returns when the session is over; ``handle`` gets every event, on the event loop.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Final

from msgspec import Struct
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.typing import Subprotocol

from clients.python import events
from clients.python.api import UNREACHABLE, Api, ApiError, retry_after_ms
from clients.python.events import Event
from clients.python.session import Plan, Session, Way
from protocol.errors import CloseCode, ProtocolError
from protocol.limits import SERVER_MESSAGE_BYTES_MAX
from protocol.types import WireFormat

CONNECT_S: Final = 10.0
SEND_S: Final = 10.0
SILENT_S: Final = 10.0  # our own pings: this often, and this long for the pong
CLOSE_S: Final = 2.0
PASSING_STATUS: Final = frozenset({408, 429})


def now_ms() -> int:
    """Return this process's monotonic clock."""
    return time.monotonic_ns() // 1_000_000


class Outcome(Struct, frozen=True):
    """How a session ended: a close code (0: no connection was ever possible) and the reason told."""

    code: int
    reason: str


class _Ended(Exception):  # noqa: N818 - it is no error to end
    def __init__(self, code: int, reason: str) -> None:
        super().__init__(code, reason)
        self.outcome = Outcome(code, reason)


class RoomClient:
    """One user in one room."""

    def __init__(
        self, api: Api, code: str, session: Session, handle: Callable[[Event], None], *, role: str = "player"
    ) -> None:
        self.session = session
        self._api = api
        self._code = code
        self._role = role
        self._handle = handle
        self._wake = asyncio.Event()
        self._leaving = False

    def wake(self) -> None:
        """Send what the session has to send; call it after ``session.submit``, ``chat`` or ``react``."""
        self._wake.set()

    def close(self) -> None:
        """End: close the socket (the seat stays) and let ``run`` return."""
        self._leaving = True
        self._wake.set()

    async def run(self) -> Outcome:
        """Stay in the room until it is over, through any number of connections."""
        outcome = await self._run()
        self._handle(events.Ended(outcome.code, outcome.reason))
        return outcome

    async def _run(self) -> Outcome:
        while not self._leaving:
            try:
                plan = await self._connection()
            except _Ended as ended:
                return ended.outcome
            if plan.way is Way.STOP:
                return Outcome(plan.code, plan.reason)
            if self._leaving:
                break
            self._handle(events.Away(plan.code, plan.reason, plan.wait_ms))
            await self._pause(plan.wait_ms)
        return Outcome(CloseCode.NORMAL, "")

    async def _pause(self, wait_ms: int) -> None:
        end = now_ms() + wait_ms
        while not self._leaving and (left := end - now_ms()) > 0:
            self._wake.clear()
            await _until(self._wake, left)

    async def _connection(self) -> Plan:
        """Make one connection and stay on it until it ends."""
        try:
            uri = await self._uri()
            socket = await connect(
                uri,
                subprotocols=[Subprotocol(f"svidnet.arena.v1+{self.session.wire}")],
                compression=None,
                proxy=None,
                open_timeout=CONNECT_S,
                ping_interval=SILENT_S,
                ping_timeout=SILENT_S,
                close_timeout=CLOSE_S,
                max_size=SERVER_MESSAGE_BYTES_MAX,
            )
        except ApiError as error:
            if not error.passing:
                raise _Ended(0, error.code) from None
            return self.session.failed(error.retry_after_ms)
        except InvalidStatus as error:
            return self._not_upgraded(error)
        # ConnectionClosed: it ended before the handshake was sent (uvloop tells so at once).
        except (OSError, InvalidHandshake, ConnectionClosed, TimeoutError, EOFError):
            return self.session.failed()
        try:
            return await self._converse(socket)
        finally:
            await socket.close()

    async def _uri(self) -> str:
        if self.session.way is Way.TICKET:
            ticket = await self._api.join(self._code, self._role)
            return f"{self._api.websocket}{ticket.path}?token={ticket.token}"
        return f"{self._api.websocket}/ws/game/{self._code}"

    def _not_upgraded(self, error: InvalidStatus) -> Plan:
        status = error.response.status_code
        if status < 500 and status not in PASSING_STATUS:
            raise _Ended(UNREACHABLE, f"http_{status}") from None
        return self.session.failed(retry_after_ms(error.response.headers.get("Retry-After", "")))

    async def _converse(self, socket: ClientConnection) -> Plan:
        session = self.session
        session.opened()
        reading = asyncio.create_task(_next(socket), name="arena-read")
        try:
            while True:
                await self._send(socket)
                if self._leaving:
                    await socket.close(CloseCode.NORMAL)
                    return session.lost(CloseCode.NORMAL)
                self._wake.clear()
                await self._something(reading)
                if reading.done():
                    for event in session.received(reading.result(), now_ms()):
                        self._handle(event)
                    reading = asyncio.create_task(_next(socket), name="arena-read")
                session.tick(now_ms())
        except ConnectionClosed as closed:
            frame = closed.rcvd
            return session.lost(frame.code, frame.reason) if frame else session.lost(1006)
        except TimeoutError:
            return session.lost(1006, "nothing could be sent")
        except ProtocolError as error:
            await socket.close(CloseCode.PROTOCOL_ERROR, str(error))
            return session.lost(1006, f"the server broke the protocol: {error}")
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def _send(self, socket: ClientConnection) -> None:
        text = self.session.wire is WireFormat.JSON
        for payload in self.session.data_to_send():
            async with asyncio.timeout(SEND_S):
                await socket.send(payload, text=text)

    async def _something(self, reading: "asyncio.Task[bytes]") -> None:
        """Wait for a message, for something to send, or for the time of the next tick."""
        due = self.session.due()
        waking = asyncio.create_task(self._wake.wait(), name="arena-wake")
        try:
            timeout = None if due is None else max(0, due - now_ms()) / 1000
            await asyncio.wait({reading, waking}, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waking.cancel()
            await asyncio.gather(waking, return_exceptions=True)


async def _next(socket: ClientConnection) -> bytes:
    message = await socket.recv(decode=False)
    assert isinstance(message, bytes)
    return message


async def _until(event: asyncio.Event, wait_ms: int) -> None:
    try:
        async with asyncio.timeout(wait_ms / 1000):
            await event.wait()
    except TimeoutError:
        pass
