"""Recorded matches over HTTP: one with all that it takes to check it, and my list, page by page."""

import base64
import json
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gameserver import verify
from httpapi.services.all import Services
from httpapi.services.matches import PAGE, pack_cursor
from httpapi.store import matches as store
from httpapi.store.matches import Recording
from protocol.bus import MatchResult
from tests.games.test_match_log import RESULT
from tests.support.api import NewClient, be_guest
from tests.support.asgi import Client
from tests.support.results import a_result, an_item, sealed


async def record(services: Services, result: MatchResult) -> MatchResult:
    async with services.database.transaction() as link:
        assert await store.record(link, result) is Recording.DONE
    return result


def really_played(users: dict[int, str]) -> MatchResult:
    """Return the result of a match that was played through the rules, with these users on its seats."""
    players = [msgspec.structs.replace(player, user=users.get(player.seat, "")) for player in RESULT.players]
    return sealed(RESULT, id=secrets.token_hex(16), players=players)


@contextmanager
def served(body: bytes) -> Iterator[str]:
    """Serve an answer of the API at a URL, as the API would."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/api/games/matches/m"
        finally:
            server.shutdown()
            thread.join(10)


# ---- one match


async def test_a_match_with_all_that_checks_it(client: Client, services: Services) -> None:
    session = await be_guest(client)
    result = await record(services, really_played({1: session["user"]["id"]}))
    answer = await client.get(f"/api/games/matches/{result.id}", token="")
    assert answer.status == 200
    told = answer.json()
    assert (told["id"], told["mode"], told["code"]) == (result.id, "trivia", result.code)
    assert told["content"] == result.content
    assert told["settings"] == result.settings
    assert bytes.fromhex(told["seed"]) == result.seed
    assert bytes.fromhex(told["salt"]) == result.salt
    assert bytes.fromhex(told["commitment"]) == result.commitment
    assert bytes.fromhex(told["digest"]) == result.digest
    assert base64.b64decode(told["log"]) == result.log
    ranks = [(player["rank"], player["seat"]) for player in told["players"]]
    assert ranks == sorted(ranks)
    assert {player["seat"] for player in told["players"]} == {player.seat for player in result.players}
    assert session["user"]["id"].encode() not in answer.body, "who was there is not told"
    assert answer.headers["cache-control"] == "public, max-age=3600"


@pytest.mark.parametrize(
    "identity",
    ["0" * 32, "0" * 31, "0" * 33, "G" * 32, "A" * 32, "x", "%00", "..", "0" * 4000, "١" * 32, "' OR 1=1 --"],
    ids=lambda text: text[:8],
)
async def test_no_such_match(client: Client, identity: str) -> None:
    answer = await client.get(f"/api/games/matches/{identity}")
    assert (answer.status, answer.code) == (404, "not_found")


async def test_guessing_ids_is_counted(client: Client) -> None:
    codes = [(await client.get(f"/api/games/matches/{secrets.token_hex(16)}")).code for _ in range(61)]
    assert codes == ["not_found"] * 60 + ["rate_limited"]


# ---- verifying


async def served_body(client: Client, services: Services) -> dict[str, Any]:
    result = await record(services, really_played({}))
    answer = await client.get(f"/api/games/matches/{result.id}")
    told: dict[str, Any] = answer.json()
    return told


async def test_a_served_match_verifies(client: Client, services: Services, capsys: pytest.CaptureFixture[str]) -> None:
    result = await record(services, really_played({}))
    answer = await client.get(f"/api/games/matches/{result.id}")
    with served(answer.body) as url:
        assert verify.main([url]) == 0
    assert "came out as told" in capsys.readouterr().out


async def test_what_was_changed_is_found(
    client: Client, services: Services, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    honest = await served_body(client, services)
    winner, *others = honest["players"]
    first, *rest = honest["content"]
    changed: list[dict[str, Any]] = [
        {"seed": "00" * 32},
        {"salt": "00" * 32},
        {"commitment": "00" * 32},
        {"players": [{**winner, "score": winner["score"] + 1}, *others]},
        {"players": others},
        {"content": [{**first, "text": first["text"] + "!"}, *rest]},
        {"content": rest},
        {"settings": {**honest["settings"], "seconds": 99}},
        {"log": base64.b64encode(b"?").decode()},
    ]
    file = tmp_path / "match.json"
    for change in changed:
        file.write_text(json.dumps({**honest, **change}))
        assert verify.main([str(file)]) == 1, list(change)
        assert "NOT what was promised" in capsys.readouterr().out
    file.write_text(json.dumps(honest))
    assert verify.main([str(file)]) == 0


async def test_a_match_without_a_log_says_what_could_be_checked(client: Client, services: Services) -> None:
    result = await record(services, sealed(really_played({}), log=b""))
    answer = await client.get(f"/api/games/matches/{result.id}")
    with served(answer.body) as url:
        assert verify.main([url]) == 2


# ---- my matches


async def test_mine_newest_first_page_by_page(client: Client, new_client: NewClient, services: Services) -> None:
    mine = (await be_guest(client))["user"]["id"]
    stranger = new_client()
    theirs = (await be_guest(stranger))["user"]["id"]
    recorded = []
    for number in range(2 * PAGE + 1):
        users = [mine, theirs] if number % 2 else [theirs, mine]
        recorded.append((await record(services, a_result(users, content=[an_item("x")]))).id)
        if number % 5 == 0:
            await record(services, a_result([theirs]))
    found: list[dict[str, Any]] = []
    cursor = ""
    for _ in range(3):
        page = (await client.get(f"/api/users/me/matches{cursor}")).json()
        assert len(page["matches"]) <= PAGE
        found += page["matches"]
        cursor = f"?cursor={page['next']}"
    assert page["next"] is None
    assert [card["match"] for card in found] == recorded[::-1], "all of mine, each once, the last recorded first"
    assert {card["players"] for card in found} == {2}
    assert {card["rank"] for card in found} == {1, 2}
    theirs_found = (await stranger.get("/api/users/me/matches")).json()["matches"]
    assert sum(card["players"] == 1 for card in theirs_found) > 0


async def test_a_full_last_page_has_no_next(client: Client, services: Services) -> None:
    mine = (await be_guest(client))["user"]["id"]
    for _ in range(PAGE):
        await record(services, a_result([mine]))
    page = (await client.get("/api/users/me/matches")).json()
    assert (len(page["matches"]), page["next"]) == (PAGE, None)


async def test_what_comes_meanwhile_moves_no_page(client: Client, services: Services) -> None:
    mine = (await be_guest(client))["user"]["id"]
    before = [(await record(services, a_result([mine]))).id for _ in range(PAGE + 3)]
    page = (await client.get("/api/users/me/matches")).json()
    await record(services, a_result([mine]))
    rest = (await client.get(f"/api/users/me/matches?cursor={page['next']}")).json()
    assert [card["match"] for card in page["matches"] + rest["matches"]] == before[::-1]


async def test_nobody_sees_them_without_a_token(client: Client) -> None:
    assert (await client.get("/api/users/me/matches", token="")).code == "unauthenticated"


async def test_a_strangers_cursor_shows_nothing_of_theirs(
    client: Client, new_client: NewClient, services: Services
) -> None:
    theirs = (await be_guest(new_client()))["user"]["id"]
    await record(services, a_result([theirs]))
    await be_guest(client)
    page = (await client.get(f"/api/users/me/matches?cursor={pack_cursor(2**62)}")).json()
    assert page == {"matches": [], "next": None}


@pytest.mark.parametrize(
    "query",
    [
        "cursor=", "cursor=x", "cursor=%00", "cursor=LTE", "cursor=MA", "cursor=MS41", "cursor=" + "A" * 65,
        "cursor=" + pack_cursor(2**63), "cursor=MQ&cursor=Mg", "page=2", "cursor=%FF", "cursor=2aE", "cursor=é",
    ],
)  # fmt: skip
async def test_cursors_that_are_none(client: Client, query: str) -> None:
    await be_guest(client)
    answer = await client.get(f"/api/users/me/matches?{query}")
    assert (answer.status, answer.code) == (422, "invalid"), answer
