"""Matches in PostgreSQL: recording a result exactly once, and reading it again."""

import enum
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import asyncpg
import orjson
from msgspec import Struct

from httpapi.store.questions import Link, remember_seen
from protocol.bus import MatchPlayer, MatchResult

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_OWN_COLUMNS: Final = {"question", "number", "option", "correct", "ms", "points"}


class Recording(enum.StrEnum):
    """What became of a result."""

    DONE = "done"
    KNOWN = "known"  # it stood there already, the same
    DIFFERS = "differs"  # another result stands under this id: a forked timeline


async def record(link: Link, result: MatchResult) -> Recording:
    """Record a result. ``link`` is in a transaction of its own; running it again after an unknown outcome is safe.

    Correctness rests on the primary key. The lock on ``recording`` is for the order: whoever holds it has the next
    number, and gives it back if the transaction is undone.
    """
    known = await _compare(link, result)
    if known is not None:
        return known
    number: int = await link.fetchval("SELECT last_no + 1 FROM recording FOR UPDATE")
    if not await _insert_match(link, result, number):
        return await _compare(link, result) or Recording.DIFFERS
    await link.execute("UPDATE recording SET last_no = $1", number)
    users = await _lock_users(link, result.players)
    questions = await _lock_questions(link, result)
    sessions = await _insert_sessions(link, result, users)
    await _insert_answers(link, result.players, sessions, questions)
    await _add_to_statistics(link, result, users)
    if questions and users:
        seen = [identity for identity in _question_ids(result) if identity in questions]
        await remember_seen(link, sorted(set(users.values())), seen)
    return Recording.DONE


async def _compare(link: Link, result: MatchResult) -> Recording | None:
    digest = await link.fetchval("SELECT digest FROM matches WHERE id = $1", result.id)
    if digest is None:
        return None
    return Recording.KNOWN if digest == result.digest else Recording.DIFFERS


async def _insert_match(link: Link, result: MatchResult, number: int) -> bool:
    inserted = await link.fetchval(
        """
        INSERT INTO matches (id, recorded_no, digest, code, mode, number, rules_version, settings, rated, abandoned,
          started_at, started_ms, ended_ms, seed, salt, commitment, content, log)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8::jsonb, $9, $10, $11, $12, $13, $14, $15, $16, $17::jsonb, $18)
        ON CONFLICT (id) DO NOTHING RETURNING true
        """,
        result.id,
        number,
        result.digest,
        result.code,
        result.mode,
        result.number,
        result.rules_version,
        orjson.dumps(result.settings).decode(),
        result.rated,
        result.abandoned,
        _time(result.started_at),
        result.started_ms,
        result.ended_ms,
        result.seed,
        result.salt,
        result.commitment,
        orjson.dumps(result.content).decode(),
        result.log,
    )
    return bool(inserted)


async def _lock_users(link: Link, players: Sequence[MatchPlayer]) -> dict[int, UUID]:
    """Return seat → user for the users that are there, and keep them there until the transaction ends."""
    told = {player.seat: identity for player in players if (identity := _uuid(player.user)) is not None}
    rows = await link.fetch(
        "SELECT id FROM users WHERE id = ANY($1::uuid[]) ORDER BY id FOR KEY SHARE", sorted(set(told.values()))
    )
    there = {row["id"] for row in rows}
    return {seat: identity for seat, identity in told.items() if identity in there}


def _question_ids(result: MatchResult) -> list[UUID]:
    found = (_uuid(item.get("id")) for item in result.content)
    return list(dict.fromkeys(identity for identity in found if identity is not None))


async def _lock_questions(link: Link, result: MatchResult) -> set[UUID]:
    rows = await link.fetch(
        "SELECT id FROM trivia_questions WHERE id = ANY($1::uuid[]) ORDER BY id FOR KEY SHARE", _question_ids(result)
    )
    return {row["id"] for row in rows}


def _time(unix_s: int) -> datetime:
    """Return the time. Raises ``OverflowError`` only: OSError would say that PostgreSQL is away."""
    return _EPOCH + timedelta(seconds=unix_s)


def _uuid(text: object) -> UUID | None:
    try:
        return UUID(text) if isinstance(text, str) else None
    except ValueError:
        return None


async def _insert_sessions(link: Link, result: MatchResult, users: Mapping[int, UUID]) -> dict[int, int]:
    """Return seat → session."""
    players = result.players
    started = _time(result.started_at)
    rows = await link.fetch(
        """
        INSERT INTO game_sessions
          (match_id, mode, started_at, ended_at, seat, user_id, name, completed, rank, score, correct, answered)
        SELECT $1, $2, $3, $4, * FROM unnest(
          $5::int[], $6::uuid[], $7::text[], $8::bool[], $9::int[], $10::bigint[], $11::int[], $12::int[])
        RETURNING id, seat
        """,
        result.id,
        result.mode,
        started,
        started + timedelta(milliseconds=result.ended_ms - result.started_ms),
        [player.seat for player in players],
        [users.get(player.seat) for player in players],
        [player.name for player in players],
        [player.finished and not result.abandoned for player in players],
        [player.rank for player in players],
        [player.score for player in players],
        [player.correct for player in players],
        [player.answered for player in players],
    )
    return {row["seat"]: row["id"] for row in rows}


async def _insert_answers(
    link: Link, players: Sequence[MatchPlayer], sessions: Mapping[int, int], questions: set[UUID]
) -> None:
    rows: list[tuple[Any, ...]] = []
    for player in players:
        for place, fact in enumerate(player.facts):
            question = _uuid(fact.get("question"))
            rest = {name: value for name, value in fact.items() if name not in _OWN_COLUMNS}
            rows.append(
                (
                    sessions[player.seat],
                    place,
                    fact.get("number"),
                    question if question in questions else None,
                    fact.get("option"),
                    fact.get("correct"),
                    fact.get("ms"),
                    fact.get("points"),
                    orjson.dumps(rest).decode() if rest else None,
                )
            )
    if rows:
        await link.copy_records_to_table(
            "user_answers",
            records=rows,
            columns=[
                *("session_id", "place", "number", "question_id", "option"),
                *("correct", "taken_ms", "points", "facts"),
            ],
        )


async def _add_to_statistics(link: Link, result: MatchResult, users: Mapping[int, UUID]) -> None:
    playing = [player for player in result.players if player.seat in users]
    alone = len(result.players) < 2
    completed = [player.finished and not result.abandoned for player in playing]
    await link.execute(
        """
        INSERT INTO user_statistics AS s
          (user_id, mode, played, completed, won, score_sum, score_best, correct, answered, last_played_at)
        SELECT user_id, $1, count(*), sum(completed::int), sum(won::int), sum(score), max(score), sum(correct),
          sum(answered), $2
        FROM unnest($3::uuid[], $4::bool[], $5::bool[], $6::bigint[], $7::bigint[], $8::bigint[])
          AS part (user_id, completed, won, score, correct, answered)
        GROUP BY user_id ORDER BY user_id
        ON CONFLICT (user_id, mode) DO UPDATE SET
          played = s.played + excluded.played,
          completed = s.completed + excluded.completed,
          won = s.won + excluded.won,
          score_sum = s.score_sum + excluded.score_sum,
          score_best = greatest(s.score_best, excluded.score_best),
          correct = s.correct + excluded.correct,
          answered = s.answered + excluded.answered,
          last_played_at = greatest(s.last_played_at, excluded.last_played_at)
        """,
        result.mode,
        _time(result.started_at),
        [users[player.seat] for player in playing],
        completed,
        [done and player.rank == 1 and not alone for done, player in zip(completed, playing, strict=True)],
        [player.score for player in playing],
        [player.correct for player in playing],
        [player.answered for player in playing],
    )


# ---- what could not be recorded ---------------------------------------------------------------------


async def record_failure(link: Link, *, match_id: str | None, reason: str, detail: str, payload: bytes) -> bool:
    """Keep a result that could not be recorded; False when this very one is kept already."""
    kept = await link.fetchval(
        """
        INSERT INTO result_failures (match_id, reason, detail, payload, payload_hash)
        VALUES ($1, $2, $3, $4, sha256($4)) ON CONFLICT (payload_hash) DO NOTHING RETURNING true
        """,
        match_id,
        reason,
        detail,
        payload,
    )
    return bool(kept)


# ---- reading ----------------------------------------------------------------------------------------


class PlayerRow(Struct, frozen=True):
    """One player's part."""

    seat: int
    name: str
    rank: int
    score: int
    correct: int
    answered: int
    completed: bool


class MatchRow(Struct, frozen=True):
    """A match as recorded."""

    id: str
    recorded_no: int
    digest: bytes
    code: str
    mode: str
    number: int
    rules_version: int
    settings: dict[str, Any]
    rated: bool
    abandoned: bool
    started_at: datetime
    started_ms: int
    ended_ms: int
    seed: bytes
    salt: bytes
    commitment: bytes
    content: list[dict[str, Any]]
    log: bytes
    players: list[PlayerRow]


class PlayRow(Struct, frozen=True):
    """A match in the list of somebody's matches."""

    session: int
    match_id: str
    mode: str
    started_at: datetime
    ended_at: datetime
    completed: bool
    rank: int
    score: int
    correct: int
    answered: int
    players: int


async def read_match(link: Link, match_id: str) -> MatchRow | None:
    """Return a match with its players, best first."""
    row = await link.fetchrow(
        """
        SELECT id, recorded_no, digest, code, mode, number, rules_version, settings, rated, abandoned, started_at,
          started_ms, ended_ms, seed, salt, commitment, content, log
        FROM matches WHERE id = $1
        """,
        match_id,
    )
    if row is None:
        return None
    players = await link.fetch(
        """
        SELECT seat, name, rank, score, correct, answered, completed
        FROM game_sessions WHERE match_id = $1 ORDER BY rank, seat
        """,
        match_id,
    )
    fields = dict(row)
    fields["settings"] = orjson.loads(fields["settings"])
    fields["content"] = orjson.loads(fields["content"])
    return MatchRow(**fields, players=[PlayerRow(**dict(player)) for player in players])


async def list_plays(link: Link, user: UUID, *, before: int | None, count: int) -> list[PlayRow]:
    """Return a user's matches, newest first, from below the session ``before`` (None: from the newest)."""
    rows: list[asyncpg.Record] = await link.fetch(
        """
        SELECT s.id AS session, s.match_id, s.mode, s.started_at, s.ended_at, s.completed, s.rank, s.score, s.correct,
          s.answered, (SELECT count(*) FROM game_sessions o WHERE o.match_id = s.match_id) AS players
        FROM game_sessions s
        WHERE s.user_id = $1 AND ($2::bigint IS NULL OR s.id < $2)
        ORDER BY s.id DESC LIMIT $3
        """,
        user,
        before,
        count,
    )
    return [PlayRow(**dict(row)) for row in rows]
