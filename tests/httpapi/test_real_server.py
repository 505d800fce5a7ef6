"""The public port as browsers meet it: real sockets, uvicorn with our guard, the whole application behind it."""

import asyncio
import contextlib
import gzip
import json
import signal
import socket
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
import uvicorn

from arena.keys import SigningKeys
from httpapi.app import create_app
from httpapi.guard import Guard
from httpapi.limits import BODY_BYTES_MAX
from tests.support.api import CHEAP, settings_for
from tests.support.ports import free_port
from tests.support.processes import running

LONG = 10.0
INDEX = b"<!doctype html><script type=module src=/assets/index-abc123.js></script>"
SCRIPT = b"console.log('hello');\n" * 200


class Reply:
    """One whole answer as it came."""

    def __init__(self, raw: bytes) -> None:
        head, _, self.body = raw.partition(b"\r\n\r\n")
        line, *lines = head.decode("latin-1").split("\r\n")
        self.raw = raw
        self.status = int(line.split(" ")[1]) if line else 0
        self.names = [each.partition(":")[0].lower() for each in lines]
        self.headers = {each.partition(":")[0].lower(): each.partition(":")[2].strip() for each in lines}

    @property
    def code(self) -> str:
        return str(json.loads(self.body)["code"])


class Site:
    """The server's port."""

    def __init__(self, port: int) -> None:
        self.port = port

    async def send(self, raw: bytes) -> Reply:
        """Send bytes; return the answer (the server ends the connection)."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            async with asyncio.timeout(LONG):
                with contextlib.suppress(ConnectionError):
                    writer.write(raw)
                    await writer.drain()
                return Reply(await reader.read())
        finally:
            writer.transport.abort()

    async def get(self, target: str, *headers: str, method: str = "GET") -> Reply:
        lines = [f"{method} {target} HTTP/1.1", "Host: 127.0.0.1", "Connection: close", *headers, "", ""]
        return await self.send("\r\n".join(lines).encode("latin-1"))


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def site(
    database_url: str, redis_url: str, keys: SigningKeys, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Site]:
    root = tmp_path_factory.mktemp("site") / "dist"
    (root / "assets").mkdir(parents=True)
    (root.parent / "secret.txt").write_text("secret")
    (root / "index.html").write_bytes(INDEX)
    (root / "assets" / "index-abc123.js").write_bytes(SCRIPT)
    (root / "assets" / "index-abc123.js.br").write_bytes(b"brotli")
    app = create_app(settings_for(database_url, redis_url), keys, web_root=root, password_cost=CHEAP)
    config = uvicorn.Config(
        app,
        http=Guard().protocol,  # type: ignore[arg-type]  # uvicorn calls it; it need not be a class
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=2,
    )
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(config)
    config.load()
    server.lifespan = config.lifespan_class(config)
    await server.startup(sockets=[listener])
    try:
        yield Site(listener.getsockname()[1])
    finally:
        async with asyncio.timeout(20):
            await server.shutdown(sockets=[listener])


# ---- the web client's files


@pytest.mark.parametrize("target", ["/", "/room/BCDF23", "/assets/index-abc123.js", "/healthz", "/api/openapi.json"])
async def test_head_is_get_without_the_body(site: Site, target: str) -> None:
    whole, head = await site.get(target), await site.get(target, method="HEAD")
    assert (head.status, head.body) == (200, b"")
    for name in ("content-length", "content-type", "etag", "cache-control"):
        assert head.headers.get(name) == whole.headers.get(name), name
    assert int(whole.headers["content-length"]) == len(whole.body) > 0


async def test_what_is_known_is_not_sent_again(site: Site) -> None:
    etag = (await site.get("/assets/index-abc123.js")).headers["etag"]
    for method in ("GET", "HEAD"):
        answer = await site.get("/assets/index-abc123.js", f"If-None-Match: {etag}", method=method)
        assert (answer.status, answer.body) == (304, b"")
        assert answer.headers["etag"] == etag
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"


async def test_compressed_before_or_now(site: Site) -> None:
    target = "/assets/index-abc123.js"
    assert (await site.get(target, "Accept-Encoding: gzip, br")).body == b"brotli"
    assert (await site.get(target)).body == SCRIPT
    assert (await site.get(f"{target}.br")).body == b"brotli", "a file like any other, when asked for by its name"
    page = await site.get("/api/openapi.json", "Accept-Encoding: gzip")
    assert json.loads(gzip.decompress(page.body) if page.headers.get("content-encoding") == "gzip" else page.body)


@pytest.mark.parametrize(
    "target",
    [
        "/../secret.txt",
        "/..%2fsecret.txt",
        "/%2e%2e/secret.txt",
        "/%2e%2e%2fsecret.txt",
        "/%252e%252e%252fsecret.txt",
        "/assets/../../secret.txt",
        "/assets/..%2f..%2fsecret.txt",
        "/..\\secret.txt",
        "/..%5csecret.txt",
        "//secret.txt",
        "/./../secret.txt",
        "/secret.txt%00.js",
        "/%c0%ae%c0%ae/secret.txt",
        "http://127.0.0.1/../secret.txt",
        "/etc/passwd",
        "/index.html/../../secret.txt",
    ],
)
async def test_no_path_leads_out(site: Site, target: str) -> None:
    answer = await site.get(target)
    assert answer.body == INDEX or answer.status in (400, 404), answer.raw
    assert b"secret" not in answer.body.replace(b"secret.txt", b"")


async def test_other_methods_change_nothing(site: Site) -> None:
    for method in ("PUT", "DELETE", "POST", "PATCH", "OPTIONS", "TRACE"):
        answer = await site.get("/index.html", "Content-Length: 0", method=method)
        assert answer.status == 405, method
        assert sorted(answer.headers["allow"].split(", ")) == ["GET", "HEAD"]


# ---- headers of every answer


@pytest.mark.parametrize(
    ("target", "status"), [("/", 200), ("/healthz", 200), ("/missing.js", 404), ("/api/nothing", 404)]
)
async def test_what_every_answer_says(site: Site, target: str, status: int) -> None:
    answer = await site.get(target, "X-Request-Id: mine\\x1b[2J")
    assert answer.status == status
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert "server" not in answer.headers
    assert len(answer.headers["x-request-id"]) == 16, "ours, not what somebody wrote into the request"
    assert len(set(answer.names)) == len(answer.names), "each header once"


async def test_request_ids_are_never_the_same(site: Site) -> None:
    answers = [await site.get("/healthz") for _ in range(20)]
    assert len({answer.headers["x-request-id"] for answer in answers}) == 20


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        (["Host: evil.example.com"], 421),
        ([], 421),
        (["Host: 127.0.0.1", "Host: evil.example.com"], 421),
        (["Host: 127.0.0.1", "Authorization: Bearer a", "Authorization: Bearer b"], 401),
    ],
)
async def test_headers_that_must_be_there_once(site: Site, lines: list[str], status: int) -> None:
    raw = "\r\n".join(["GET /api/users/me HTTP/1.1", "Connection: close", *lines, "", ""])
    assert (await site.send(raw.encode())).status == status


# ---- bodies


def a_post(*lines: str, body: bytes = b"") -> bytes:
    head = ["POST /api/auth/guest HTTP/1.1", "Host: 127.0.0.1", "Connection: close", "Content-Type: application/json"]
    return "\r\n".join([*head, *lines, "", ""]).encode() + body


async def test_too_large_a_body_is_refused_before_it_is_sent(site: Site) -> None:
    answer = await site.send(a_post(f"Content-Length: {BODY_BYTES_MAX + 1}", "Expect: 100-continue"))
    assert (answer.status, answer.code) == (413, "body_too_large")
    assert b"100 Continue" not in answer.raw


async def test_too_large_a_body_in_chunks(site: Site) -> None:
    chunk = b"1000\r\n" + b" " * 0x1000 + b"\r\n"
    answer = await site.send(a_post("Transfer-Encoding: chunked", body=chunk * 40 + b"0\r\n\r\n"))
    assert (answer.status, answer.code) == (413, "body_too_large")


async def test_a_body_that_is_packed_is_not_unpacked(site: Site) -> None:
    body = gzip.compress(b'{"name":"Ann","client":"bot"}')
    answer = await site.send(a_post(f"Content-Length: {len(body)}", "Content-Encoding: gzip", body=body))
    assert answer.status in (400, 415)


async def test_a_good_body_passes(site: Site) -> None:
    body = b'{"name":"Ann","client":"bot"}'
    answer = await site.send(a_post(f"Content-Length: {len(body)}", body=body))
    assert (answer.status, json.loads(answer.body)["user"]["name"]) == (200, "Ann")


async def test_too_long_headers(site: Site) -> None:
    answer = await site.get("/healthz", "X-Long: " + "y" * 40_000)
    assert (answer.status, answer.code) == (431, "header_bytes")


# ---- the process


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("serving", [False, True], ids=["before uvicorn listens to signals", "while it serves"])
def test_it_stops_whenever_it_is_told(
    database_url: str, redis_url: str, tmp_path: Path, serving: bool, number: signal.Signals
) -> None:
    port = free_port()
    told = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "ARENA_DATA": str(tmp_path)}
    with running(["-m", "httpapi"], **told, ARENA_HOST="127.0.0.1", ARENA_PORT=str(port)) as process:
        process.wait_for("api_ready")
        if serving:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=LONG) as answer:
                assert answer.status == 200
        process.send(number)
        assert process.ended() == 0
        assert "Traceback" not in process.text


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"DATABASE_URL": ""}, "DATABASE_URL is not set"),
        ({"REDIS_URL": "http://h"}, "REDIS_URL must be"),
        ({"ARENA_PORT": "http"}, "ARENA_PORT must be"),
        ({"ARENA_HOST": "192.0.2.1"}, "Port"),
        ({"ARENA_JWT_PRIVATE": "-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY-----"}, "ARENA_JWT_PRIVATE"),
    ],
    ids=lambda value: str(value)[:24],
)
def test_a_bad_environment_is_one_clear_line(changes: dict[str, str], said: str, tmp_path: Path) -> None:
    told = {
        "DATABASE_URL": "postgresql://a@127.0.0.1:1/a",
        "REDIS_URL": "redis://127.0.0.1:1",
        "ARENA_HOST": "127.0.0.1",
    }
    told |= {"ARENA_DATA": str(tmp_path), "ARENA_PORT": str(free_port()), **changes}
    with running(["-m", "httpapi"], **told) as process:
        assert process.ended() == 2
        (line,) = process.lines
    assert line.startswith(f"httpapi: {said}"), line
