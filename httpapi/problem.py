"""Errors as people and programs read them: ``application/problem+json`` (RFC 9457) with a stable ``code``.

One table says status and title of each code. A code is never reused for another meaning.
"""

import enum
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import orjson
from msgspec import Struct, ValidationError, to_builtins
from starlette.responses import Response


class Code(enum.StrEnum):
    """What went wrong, for programs."""

    BAD_JSON = "bad_json"
    BAD_REQUEST = "bad_request"
    INVALID = "invalid"
    BODY_TOO_LARGE = "body_too_large"
    BODY_TIMEOUT = "body_timeout"
    UNSUPPORTED_MEDIA = "unsupported_media"
    UNAUTHENTICATED = "unauthenticated"
    BAD_CREDENTIALS = "bad_credentials"
    REFRESH_REFUSED = "refresh_refused"
    CSRF = "csrf"
    FORBIDDEN = "forbidden"
    ORIGIN_REFUSED = "origin_refused"
    HOST_REFUSED = "host_refused"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    ROOM_NOT_FOUND = "room_not_found"
    ROOM_CLOSED = "room_closed"
    ROOM_STARTING = "room_starting"
    ROOM_LOCKED = "room_locked"
    ROOM_FULL = "room_full"
    USERNAME_TAKEN = "username_taken"
    ALREADY_ACCOUNT = "already_account"
    NOT_ACCOUNT = "not_account"
    PASSWORD_WEAK = "password_weak"  # noqa: S105 - an error code
    RATE_LIMITED = "rate_limited"
    BUSY = "busy"
    DATABASE_UNAVAILABLE = "database_unavailable"
    STORE_UNAVAILABLE = "store_unavailable"
    INTERNAL = "internal"


class Row(NamedTuple):
    """One row of the table."""

    status: int
    title: str
    retry_after: int | None = None  # seconds, unless the raiser knows better


TABLE: Final[dict[Code, Row]] = {
    Code.BAD_JSON: Row(400, "The body is not JSON."),
    Code.BAD_REQUEST: Row(400, "The request makes no sense."),
    Code.INVALID: Row(422, "A field is missing or not as it should be."),
    Code.BODY_TOO_LARGE: Row(413, "The body is too large."),
    Code.BODY_TIMEOUT: Row(408, "The body took too long."),
    Code.UNSUPPORTED_MEDIA: Row(415, "The body must be application/json."),
    Code.UNAUTHENTICATED: Row(401, "Sign in first."),
    Code.BAD_CREDENTIALS: Row(401, "User name or password is wrong."),
    Code.REFRESH_REFUSED: Row(401, "The session is over; sign in again."),
    Code.CSRF: Row(403, "The X-CSRF-Token header is missing or wrong."),
    Code.FORBIDDEN: Row(403, "You may not do this."),
    Code.ORIGIN_REFUSED: Row(403, "Requests from that site are not taken."),
    Code.HOST_REFUSED: Row(421, "This server does not answer to that host name."),
    Code.NOT_FOUND: Row(404, "There is nothing here."),
    Code.METHOD_NOT_ALLOWED: Row(405, "That method does not work here."),
    Code.ROOM_NOT_FOUND: Row(404, "There is no such room."),
    Code.ROOM_CLOSED: Row(410, "The room is closed."),
    Code.ROOM_STARTING: Row(503, "The room is being opened.", 1),
    Code.ROOM_LOCKED: Row(409, "The room takes nobody new."),
    Code.ROOM_FULL: Row(409, "The room is full."),
    Code.USERNAME_TAKEN: Row(409, "That user name is taken."),
    Code.ALREADY_ACCOUNT: Row(409, "You have an account already."),
    Code.NOT_ACCOUNT: Row(409, "This works for accounts only; you are a guest."),
    Code.PASSWORD_WEAK: Row(422, "Choose another password."),
    Code.RATE_LIMITED: Row(429, "Too many attempts; wait a little."),
    Code.BUSY: Row(503, "The server is busy.", 2),
    Code.DATABASE_UNAVAILABLE: Row(503, "This is not available for the moment.", 5),
    Code.STORE_UNAVAILABLE: Row(503, "Games are not available for the moment.", 2),
    Code.INTERNAL: Row(500, "That was our fault."),
}

MEDIA_TYPE: Final = "application/problem+json"


class FieldError(Struct, frozen=True):
    """Which field is wrong, and how. ``field`` is a dotted path; empty: the body as a whole."""

    field: str
    message: str


class ProblemBody(Struct, frozen=True, omit_defaults=True):
    """RFC 9457, with a stable ``code`` and, for wrong input, the fields."""

    type: str
    title: str
    status: int
    code: str
    detail: str = ""
    errors: list[FieldError] = []
    request_id: str = ""


class Problem(Exception):  # noqa: N818 - RFC 9457's word
    """Ends a request with an error a client can act on. ``retry_after`` is in seconds."""

    def __init__(
        self,
        code: Code,
        detail: str = "",
        *,
        errors: Sequence[FieldError] = (),
        retry_after: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(code, detail)
        self.code = code
        self.detail = detail
        self.errors = errors
        self.retry_after = TABLE[code].retry_after if retry_after is None else retry_after
        self.headers = dict(headers or {})

    def __str__(self) -> str:
        return f"{self.code}: {self.detail}" if self.detail else str(self.code)


def invalid(field: str, message: str) -> Problem:
    """Return the problem of one field that is not as it should be."""
    return Problem(Code.INVALID, f"{field}: {message}" if field else message, errors=[FieldError(field, message)])


def wrong_field(error: ValidationError, inside: str = "") -> Problem:
    """Return msgspec's finding as a problem that names the field and never repeats the value.

    ``inside`` is the field that holds what was checked.
    """
    text, _, path = str(error).partition(" - at `")
    name = path.rstrip("`").removeprefix("key in ").removeprefix("$").replace("[...]", "").lstrip(".")
    if text.startswith(("Object missing required field", "Object contains unknown field")):
        name = f"{name}.{text.split('`')[1]}".lstrip(".")
    return invalid(f"{inside}.{name}".strip("."), text)


def response(problem: Problem, request_id: str = "") -> Response:
    """Return the problem as a response."""
    row = TABLE[problem.code]
    body = ProblemBody(
        type=f"/problems/{problem.code}",
        title=row.title,
        status=row.status,
        code=problem.code,
        detail=problem.detail,
        errors=list(problem.errors),
        request_id=request_id,
    )
    headers = dict(problem.headers)
    headers["cache-control"] = "no-store"
    if problem.retry_after is not None:
        headers["retry-after"] = str(problem.retry_after)
    if row.status == 401:
        headers["www-authenticate"] = "Bearer"
    return Response(orjson.dumps(to_builtins(body)), row.status, headers, MEDIA_TYPE)
