"""Trivia questions in PostgreSQL: importing them, drawing them, and what users saw last."""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID, uuid4

import asyncpg
from asyncpg.pool import PoolConnectionProxy
from msgspec import Struct

Link = asyncpg.Connection | PoolConnectionProxy

SEEN_MAX: Final = 300
"""How many questions a user's ring of last seen ones keeps."""

_IMPORT_LOCK: Final = 7_283_118_220_412
_QUESTION_COLUMNS: Final = [
    *("id", "category_id", "source_id", "ref", "source_hash", "kind", "difficulty"),
    *("text", "explanation", "fingerprint", "is_approved"),
]


class Source(Struct, frozen=True):
    """Where questions come from."""

    name: str
    licence: str
    url: str = ""
    credit: str = ""


class NewQuestion(Struct, frozen=True):
    """A checked question as it is stored. ``options[right]`` is right."""

    ref: str
    source_hash: bytes
    fingerprint: bytes
    kind: str
    difficulty: str
    category: str  # slug
    text: str
    explanation: str
    options: list[str]
    right: int


class Known(Struct, frozen=True):
    """A question that is there already."""

    id: UUID
    source: str
    ref: str
    source_hash: bytes
    fingerprint: bytes
    approved: bool


class Listed(Struct, frozen=True):
    """What choosing needs to know of a question that rooms may draw."""

    id: str
    category: str  # slug
    difficulty: str
    kind: str


class CategoryCount(Struct, frozen=True):
    """A category with its approved questions."""

    slug: str
    name: str
    questions: int
    by_difficulty: dict[str, int]


class SourceCount(Struct, frozen=True):
    """A source with its questions."""

    name: str
    licence: str
    questions: int
    approved: int


# ---- importing (one transaction, one importer at a time) --------------------------------------------


async def lock_imports(link: Link) -> None:
    """Wait until no other import runs; held until the transaction ends."""
    await link.execute("SELECT pg_advisory_xact_lock($1)", _IMPORT_LOCK)


async def put_source(link: Link, source: Source) -> int:
    """Store or refresh a source; return its id."""
    identity: int = await link.fetchval(
        """
        INSERT INTO content_sources (name, licence, url, credit) VALUES ($1, $2, $3, $4)
        ON CONFLICT (name) DO UPDATE SET licence = $2, url = $3, credit = $4
        RETURNING id
        """,  # $1 name, $2 licence, $3 url, $4 credit
        source.name,
        source.licence,
        source.url,
        source.credit,
    )
    return identity


async def put_categories(link: Link, names: Mapping[str, str]) -> dict[str, int]:
    """Store categories (slug → name) that are not there; return slug → id for all of these."""
    await link.execute(
        """
        INSERT INTO categories (slug, name) SELECT * FROM unnest($1::text[], $2::text[]) ON CONFLICT (slug) DO NOTHING
        """,
        list(names),
        list(names.values()),
    )
    rows = await link.fetch("SELECT slug, id FROM categories WHERE slug = ANY($1::text[])", list(names))
    return {row["slug"]: row["id"] for row in rows}


async def find_known(link: Link, source_id: int, refs: Sequence[str], fingerprints: Sequence[bytes]) -> list[Known]:
    """Return the questions of this source with one of these names, and those of any with one of these texts."""
    rows = await link.fetch(
        """
        SELECT q.id, s.name AS source, q.ref, q.source_hash, q.fingerprint, q.is_approved
        FROM trivia_questions q JOIN content_sources s ON s.id = q.source_id
        WHERE (q.source_id = $1 AND q.ref = ANY($2::text[])) OR q.fingerprint = ANY($3::bytea[])
        """,
        source_id,
        list(refs),
        list(fingerprints),
    )
    return [
        Known(row["id"], row["source"], row["ref"], row["source_hash"], row["fingerprint"], row["is_approved"])
        for row in rows
    ]


async def add_questions(
    link: Link, source_id: int, category_ids: Mapping[str, int], questions: Sequence[NewQuestion], *, approved: bool
) -> None:
    """Store questions that are not there."""
    rows: list[tuple[Any, ...]] = []
    answers: list[tuple[UUID, int, str, bool]] = []
    for question in questions:
        identity = uuid4()
        rows.append(
            (
                identity,
                category_ids[question.category],
                source_id,
                question.ref,
                question.source_hash,
                question.kind,
                question.difficulty,
                question.text,
                question.explanation,
                question.fingerprint,
                approved,
            )
        )
        answers += _answers(identity, question)
    await link.copy_records_to_table(
        "trivia_questions",
        records=rows,
        columns=_QUESTION_COLUMNS,
    )
    await link.copy_records_to_table(
        "trivia_answers", records=answers, columns=["question_id", "position", "text", "is_right"]
    )


def _answers(identity: UUID, question: NewQuestion) -> list[tuple[UUID, int, str, bool]]:
    return [(identity, place, text, place == question.right) for place, text in enumerate(question.options)]


async def replace_question(link: Link, identity: UUID, category_id: int, question: NewQuestion) -> None:
    """Store what the source says of the question now; whether it is approved stays."""
    await link.execute(
        """
        UPDATE trivia_questions SET category_id = $2, source_hash = $3, kind = $4, difficulty = $5, text = $6,
          explanation = $7, fingerprint = $8, updated_at = now()
        WHERE id = $1
        """,
        identity,
        category_id,
        question.source_hash,
        question.kind,
        question.difficulty,
        question.text,
        question.explanation,
        question.fingerprint,
    )
    await link.execute("DELETE FROM trivia_answers WHERE question_id = $1", identity)
    await link.copy_records_to_table(
        "trivia_answers",
        records=_answers(identity, question),
        columns=["question_id", "position", "text", "is_right"],
    )


async def approve(link: Link, identities: Sequence[UUID]) -> None:
    """Let rooms draw these questions."""
    await link.execute(
        "UPDATE trivia_questions SET is_approved = true, updated_at = now() WHERE id = ANY($1::uuid[])",
        list(identities),
    )


async def raise_version(link: Link) -> None:
    """Tell who keeps a list of the questions that it is old."""
    await link.execute("UPDATE content_versions SET version = version + 1 WHERE kind = 'trivia'")


# ---- drawing ----------------------------------------------------------------------------------------


async def read_version(link: Link) -> int:
    """Return the number that every change of the questions raises."""
    version: int = await link.fetchval("SELECT version FROM content_versions WHERE kind = 'trivia'")
    return version


async def list_approved(link: Link) -> list[Listed]:
    """Return every question that rooms may draw, in the order of their ids."""
    rows = await link.fetch(
        """
        SELECT q.id, c.slug, q.difficulty, q.kind
        FROM trivia_questions q JOIN categories c ON c.id = q.category_id
        WHERE q.is_approved ORDER BY q.id
        """
    )
    return [Listed(str(row["id"]), row["slug"], row["difficulty"], row["kind"]) for row in rows]


async def read_items(link: Link, identities: Sequence[str]) -> list[dict[str, Any]]:
    """Return the questions as content packs carry them, in the order asked for, without those not approved any more."""
    rows = await link.fetch(
        """
        SELECT q.id, q.kind, q.text, c.name AS category, q.difficulty, q.explanation, s.credit, a.options, a.place
        FROM trivia_questions q
        JOIN categories c ON c.id = q.category_id
        JOIN content_sources s ON s.id = q.source_id
        JOIN LATERAL (
          SELECT array_agg(text ORDER BY position) AS options, min(position) FILTER (WHERE is_right) AS place
          FROM trivia_answers WHERE question_id = q.id
        ) a ON a.place IS NOT NULL
        WHERE q.id = ANY($1::uuid[]) AND q.is_approved
        """,
        [UUID(identity) for identity in identities],
    )
    found = {str(row["id"]): row for row in rows}
    return [_item(identity, found[identity]) for identity in identities if identity in found]


def _item(identity: str, row: asyncpg.Record) -> dict[str, Any]:
    return {
        "id": identity,
        "kind": row["kind"],
        "text": row["text"],
        "options": list(row["options"]),
        "right": row["place"],
        "category": row["category"],
        "difficulty": row["difficulty"],
        "explanation": row["explanation"],
        "source": row["credit"],
    }


async def count_by_category(link: Link) -> list[CategoryCount]:
    """Return the categories that have approved questions, by name."""
    rows = await link.fetch(
        """
        SELECT c.slug, c.name, count(*) AS questions,
          count(*) FILTER (WHERE q.difficulty = 'easy') AS easy,
          count(*) FILTER (WHERE q.difficulty = 'medium') AS medium,
          count(*) FILTER (WHERE q.difficulty = 'hard') AS hard
        FROM trivia_questions q JOIN categories c ON c.id = q.category_id
        WHERE q.is_approved GROUP BY c.id ORDER BY c.name, c.slug
        """
    )
    return [
        CategoryCount(
            row["slug"],
            row["name"],
            row["questions"],
            {"easy": row["easy"], "medium": row["medium"], "hard": row["hard"]},
        )
        for row in rows
    ]


async def count_by_source(link: Link) -> list[SourceCount]:
    """Return the sources, by name."""
    rows = await link.fetch(
        """
        SELECT s.name, s.licence, count(q.id) AS questions, count(q.id) FILTER (WHERE q.is_approved) AS approved
        FROM content_sources s LEFT JOIN trivia_questions q ON q.source_id = s.id
        GROUP BY s.id ORDER BY s.name
        """
    )
    return [SourceCount(row["name"], row["licence"], row["questions"], row["approved"]) for row in rows]


# ---- what users saw last ----------------------------------------------------------------------------


async def count_seen(link: Link, users: Sequence[UUID]) -> dict[str, tuple[int, int]]:
    """Return question → (how many of these users have it in their ring, its newest place there; 0 is the last seen)."""
    rows = await link.fetch(
        """
        SELECT seen.question, count(*) AS users, min(seen.place) - 1 AS newest
        FROM user_seen, unnest(questions) WITH ORDINALITY AS seen (question, place)
        WHERE user_id = ANY($1::uuid[]) AND kind = 'trivia'
        GROUP BY seen.question
        """,
        list(users),
    )
    return {str(row["question"]): (row["users"], row["newest"]) for row in rows}


async def remember_seen(link: Link, users: Sequence[UUID], questions: Sequence[UUID]) -> None:
    """Put the questions at the front of each user's ring. The users must exist and be locked by the caller."""
    await link.execute(
        """
        INSERT INTO user_seen (user_id, kind, questions)
        SELECT u, 'trivia', ($2::uuid[])[1:$3] FROM unnest($1::uuid[]) AS u ORDER BY u
        ON CONFLICT (user_id, kind) DO UPDATE SET seen_at = now(), questions = (
          $2::uuid[] || ARRAY(
            SELECT old.question FROM unnest(user_seen.questions) WITH ORDINALITY AS old (question, place)
            WHERE old.question <> ALL($2::uuid[]) ORDER BY old.place
          )
        )[1:$3]
        """,  # $1 users, $2 questions, $3 length of the ring
        list(users),
        list(questions),
        SEEN_MAX,
    )
