"""``arena admin``: roles of accounts, as the operator gives and takes them."""

import pytest
from starlette.applications import Starlette

from arena.settings import Settings
from httpapi import admin
from tests.support.api import PASSWORD, a_username, be_account, be_guest
from tests.support.asgi import Client
from tests.support.eventually import eventually


@pytest.fixture
def settings(app: Starlette) -> Settings:
    found: Settings = app.state.services.settings
    return found


async def run(settings: Settings, *words: str) -> list[str]:
    return await admin.run(settings, admin._arguments(words))


async def roles_after_login(client: Client, username: str) -> list[str]:
    body = {"username": username, "password": PASSWORD, "client": "bot"}
    session = (await client.post("/api/auth/login", body, token="")).json()
    client.token = session["access_token"]
    found: list[str] = session["user"]["roles"]
    return found


async def test_a_role_is_given_and_taken(client: Client, settings: Settings) -> None:
    username = a_username()
    await be_account(client, username)
    assert await run(settings, "grant", username.upper()) == [f"{username.upper()}: admin"]
    assert await run(settings, "grant", username) == [f"{username}: admin"], "again changes nothing"
    assert f"{username}\tadmin" in await run(settings, "list")
    assert await roles_after_login(client, username) == ["admin"]
    assert (await client.get("/api/users/me")).json()["roles"] == ["admin"]
    assert await run(settings, "revoke", username) == [f"{username}: no role"]

    async def is_out() -> bool:
        return (await client.get("/api/users/me")).code == "unauthenticated"

    await eventually(is_out, "its sessions end at once")
    assert await roles_after_login(client, username) == []
    assert not any(line.startswith(f"{username}\t") for line in await run(settings, "list"))


async def test_who_has_no_account_gets_no_role(client: Client, settings: Settings) -> None:
    await be_guest(client, "Ann")
    for name in ("Ann", "nobody.at.all", "", "\x00", "\udcff", "é" * 100):
        with pytest.raises(admin.UnknownUserError):
            await run(settings, "grant", name)


def test_an_unknown_account_is_one_line_and_exit_code_1(
    database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    assert admin.main(["grant", "nobody.at.all"]) == 1
    assert capsys.readouterr().err == "admin: there is no account 'nobody.at.all'; guests have no user name.\n"


@pytest.mark.parametrize("words", [[], ["grant"], ["grant", "ann", "emperor"], ["burn", "ann"]], ids=str)
def test_wrong_words_are_explained(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        admin.main(words)
    assert ended.value.code == 2
    assert "usage: arena admin" in capsys.readouterr().err
