"""A route as data: what it takes, what it gives, what may go wrong, who may call it and how often.

``routes()`` turns a list of endpoints into Starlette routes; ``httpapi.openapi`` describes the same list. A handler
is: parse → service → answer.
"""

import asyncio
import enum
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar

import msgspec
import orjson
from msgspec import Struct
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from arena.tokens import AccessClaims, TokenError, verify_access
from httpapi.limits import BODY_BYTES_MAX, BODY_S_MAX, HANDLER_S_MAX
from httpapi.problem import Code, Problem, invalid, wrong_field
from httpapi.services.all import Services
from httpapi.services.rates import Counts, Rule, Standing
from protocol.hops import who

T = TypeVar("T", bound=Struct)


class Access(enum.StrEnum):
    """Who may call an endpoint."""

    ANYONE = "anyone"  # a token, if sent, is not looked at
    MAYBE = "maybe"  # a token, if sent, must be good
    USER = "user"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer with more than a body; a handler that has only a body returns the Struct."""

    body: Struct | None = None
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    cookies: Sequence[str] = ()  # whole Set-Cookie values


@dataclass(frozen=True, slots=True)
class Call:
    """One request, parsed."""

    request: Request
    services: Services
    address: str  # of the client, behind our proxies
    secure: bool  # the client used https
    claims: AccessClaims | None
    parsed_body: Struct | None
    parsed_query: Struct | None

    def body(self, kind: type[T]) -> T:
        """Return the body; ``kind`` is the one the endpoint declares."""
        assert isinstance(self.parsed_body, kind)
        return self.parsed_body

    def query(self, kind: type[T]) -> T:
        """Return the query parameters; ``kind`` is the one the endpoint declares."""
        assert isinstance(self.parsed_query, kind)
        return self.parsed_query

    def path(self, name: str) -> str:
        """Return a path parameter."""
        return str(self.request.path_params[name])

    @property
    def user(self) -> AccessClaims:
        """The signed-in user, for endpoints that need one."""
        assert self.claims is not None
        return self.claims


def by_address(call: Call) -> str:
    """Count for the client's address."""
    return who(call.address)


def by_user(call: Call) -> str:
    """Count for the signed-in user."""
    return call.user.sub


@dataclass(frozen=True, slots=True)
class Limited:
    """A rule and whom it counts; ``failures``: the codes that count where the rule counts failures."""

    rule: Rule
    who: Callable[[Call], str] = by_address
    failures: frozenset[Code] = frozenset()


Handler: TypeAlias = Callable[[Call], Awaitable[Struct | Reply | Response]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One method on one path. ``response`` None: 204 without a body."""

    method: str
    path: str
    handler: Handler
    summary: str
    response: type[Struct] | None
    status: int = 200
    body: type[Struct] | None = None
    body_optional: bool = False  # an empty body counts as {}
    query: type[Struct] | None = None
    errors: Sequence[Code] = ()
    access: Access = Access.USER
    limits: Sequence[Limited] = ()
    media: str = "application/json"  # of the answer
    also: Mapping[int, type[Struct]] = field(default_factory=dict)  # other statuses with a body that is no problem


# ---- reading a request -----------------------------------------------------------------------------


async def _raw_body(request: Request) -> bytes:
    told = request.headers.get("content-length", "")
    if told.isdigit() and int(told) > BODY_BYTES_MAX:
        raise Problem(Code.BODY_TOO_LARGE, f"at most {BODY_BYTES_MAX} bytes")
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(BODY_S_MAX):
            async for part in request.stream():
                size += len(part)
                if size > BODY_BYTES_MAX:
                    raise Problem(Code.BODY_TOO_LARGE, f"at most {BODY_BYTES_MAX} bytes")
                parts.append(part)
    except TimeoutError:
        raise Problem(Code.BODY_TIMEOUT, f"at most {BODY_S_MAX} seconds") from None
    return b"".join(parts)


def decode(raw: bytes, kind: type[T]) -> T:
    """Return the JSON ``raw`` as ``kind``. Raises ``Problem`` BAD_JSON or INVALID and nothing else."""
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.ValidationError as error:
        raise wrong_field(error) from None
    except (msgspec.DecodeError, UnicodeError) as error:
        raise Problem(Code.BAD_JSON, str(error)[:200]) from None
    except RecursionError:
        raise Problem(Code.BAD_JSON, "nested too deeply") from None


async def _body(endpoint: Endpoint, request: Request) -> Struct | None:
    if endpoint.body is None:
        return None
    raw = await _raw_body(request)
    if not raw and endpoint.body_optional:
        raw = b"{}"
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media != "application/json" and raw != b"{}":
        raise Problem(Code.UNSUPPORTED_MEDIA)
    return decode(raw, endpoint.body)


def _query(endpoint: Endpoint, request: Request) -> Struct | None:
    if endpoint.query is None:
        return None
    told = request.query_params.multi_items()
    if len(told) > len(dict(told)):
        raise invalid("", "a query parameter stands twice")
    try:
        return msgspec.convert(dict(told), endpoint.query, strict=False)
    except msgspec.ValidationError as error:
        raise wrong_field(error) from None


def _claims(endpoint: Endpoint, request: Request, services: Services) -> AccessClaims | None:
    if endpoint.access is Access.ANYONE:
        return None
    told = request.headers.getlist("authorization")
    scheme, _, token = "".join(told[:1]).partition(" ")
    if len(told) > 1:
        raise Problem(Code.UNAUTHENTICATED, "there is more than one Authorization header")
    if scheme.lower() != "bearer" or not token:
        if endpoint.access is Access.MAYBE:
            return None
        raise Problem(Code.UNAUTHENTICATED, "the Authorization header carries no bearer token")
    try:
        claims = verify_access(services.keys, token.strip())
    except TokenError as error:
        raise Problem(Code.UNAUTHENTICATED, f"the access token is not accepted: {error.code}") from None
    if services.revocation.is_revoked(claims.sid) or services.revocation.is_revoked(claims.sub):
        raise Problem(Code.UNAUTHENTICATED, "the session has ended")
    if endpoint.access is Access.ADMIN and "admin" not in claims.roles:
        raise Problem(Code.FORBIDDEN)
    return claims


# ---- running a handler -----------------------------------------------------------------------------


def rate_headers(standings: Sequence[Standing]) -> dict[str, str]:
    """Return the RateLimit-* headers of the rule nearest to its limit."""
    if not standings:
        return {}
    tightest = min(standings, key=lambda standing: standing.remaining / standing.rule.limit)
    return {
        "ratelimit-limit": str(tightest.rule.limit),
        "ratelimit-remaining": str(tightest.remaining),
        "ratelimit-reset": str(tightest.reset_s),
        "ratelimit-policy": f"{tightest.rule.limit};w={tightest.rule.window_s}",
    }


async def _enter(endpoint: Endpoint, call: Call) -> dict[str, str]:
    if not endpoint.limits:
        return {}
    wanted = [(limited.rule, limited.who(call)) for limited in endpoint.limits]
    standings = await call.services.rates.enter(wanted)
    headers = rate_headers(standings)
    exceeded = [standing for standing in standings if standing.exceeded]
    if exceeded:
        raise Problem(Code.RATE_LIMITED, retry_after=max(s.reset_s for s in exceeded), headers=headers)
    return headers


async def _count_failure(endpoint: Endpoint, call: Call, code: Code) -> None:
    wanted = [
        (limited.rule, limited.who(call))
        for limited in endpoint.limits
        if limited.rule.counts is Counts.FAILURES and code in limited.failures
    ]
    if wanted:
        await call.services.rates.failed(wanted)


def _response(endpoint: Endpoint, answer: Struct | Reply | Response, headers: Mapping[str, str]) -> Response:
    if isinstance(answer, Response):
        answer.headers.update(headers)
        return answer
    reply = answer if isinstance(answer, Reply) else Reply(answer)
    status = reply.status or (204 if reply.body is None else endpoint.status)
    content = b"" if reply.body is None else orjson.dumps(reply.body, default=msgspec.to_builtins)
    merged = {"cache-control": "no-store", **headers, **reply.headers}
    response = Response(content, status, merged, None if reply.body is None else "application/json")
    for cookie in reply.cookies:
        response.raw_headers.append((b"set-cookie", cookie.encode("latin-1")))
    return response


async def run(endpoint: Endpoint, request: Request) -> Response:
    """Serve one request. Raises ``Problem`` for everything a client can act on."""
    services: Services = request.app.state.services
    call = Call(
        request=request,
        services=services,
        address=request.scope["arena.address"],
        secure=request.scope["arena.scheme"] == "https",
        claims=_claims(endpoint, request, services),
        parsed_query=_query(endpoint, request),
        parsed_body=await _body(endpoint, request),
    )
    headers = await _enter(endpoint, call)
    try:
        async with asyncio.timeout(HANDLER_S_MAX):
            answer = await endpoint.handler(call)
    except Problem as problem:
        await _count_failure(endpoint, call, problem.code)
        problem.headers.update(headers)
        raise
    except TimeoutError:
        raise Problem(Code.BUSY, "the request took too long", headers=headers) from None
    return _response(endpoint, answer, headers)


def routes(endpoints: Sequence[Endpoint]) -> list[Route]:
    """Return one Starlette route for each path, in the order given."""
    by_path: dict[str, dict[str, Endpoint]] = {}
    for endpoint in endpoints:
        methods = by_path.setdefault(endpoint.path, {})
        assert endpoint.method not in methods, f"{endpoint.method} {endpoint.path} is declared twice"
        methods[endpoint.method] = endpoint
    return [_route(path, methods) for path, methods in by_path.items()]


def _route(path: str, methods: Mapping[str, Endpoint]) -> Route:
    async def serve(request: Request) -> Response:
        method = "GET" if request.method == "HEAD" else request.method
        request.scope["arena.route"] = path
        try:
            return await run(methods[method], request)
        except ClientDisconnect:
            return Response(status_code=499)  # nobody reads it; the code is for the metrics

    return Route(path, serve, methods=list(methods), name=path)
