"""Rooms over HTTP: making, listing, reading, tickets."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import msgspec
import pytest
import pytest_asyncio
from starlette.applications import Starlette

from arena.keys import SigningKeys
from arena.tokens import verify_ticket
from httpapi.limits import PAGE_MAX
from httpapi.services.all import Services
from httpapi.services.rooms import new_code, pack_cursor, parse_cursor
from httpapi.store import cards
from httpapi.store.cards import Place
from protocol import keys as layout
from protocol.bus import CreateRoom
from protocol.codec import unpack_bus
from protocol.ids import RoomCode, shard_of
from tests.support.api import NewClient, be_guest
from tests.support.asgi import Client
from tests.support.rooms_desk import a_card, beat, live_node, open_card, put_card

ROOM = {"mode": "trivia", "settings": {"questions": 5}, "public": False, "title": "Quiz night"}


@pytest_asyncio.fixture(loop_scope="session")
async def node(app: Starlette) -> AsyncIterator[None]:
    async with live_node(app):
        yield


async def make_room(client: Client, **changes: Any) -> str:
    if not client.token:
        await be_guest(client)
    answer = await client.post("/api/games/rooms", {**ROOM, **changes})
    assert answer.status == 201, answer
    return str(answer.json()["code"])


async def waiting_in(services: Services, code: str) -> list[CreateRoom]:
    """Return the create messages for the room in its shard's inbox."""
    shard = shard_of(RoomCode(code), services.settings.shards)
    entries: Any = await services.redis.xrange(layout.inbox(shard))
    messages = [unpack_bus(fields[layout.MESSAGE.encode()]) for _, fields in entries]
    return [message for message in messages if isinstance(message, CreateRoom) and message.code == code]


@pytest.mark.usefixtures("node")
async def test_a_room_is_asked_for_and_then_opened(client: Client, services: Services, app: Starlette) -> None:
    session = await be_guest(client, "Ann")
    before = time.time()
    code = await make_room(client, title="  Quiz   night ")
    (message,) = await waiting_in(services, code)
    assert (message.host, message.mode, message.title) == (session["user"]["id"], "trivia", "Quiz night")
    assert message.settings["questions"] == 5
    assert message.settings["seconds"] == 20, "what was left out has its default"
    assert len(message.entropy) == 32
    assert before - 1 <= message.created_at <= time.time()
    card = (await client.get(f"/api/games/rooms/{code}")).json()
    assert (card["state"], card["host_name"], card["seats_max"]) == ("creating", "Ann", 500)
    starting = await client.post(f"/api/games/rooms/{code}/join", {"role": "player"})
    assert (starting.status, starting.code, starting.headers["retry-after"]) == (503, "room_starting", "1")
    await open_card(app, code)
    answer = await client.post(f"/api/games/rooms/{code}/join", {"role": "player"})
    assert (answer.status, answer.json()["url"]) == (200, f"/ws/game/{code}")
    assert answer.json()["room"]["state"] == "open"


@pytest.mark.usefixtures("node")
async def test_a_ticket_says_who_comes_where_as_what(client: Client, app: Starlette, keys: SigningKeys) -> None:
    session = await be_guest(client, "Ann")
    code = await make_room(client)
    await open_card(app, code)
    await client.call("PATCH", "/api/users/me", {"name": "Bea", "avatar": "q:1"})
    tickets = set()
    for role in ("player", "watcher", "screen"):
        answer = await client.post(f"/api/games/rooms/{code.lower()}/join", {"role": role})
        claims = verify_ticket(keys, answer.json()["ticket"], audience="game")
        assert (claims.sub, claims.role, claims.room) == (session["user"]["id"], role, code)
        assert (claims.name, claims.avatar, claims.kind) == ("Bea", "q:1", "bot"), "newer than the access token"
        assert claims.exp - claims.iat == 30
        tickets.add(claims.jti)
    assert len(tickets) == 3
    lobby = (await client.post("/api/games/lobby", {})).json()
    assert verify_ticket(keys, lobby["ticket"], audience="lobby").name == "Bea"
    assert lobby["url"] == "/ws/lobby"


@pytest.mark.parametrize(("kind", "told"), [("browser", "guest"), ("bot", "bot")])
@pytest.mark.usefixtures("node")
async def test_bots_are_told_from_people(
    client: Client, app: Starlette, keys: SigningKeys, kind: str, told: str
) -> None:
    await be_guest(client, kind=kind)
    code = await make_room(client)
    await open_card(app, code)
    answer = await client.post(f"/api/games/rooms/{code}/join", {})
    assert verify_ticket(keys, answer.json()["ticket"], audience="game").kind == told


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"mode": "poker"}, "mode"),
        ({"mode": 1}, "mode"),
        ({"settings": []}, "settings"),
        ({"settings": {"questions": 2}}, "settings.questions"),
        ({"settings": {"questions": 5.5}}, "settings.questions"),
        ({"settings": {"questions": True}}, "settings.questions"),
        ({"settings": {"question": 5}}, "settings.question"),
        ({"settings": {"difficulty": "deadly"}}, "settings.difficulty"),
        ({"settings": {"categories": ["x"] * 33}}, "settings.categories"),
        ({"settings": {"categories": ["ok", 7]}}, "settings.categories[1]"),
        ({"settings": {"categories": ["a\x00b"]}}, "settings"),
        ({"settings": {"categories": ["😀" * 48] * 32}}, "settings"),
        ({"title": "x" * 61}, "title"),
        ({"title": "a\u202eb"}, "title"),
        ({"title": "a\nb"}, "title"),
        ({"public": "yes"}, "public"),
    ],
    ids=lambda value: str(value)[:40],
)
@pytest.mark.usefixtures("node")
async def test_settings_are_the_modes_own(client: Client, changes: dict[str, Any], field: str) -> None:
    await be_guest(client)
    answer = await client.post("/api/games/rooms", {**ROOM, **changes})
    assert (answer.status, answer.code) == (422, "invalid"), answer
    assert answer.json()["errors"][0]["field"] == field


async def test_without_a_game_server_no_room_is_made(client: Client, services: Services) -> None:
    await be_guest(client)
    answer = await client.post("/api/games/rooms", ROOM)
    assert (answer.status, answer.code, answer.headers["retry-after"]) == (503, "store_unavailable", "2")


async def test_a_node_that_is_silent_or_leaving_does_not_count(services: Services) -> None:
    await services.cache.delete(layout.NODES)
    await beat(services, "silent", age_ms=5_000)
    await beat(services, "leaving", age_ms=-60_000, draining=True)
    await services.cache.hset(layout.NODES, "rubbish", b"\xff")
    assert await services.rooms.live_nodes() == 0
    await beat(services, "alive", age_ms=100)
    assert await services.rooms.live_nodes() == 1
    await services.cache.delete(layout.NODES)


@pytest.mark.usefixtures("node")
async def test_an_inbox_nobody_reads_takes_no_more_rooms(
    client: Client, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cards, "INBOX_MAX", 0)
    codes = [RoomCode("BBBBBB")]
    await services.cache.delete(layout.room_card(codes[0]))
    monkeypatch.setattr("httpapi.services.rooms.new_code", lambda: codes[0])
    await be_guest(client)
    answer = await client.post("/api/games/rooms", ROOM)
    assert (answer.status, answer.code) == (503, "busy")
    assert await services.cache.exists(layout.room_card(codes[0])) == 0, "the code is free again"


@pytest.mark.usefixtures("node")
async def test_a_code_is_given_once(client: Client, services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    taken, free = RoomCode("BBBBBC"), RoomCode("BBBBBD")
    await services.cache.set(layout.room_card(taken), b"{}")
    await services.cache.delete(layout.room_card(free))
    offered = iter([taken, taken, free])
    monkeypatch.setattr("httpapi.services.rooms.new_code", lambda: next(offered))
    assert await make_room(client) == free
    await services.cache.delete(layout.room_card(taken), layout.room_card(free))


def test_codes_are_random() -> None:
    codes = {new_code() for _ in range(500)}
    assert len(codes) > 498


@pytest.mark.usefixtures("node")
async def test_unknown_closed_locked_and_full(client: Client, new_client: NewClient, app: Starlette) -> None:
    code = await make_room(client)
    card = await open_card(app, code)
    other = new_client()
    await be_guest(other)
    join = f"/api/games/rooms/{code}/join"

    async def tried(who: Client, role: str, **changes: Any) -> str:
        await put_card(app, msgspec.structs.replace(card, **changes))
        return (await who.post(join, {"role": role})).code

    assert await tried(client, "player") == "", "the first seat"
    assert await tried(other, "player", locked=True) == "room_locked"
    assert await tried(other, "player", players=500) == "room_full"
    assert await tried(client, "player", locked=True, players=500) == "", "who was here may come back"
    assert await tried(other, "watcher", locked=True, players=500) == ""
    assert await tried(other, "screen", watchers=2000) == "room_full"
    assert await tried(other, "player", state="closed") == "room_closed"
    await be_guest(new_client())
    missing = await other.post("/api/games/rooms/BBBBBB/join", {})
    assert (missing.status, missing.code) == (404, "room_not_found")


async def test_joining_needs_a_session_and_reading_none(client: Client) -> None:
    assert (await client.post("/api/games/rooms/BCDF23/join", {})).code == "unauthenticated"
    assert (await client.get("/api/games/rooms")).status == 200


# ---- the list


async def test_pages_of_public_rooms_from_the_last_changed(client: Client, services: Services, app: Starlette) -> None:
    await services.cache.delete(layout.PUBLIC_ROOMS)
    codes = [new_code() for _ in range(2 * PAGE_MAX + 7)]
    for number, code in enumerate(codes):
        await put_card(app, a_card(code), list_it=True, at=1_700_000_000 + number // 3)  # three at a time are as old
    hidden = [new_code() for _ in range(4)]
    await put_card(app, a_card(hidden[0], public=False), list_it=True, at=1_800_000_000)
    await put_card(app, a_card(hidden[1], state="closed"), list_it=True, at=1_800_000_000)
    await services.cache.zadd(layout.PUBLIC_ROOMS, {hidden[2]: 1_800_000_000, hidden[3]: 1_700_000_001})
    await services.cache.set(layout.room_card(hidden[3]), b"rubbish")
    seen: list[str] = []
    cursor = ""
    pages = 0
    while True:
        page = (await client.get(f"/api/games/rooms{cursor}")).json()
        seen += [card["code"] for card in page["rooms"]]
        pages += 1
        if page.get("next") is None:
            break
        cursor = f"?cursor={page['next']}"
    assert pages == 3
    assert len(seen) == len(set(seen))
    assert set(seen) == set(codes)
    order = {code: number // 3 for number, code in enumerate(codes)}
    assert [order[code] for code in seen] == sorted(order.values(), reverse=True)
    await services.cache.delete(layout.PUBLIC_ROOMS)


async def test_many_dead_entries_do_not_hide_a_room_for_ever(
    client: Client, services: Services, app: Starlette
) -> None:
    await services.cache.delete(layout.PUBLIC_ROOMS)
    await services.cache.zadd(layout.PUBLIC_ROOMS, {new_code(): 1_800_000_000 + n for n in range(1_500)})
    code = new_code()
    await put_card(app, a_card(code), list_it=True, at=1_700_000_000)
    found: list[str] = []
    cursor = ""
    for _ in range(5):
        page = (await client.get(f"/api/games/rooms{cursor}")).json()
        found += [card["code"] for card in page["rooms"]]
        if page.get("next") is None:
            break
        cursor = f"?cursor={page['next']}"
    assert found == [code]
    await services.cache.delete(layout.PUBLIC_ROOMS)


@pytest.mark.parametrize("place", [Place(0.0, "BCDF23"), Place(1_795_431_604.0, "ZZZZZZ"), Place(12.5, "BBBBBB")])
def test_cursors_come_back(place: Place) -> None:
    assert parse_cursor(pack_cursor(place)) == place
    assert parse_cursor(pack_cursor(None)) is None


# ---- what PostgreSQL is told


async def test_rooms_and_who_came_are_written_down(
    client: Client, new_client: NewClient, services: Services, app: Starlette
) -> None:
    async with live_node(app):
        host = await be_guest(client)
        code = await make_room(client)
        await open_card(app, code)
        other = new_client()
        guest = await be_guest(other)
        for who, role in ((client, "player"), (other, "player"), (other, "player"), (other, "screen")):
            assert (await who.post(f"/api/games/rooms/{code}/join", {"role": role})).status == 200
    async with asyncio.timeout(5):
        while True:
            await services.chronicle.write()
            rows = await services.database.fetch(
                """
                SELECT r.host_id, r.title, p.user_id, p.role FROM game_rooms r
                JOIN game_participants p ON p.room_id = r.id WHERE r.code = $1 ORDER BY p.role, p.first_at
                """,
                code,
            )
            if len(rows) == 3:
                break
            await asyncio.sleep(0)
    assert {row["host_id"] for row in rows} == {UUID(host["user"]["id"])}
    assert [(str(row["user_id"]), row["role"]) for row in rows if row["role"] == "screen"] == [
        (guest["user"]["id"], "screen")
    ]
