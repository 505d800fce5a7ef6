"""Bad input to every body, token and name: a clear problem that names the field, never a traceback, nothing lost."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from arena.keys import SigningKeys, make_keys
from arena.tokens import sign_access
from httpapi.app import ENDPOINTS
from httpapi.endpoint import Access, Endpoint
from httpapi.limits import BODY_BYTES_MAX
from tests.support.api import PASSWORD, be_guest, fresh_address
from tests.support.asgi import Client
from tests.support.services import DATA

WITH_BODY = [endpoint for endpoint in ENDPOINTS if endpoint.body is not None]
GUEST = "/api/auth/guest"


def _id(endpoint: Endpoint) -> str:
    return f"{endpoint.method} {endpoint.path}"


def _path(endpoint: Endpoint) -> str:
    return endpoint.path.replace("{code}", "BCDF23").replace("{id}", "0" * 32)


def shared_json(name: str) -> Any:
    path = DATA / name
    if not path.exists():
        pytest.skip(f"public test data that is not in the repository is missing: ../shared/data/{name}")
    return json.loads(path.read_text(encoding="utf-8"))


# ---- bodies


@pytest.mark.parametrize("endpoint", WITH_BODY, ids=_id)
@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", "bad_json"),
        (b"\xff\xfe{}", "bad_json"),
        (b'\xef\xbb\xbf{"name":"x"}', "bad_json"),
        (b'{"x":NaN}', "bad_json"),
        (b'{"\xff":1}', "bad_json"),
        (b'{"name":"\\ud800"}', "bad_json"),
        (b'{"name":"\xed\xa0\x80"}', "bad_json"),
        (b"[" * 60_000, "bad_json"),
        (b'{"settings":' + b'{"a":' * 9_000, "bad_json"),
        (b"[]", "invalid"),
        (b"null", "invalid"),
        (b'"text"', "invalid"),
        (b"1", "invalid"),
        (b'{"no such field":1}', "invalid"),
        (b'{"__proto__":{}}', "invalid"),
        (b" " * (BODY_BYTES_MAX + 1), "body_too_large"),
    ],
    ids=lambda value: repr(value)[:24],
)
async def test_what_is_no_body(client: Client, endpoint: Endpoint, body: bytes, code: str) -> None:
    if endpoint.access is Access.USER:
        await be_guest(client)
    headers = {"content-type": "application/json"}
    answer = await client.call(endpoint.method, _path(endpoint), body=body, headers=headers)
    refused = answer.code
    if code == "bad_json" and endpoint.body is not None and refused == "invalid":
        refused = "bad_json"  # an unknown or wrongly typed field was met first
    assert refused == code, answer
    assert answer.json()["title"]
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("endpoint", WITH_BODY, ids=_id)
async def test_bodies_must_say_that_they_are_json(client: Client, endpoint: Endpoint) -> None:
    if endpoint.access is Access.USER:
        await be_guest(client)
    for media in ("", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        headers = {"content-type": media} if media else {}
        answer = await client.call(endpoint.method, _path(endpoint), body=b'{"name":"x"}', headers=headers)
        assert (answer.status, answer.code) == (415, "unsupported_media"), media


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        (GUEST, {}, "name"),
        (GUEST, {"name": "Ann"}, "client"),
        (GUEST, {"name": "", "client": "bot"}, "name"),
        (GUEST, {"name": "x" * 25, "client": "bot"}, "name"),
        (GUEST, {"name": 1, "client": "bot"}, "name"),
        (GUEST, {"name": None, "client": "bot"}, "name"),
        (GUEST, {"name": "Ann", "client": "phone"}, "client"),
        (GUEST, {"name": "Ann", "client": "bot", "avatar": "A!"}, "avatar"),
        (GUEST, {"name": "Ann", "client": "bot", "avatar": "a" * 25}, "avatar"),
        (GUEST, {"name": "Ann", "client": "bot", "admin": True}, "admin"),
        (GUEST, {"name": "A\u202enn", "client": "bot"}, "name"),
        (GUEST, {"name": "A\x00nn", "client": "bot"}, "name"),
        (GUEST, {"name": "\u200b\u200b", "client": "bot"}, "name"),
        (GUEST, {"name": "Z" + "\u0335" * 9, "client": "bot"}, "name"),
        ("/api/auth/register", {"username": "ab", "password": PASSWORD, "client": "bot"}, "username"),
        ("/api/auth/register", {"username": "a b c", "password": PASSWORD, "client": "bot"}, "username"),
        ("/api/auth/register", {"username": "a" * 25, "password": PASSWORD, "client": "bot"}, "username"),
        ("/api/auth/register", {"username": "abc", "password": "x" * 129, "client": "bot"}, "password"),
        ("/api/auth/register", {"username": "a\u202ec", "password": PASSWORD, "client": "bot"}, "username"),
        ("/api/auth/login", {"username": "x" * 65, "password": PASSWORD, "client": "bot"}, "username"),
    ],
    ids=repr,
)
async def test_the_wrong_field_is_named(client: Client, path: str, body: dict[str, Any], field: str) -> None:
    answer = await client.post(path, body)
    assert (answer.status, answer.code) == (422, "invalid")
    assert [error["field"] for error in answer.json()["errors"]] == [field]


async def test_of_a_field_that_stands_twice_the_last_counts(client: Client) -> None:
    """RFC 8259 leaves it open: one meaning, the one that browsers have, and it is checked like any other."""
    headers = {"content-type": "application/json"}
    body = b'{"name":"Ann","name":"Bea","client":"bot"}'
    assert (await client.call("POST", GUEST, body=body, headers=headers)).json()["user"]["name"] == "Bea"
    body = b'{"name":"Ann","name":"","client":"bot"}'
    assert (await client.call("POST", GUEST, body=body, headers=headers)).code == "invalid"


async def test_a_body_in_pieces_is_bounded_too(client: Client) -> None:
    parts = [b'{"name":"', *[b"x" * 4096] * 20, b'"}']
    answer = await client.post(GUEST, parts=parts, headers={"content-type": "application/json"})
    assert answer.code == "body_too_large"


async def test_a_body_in_pieces_is_whole(client: Client) -> None:
    parts = [bytes([byte]) for byte in '{"name":"Zoë","client":"bot"}'.encode()]
    answer = await client.post(GUEST, parts=parts, headers={"content-type": "application/json; charset=utf-8"})
    assert answer.json()["user"]["name"] == "Zoë"


# ---- paths, queries, methods


@pytest.mark.parametrize(
    "path", ["/api", "/api/", "/api/nothing", "/api/auth", "/ws/game/BCDF23", "/api/../etc/passwd"]
)
async def test_paths_that_are_none(client: Client, path: str) -> None:
    answer = await client.get(path)
    assert answer.status == (503 if path == "/api" else 404)  # "/api" alone could be a page of the web client


async def test_a_method_that_does_not_work_names_those_that_do(client: Client) -> None:
    answer = await client.call("DELETE", "/api/users/me")
    assert (answer.status, answer.code) == (405, "method_not_allowed")
    assert sorted(answer.headers["allow"].split(", ")) == ["GET", "HEAD", "PATCH"]


@pytest.mark.parametrize(
    "query",
    [
        "cursor=&cursor=",
        "cursor=%00",
        "cursor=x",
        "cursor=LTE6QkNERjIz",
        "cursor=" + "A" * 65,
        "page=2",
        "cursor=bmFuOkJDREYyMw",
    ],
)
async def test_queries_that_are_none(client: Client, query: str) -> None:
    answer = await client.get(f"/api/games/rooms?{query}")
    assert answer.code == "invalid"


@pytest.mark.parametrize("code", ["BCDF2", "BCDF234", "AAAAAA", "%00%00%00%00%00%00", "BCDF2é", "..%2f..%2f"])
async def test_room_codes_that_are_none(client: Client, code: str) -> None:
    from urllib.parse import unquote

    answer = await client.get(f"/api/games/rooms/{unquote(code)}")
    assert answer.code in ("room_not_found", "not_found")


# ---- tokens


def _bad_tokens() -> Iterator[tuple[str, str]]:
    yield "empty", " "
    yield "word", "x"
    yield "dots", ".."
    yield "null", "a.b.\x00"
    yield "long", "a" * 20_000 + ".b.c"
    yield "not ascii", "é.é.é"


@pytest.mark.parametrize(("name", "token"), list(_bad_tokens()), ids=lambda value: str(value)[:12])
async def test_tokens_that_are_none(client: Client, name: str, token: str) -> None:
    answer = await client.get("/api/users/me", headers={"authorization": f"Bearer {token}"})
    assert (answer.status, answer.code) == (401, "unauthenticated"), name
    assert answer.headers["www-authenticate"] == "Bearer"


async def test_published_attacks_on_tokens(client: Client) -> None:
    vectors = shared_json("security/jwt/rfc_and_attack_vectors.json")["vectors"]
    assert len(vectors) > 10
    for vector in vectors:  # "accept" there is for the vectors' own HMAC key: none of them is ours
        token = vector["jwt"] if isinstance(vector["jwt"], str) else json.dumps(vector["jwt"])
        answer = await client.get("/api/users/me", headers={"authorization": f"Bearer {token}"})
        assert (answer.status, answer.code) == (401, "unauthenticated"), vector["name"]


async def test_strangers_keys_and_old_tokens(client: Client, keys: SigningKeys) -> None:
    session = await be_guest(client)
    user = {"user": session["user"]["id"], "session": session["user"]["id"], "name": "Ann", "kind": "guest"}
    for bad in (sign_access(make_keys(), **user), sign_access(keys, **user, now=1_000_000_000)):
        assert (await client.get("/api/users/me", token=bad)).code == "unauthenticated"
    for path in ("/api/auth/register", "/api/auth/logout"):
        answer = await client.post(
            path,
            {"username": "abcd", "password": PASSWORD, "client": "bot"} if "reg" in path else {},
            token=sign_access(make_keys(), **user),
        )
        assert answer.code == "unauthenticated", "a token that is sent must be good"


async def test_a_ticket_is_no_access_token(client: Client) -> None:
    await be_guest(client)
    ticket = (await client.post("/api/games/lobby", {})).json()["ticket"]
    assert (await client.get("/api/users/me", token=ticket)).code == "unauthenticated"


@pytest.mark.parametrize("value", ["", "Basic x", "Bearer", "bearer ", "Token abc", "Bearer a b"])
async def test_authorization_headers_that_are_none(client: Client, value: str) -> None:
    answer = await client.get("/api/users/me", headers={"authorization": value})
    assert answer.code == "unauthenticated"


# ---- names


async def test_naughty_names_are_taken_or_refused_and_nothing_else(client: Client) -> None:
    strings = shared_json("security/blns/blns.json")
    taken = 0
    for text in strings:
        answer = await client.post(GUEST, {"name": text, "client": "bot"})
        assert (answer.status, answer.code) in ((200, ""), (422, "invalid")), text
        if answer.status == 200:
            taken += 1
            client.token = answer.json()["access_token"]
            assert (await client.get("/api/users/me")).json()["name"] == answer.json()["user"]["name"]
        for path in ("/api/auth/login", "/api/auth/register"):
            body = {"username": text, "password": "x" if path.endswith("login") else "12345678", "client": "bot"}
            client.address = fresh_address()
            assert (await client.post(path, body, token="")).status in (401, 422), (path, text)
    assert taken > 100


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    body=st.dictionaries(
        st.sampled_from(["mode", "settings", "public", "title", "name", "x"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=40),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
        ),
    )
)
async def test_any_room_body_gets_a_plain_answer(client: Client, body: dict[str, Any]) -> None:
    client.address = fresh_address()
    await be_guest(client)
    try:
        raw = json.dumps(body).encode()
    except UnicodeEncodeError:
        raw = b"{}"
    answer = await client.post("/api/games/rooms", body=raw, headers={"content-type": "application/json"})
    assert answer.code in ("invalid", "bad_json", "store_unavailable"), answer  # the last: well-formed, but no node
