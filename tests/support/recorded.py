"""What stands in PostgreSQL of a room's matches, as a test wants to compare it."""

import asyncio
import json
from typing import Any, NamedTuple

import asyncpg

TIMEOUT_S = 10


class RecordedMatch(NamedTuple):
    """One row of ``matches`` with what hangs on it."""

    id: str
    abandoned: bool
    seats: dict[int, tuple[int, int, int]]  # seat → score, correct, answered
    answers: list[tuple[int, int, str]]  # seat, question, text of the option; one for each row


async def matches_of(database_url: str, code: str) -> list[RecordedMatch]:
    """Return every recorded match of the room, oldest first."""
    connection = await asyncpg.connect(database_url, timeout=TIMEOUT_S)
    try:
        rows = await connection.fetch("SELECT * FROM matches WHERE code = $1 ORDER BY recorded_no", code)
        return [await _match(connection, row) for row in rows]
    finally:
        await connection.close()


async def the_match_of(database_url: str, code: str) -> RecordedMatch:
    """Wait for the room's match to be recorded; it stands there once and was played to its end."""
    async with asyncio.timeout(20):
        while not (found := await matches_of(database_url, code)):  # noqa: ASYNC110 - nothing tells when a worker commits
            await asyncio.sleep(0.05)
    assert len(found) == 1
    assert not found[0].abandoned
    return found[0]


async def failures(database_url: str) -> list[str]:
    """Return why results could not be recorded."""
    connection = await asyncpg.connect(database_url, timeout=TIMEOUT_S)
    try:
        return [row["reason"] + ": " + row["detail"] for row in await connection.fetch("SELECT * FROM result_failures")]
    finally:
        await connection.close()


async def _match(connection: "asyncpg.Connection[asyncpg.Record]", row: asyncpg.Record) -> RecordedMatch:
    items: dict[str, Any] = {item["id"]: item for item in json.loads(row["content"])}
    sessions = await connection.fetch("SELECT * FROM game_sessions WHERE match_id = $1 ORDER BY seat", row["id"])
    answers = await connection.fetch(
        """SELECT seat, number, question_id::text, option FROM user_answers
           JOIN game_sessions ON game_sessions.id = session_id WHERE match_id = $1 ORDER BY seat, place""",
        row["id"],
    )
    return RecordedMatch(
        id=row["id"],
        abandoned=row["abandoned"],
        seats={each["seat"]: (each["score"], each["correct"], each["answered"]) for each in sessions},
        answers=[
            (each["seat"], each["number"], items[each["question_id"]]["options"][each["option"]]) for each in answers
        ],
    )
