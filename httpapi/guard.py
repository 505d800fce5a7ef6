"""The HTTP protocol of the public port: uvicorn's, with the bounds it does not have (DESIGN §8).

Headers come within 5 s and are at most 32 KiB; a body comes within 5 s in all; who does not read is cut after 30 s.
A connection is in one of three phases: IDLE → HEADERS (bytes came) → BODY (the head is complete) → IDLE, and each
but an answered IDLE has a deadline. uvicorn's own keep-alive timer bounds the idle time after an answer.
"""

import asyncio
import enum
from http import HTTPStatus
from typing import Any, Final, cast

import httptools
from msgspec import Struct
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from arena import metrics
from httpapi import limits
from httpapi.problem import MEDIA_TYPE

CUT: Final = metrics.counter("arena_http_cut", "HTTP connections cut by a bound", ["reason"])
OPEN: Final = metrics.gauge("arena_http_connections", "HTTP connections open")


class Bounds(Struct, frozen=True, kw_only=True):
    """What one connection is granted; seconds and bytes."""

    headers_s: float = limits.HEADERS_S_MAX
    body_s: float = limits.BODY_S_MAX + 0.5  # the application answers 408 first, if it waits for the body
    write_s: float = limits.WRITE_S_MAX
    closing_s: float = 2.0
    header_bytes: int = limits.HEADER_BYTES_MAX
    headers: int = limits.HEADERS_MAX
    body_bytes: int = limits.BODY_BYTES_MAX + limits.IGNORED_BYTES_MAX
    pipelined: int = 16
    connections: int = limits.CONNECTIONS_MAX


class Guard:
    """What the connections of one server share. ``protocol`` is what uvicorn calls for each."""

    def __init__(self, bounds: Bounds | None = None) -> None:
        self.bounds = bounds or Bounds()
        self.open: set[GuardedProtocol] = set()

    def protocol(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> "GuardedProtocol":
        """Return the protocol of one connection."""
        return GuardedProtocol(self, config, server_state, app_state)


class _Phase(enum.Enum):
    IDLE = "idle"
    HEADERS = "headers"
    BODY = "body"


class _OverError(Exception):
    """Ends parsing: a bound was passed. Carries the status and the metric's reason."""


class GuardedProtocol(HttpToolsProtocol):
    """uvicorn's protocol with deadlines."""

    def __init__(self, guard: Guard, config: Config, server_state: ServerState, app_state: dict[str, Any]) -> None:
        super().__init__(config, server_state, app_state)
        self._guard = guard
        self._bounds = guard.bounds
        self._phase = _Phase.IDLE
        self._deadline: asyncio.TimerHandle | None = None
        self._write_deadline: asyncio.TimerHandle | None = None
        self._over: tuple[int, str] | None = None
        self._header_bytes = 0
        self._body_bytes = 0
        self._ending = False  # cut: what still comes is dropped
        self._earlier: list[RequestResponseCycle] = []  # pipelined before the newest and not answered

    # ---- the transport ------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        """Take a connection, unless there are too many."""
        super().connection_made(transport)
        if len(self._guard.open) >= self._bounds.connections:
            CUT.labels("connections").inc()
            transport.abort()
            return
        self._guard.open.add(self)
        OPEN.set(len(self._guard.open))
        self._arm(self._bounds.headers_s)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._release()
        self._tell_unheard()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse."""
        if self.is_ending():
            return
        if self._phase is _Phase.IDLE:
            self._enter_headers()
        super().data_received(data)
        if self._phase is _Phase.HEADERS:
            self._header_bytes += len(data)  # what the parser holds of an unfinished head
            if self._header_bytes > self._bounds.header_bytes:
                self._cut(431, "header_bytes")

    def pause_writing(self) -> None:
        """The client reads too slowly: from now on it has ``write_s`` to go on."""
        super().pause_writing()
        if self._write_deadline is None:
            self._write_deadline = self.loop.call_later(self._bounds.write_s, self._unread)

    def resume_writing(self) -> None:
        """It reads again."""
        super().resume_writing()
        if self._write_deadline is not None:
            self._write_deadline.cancel()
            self._write_deadline = None

    def handle_websocket_upgrade(self) -> None:
        """Hand the transport over; the door has its own bounds."""
        self._release()
        super().handle_websocket_upgrade()

    def send_400_response(self, msg: str) -> None:
        """Refuse what cannot be parsed, or was over a bound."""
        status, reason = self._over or (400, "malformed")
        self._cut(status, reason)

    # ---- the parser ---------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """Begin a request."""
        if len(self.pipeline) >= self._bounds.pipelined:
            self._stop_parsing(503, "pipelined")
        super().on_message_begin()
        self._enter_headers()
        self._body_bytes = 0

    def on_headers_complete(self) -> None:
        """Start the application; the body has its own deadline."""
        size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        if size > self._bounds.header_bytes or len(self.headers) > self._bounds.headers:
            self._stop_parsing(431, "header_bytes")
        before = self.cycle
        super().on_headers_complete()
        if self.cycle is not None and self.cycle is not before:
            self.cycle.transport = cast(asyncio.Transport, _AnswersWay(self))
        if before is not None and before is not self.cycle:
            self._earlier = [cycle for cycle in (*self._earlier, before) if not cycle.response_complete]
        self._phase = _Phase.BODY
        self._arm(self._bounds.body_s)

    def on_body(self, body: bytes) -> None:
        """Count what comes, also what nobody will read any more."""
        self._body_bytes += len(body)
        if self._body_bytes > self._bounds.body_bytes:
            self._stop_parsing(413, "body_bytes")
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End a request; what is left is the answer's time."""
        super().on_message_complete()
        self._phase = _Phase.IDLE
        self._disarm()

    # ---- bounds -------------------------------------------------------------------------------------

    def _enter_headers(self) -> None:
        if self._phase is not _Phase.HEADERS:
            self._phase = _Phase.HEADERS
            self._header_bytes = 0
            self._arm(self._bounds.headers_s)

    def _stop_parsing(self, status: int, reason: str) -> None:
        self._over = (status, reason)
        raise _OverError

    def _arm(self, seconds: float) -> None:
        self._disarm()
        self._deadline = self.loop.call_later(seconds, self._too_late)

    def _disarm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _release(self) -> None:
        self._disarm()
        if self._write_deadline is not None:
            self._write_deadline.cancel()
            self._write_deadline = None
        self._guard.open.discard(self)
        OPEN.set(len(self._guard.open))

    def _too_late(self) -> None:
        self._deadline = None
        self._cut(408, "body_time" if self._phase is _Phase.BODY else "headers_time")

    def _unread(self) -> None:
        self._write_deadline = None
        CUT.labels("unread").inc()
        self.transport.abort()

    def _cut(self, status: int, reason: str) -> None:
        """End the connection; say why, when something was asked and nothing is being answered."""
        if self.is_ending():
            return
        self._ending = True
        CUT.labels(reason).inc()
        self._disarm()
        cycle = self.cycle
        answering = cycle is not None and not cycle.response_complete
        if self._phase is _Phase.BODY and answering:
            may_say = not cycle.response_started and not self.pipeline  # else others are answered before this one
        else:  # a request that has not begun may follow one that is still being answered
            may_say = self._phase is _Phase.HEADERS and not answering
        self._tell_unheard()
        if may_say:
            self.transport.write(_refusal(status, reason))
        if self._phase is _Phase.IDLE:
            self.transport.close()
            self.loop.call_later(self._bounds.closing_s, self.transport.abort)
        else:
            self._end_softly()

    def end_answer(self) -> None:
        """End the connection after an answer that says so; the request's body may not have come whole."""
        if self._phase is _Phase.BODY and not (self.pipeline or self.is_ending()):
            self._ending = True
            self._disarm()
            self._end_softly()
        else:
            self.transport.close()

    def is_ending(self) -> bool:
        """Say whether nothing that comes is read any more."""
        return self._ending or self.transport.is_closing()

    def _end_softly(self) -> None:
        """End our side and drop what still comes: a plain close would reset the connection, and the answer be lost."""
        self.transport.write_eof()
        self.flow.resume_reading()
        self.loop.call_later(self._bounds.closing_s, self.transport.abort)

    def _tell_unheard(self) -> None:
        """Tell the application of every unfinished request that nobody listens; uvicorn tells the newest only."""
        for cycle in (*self._earlier, self.cycle):
            if cycle is not None and not cycle.response_complete:
                cycle.disconnected = True  # whatever the application still says is not for the wire
                cycle.message_event.set()


class _AnswersWay:
    """What an answer sees of the transport: it writes, and it ends the connection the guard's way."""

    def __init__(self, protocol: GuardedProtocol) -> None:
        self._protocol = protocol
        self.write = protocol.transport.write
        self.is_closing = protocol.is_ending

    def close(self) -> None:
        """End the connection."""
        self._protocol.end_answer()


def _refusal(status: int, reason: str) -> bytes:
    phrase = HTTPStatus(status).phrase
    body = b'{"type":"/problems/%s","title":"%s","status":%d,"code":"%s"}' % (
        reason.encode(),
        phrase.encode(),
        status,
        reason.encode(),
    )
    head = (
        f"HTTP/1.1 {status} {phrase}\r\ncontent-type: {MEDIA_TYPE}\r\ncontent-length: {len(body)}\r\n"
        "cache-control: no-store\r\nconnection: close\r\n\r\n"
    )
    return head.encode() + body


assert issubclass(httptools.HttpParserCallbackError, httptools.HttpParserError), "uvicorn catches _OverError as such"
