"""The upgrade: collect the request, ask the gate, use the ticket up, send 101 or a refusal.

The only task a connection ever has is the one that uses its ticket up; the edge holds it, and it ends before 101
is sent. Bytes that come before the answer wait, bounded, for the first look at frames.
"""

import asyncio
from http import HTTPStatus

import msgspec
from websockets.http11 import Request, Response

from gameserver.net.edge import Audience, Edge
from gameserver.net.gate import Refusal, Route, Visit, is_internal
from gameserver.net.inflow import Inflow
from gameserver.net.line import LineMeter
from gameserver.net.phases import Phase, Step, next_phase
from gameserver.ports import Line, StoreUnavailable
from protocol.errors import CloseCode
from protocol.tickets import TicketClaims
from protocol.types import WireFormat


class Handshake(Inflow):
    """A connection up to its 101."""

    __slots__ = (
        "_claims",
        "_deadline",
        "_edge",
        "_peer",
        "_phase",
        "_task",
        "_visit",
        "format",
        "id",
        "line",
        "meter",
    )

    def __init__(self, edge: Edge, payload_max: int) -> None:
        super().__init__(payload_max)
        self._edge = edge
        self.id = edge.number()
        self.format = WireFormat.MSGPACK
        self.meter = LineMeter()
        self.line: Line = self.meter
        self._phase = Phase.REQUEST
        self._deadline = 0.0
        self._peer = ""
        self._visit: Visit | None = None
        self._claims: TicketClaims | None = None
        self._task: asyncio.Task[None] | None = None

    def _take_early(self, data: bytes) -> None:
        """Collect the request; bytes after it wait for the answer to it."""
        limits = self._edge.limits
        partial = self._partial = self._partial if self._partial is not None else bytearray()
        seen = max(0, len(partial) - 3)
        partial += data
        if self._phase is Phase.ADMIT:
            if len(partial) > limits.early_bytes:
                self.cut("early_bytes")
            return
        end = partial.find(b"\r\n\r\n", seen)
        if end < 0:
            if len(partial) > limits.request_bytes:
                self._reply(self._refusal(Refusal(431, "request_bytes", "The request's headers are too long.")))
            return
        head = bytes(partial[: end + 4])
        del partial[: end + 4]
        if not partial:
            self._partial = None
        if len(head) > limits.request_bytes:
            self._reply(self._refusal(Refusal(431, "request_bytes", "The request's headers are too long.")))
            return
        head, query = _without_query(head)
        request = self._read_request(head)
        if request is None:
            self._edge.counters.refused["not_http"] += 1
            self._after_wire()
        else:
            self._asked(request, query)

    def _asked(self, request: Request, query: str) -> None:
        edge = self._edge
        if "Upgrade" not in request.headers and request.method == "GET":
            self._reply(self._plain(request))
            return
        response = self._wired().accept(request)
        if response.status_code != HTTPStatus.SWITCHING_PROTOCOLS:
            edge.counters.refused["handshake"] += 1
            self._reply(response)
            return
        if edge.draining:
            self._reply(self._refusal(Refusal(503, "draining", "This node is stopping.", 1)))
            return
        visit = edge.gate.check(request, query, self._peer, now=self._now(), sockets=len(edge.sockets))
        if isinstance(visit, Refusal):
            self._reply(self._refusal(visit))
            return
        self._visit = visit
        edge.admission.opened(visit.who)
        if visit.link is not None:
            edge.links[visit.link] = self.meter
        if visit.tcp is not None:
            self.meter.tcp(visit.tcp)
        self._look_at_token(visit, response)

    def _look_at_token(self, visit: Visit, response: Response) -> None:
        """A ticket is used up before the upgrade; coming back needs none, and a bot may show its access token."""
        edge = self._edge
        if not visit.token:
            self._upgrade(response, None)
            return
        audience: Audience = "lobby" if visit.route is Route.LOBBY else "game"
        claims = edge.verify_ticket(visit.token, audience)
        once = claims is not None
        if claims is None and edge.verify_access is not None:
            claims = edge.verify_access(visit.token, audience)
        if claims is None or (once and claims.room != visit.code):
            self._upgrade(response, None)
            self.close(CloseCode.BAD_TICKET)
        elif once:
            self._phase = next_phase(self._phase, Step.ASKED)
            self._task = edge.own(edge.loop.create_task(self._admit(claims, response), name=f"ticket-{self.id}"))
        else:
            self._upgrade(response, claims)

    async def _admit(self, claims: TicketClaims, response: Response) -> None:
        """Use the ticket up, then upgrade."""
        try:
            async with asyncio.timeout(self._edge.limits.ticket_s):
                fresh = await self._edge.directory.use_ticket(claims.jti)
        except (StoreUnavailable, TimeoutError):
            self._task = None
            if self._phase is Phase.ADMIT:
                self._reply(self._refusal(Refusal(503, "store", "Tickets cannot be checked just now.", 1)))
            return
        self._task = None
        if self._phase is Phase.ADMIT:
            self._upgrade(response, claims if fresh else None)
            if not fresh:
                self.close(CloseCode.BAD_TICKET)

    def _upgrade(self, response: Response, claims: TicketClaims | None) -> None:
        assert self._visit is not None
        self._claims = claims
        self._visit = msgspec.structs.replace(self._visit, token="")
        wire = self._wired()
        self.format = wire.format
        wire.send_response(response)
        self._phase = next_phase(self._phase, Step.UPGRADED)
        self._edge.counters.opened += 1
        self._deadline = self._now() + self._edge.limits.hello_s
        self._clear = not self._paused
        self._expect_whole(True)
        self._after_wire()
        self._unwire()
        early, self._partial = self._partial, None
        if early:
            self.data_received(bytes(early))

    def _plain(self, request: Request) -> Response:
        """Answer a plain GET of our own machines (health, metrics)."""
        answer = self._edge.plain(request.path) if is_internal(request) else None
        if answer is None:
            return self._refusal(Refusal(426, "no_upgrade", "This is a WebSocket server."))
        status, kind, body = answer
        response = self._wired().reject(status, "")
        del response.headers["Content-Length"], response.headers["Content-Type"]
        response.headers["Content-Length"], response.headers["Content-Type"] = str(len(body)), kind
        response.body = body
        return response

    def _refusal(self, refusal: Refusal) -> Response:
        self._edge.counters.refused[refusal.reason] += 1
        response = self._wired().reject(refusal.status, refusal.text + "\n")
        if refusal.retry_after:
            response.headers["Retry-After"] = str(refusal.retry_after)
        return response

    def _reply(self, response: Response) -> None:
        """Answer with something else than an upgrade; that ends the connection."""
        self._partial = None
        self._wired().send_response(response)
        self._after_wire()

    # ---- what the connection around it says ---------------------------------------------------------

    def close(self, code: CloseCode, reason: str = "", after_ms: int = 0) -> None:
        """Send Farewell and a close frame."""
        raise AssertionError("told by the connection")

    def cut(self, reason: str) -> None:
        """End it without waiting for anything."""
        raise AssertionError("told by the connection")


def _without_query(head: bytes) -> tuple[bytes, str]:
    """Return the request without its target's query, and the query.

    A ticket may be longer than the lines ServerProtocol takes; and what it never sees it can never log.
    """
    line, end, rest = head.partition(b"\r\n")
    before, mark, after = line.partition(b"?")
    query, blank, version = after.rpartition(b" ")
    if not mark or not blank:
        return head, ""
    return before + b" " + version + end + rest, query.decode("latin-1")
