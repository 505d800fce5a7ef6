"""Content packs: what was asked for, once, also while PostgreSQL is away."""

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import pytest
import pytest_asyncio
from redis.asyncio import Redis

from gameserver.games.trivia import Trivia
from httpapi.content.bank import APPROVAL, read_bank
from httpapi.content.importer import import_files
from httpapi.store import questions as store
from httpapi.store.database import Database
from httpapi.worker import reserve
from httpapi.worker.limits import INBOX_MAX, RESERVE_PACK_ITEMS
from httpapi.worker.packs import PackServer, merged
from protocol import keys
from protocol.bus import ContentPack, ContentRequest, Recorded
from protocol.codec import pack_bus
from protocol.ids import RoomCode
from protocol.modes.trivia import TriviaItem, TriviaSettings
from tests.support.results import SHARD, a_request, add_users, inbox, left, send, take

STREAM = keys.requests(SHARD)
Ask = Callable[[ContentRequest | bytes], Awaitable[ContentPack | None]]


@pytest_asyncio.fixture
async def bank(link: asyncpg.Connection) -> asyncpg.Connection:
    """Give a connection to a database that has the shipped bank."""
    await import_files(link, read_bank(), approval=APPROVAL)
    return link


@pytest_asyncio.fixture
async def away() -> AsyncIterator[Database]:
    """Give a database that is away."""
    database = Database("postgresql://nobody@127.0.0.1:1/none", timeout_s=1)
    yield database
    await database.close()


def asking(server: PackServer, redis: Redis) -> Ask:
    """Return a way to send a request through Redis and to see what comes into the inbox for it."""

    async def ask(request: ContentRequest | bytes) -> ContentPack | None:
        await redis.delete(keys.inbox(SHARD))
        await send(redis, STREAM, request)
        await server.handle(await take(redis, STREAM))
        assert await left(redis, STREAM) == (0, 0)
        told = await inbox(redis)
        if not told:
            return None
        (pack,) = told
        assert isinstance(pack, ContentPack)
        return pack

    return ask


@pytest.fixture
def ask(database: Database, redis: Redis) -> Ask:
    return asking(PackServer(database, redis, random.Random(5)), redis)


def items_of(pack: ContentPack | None) -> list[TriviaItem]:
    assert pack is not None
    assert pack.reason == ""
    items = msgspec.convert(pack.items, list[TriviaItem])
    assert len({item.id for item in items}) == len(items)
    return items


@pytest.mark.usefixtures("bank")
async def test_a_pack_as_asked_for(ask: Ask) -> None:
    request = a_request(
        count=8, categories=["space", "animals"], difficulties={"easy": 1, "medium": 1}, types=["choice"]
    )
    pack = await ask(request)
    items = items_of(pack)
    assert pack is not None
    assert (pack.id, pack.code) == (request.id, request.code)
    assert Counter(item.category for item in items) == {"Space": 4, "Animals": 4}
    assert Counter(item.difficulty for item in items) == {"easy": 4, "medium": 4}
    assert {item.kind for item in items} == {"choice"}


@pytest.mark.usefixtures("bank")
@pytest.mark.parametrize("difficulty", ["mixed", "easy", "medium", "hard", "rising"])
@pytest.mark.parametrize("questions", [3, 10, 50])
async def test_every_setting_of_trivia_is_served(ask: Ask, difficulty: Any, questions: int) -> None:
    settings = TriviaSettings(questions=questions, difficulty=difficulty)
    spec = Trivia().content_needed(settings, [])
    assert spec is not None
    pack = await ask(a_request(**msgspec.to_builtins(spec)))
    assert pack is not None
    assert len(items_of(pack)) == questions
    Trivia().check_content(settings, pack.items)


@pytest.mark.usefixtures("bank")
async def test_the_same_request_gets_the_same_pack_from_any_worker(database: Database, redis: Redis) -> None:
    servers = [PackServer(database, redis, random.Random(number)) for number in range(4)]
    request = a_request()
    for _ in servers:
        await send(redis, STREAM, request)
    entries = [await take(redis, STREAM) for _ in servers]
    await asyncio.gather(*(server.handle(entry) for server, entry in zip(servers, entries, strict=True)))
    packs = await inbox(redis)
    assert len(packs) == 4
    assert len({pack_bus(pack) for pack in packs}) == 1
    other = await asking(servers[0], redis)(a_request())
    assert other is not None
    assert other.items != packs[0].items  # type: ignore[attr-defined]  # a pack came


@pytest.mark.usefixtures("bank")
async def test_what_these_players_saw_is_avoided(ask: Ask, link: asyncpg.Connection) -> None:
    users = await add_users(link, 2)
    listed = await store.list_approved(link)
    space = [one.id for one in listed if one.category == "space"]
    await store.remember_seen(link, [UUID(users[0])], [UUID(identity) for identity in space[:4]])
    await store.remember_seen(link, [UUID(users[1])], [UUID(identity) for identity in space[2:6]])
    pack = await ask(a_request(users, code="BCDFGJ", count=len(space) - 6, categories=["space"]))
    assert {item.id for item in items_of(pack)} == set(space[6:])
    pack = await ask(a_request(users, code="BCDFGK", count=len(space) - 2, categories=["space"]))
    assert {item.id for item in items_of(pack)} == set(space) - set(space[2:4]), "both saw those two"
    pack = await ask(a_request(code="BCDFGM", count=len(space), categories=["space"]))
    assert {item.id for item in items_of(pack)} == set(space)


@pytest.mark.usefixtures("bank")
async def test_a_room_gets_other_questions_in_its_next_match(ask: Ask) -> None:
    packs = [items_of(await ask(a_request(count=50))) for _ in range(3)]
    ids = [item.id for items in packs for item in items]
    assert len(set(ids)) == len(ids)


@pytest.mark.usefixtures("bank")
async def test_wishes_give_way_when_there_are_too_few(ask: Ask, link: asyncpg.Connection) -> None:
    request = a_request(count=20, categories=["space"], types=["boolean"])
    items = items_of(await ask(request))
    space = Counter(item.category for item in items)["Space"]
    assert space == await link.fetchval(
        "SELECT count(*) FROM trivia_questions q JOIN categories c ON c.id = category_id WHERE slug = 'space'"
    )


async def test_an_empty_bank_says_so(ask: Ask) -> None:
    pack = await ask(a_request())
    assert pack is not None
    assert (pack.items, pack.reason) == ([], "10 questions were asked for, 0 are there")


@pytest.mark.usefixtures("bank")
@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ({"kind": "clues", "count": 1}, "no content of kind clues"),
        ({"kind": "trivia"}, "missing required field"),
        ({"kind": "trivia", "count": "many"}, "Expected `int`"),
        ({"kind": "trivia", "count": 10**9}, "are there"),
    ],
    ids=str,
)
async def test_what_makes_no_sense_is_answered_with_a_reason(ask: Ask, spec: dict[str, Any], reason: str) -> None:
    pack = await ask(msgspec.structs.replace(a_request(), spec=spec))
    assert pack is not None
    assert pack.items == []
    assert reason in pack.reason


@pytest.mark.parametrize(
    "payload", [b"", b"junk", pack_bus(Recorded(id="x", code="y"))], ids=["empty", "junk", "other"]
)
async def test_what_is_no_request_is_dropped(ask: Ask, payload: bytes) -> None:
    assert await ask(payload) is None


@pytest.mark.usefixtures("bank")
async def test_users_that_are_no_uuids_harm_nothing(ask: Ask) -> None:
    assert len(items_of(await ask(a_request(["bot", "", "x" * 300])))) == 10


@pytest.mark.usefixtures("bank")
async def test_a_full_inbox_gets_no_more(database: Database, redis: Redis) -> None:
    pipeline = redis.pipeline(transaction=False)
    for number in range(INBOX_MAX):
        pipeline.xadd(keys.inbox(SHARD), {"m": b"x"}, id=f"1-{number + 1}")
    await pipeline.execute()
    await send(redis, STREAM, a_request())
    await PackServer(database, redis).handle(await take(redis, STREAM))
    assert await redis.xlen(keys.inbox(SHARD)) == INBOX_MAX
    assert await left(redis, STREAM) == (0, 0)


async def test_changes_of_the_questions_are_seen_at_once(bank: asyncpg.Connection, ask: Ask) -> None:
    assert len(items_of(await ask(a_request(code="BCDFGJ", categories=["space"])))) == 10
    await bank.execute("UPDATE trivia_questions SET is_approved = false")
    pack = await ask(a_request(code="BCDFGK", categories=["space"]))
    assert pack is not None
    assert pack.items == [], "nothing that was taken out is served, also without a new version"
    await bank.execute("UPDATE trivia_questions SET is_approved = true")
    await store.raise_version(bank)
    assert len(items_of(await ask(a_request(code="BCDFGM", categories=["space"])))) == 10


# ---- PostgreSQL is away -----------------------------------------------------------------------------


@pytest.mark.usefixtures("bank")
async def test_the_reserve_serves_while_postgresql_is_away(database: Database, away: Database, redis: Redis) -> None:
    assert await reserve.fill(database, redis, random.Random(1), now=1000)
    ask = asking(PackServer(away, redis, random.Random(2)), redis)
    items = items_of(await ask(a_request(code="BCDFGJ", count=10, categories=["space", "books"])))
    assert {item.category for item in items} == {"Space", "Books"}
    packs = [items_of(await ask(a_request(code="BCDFGK", count=50))) for _ in range(3)]
    ids = [item.id for items in packs for item in items]
    assert len(set(ids)) == len(ids), "a room gets other questions in its next match"
    request = a_request()
    assert await ask(request) == await ask(request)


async def test_without_reserve_the_room_asks_again(away: Database, redis: Redis) -> None:
    ask = asking(PackServer(away, redis), redis)
    assert await ask(a_request(identity="again")) is None
    await redis.rpush(reserve.KEY, packed_reserve(12))
    assert len(items_of(await ask(a_request(identity="again")))) == 10


def packed_reserve(count: int) -> bytes:
    items = [
        {"id": str(n), "kind": "choice", "text": "?", "options": ["a", "b"], "right": 0, "difficulty": "easy"}
        for n in range(count)
    ]
    return msgspec.json.encode(reserve.StoredPack(version=1, made_at=0, items=items, categories=["art"] * count))


async def test_the_reserve_is_made_anew_in_time(bank: asyncpg.Connection, database: Database, redis: Redis) -> None:
    rng = random.Random(1)
    assert await reserve.fill(database, redis, rng, now=1_000)
    first = await redis.lrange(reserve.KEY, 0, -1)
    whole = await reserve.read_reserve(redis)
    assert len(whole.listed) == len(whole.items) == await bank.fetchval("SELECT count(*) FROM trivia_questions")
    assert max(len(json.loads(pack)["items"]) for pack in first) == RESERVE_PACK_ITEMS
    assert not await reserve.fill(database, redis, rng, now=1_000 + reserve.OLD_S - 1), "still good"
    assert await redis.lrange(reserve.KEY, 0, -1) == first
    assert await reserve.fill(database, redis, rng, now=1_000 + reserve.OLD_S), "an hour old"
    await store.raise_version(bank)
    assert await reserve.fill(database, redis, rng, now=1_000 + reserve.OLD_S), "of other questions"
    await redis.lset(reserve.KEY, 0, b'{"of": "another release"}')
    assert await reserve.fill(database, redis, rng, now=1_000 + reserve.OLD_S), "unreadable"
    await bank.execute("DELETE FROM trivia_questions")
    await store.raise_version(bank)
    assert await reserve.fill(database, redis, rng, now=1_000)
    assert (await reserve.read_reserve(redis)).listed == [], "no bank, no reserve"


async def test_the_room_counts_as_one_player() -> None:
    assert merged({"a": (2, 5), "b": (1, 0)}, ["c", "a"]) == {"a": (3, 1), "b": (1, 0), "c": (1, 0)}


async def test_what_a_room_saw_is_bounded(redis: Redis, database: Database, bank: asyncpg.Connection) -> None:
    ask = asking(PackServer(database, redis), redis)
    assert bank is not None
    for _ in range(8):
        items_of(await ask(a_request(count=50)))
    key = keys.room_seen(RoomCode("BCDFGH"))
    assert await redis.llen(key) == 300
    assert 0 < await redis.ttl(key) <= 7_200
