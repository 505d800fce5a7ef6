"""Refresh tokens: rotation, reuse, races, the grace, CSRF."""

import asyncio
import hashlib
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from httpapi.services.all import Services
from httpapi.store import logins
from tests.support.api import NewClient, be_account, be_guest
from tests.support.asgi import Answer, Client

AGENT = {"user-agent": "tests"}


async def refresh(client: Client, token: str, **headers: str) -> Answer:
    return await client.post("/api/auth/refresh", {"refresh_token": token}, token="", headers={**AGENT, **headers})


async def age(services: Services, token: str, by: timedelta) -> None:
    """Let time pass for a token that was used."""
    done = await services.database.execute(
        "UPDATE refresh_tokens SET used_at = used_at - $2::interval WHERE hash = $1", logins.digest(token), by
    )
    assert done == "UPDATE 1"


async def test_each_token_is_used_once_in_a_chain(client: Client) -> None:
    token = (await be_guest(client))["refresh_token"]
    seen = {token}
    for _ in range(5):
        answer = await refresh(client, token)
        assert answer.status == 200
        token = answer.json()["refresh_token"]
        assert token not in seen
        seen.add(token)
        client.token = answer.json()["access_token"]
        assert (await client.get("/api/users/me")).status == 200


async def test_a_used_token_ends_the_family(client: Client, services: Services) -> None:
    first = (await be_guest(client))["refresh_token"]
    answer = await refresh(client, first)
    second, access = answer.json()["refresh_token"], answer.json()["access_token"]
    await age(services, first, logins.GRACE + timedelta(seconds=1))
    stolen = await refresh(client, first)
    assert (stolen.status, stolen.code, stolen.json()["detail"]) == (401, "refresh_refused", "reused")
    assert (await refresh(client, second)).code == "refresh_refused", "the thief's or the owner's: nobody knows"
    assert (await client.get("/api/users/me", token=access)).code == "unauthenticated"


async def test_an_answer_that_was_lost_is_given_again(client: Client) -> None:
    first = (await be_guest(client))["refresh_token"]
    second = (await refresh(client, first)).json()["refresh_token"]
    assert (await refresh(client, first)).json()["refresh_token"] == second
    assert (await refresh(client, second)).status == 200


async def test_the_grace_is_for_the_same_client_only(client: Client, new_client: NewClient) -> None:
    first = (await be_guest(client))["refresh_token"]
    second = (await refresh(client, first)).json()["refresh_token"]
    assert (await refresh(new_client(), first)).json()["detail"] == "reused"
    assert (await refresh(client, second)).code == "refresh_refused"


async def test_another_browser_behind_the_same_address_is_another_client(client: Client) -> None:
    first = (await be_guest(client))["refresh_token"]
    await refresh(client, first)
    assert (await refresh(client, first, **{"user-agent": "other"})).json()["detail"] == "reused"


async def test_there_is_no_grace_once_the_successor_was_used(client: Client) -> None:
    first = (await be_guest(client))["refresh_token"]
    second = (await refresh(client, first)).json()["refresh_token"]
    await refresh(client, second)
    assert (await refresh(client, first)).json()["detail"] == "reused"


async def test_two_at_once_get_the_same_successor(client: Client, services: Services) -> None:
    session = await be_guest(client)
    answers = await asyncio.gather(*(refresh(client, session["refresh_token"]) for _ in range(8)))
    assert {answer.status for answer in answers} == {200}
    assert len({answer.json()["refresh_token"] for answer in answers}) == 1
    rows = await services.database.fetchval(
        "SELECT count(*) FROM refresh_tokens t JOIN logins l ON l.id = t.login_id WHERE l.user_id = $1",
        UUID(session["user"]["id"]),
    )
    assert rows == 2, "one token was exchanged for one"


async def test_two_clients_at_once_leave_no_session(client: Client, new_client: NewClient) -> None:
    token = (await be_guest(client))["refresh_token"]
    thief = new_client()
    answers = await asyncio.gather(refresh(client, token), refresh(thief, token))
    assert sorted(answer.status for answer in answers) == [200, 401]
    winner = next(answer for answer in answers if answer.status == 200)
    assert (await refresh(client, winner.json()["refresh_token"])).code == "refresh_refused"


async def test_ending_and_refreshing_at_once_leaves_nothing_alive(client: Client) -> None:
    for _ in range(5):
        session = await be_guest(client)
        out, answer = await asyncio.gather(client.post("/api/auth/logout"), refresh(client, session["refresh_token"]))
        assert out.status == 204
        if answer.status == 200:
            assert (await refresh(client, answer.json()["refresh_token"])).code == "refresh_refused"


async def test_nothing_but_hashes_is_kept(client: Client, services: Services) -> None:
    first = (await be_guest(client))["refresh_token"]
    second = (await refresh(client, first)).json()["refresh_token"]
    rows = await services.database.fetch(
        "SELECT * FROM refresh_tokens WHERE hash = ANY($1)", [logins.digest(first), logins.digest(second)]
    )
    assert len(rows) == 2
    kept = b"".join(value for row in rows for value in row.values() if isinstance(value, bytes))
    for token in (first, second):
        assert token.encode() not in kept
        assert hashlib.sha256(token.encode()).digest() in kept


@pytest.mark.parametrize(
    ("token", "code"),
    [
        ("A" * 43, "refresh_refused"),
        ("A" * 42, "invalid"),
        ("A" * 44, "invalid"),
        ("A" * 42 + "é", "invalid"),
        ("A" * 42 + "=", "invalid"),
        ("", "invalid"),
        (7, "invalid"),
        (None, "unauthenticated"),
    ],
)
async def test_tokens_that_are_none(client: Client, token: Any, code: str) -> None:
    assert (await client.post("/api/auth/refresh", {"refresh_token": token})).code == code


async def test_expired_tokens(client: Client, services: Services) -> None:
    token = (await be_guest(client))["refresh_token"]
    await services.database.execute(
        "UPDATE refresh_tokens SET expires_at = now() WHERE hash = $1", logins.digest(token)
    )
    assert (await refresh(client, token)).json()["detail"] == "expired"


async def test_a_login_has_an_end_however_often_it_is_renewed(client: Client, services: Services) -> None:
    session = await be_account(client)
    await services.database.execute(
        "UPDATE logins SET expires_at = now() + interval '1 hour' WHERE user_id = $1", UUID(session["user"]["id"])
    )
    answer = await refresh(client, session["refresh_token"])
    assert answer.status == 200
    ends = await services.database.fetchval(
        "SELECT expires_at <= now() + interval '1 hour' FROM refresh_tokens WHERE hash = $1",
        logins.digest(answer.json()["refresh_token"]),
    )
    assert ends is True
    await services.database.execute(
        "UPDATE logins SET expires_at = now() WHERE user_id = $1", UUID(session["user"]["id"])
    )
    assert (await refresh(client, answer.json()["refresh_token"])).json()["detail"] == "expired"


# ---- browsers


async def test_a_browser_refreshes_by_cookie_and_header(client: Client) -> None:
    client.keep_cookies = True
    csrf = (await be_guest(client, kind="browser"))["csrf_token"]
    before = client.cookies["arena_refresh"]
    answer = await client.post("/api/auth/refresh", token="", headers={"x-csrf-token": csrf})
    assert answer.status == 200
    assert "refresh_token" not in answer.json()
    assert client.cookies["arena_refresh"] != before
    assert answer.json()["csrf_token"] == csrf, "two pages of one browser share it"


@pytest.mark.parametrize("header", [None, "", "x", "é", "A" * 43])
async def test_without_the_right_header_nothing_happens(client: Client, header: str | None) -> None:
    client.keep_cookies = True
    csrf = (await be_guest(client, kind="browser"))["csrf_token"]
    headers = {} if header is None else {"x-csrf-token": header}
    assert (await client.post("/api/auth/refresh", token="", headers=headers)).code == "csrf"
    answer = await client.post("/api/auth/refresh", token="", headers={"x-csrf-token": csrf})
    assert answer.status == 200, "a forged request does not end the session"


async def test_a_browsers_token_does_not_work_in_the_body(client: Client) -> None:
    client.keep_cookies = True
    await be_guest(client, kind="browser")
    assert (await refresh(client, client.cookies["arena_refresh"])).code == "csrf"


async def test_a_bots_token_does_not_work_as_a_cookie(client: Client) -> None:
    client.cookies["arena_refresh"] = (await be_guest(client))["refresh_token"]
    answer = await client.post("/api/auth/refresh", token="", headers={"x-csrf-token": ""})
    assert answer.code == "csrf"
