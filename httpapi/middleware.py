"""What every request passes through, outermost first: see the list in ``httpapi.app``. Plain ASGI, one job each."""

import secrets
import time
from collections.abc import Collection, Sequence
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from arena import logs, metrics
from httpapi.limits import IN_FLIGHT_MAX
from httpapi.problem import Code, Problem, response
from protocol.hops import HostNames, TrustedProxies, same_origin

REQUESTS: Final = metrics.counter("arena_http_requests", "Requests answered", ["method", "route", "status"])
SECONDS: Final = metrics.histogram("arena_http_seconds", "Time from request to answer", ["route"])
FAILED: Final = metrics.counter("arena_http_failed", "Requests that met a fault of ours")
IN_FLIGHT: Final = metrics.gauge("arena_http_in_flight", "Requests being served")

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PATCH", "PUT", "DELETE", "OPTIONS"})
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_log = logs.get("http")


async def _refuse(problem: Problem, scope: Scope, receive: Receive, send: Send) -> None:
    await response(problem, scope.get("arena.request_id", ""))(scope, receive, send)


class Context:
    """Gives each request an id, the client's address and scheme; counts and times it."""

    def __init__(self, app: ASGIApp, *, proxies: TrustedProxies) -> None:
        self._app = app
        self._proxies = proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        peer = scope["client"][0] if scope.get("client") else ""
        scope["arena.request_id"] = request_id = secrets.token_hex(8)
        scope["arena.address"] = self._proxies.client(peer, headers.getlist("x-forwarded-for"))
        told = headers.get("x-forwarded-proto", "").rpartition(",")[2].strip().lower()
        believed = told in ("http", "https") and self._proxies.trusts(peer)
        scope["arena.scheme"] = told if believed else scope["scheme"]
        status = 500

        async def send_on(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["x-request-id"] = request_id
            await send(message)

        began = time.perf_counter()
        IN_FLIGHT.inc()
        try:
            await self._app(scope, receive, send_on)
        finally:
            IN_FLIGHT.dec()
            route = scope.get("arena.route", "none")
            method = scope["method"] if scope["method"] in _METHODS else "other"
            REQUESTS.labels(method, route, status).inc()
            SECONDS.labels(route).observe(time.perf_counter() - began)


class Supervisor:
    """Turns what nobody caught into 500 with an id, and logs it once; nothing about it is told to the client."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve."""
        started = False

        async def send_on(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, send_on)
        except Exception:  # noqa: BLE001 - this is the supervisor of requests
            FAILED.inc()
            _log.exception(
                "request_failed", request=scope.get("arena.request_id", ""), route=scope.get("arena.route", "none")
            )
            if scope["type"] == "http" and not started:
                await _refuse(Problem(Code.INTERNAL), scope, receive, send)


class InFlight:
    """Refuses requests beyond a number served at the same time; health is always answered."""

    def __init__(self, app: ASGIApp, *, at_most: int = IN_FLIGHT_MAX) -> None:
        self._app = app
        self._at_most = at_most
        self._now = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if self._now >= self._at_most and scope["path"] not in ("/healthz", "/metrics"):
            await _refuse(Problem(Code.BUSY), scope, receive, send)
            return
        self._now += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._now -= 1


class Gatekeeper:
    """Refuses foreign Host names (DNS rebinding) and requests that another site's page makes."""

    def __init__(self, app: ASGIApp, *, hosts: HostNames, origins: Collection[str]) -> None:
        self._app = app
        self._hosts = hosts
        self._origins = frozenset(origin.lower() for origin in origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self._hosts.ours(hosts[0]):
            await _refuse(Problem(Code.HOST_REFUSED, "add it to ARENA_HOSTS if it is yours"), scope, receive, send)
            return
        if scope["method"] not in _SAFE and not self._may_come(headers, hosts[0]):
            await _refuse(Problem(Code.ORIGIN_REFUSED), scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _may_come(self, headers: Headers, host: str) -> bool:
        origin = headers.get("origin")
        if origin is None:
            return headers.get("sec-fetch-site", "same-origin") in ("same-origin", "none")
        return origin.lower() in self._origins or same_origin(origin, host)


class SecurityHeaders:
    """Tells browsers what our pages may do: nothing but ourselves, no inline script, in nobody's frame."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        host = Headers(scope=scope).get("host", "")

        async def send_on(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                page = headers.get("content-type", "").startswith("text/html")
                headers["content-security-policy"] = page_policy(host) if page else _API_POLICY
                for name, value in _ALWAYS:
                    headers[name] = value
                if scope.get("arena.scheme") == "https":
                    headers["strict-transport-security"] = "max-age=31536000"
                    headers["cross-origin-opener-policy"] = "same-origin"
            await send(message)

        await self._app(scope, receive, send_on)


_API_POLICY: Final = "default-src 'none'; frame-ancestors 'none'"
_ALWAYS: Final[Sequence[tuple[str, str]]] = (
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), microphone=(), geolocation=(), payment=(), usb=(), interest-cohort=()"),
)


def page_policy(host: str) -> str:
    """Return the policy of a page. ``host`` passed the gatekeeper; browsers differ on whether 'self' covers ws:."""
    safe = host if host and not set(host) & set(" ;,'\"\\\t") else ""
    sockets = f" ws://{safe} wss://{safe}" if safe else ""
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; "
        f"media-src 'self'; manifest-src 'self'; worker-src 'self'; connect-src 'self'{sockets}; base-uri 'none'; "
        "form-action 'self'; frame-ancestors 'none'"
    )
