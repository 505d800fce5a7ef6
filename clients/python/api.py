"""The HTTP part that a client needs (SPEC §2): be somebody, find a room, get tickets.

Requests run in a thread, each within ``TIMEOUT_S``. Errors: ``ApiError``; nothing else escapes.
"""

import asyncio
import http.client
import json
import urllib.error
import urllib.request
from typing import Any, Final, NamedTuple, TypeVar
from urllib.parse import quote, urlsplit

import msgspec
from msgspec import Struct

T = TypeVar("T")

TIMEOUT_S: Final = 10.0
ANSWER_BYTES_MAX: Final = 1024 * 1024
UNREACHABLE: Final = 0


class ApiError(Exception):
    """The server refused, or could not be reached (``status`` 0)."""

    def __init__(self, status: int, code: str, detail: str = "", retry_after_ms: int = 0) -> None:
        super().__init__(status, code, detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.retry_after_ms = retry_after_ms

    @property
    def passing(self) -> bool:
        """Whether the same request may work a little later."""
        return self.status in (UNREACHABLE, 408, 429) or self.status >= 500

    def __str__(self) -> str:
        return f"{self.code} ({self.status}) {self.detail}".rstrip()


class Ticket(NamedTuple):
    """Opens one connection to ``path``, once, within 30 seconds."""

    path: str
    token: str


class _Session(Struct):
    access_token: str
    refresh_token: str | None = None


class _Joined(Struct):
    ticket: str
    url: str


class _RoomMade(Struct):
    code: str


class _Answer(NamedTuple):
    status: int
    retry_after: str
    body: bytes


class Api:
    """One user on one server. ``server`` is its address, such as ``http://127.0.0.1:8000``."""

    def __init__(self, server: str) -> None:
        parts = urlsplit(server)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise ValueError(f"{server!r} is not an address like http://127.0.0.1:8000")
        self.server = f"{parts.scheme}://{parts.netloc}"
        self.websocket = f"{'wss' if parts.scheme == 'https' else 'ws'}://{parts.netloc}"
        self._access = ""
        self._refresh: str | None = None
        # No proxies: a bot's server is where its address says.
        self._open = urllib.request.build_opener(urllib.request.ProxyHandler({})).open

    async def guest(self, name: str) -> None:
        """Become a guest of this name."""
        self._take(await self.call("POST", "auth/guest", {"name": name, "client": "bot"}, _Session))

    async def login(self, username: str, password: str) -> None:
        """Sign in to an account."""
        body = {"username": username, "password": password, "client": "bot"}
        self._take(await self.call("POST", "auth/login", body, _Session))

    async def refresh(self) -> None:
        """Get a new access token; the refresh token is used up and replaced."""
        self._take(await self.call("POST", "auth/refresh", {"refresh_token": self._refresh}, _Session))

    async def create_room(
        self, mode: str, settings: dict[str, Any] | None = None, *, public: bool = False, title: str = ""
    ) -> str:
        """Make a room and return its code; this user's seat will be the host."""
        body = {"mode": mode, "settings": settings or {}, "public": public, "title": title}
        made = await self._signed("POST", "games/rooms", body, _RoomMade)
        return made.code

    async def join(self, code: str, role: str = "player") -> Ticket:
        """Ask for a ticket to a room."""
        joined = await self._signed("POST", f"games/rooms/{quote(code)}/join", {"role": role}, _Joined)
        return Ticket(joined.url, joined.ticket)

    async def lobby(self) -> Ticket:
        """Ask for a ticket to the lobby."""
        joined = await self._signed("POST", "games/lobby", {}, _Joined)
        return Ticket(joined.url, joined.ticket)

    def _take(self, session: _Session) -> None:
        self._access = session.access_token
        self._refresh = session.refresh_token

    async def _signed(self, method: str, path: str, body: Any, kind: type[T]) -> T:
        try:
            return await self.call(method, path, body, kind)
        except ApiError as error:
            if error.status != 401 or self._refresh is None:
                raise
        await self.refresh()
        return await self.call(method, path, body, kind)

    async def call(self, method: str, path: str, body: Any, kind: type[T]) -> T:
        """Send one request below ``/api`` and return its answer as ``kind``. Raises ``ApiError``."""
        data = None if body is None else json.dumps(body).encode()
        try:
            answer = await asyncio.to_thread(self._request, method, path, data)
        except (OSError, http.client.HTTPException) as error:
            raise ApiError(UNREACHABLE, "unreachable", str(error)) from None
        if answer.status >= 400:
            raise _problem(answer)
        try:
            return msgspec.json.decode(answer.body, type=kind)
        except msgspec.MsgspecError as error:
            raise ApiError(answer.status, "bad_answer", str(error)) from None

    def _request(self, method: str, path: str, data: bytes | None) -> _Answer:
        request = urllib.request.Request(  # noqa: S310 - the scheme was checked above
            f"{self.server}/api/{path}", data=data, method=method
        )
        request.add_header("Content-Type", "application/json")
        if self._access:
            request.add_header("Authorization", f"Bearer {self._access}")
        try:
            with self._open(request, timeout=TIMEOUT_S) as response:
                return _Answer(response.status, "", response.read(ANSWER_BYTES_MAX))
        except urllib.error.HTTPError as error:
            with error:
                return _Answer(error.code, error.headers.get("Retry-After") or "", error.read(ANSWER_BYTES_MAX))


def _problem(answer: _Answer) -> ApiError:
    """Return what an answer with a status of 400 or more says."""
    code, detail = "", ""
    try:
        told = json.loads(answer.body)
    except ValueError:
        told = None
    if isinstance(told, dict):
        code, detail = str(told.get("code", "")), str(told.get("detail") or told.get("title") or "")
    return ApiError(answer.status, code or f"http_{answer.status}", detail, retry_after_ms(answer.retry_after))


def retry_after_ms(header: str) -> int:
    """Return what a Retry-After header asks for; 0 when it says nothing that can be used."""
    return min(int(header), 3600) * 1000 if header.isascii() and header.isdigit() else 0
