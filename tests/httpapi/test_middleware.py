"""What every request passes: hosts, origins, headers, hops, faults of ours, the number in flight."""

import asyncio
import ipaddress
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from arena.keys import SigningKeys
from httpapi.middleware import InFlight, Supervisor, page_policy
from tests.support.api import be_guest, fresh_address, settings_for, started
from tests.support.asgi import Client

GUEST = {"name": "Ann", "client": "bot"}
PROXY = "172.30.0.1"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def behind_proxy(
    database_url: str, redis_url: str, keys: SigningKeys, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Starlette]:
    settings = settings_for(
        database_url,
        redis_url,
        trusted_proxies=(ipaddress.ip_network("172.30.0.0/16"),),
        hosts=("play.example.org",),
        origins=("https://other.example.org",),
    )
    async with started(settings, keys, tmp_path_factory.mktemp("web")) as app:
        yield app


@pytest.mark.parametrize(
    ("host", "fine"),
    [
        ("127.0.0.1:8000", True),
        ("192.168.1.20", True),
        ("[::1]:8000", True),
        ("localhost:8000", True),
        ("LOCALHOST", True),
        ("play.example.org", False),
        ("evil.example.com:8000", False),
        ("localhost.evil.example.com", False),
        ("127.0.0.1.evil.example.com", False),
        ("", False),
        ("a b", False),
        ("127.0.0.1:8000/x", False),
    ],
)
async def test_names_that_are_not_ours_get_nothing(client: Client, host: str, fine: bool) -> None:
    client.host = host
    for answer in (await client.get("/healthz"), await client.post("/api/auth/guest", GUEST)):
        assert (answer.status, answer.code) == ((200, "") if fine else (421, "host_refused"))


async def test_listed_names_are_ours(behind_proxy: Starlette) -> None:
    for host in ("play.example.org", "Play.Example.org:443", "play.example.org."):
        assert (await Client(behind_proxy, host=host).get("/healthz")).status == 200


@pytest.mark.parametrize(
    ("headers", "fine"),
    [
        ({}, True),
        ({"origin": "http://127.0.0.1:8000"}, True),
        ({"origin": "https://127.0.0.1:8000"}, True),
        ({"origin": "http://127.0.0.1:9000"}, False),
        ({"origin": "http://127.0.0.1"}, False),
        ({"origin": "http://evil.example.com"}, False),
        ({"origin": "null"}, False),
        ({"origin": ""}, False),
        ({"origin": "https://other.example.org"}, False),
        ({"sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "none"}, True),
        ({"sec-fetch-site": "cross-site"}, False),
        ({"sec-fetch-site": "same-site"}, False),
    ],
    ids=str,
)
async def test_pages_of_other_sites_change_nothing(client: Client, headers: dict[str, str], fine: bool) -> None:
    answer = await client.post("/api/auth/guest", GUEST, headers=headers)
    assert (answer.status, answer.code) == ((200, "") if fine else (403, "origin_refused"))
    assert (await client.get("/healthz", headers=headers)).status == 200, "reading is the browser's business"
    assert "access-control-allow-origin" not in answer.headers


async def test_a_listed_origin_may_call(behind_proxy: Starlette) -> None:
    client = Client(behind_proxy, address=fresh_address())
    origin = {"origin": "https://other.example.org"}
    asked = {**origin, "access-control-request-method": "POST", "access-control-request-headers": "content-type"}
    preflight = await client.call("OPTIONS", "/api/auth/guest", headers=asked)
    assert preflight.status == 200
    assert preflight.headers["access-control-allow-origin"] == origin["origin"]
    answer = await client.post("/api/auth/guest", GUEST, headers=origin)
    assert answer.headers["access-control-allow-origin"] == origin["origin"]
    assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize(
    ("peer", "forwarded", "counted"),
    [
        (PROXY, "203.0.113.7", "203.0.113.7"),
        (PROXY, "198.51.100.1, 203.0.113.7", "203.0.113.7"),
        (PROXY, "203.0.113.7, 172.30.9.9", "203.0.113.7"),
        (PROXY, "nonsense", PROXY),
        ("203.0.113.9", "203.0.113.7", "203.0.113.9"),
    ],
)
async def test_the_last_hop_that_is_not_ours_counts(
    behind_proxy: Starlette, peer: str, forwarded: str, counted: str
) -> None:
    cache = behind_proxy.state.services.cache
    key = f"arena:rate_limit:{counted}:unknown_room"
    await cache.delete(key)
    client = Client(behind_proxy, address=peer)
    await client.get("/api/games/rooms/BBBBBB", headers={"x-forwarded-for": forwarded})
    assert await cache.get(key) == b"1"
    await cache.delete(key)


@pytest.mark.parametrize(("peer", "secure"), [(PROXY, True), ("203.0.113.9", False)])
async def test_https_is_believed_of_a_proxy_only(behind_proxy: Starlette, peer: str, secure: bool) -> None:
    client = Client(behind_proxy, address=peer)
    headers = {"x-forwarded-proto": "https", "x-forwarded-for": fresh_address()}
    answer = await client.post("/api/auth/guest", {"name": "Ann", "client": "browser"}, headers=headers)
    assert ("; Secure" in answer.cookies["arena_refresh"]) == secure
    assert ("strict-transport-security" in answer.headers) == secure


async def test_security_headers_on_everything(client: Client) -> None:
    for path in ("/healthz", "/", "/api/nothing", "/api/openapi.json"):
        headers = (await client.get(path)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert len(headers["x-request-id"]) == 16


def test_pages_may_run_nothing_inline() -> None:
    policy = dict(part.strip().split(" ", 1) for part in page_policy("192.168.1.20:8000").split(";"))
    assert policy["script-src"] == policy["style-src"] == "'self'"
    assert policy["default-src"] == "'none'"
    assert policy["connect-src"] == "'self' ws://192.168.1.20:8000 wss://192.168.1.20:8000"
    assert "unsafe" not in str(policy)
    assert page_policy("x; script-src *") == page_policy("")


async def test_a_fault_of_ours_is_told_without_a_word_about_it(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    await be_guest(client)

    async def fails(*_: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr("httpapi.services.users.store.find", fails)
    answer = await client.get("/api/users/me")
    assert (answer.status, answer.code) == (500, "internal")
    assert b"secret" not in answer.body
    assert answer.json()["request_id"] == answer.headers["x-request-id"]


async def test_a_fault_in_the_middle_of_an_answer_is_survived() -> None:
    async def breaks(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError

    answer = await Client(Supervisor(breaks)).get("/")
    assert (answer.status, answer.body) == (200, b"")


async def test_more_than_can_be_served_are_told_to_come_back() -> None:
    release = asyncio.Event()
    entered = asyncio.Semaphore(0)

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        entered.release()
        await release.wait()
        await PlainTextResponse("done")(scope, receive, send)

    client = Client(InFlight(slow, at_most=2))
    waiting = [asyncio.create_task(client.get("/")) for _ in range(2)]
    for _ in waiting:
        await entered.acquire()
    refused = await client.get("/")
    assert (refused.status, refused.code, refused.headers["retry-after"]) == (503, "busy", "2")
    health = asyncio.create_task(client.get("/healthz"))
    await entered.acquire()
    release.set()
    assert [(await task).status for task in (*waiting, health)] == [200, 200, 200]
    assert (await client.get("/")).status == 200


async def test_what_was_asked_is_counted_by_route_not_by_path(client: Client) -> None:
    await client.get("/api/games/rooms/BBBBBB")
    await client.call("BREW", "/api/coffee")
    text = (await client.get("/metrics")).body.decode()
    assert 'arena_http_requests_total{method="GET",route="/api/games/rooms/{code}",status="404"}' in text
    assert 'method="other"' in text
    assert "BBBBBB" not in text


async def test_head_is_get_without_a_body(client: Client) -> None:
    assert (await client.call("HEAD", "/healthz")).status == 200
