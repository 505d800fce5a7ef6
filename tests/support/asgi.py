"""A small in-process client for ASGI applications: whole requests, whole answers, a cookie jar where wanted."""

import asyncio
from collections.abc import Mapping, Sequence
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import quote

import orjson
from starlette.types import ASGIApp, Message


class Answer:
    """What the application said."""

    def __init__(self, status: int, headers: Sequence[tuple[str, str]], body: bytes) -> None:
        self.status = status
        self.all_headers = headers
        self.headers = dict(headers)
        self.body = body

    def json(self) -> Any:
        """Return the body as JSON."""
        return orjson.loads(self.body)

    @property
    def code(self) -> str:
        """The problem's code; empty when it is none."""
        is_problem = self.headers.get("content-type") == "application/problem+json"
        return str(self.json()["code"]) if is_problem else ""

    @property
    def cookies(self) -> dict[str, str]:
        """Whole Set-Cookie values by the cookie's name."""
        values = [value for name, value in self.all_headers if name == "set-cookie"]
        return {value.partition("=")[0]: value for value in values}

    def __repr__(self) -> str:
        return f"<{self.status} {self.body[:300]!r}>"


class Client:
    """Calls an application as one machine at ``address`` would. Cookies are kept when ``keep_cookies``."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        address: str = "192.0.2.1",
        host: str = "127.0.0.1:8000",
        scheme: str = "http",
        keep_cookies: bool = False,
    ) -> None:
        self.app = app
        self.address = address
        self.host = host
        self.scheme = scheme
        self.keep_cookies = keep_cookies
        self.cookies: dict[str, str] = {}
        self.token = ""

    async def call(
        self,
        method: str,
        path: str,
        json: Any = None,
        *,
        body: bytes | None = None,
        parts: Sequence[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
        token: str | None = None,
    ) -> Answer:
        """Make a request. ``parts``: the body in pieces; ``token``: a bearer token (default: the client's own)."""
        content = orjson.dumps(json) if json is not None else body or b""
        told = {"host": self.host, "user-agent": "tests"}
        if json is not None:
            told["content-type"] = "application/json"
        if parts is None:
            told["content-length"] = str(len(content))
        bearer = self.token if token is None else token
        if bearer:
            told["authorization"] = f"Bearer {bearer}"
        if self.cookies:
            told["cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        told.update(headers or {})
        answer = await self._run(method, path, told, [content] if parts is None else parts)
        if self.keep_cookies:
            self._keep(answer)
        return answer

    async def get(self, path: str, **options: Any) -> Answer:
        """Make a GET request."""
        return await self.call("GET", path, **options)

    async def post(self, path: str, json: Any = None, **options: Any) -> Answer:
        """Make a POST request."""
        return await self.call("POST", path, json, **options)

    def _keep(self, answer: Answer) -> None:
        for value in answer.cookies.values():
            for name, morsel in SimpleCookie(value).items():
                if morsel["max-age"] == "0":
                    self.cookies.pop(name, None)
                else:
                    self.cookies[name] = morsel.value

    async def _run(self, method: str, target: str, headers: Mapping[str, str], parts: Sequence[bytes]) -> Answer:
        path, _, query = target.partition("?")
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": method,
            "scheme": self.scheme,
            "path": path,
            "raw_path": quote(path).encode(),
            "query_string": query.encode("latin-1"),
            "root_path": "",
            "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()],
            "client": (self.address, 50_000),
            "server": ("127.0.0.1", 8000),
            "state": {},
        }
        waiting = list(parts)
        sent: list[Message] = []

        async def receive() -> Message:
            if waiting:
                part = waiting.pop(0)
                return {"type": "http.request", "body": part, "more_body": bool(waiting)}
            await asyncio.Event().wait()
            raise AssertionError("unreachable")

        async def send(message: Message) -> None:
            sent.append(message)

        async with asyncio.timeout(30):
            await self.app(scope, receive, send)
        start = sent[0]
        told = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in start["headers"]]
        return Answer(start["status"], told, b"".join(message.get("body", b"") for message in sent[1:]))
