"""A result is recorded once, whatever happens (law 10)."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import asyncpg
import msgspec
import pytest
from redis.asyncio import Redis

from httpapi.store import matches as store
from httpapi.store.database import Database
from httpapi.worker import recorder as module
from httpapi.worker.backoff import BackOff
from httpapi.worker.recorder import Recorder
from protocol import keys
from protocol.bus import MatchPlayer, MatchResult, Recorded
from protocol.codec import pack_bus
from tests.support.results import SHARD, a_request, a_result, add_users, an_item, inbox, left, sealed, send, take

STREAM = keys.results(SHARD)
Hand = Callable[[MatchResult | bytes], Awaitable[None]]


@pytest.fixture
def recorder(database: Database, redis: Redis, stopping: asyncio.Event) -> Recorder:
    return Recorder(database, redis, stopping)


@pytest.fixture
def hand(recorder: Recorder, redis: Redis) -> Hand:
    """Give a way to send a result through Redis to the recorder."""

    async def send_and_handle(result: MatchResult | bytes) -> None:
        await send(redis, STREAM, result)
        await recorder.handle(await take(redis, STREAM))

    return send_and_handle


async def counts(link: asyncpg.Connection) -> dict[str, int]:
    tables = ("matches", "game_sessions", "user_answers", "user_statistics", "user_seen", "result_failures")
    return {table: await link.fetchval(f"SELECT count(*) FROM {table}") for table in tables}


async def add_questions(link: asyncpg.Connection, count: int) -> list[str]:
    await link.execute("INSERT INTO content_sources (name, licence) VALUES ('t', 't') ON CONFLICT DO NOTHING")
    await link.execute("INSERT INTO categories (slug, name) VALUES ('t', 't') ON CONFLICT DO NOTHING")
    rows = await link.fetch(
        """
        INSERT INTO trivia_questions (category_id, source_id, ref, source_hash, kind, difficulty, text, fingerprint)
        SELECT c.id, s.id, n, sha256(n::bytea), 'choice', 'easy', n, sha256(n::bytea)
        FROM generate_series(1, $1) AS i, CAST(i AS text) AS n, categories c, content_sources s RETURNING id
        """,
        count,
    )
    return [str(row["id"]) for row in rows]


async def test_a_match_with_all_its_parts(link: asyncpg.Connection, redis: Redis, hand: Hand) -> None:
    users = await add_users(link, 3)
    questions = await add_questions(link, 2)
    result = a_result(users, content=[an_item(question) for question in questions], scores=[50, 90, 50])
    await hand(result)
    assert await inbox(redis) == [Recorded(id=result.id, code="BCDFGH")]
    assert await left(redis, STREAM) == (0, 0)
    row = await store.read_match(link, result.id)
    assert row is not None
    assert (row.recorded_no, row.digest, row.content, row.log) == (1, result.digest, result.content, b"log")
    assert [(player.seat, player.rank, player.score) for player in row.players] == [(2, 1, 90), (1, 2, 50), (3, 2, 50)]
    assert await counts(link) == {
        "matches": 1,
        "game_sessions": 3,
        "user_answers": 6,
        "user_statistics": 3,
        "user_seen": 3,
        "result_failures": 0,
    }
    session = await link.fetchrow("SELECT * FROM game_sessions WHERE seat = 2")
    assert str(session["user_id"]) == users[1]
    assert (session["ended_at"] - session["started_at"]).total_seconds() == 60
    answer = await link.fetchrow("SELECT * FROM user_answers WHERE session_id = $1 AND place = 1", session["id"])
    assert (answer["number"], str(answer["question_id"]), answer["option"]) == (1, questions[1], 1)
    assert (answer["correct"], answer["taken_ms"], answer["points"], answer["facts"]) == (True, 900, 7, None)
    seen = await link.fetchval("SELECT questions FROM user_seen WHERE user_id = $1", session["user_id"])
    assert [str(question) for question in seen] == questions


async def test_statistics_add_up(link: asyncpg.Connection, hand: Hand) -> None:
    (user, other) = await add_users(link, 2)
    await hand(a_result([user, other], scores=[10, 5]))
    await hand(a_result([user, other], scores=[30, 40]))
    await hand(a_result([user, other], scores=[7, 7], abandoned=True))
    await hand(a_result([user], scores=[1]))
    row = await link.fetchrow("SELECT * FROM user_statistics WHERE user_id = $1", user)
    assert row is not None
    assert (row["played"], row["completed"], row["won"], row["score_sum"], row["score_best"]) == (4, 3, 1, 48, 30)


async def test_the_same_result_again_changes_nothing(link: asyncpg.Connection, redis: Redis, hand: Hand) -> None:
    result = a_result(await add_users(link, 2), content=[an_item(str(uuid4()))])
    await hand(result)
    before = await counts(link)
    await hand(result)
    assert await counts(link) == before
    assert await inbox(redis) == [Recorded(id=result.id, code=result.code)] * 2
    assert await link.fetchval("SELECT sum(played) FROM user_statistics") == 2


async def test_a_worker_that_died_before_it_acknowledged(
    database: Database, link: asyncpg.Connection, redis: Redis, recorder: Recorder
) -> None:
    result = a_result(await add_users(link, 2))
    await send(redis, STREAM, result)
    entry = await take(redis, STREAM, consumer="dies")
    async with database.transaction() as inside:
        await store.record(inside, result)  # committed, then the worker is gone
    assert await left(redis, STREAM) == (1, 1)
    await recorder.handle(entry)
    assert await left(redis, STREAM) == (0, 0)
    assert await counts(link) | {"result_failures": 0} == await counts(link)
    assert await link.fetchval("SELECT sum(played) FROM user_statistics") == 2


async def test_a_race_of_workers(
    database: Database, link: asyncpg.Connection, redis: Redis, stopping: asyncio.Event
) -> None:
    users = await add_users(link, 6)
    results = [a_result(users[number % 3 :]) for number in range(8)]
    recorders = [Recorder(database, redis, stopping) for _ in range(4)]
    for result in results:
        for _ in recorders:
            await send(redis, STREAM, result)
    entries = [[await take(redis, STREAM) for _ in recorders] for _ in results]

    async def work(number: int) -> None:
        for place in range(len(results)):
            await recorders[number].handle(entries[(place + 3 * number) % len(results)][number])

    await asyncio.gather(*(work(number) for number in range(len(recorders))))
    numbers = await link.fetch("SELECT recorded_no FROM matches ORDER BY recorded_no")
    assert [row["recorded_no"] for row in numbers] == list(range(1, 9)), "no gaps, none twice"
    parts = sum(len(result.players) for result in results)
    assert await link.fetchval("SELECT sum(played) FROM user_statistics") == parts
    assert (await counts(link))["game_sessions"] == parts
    assert await left(redis, STREAM) == (0, 0)


async def test_another_result_under_the_same_id_raises_the_alarm(
    link: asyncpg.Connection, redis: Redis, hand: Hand
) -> None:
    result = a_result(await add_users(link, 2))
    await hand(result)
    forged = sealed(result, ended_ms=99_000)
    await hand(forged)
    await hand(forged)
    failures = await link.fetch("SELECT match_id, reason, payload FROM result_failures")
    assert [tuple(row) for row in failures] == [(result.id, "differs", pack_bus(forged))]
    assert await link.fetchval("SELECT digest FROM matches") == result.digest
    assert [message.id for message in await inbox(redis)] == [result.id] * 3, "the node need not keep it"


@pytest.mark.parametrize(
    "poison",
    [
        {"started_at": 10**15},
        {"rules_version": 2**40},
        {"content": [{"id": "x", "text": "NUL \x00"}]},
        {"code": "X" * 100},
        {"settings": {"\x00": 1}},
        {"players": [MatchPlayer(seat=1, user="", name="", rank=2**31, score=0)]},
        {"players": [MatchPlayer(seat=1, user="", name="", rank=1, score=0)] * 2},
    ],
    ids=lambda poison: next(iter(poison)),
)
async def test_a_poison_result_goes_aside_and_others_go_on(
    poison: dict[str, Any], link: asyncpg.Connection, redis: Redis, hand: Hand
) -> None:
    users = await add_users(link, 2)
    bad, good = msgspec.structs.replace(a_result(users), **poison), a_result(users)
    await hand(bad)
    await hand(good)
    row = await link.fetchrow("SELECT * FROM result_failures")
    assert row is not None
    assert (row["match_id"], row["reason"]) == (bad.id, "refused")
    assert [message.id for message in await inbox(redis)] == [bad.id, good.id]
    assert await link.fetchval("SELECT recorded_no FROM matches WHERE id = $1", good.id) == 1, "no number was lost"
    assert await left(redis, STREAM) == (0, 0)


@pytest.mark.parametrize(
    "payload", [b"", b"\xc1", b"junk", pack_bus(a_request())], ids=["empty", "never", "junk", "other"]
)
async def test_what_is_no_result_goes_aside(payload: bytes, link: asyncpg.Connection, redis: Redis, hand: Hand) -> None:
    await hand(payload)
    row = await link.fetchrow("SELECT match_id, reason, payload FROM result_failures")
    assert row is not None
    assert tuple(row) == (None, "unreadable", payload)
    assert await inbox(redis) == []
    assert await left(redis, STREAM) == (0, 0)


async def test_users_and_questions_that_are_gone(link: asyncpg.Connection, hand: Hand) -> None:
    (user,) = await add_users(link, 1)
    result = a_result([user, str(uuid4()), "no uuid"], content=[an_item(str(uuid4())), an_item("no uuid")])
    await hand(result)
    assert (await counts(link))["game_sessions"] == 3
    assert [row["user_id"] is None for row in await link.fetch("SELECT user_id FROM game_sessions ORDER BY seat")] == [
        False,
        True,
        True,
    ]
    assert await link.fetchval("SELECT count(*) FROM user_answers WHERE question_id IS NULL") == 6


async def test_a_user_deleted_later_keeps_the_match(link: asyncpg.Connection, hand: Hand) -> None:
    users = await add_users(link, 2)
    await hand(a_result(users))
    await link.execute("DELETE FROM users WHERE id = $1", users[0])
    assert await link.fetchval("SELECT count(*) FROM game_sessions") == 2
    assert await link.fetchval("SELECT count(*) FROM user_statistics") == 1


async def test_a_big_match_is_recorded_in_time(link: asyncpg.Connection, hand: Hand) -> None:
    users = await add_users(link, 500)
    content = [an_item(question) for question in await add_questions(link, 50)]
    await hand(a_result(users, content=content, log=bytes(1024 * 1024)))
    assert await counts(link) == {
        "matches": 1,
        "game_sessions": 500,
        "user_answers": 25_000,
        "user_statistics": 500,
        "user_seen": 500,
        "result_failures": 0,
    }


async def test_facts_of_other_modes_are_kept(link: asyncpg.Connection, hand: Hand) -> None:
    users = await add_users(link, 1)
    result = a_result(users)
    facts = [{"number": 4, "wager": 500, "clue": "x"}, {"number": 4, "correct": False}]
    player = msgspec.structs.replace(result.players[0], facts=facts)
    await hand(sealed(result, players=[player]))
    rows = await link.fetch("SELECT place, number, correct, facts FROM user_answers ORDER BY place")
    assert [tuple(row) for row in rows] == [(0, 4, None, '{"clue": "x", "wager": 500}'), (1, 4, False, None)]


# ---- PostgreSQL goes away ---------------------------------------------------------------------------


async def test_an_unknown_outcome_is_tried_again(
    link: asyncpg.Connection, redis: Redis, hand: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every connection is cut at another moment of the transaction; the last cut is between commit and answer."""
    users = await add_users(link, 2)
    result = a_result(users)
    cuts = 0
    whole = store.record

    async def cut_after(inside: Any, told: MatchResult) -> Any:
        nonlocal cuts
        cuts += 1
        if cuts == 1:
            inside.terminate()
        outcome = await whole(inside, told)
        if cuts == 2:
            inside.terminate()
        if cuts == 3:
            await inside.execute("COMMIT")
            inside.terminate()
        return outcome

    monkeypatch.setattr(module.store, "record", cut_after)
    await hand(result)
    assert cuts == 4
    assert await counts(link) | {"matches": 1, "game_sessions": 2} == await counts(link)
    assert await link.fetchval("SELECT sum(played) FROM user_statistics") == 2
    assert await inbox(redis) == [Recorded(id=result.id, code=result.code)]


async def test_a_database_without_tables_is_not_the_results_fault(
    postgres: Any, redis: Redis, stopping: asyncio.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = asyncio.Event()

    class TellingBackOff(BackOff):
        async def wait(self, stopping: asyncio.Event | None = None) -> None:
            waits.set()
            await super().wait(stopping)

    monkeypatch.setattr(module, "BackOff", TellingBackOff)
    empty = Database(postgres.url.rpartition("/")[0] + "/postgres")
    recorder = Recorder(empty, redis, stopping)
    await send(redis, STREAM, a_result())
    entry = await take(redis, STREAM)
    task = asyncio.create_task(recorder.handle(entry))
    async with asyncio.timeout(20):
        await waits.wait()
        stopping.set()
        await task
    assert await left(redis, STREAM) == (1, 1), "another worker takes it over"
    await empty.close()
