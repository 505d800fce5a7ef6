"""Guests, accounts, signing in and out, passwords."""

import asyncio
from uuid import UUID

import pytest

from arena.keys import SigningKeys
from arena.tokens import verify_access
from httpapi.services.all import Services
from tests.support.api import PASSWORD, NewClient, a_username, be_account, be_guest
from tests.support.asgi import Client


async def test_a_guest_in_one_request(client: Client, keys: SigningKeys) -> None:
    answer = await client.post("/api/auth/guest", {"name": "  Ann   Marie ", "avatar": "k3f9:2", "client": "bot"})
    assert answer.status == 200
    session = answer.json()
    assert session["user"]["name"] == "Ann Marie"
    assert (session["user"]["avatar"], session["user"]["kind"]) == ("k3f9:2", "guest")
    claims = verify_access(keys, session["access_token"])
    assert (claims.sub, claims.name, claims.client) == (session["user"]["id"], "Ann Marie", "bot")
    assert len(session["refresh_token"]) == 43
    assert "csrf_token" not in session
    assert answer.cookies == {}
    client.token = session["access_token"]
    assert (await client.get("/api/users/me")).json() == session["user"]


async def test_a_browsers_refresh_token_is_out_of_reach_of_scripts(client: Client) -> None:
    answer = await client.post("/api/auth/guest", {"name": "Ann", "client": "browser"})
    assert "refresh_token" not in answer.json()
    kept = answer.cookies["arena_refresh"]
    assert "; HttpOnly" in kept
    assert "; SameSite=Strict" in kept
    assert "; Path=/api/auth;" in kept
    assert "Secure" not in kept, "in a LAN the page comes over plain http"
    assert answer.json()["csrf_token"] in answer.cookies["arena_csrf"]
    assert "HttpOnly" not in answer.cookies["arena_csrf"]
    assert answer.headers["cache-control"] == "no-store"


async def test_cookies_are_secure_over_https(client: Client) -> None:
    client.scheme = "https"
    answer = await client.post("/api/auth/guest", {"name": "Ann", "client": "browser"})
    assert all(value.endswith("; Secure") for value in answer.cookies.values())
    assert answer.headers["strict-transport-security"]


async def test_register_then_sign_in_as_typed_differently(client: Client, new_client: NewClient) -> None:
    username = a_username()
    made = await be_account(client, username)
    assert (made["user"]["kind"], made["user"]["username"], made["user"]["name"]) == ("account", username, username)
    body = {"username": f" {username.upper()} ", "password": PASSWORD, "client": "bot"}
    answer = await new_client().post("/api/auth/login", body)
    assert answer.status == 200
    assert answer.json()["user"]["id"] == made["user"]["id"]


@pytest.mark.parametrize("kind", ["bot", "browser"])
async def test_a_guest_becomes_an_account_and_keeps_everything(client: Client, services: Services, kind: str) -> None:
    guest = await be_guest(client, "Zoë", kind)
    await client.call("PATCH", "/api/users/me", {"avatar": "abc:7"})
    username = a_username()
    body = {"username": username, "password": PASSWORD, "client": kind}
    answer = await client.post("/api/auth/register", body)
    assert answer.status == 200
    user = answer.json()["user"]
    assert (user["id"], user["created_at"]) == (guest["user"]["id"], guest["user"]["created_at"])
    assert (user["name"], user["avatar"], user["kind"], user["username"]) == ("Zoë", "abc:7", "account", username)
    assert (await client.get("/api/users/me")).code == "unauthenticated", "the guest's session is over"
    client.token = answer.json()["access_token"]
    assert (await client.get("/api/users/me")).json() == user
    rows = await services.database.fetch("SELECT end_reason FROM logins WHERE user_id = $1", UUID(user["id"]))
    assert sorted(str(row["end_reason"]) for row in rows) == ["None", "upgrade"]


async def test_an_account_cannot_become_one_again(client: Client) -> None:
    await be_account(client)
    body = {"username": a_username(), "password": PASSWORD, "client": "bot"}
    assert (await client.post("/api/auth/register", body)).code == "already_account"


async def test_two_upgrades_of_one_guest_at_once_make_one_account(client: Client) -> None:
    await be_guest(client)
    bodies = [{"username": a_username(), "password": PASSWORD, "client": "bot"} for _ in range(2)]
    answers = await asyncio.gather(*(client.post("/api/auth/register", body) for body in bodies))
    assert sorted(answer.status for answer in answers) == [200, 409]


async def test_one_name_goes_to_one_of_many(client: Client) -> None:
    username = a_username()
    bodies = [{"username": username, "password": PASSWORD, "client": "bot"} for _ in range(4)]
    answers = await asyncio.gather(*(client.post("/api/auth/register", body) for body in bodies))
    assert sorted(answer.code for answer in answers) == ["", *["username_taken"] * 3]


async def test_names_that_look_the_same_are_the_same(client: Client, new_client: NewClient) -> None:
    username = a_username()
    await be_account(client, username)
    for other in (username.upper(), username.replace("s", "ѕ"), username.replace(".", "_"), username.replace("e", "é")):
        body = {"username": other, "password": PASSWORD, "client": "bot"}
        assert (await new_client().post("/api/auth/register", body)).code == "username_taken", other


@pytest.mark.parametrize("password", ["short", "password123", "12345678", "aaaaaaaab", "qwertyuiop"])
async def test_passwords_that_anybody_would_try(client: Client, password: str) -> None:
    body = {"username": a_username(), "password": password, "client": "bot"}
    answer = await client.post("/api/auth/register", body)
    assert (answer.status, answer.code) == (422, "password_weak")


async def test_the_user_name_is_no_password(client: Client) -> None:
    username = a_username()
    answer = await client.post("/api/auth/register", {"username": username, "password": username, "client": "bot"})
    assert answer.code == "password_weak"


async def test_a_wrong_password_and_no_such_user_look_alike(client: Client, new_client: NewClient) -> None:
    username = a_username()
    await be_account(client, username)
    answers = [
        await new_client().post("/api/auth/login", {"username": name, "password": "wrong password", "client": "bot"})
        for name in (username, a_username())
    ]
    told = [{k: v for k, v in answer.json().items() if k != "request_id"} for answer in answers]
    assert told[0] == told[1]
    assert told[0]["code"] == "bad_credentials"
    assert answers[0].headers["www-authenticate"] == "Bearer"


async def test_composed_and_decomposed_passwords_are_one(client: Client, new_client: NewClient) -> None:
    username = a_username()
    body = {"username": username, "password": "crème brûlée", "client": "bot"}
    assert (await client.post("/api/auth/register", body)).status == 200
    body["password"] = "cre\u0300me bru\u0302le\u0301e"
    assert (await new_client().post("/api/auth/login", body)).status == 200


async def test_logout_ends_the_session_everywhere(client: Client) -> None:
    session = await be_guest(client)
    answer = await client.post("/api/auth/logout")
    assert (answer.status, answer.body) == (204, b"")
    assert (await client.get("/api/users/me")).code == "unauthenticated"
    refreshed = await client.post("/api/auth/refresh", {"refresh_token": session["refresh_token"]}, token="")
    assert refreshed.code == "refresh_refused"


async def test_logout_by_refresh_token_alone(client: Client) -> None:
    session = await be_guest(client)
    body = {"refresh_token": session["refresh_token"]}
    assert (await client.post("/api/auth/logout", body, token="")).status == 204
    assert (await client.post("/api/auth/refresh", body, token="")).code == "refresh_refused"
    assert (await client.post("/api/auth/logout", body, token="")).status == 204, "what has ended may be ended again"


async def test_logout_by_cookie_needs_the_csrf_header(client: Client) -> None:
    client.keep_cookies = True
    session = await be_guest(client, kind="browser")
    assert (await client.post("/api/auth/logout", token="")).code == "csrf"
    answer = await client.post("/api/auth/logout", token="", headers={"x-csrf-token": session["csrf_token"]})
    assert answer.status == 204
    assert client.cookies == {}


async def test_a_new_password_ends_every_other_session(client: Client, new_client: NewClient) -> None:
    username = a_username()
    here = await be_account(client, username)
    other = new_client()
    there = (await other.post("/api/auth/login", {"username": username, "password": PASSWORD, "client": "bot"})).json()
    other.token = there["access_token"]
    assert (await other.get("/api/users/me")).status == 200
    answer = await client.post("/api/auth/password", {"old": PASSWORD, "new": "another good one"})
    assert answer.status == 200
    assert (await client.get("/api/users/me")).status == 200, "this one goes on"
    assert (await other.get("/api/users/me")).code == "unauthenticated"
    for session, expected in ((there, "refresh_refused"), (here, "")):
        body = {"refresh_token": session["refresh_token"]}
        assert (await client.post("/api/auth/refresh", body, token="")).code == expected
    body = {"username": username, "password": PASSWORD, "client": "bot"}
    assert (await client.post("/api/auth/login", body, token="")).code == "bad_credentials"


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [("wrong password", "another good one", "bad_credentials"), (PASSWORD, "12345678", "password_weak")],
)
async def test_a_password_is_not_changed_by_mistake(client: Client, old: str, new: str, code: str) -> None:
    await be_account(client)
    assert (await client.post("/api/auth/password", {"old": old, "new": new})).code == code


async def test_a_guest_has_no_password_to_change(client: Client) -> None:
    await be_guest(client)
    answer = await client.post("/api/auth/password", {"old": "whatever it is", "new": "another good one"})
    assert answer.code == "not_account"


async def test_a_closed_account_cannot_come_in(client: Client, services: Services) -> None:
    username = a_username()
    session = await be_account(client, username)
    await services.database.execute("UPDATE users SET disabled_at = now() WHERE id = $1", UUID(session["user"]["id"]))
    body = {"username": username, "password": PASSWORD, "client": "bot"}
    assert (await client.post("/api/auth/login", body, token="")).code == "forbidden"
    refresh = {"refresh_token": session["refresh_token"]}
    assert (await client.post("/api/auth/refresh", refresh, token="")).code == "refresh_refused"
    assert (await client.get("/api/users/me")).code == "unauthenticated"


async def test_an_old_hash_is_renewed_at_sign_in(client: Client, services: Services) -> None:
    username = a_username()
    session = await be_account(client, username)
    user = UUID(session["user"]["id"])
    other = "$argon2id$v=19$m=16,t=1,p=1$"
    from argon2 import PasswordHasher

    old = PasswordHasher(time_cost=1, memory_cost=16, parallelism=1).hash(PASSWORD)
    assert old.startswith(other)
    await services.database.execute("UPDATE users SET password_hash = $2 WHERE id = $1", user, old)
    body = {"username": username, "password": PASSWORD, "client": "bot"}
    assert (await client.post("/api/auth/login", body, token="")).status == 200
    renewed = await services.database.fetchval("SELECT password_hash FROM users WHERE id = $1", user)
    assert renewed.startswith("$argon2id$v=19$m=8,t=1,p=1$")
    assert (await client.post("/api/auth/login", body, token="")).status == 200


async def test_a_profile_is_changed_field_by_field(client: Client) -> None:
    await be_guest(client, "Ann")
    first = (await client.call("PATCH", "/api/users/me", {"name": "Bea"})).json()
    second = (await client.call("PATCH", "/api/users/me", {"avatar": "q:1"})).json()
    assert (first["name"], second["name"], second["avatar"]) == ("Bea", "Bea", "q:1")
    assert (await client.get("/api/users/me")).json() == second
