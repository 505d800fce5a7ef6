"""Questions in PostgreSQL: each once, all or nothing, and again changes nothing."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from httpapi.content.bank import APPROVAL, read_bank
from httpapi.content.importer import Approval, File, import_files, read_file
from httpapi.content.model import FileError
from httpapi.content.text import Encoding
from httpapi.store import questions as store
from httpapi.store.questions import Link
from tests.support.data import data_file

YES = Approval(new=True, known=True)
NO = Approval(new=False, known=False)


@pytest_asyncio.fixture
async def link(fresh_database_url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(fresh_database_url)
    yield connection
    await connection.close()


def own(folder: Path, *questions: dict[str, Any], name: str = "own.json", source: str = "Test") -> File:
    head = {"format": "svidnet.arena/trivia", "version": 1, "source": source, "licence": "CC0", "category": "Space"}
    path = folder / name
    path.write_text(json.dumps({**head, "questions": list(questions)}, indent=1))
    return read_file(path)


def question(identity: str, text: str, **more: Any) -> dict[str, Any]:
    return {"id": identity, "text": text, "options": ["a", "b", "c"], "right": 1, "difficulty": "easy", **more}


async def everything(link: Link) -> list[tuple[Any, ...]]:
    tables = ("content_sources", "categories", "content_versions", "trivia_questions", "trivia_answers")
    return [tuple(row) for table in tables for row in await link.fetch(f"SELECT * FROM {table} ORDER BY 1, 2")]


async def test_the_real_file_comes_in_once(link: asyncpg.Connection) -> None:
    file = read_file(data_file("trivia/opentdb/split_dev.json"))
    (report,) = await import_files(link, [file], approval=NO)
    assert (report.read, report.added, len(report.refused)) == (2621, 2617, 4)
    assert all("the same question as question" in refusal.reason for refusal in report.refused)
    before = await everything(link)
    (again,) = await import_files(link, [file], approval=NO)
    assert again.did_nothing
    assert (again.unchanged, again.refused) == (2617, report.refused)
    assert await everything(link) == before
    source = (await store.count_by_source(link))[0]
    assert (source.name, source.licence) == ("Open Trivia Database", "CC BY-SA 4.0")
    assert await store.list_approved(link) == []


async def test_all_encodings_are_the_same_questions(link: asyncpg.Connection) -> None:
    folder = "trivia/opentdb/derived_encodings"
    (first,) = await import_files(link, [read_file(data_file(f"{folder}/api_base64_200.json"))], approval=YES)
    assert (first.added, first.refused) == (200, [])
    before = await everything(link)
    names = ("api_default_html_200", "api_urlLegacy_200", "api_url3986_200")
    for name in names:
        (report,) = await import_files(link, [read_file(data_file(f"{folder}/{name}.json"))], approval=YES)
        assert report.did_nothing
        assert report.unchanged == 200
    expected = read_file(data_file(f"{folder}/expected_decoded_200.json"), encoding=Encoding.PLAIN)
    (report,) = await import_files(link, [expected], approval=YES)
    assert report.did_nothing
    assert await everything(link) == before


async def test_what_is_stored_is_what_a_pack_carries(link: asyncpg.Connection, tmp_path: Path) -> None:
    html = question("html", "What does <b> & </b> do?", options=["<i>", "bold", "none", "&amp;"], explanation="Bold.")
    await import_files(link, [own(tmp_path, html)], approval=YES)
    (listed,) = await store.list_approved(link)
    assert (listed.category, listed.difficulty, listed.kind) == ("space", "easy", "choice")
    (item,) = await store.read_items(link, [listed.id])
    assert item == {
        "id": listed.id,
        "kind": "choice",
        "text": "What does <b> & </b> do?",
        "options": ["<i>", "bold", "none", "&amp;"],
        "right": 1,
        "category": "Space",
        "difficulty": "easy",
        "explanation": "Bold.",
        "source": "",
    }


async def test_rooms_draw_approved_questions_only(link: asyncpg.Connection, tmp_path: Path) -> None:
    file = own(tmp_path, question("one", "One?"), question("two", "Two?"))
    await import_files(link, [file], approval=NO)
    assert await store.list_approved(link) == []
    (report,) = await import_files(link, [file], approval=YES)
    assert (report.added, report.approved) == (0, 2)
    listed = await store.list_approved(link)
    assert len(listed) == 2
    await link.execute("UPDATE trivia_questions SET is_approved = false WHERE ref = 'one'")
    assert len(await store.read_items(link, [one.id for one in listed])) == 1


async def test_a_corrected_question_replaces_the_older_one(link: asyncpg.Connection, tmp_path: Path) -> None:
    await import_files(link, [own(tmp_path, question("one", "Wat?"), question("two", "Two?"))], approval=YES)
    version = await store.read_version(link)
    fixed = own(tmp_path, question("one", "What?", options=["x", "y"]), question("two", "Two?"))
    (report,) = await import_files(link, [fixed], approval=YES)
    assert (report.added, report.changed, report.unchanged) == (0, 1, 1)
    items = await store.read_items(link, [one.id for one in await store.list_approved(link)])
    assert sorted((item["text"], item["options"]) for item in items) == [
        ("Two?", ["a", "b", "c"]),
        ("What?", ["x", "y"]),
    ]
    assert await store.read_version(link) == version + 1


async def test_what_people_changed_here_stays(link: asyncpg.Connection, tmp_path: Path) -> None:
    file = own(tmp_path, question("one", "One?"))
    await import_files(link, [file], approval=YES)
    await link.execute("UPDATE trivia_questions SET is_approved = false, explanation = 'Edited.'")
    (report,) = await import_files(link, [file], approval=Approval(new=True, known=False))
    assert report.did_nothing
    row = await link.fetchrow("SELECT is_approved, explanation FROM trivia_questions")
    assert tuple(row) == (False, "Edited.")


async def test_the_same_question_of_another_source_is_refused(link: asyncpg.Connection, tmp_path: Path) -> None:
    await import_files(link, [own(tmp_path, question("one", "Which one?"))], approval=YES)
    other = own(tmp_path, question("x", "WHICH  one"), question("y", "Another?"), source="Other")
    (report,) = await import_files(link, [other], approval=YES)
    assert report.added == 1
    assert [refusal.reason for refusal in report.refused] == ["the same question came from Test already"]


async def test_one_text_under_two_ids_and_one_id_for_two_texts(link: asyncpg.Connection, tmp_path: Path) -> None:
    first = own(tmp_path, question("a", "Text?"), question("b", "text"), name="first.json")
    second = own(tmp_path, question("a", "Other?"), name="second.json")
    reports = await import_files(link, [first, second], approval=YES)
    assert [report.added for report in reports] == [1, 0]
    assert "the same question as question 1" in reports[0].refused[0].reason
    assert "its id belongs to question 1" in reports[1].refused[0].reason
    before = await everything(link)
    assert all(report.did_nothing for report in await import_files(link, [first, second], approval=YES))
    assert await everything(link) == before


async def test_a_question_that_takes_anothers_text_is_refused(link: asyncpg.Connection, tmp_path: Path) -> None:
    await import_files(link, [own(tmp_path, question("a", "A?"), question("b", "B?"))], approval=YES)
    (report,) = await import_files(link, [own(tmp_path, question("a", "B?"))], approval=YES)
    assert report.did_nothing
    assert len(report.refused) == 1


async def test_nothing_comes_in_half(link: asyncpg.Connection, tmp_path: Path) -> None:
    good = own(tmp_path, question("one", "One?"), name="good.json")
    before = await everything(link)
    broken = File(name="x", source=good.source, drafts=[bad(good)], refused=[])
    with pytest.raises(asyncpg.PostgresError):
        await import_files(link, [good, broken], approval=YES)
    assert await everything(link) == before


def bad(file: File) -> Any:
    """Return a draft that only PostgreSQL refuses."""
    draft = file.drafts[0]
    return type(draft)(
        file="x", index=1, line=1, ref="bad", kind="choice", text="NUL \x00?", options=["a", "b"], right=0,
        category="Space", difficulty="easy", explanation="",
    )  # fmt: skip


async def test_two_imports_at_once_are_one_after_the_other(fresh_database_url: str, tmp_path: Path) -> None:
    file = own(tmp_path, *(question(f"q{number}", f"Question {number}?") for number in range(50)))
    links = [await asyncpg.connect(fresh_database_url) for _ in range(3)]
    reports = await asyncio.gather(*(import_files(link, [file], approval=YES) for link in links))
    assert sorted(report.added for (report,) in reports) == [0, 0, 50]
    assert len(await store.list_approved(links[0])) == 50
    for link in links:
        await link.close()


async def test_source_and_licence_may_be_named(link: asyncpg.Connection, tmp_path: Path) -> None:
    path = tmp_path / "named.json"
    path.write_text((data_file("trivia/opentdb/derived_encodings/api_base64_200.json")).read_text())
    file = read_file(path, source="A copy", licence="CC BY-SA 4.0 (copy)")
    await import_files(link, [file], approval=YES)
    listed = await store.list_approved(link)
    (item,) = await store.read_items(link, [listed[0].id])
    assert item["source"] == "A copy, CC BY-SA 4.0 (copy)"


async def test_the_bank_comes_in_once_and_serves_every_category(link: asyncpg.Connection) -> None:
    reports = await import_files(link, read_bank(), approval=APPROVAL)
    assert sum(report.added for report in reports) >= 60
    assert all(report.refused == [] for report in reports)
    counts = await store.count_by_category(link)
    assert len(counts) >= 10
    for count in counts:
        assert count.questions >= 10, f"a match of ten questions about {count.name}"
        assert min(count.by_difficulty.values()) >= 2, count
    assert all(report.did_nothing for report in await import_files(link, read_bank(), approval=APPROVAL))


def test_a_file_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="cannot be read: No such file"):
        read_file(tmp_path / "none.json")
    with pytest.raises(FileError, match="not a file"):
        read_file(tmp_path)


async def test_a_ring_of_seen_questions_keeps_the_newest(link: asyncpg.Connection) -> None:
    user = await link.fetchval("INSERT INTO users (id, kind) VALUES (gen_random_uuid(), 'guest') RETURNING id")
    other = await link.fetchval("INSERT INTO users (id, kind) VALUES (gen_random_uuid(), 'guest') RETURNING id")
    ids = [row["id"] for row in await link.fetch("SELECT gen_random_uuid() AS id FROM generate_series(1, 400)")]
    for start in range(0, 400, 50):
        await store.remember_seen(link, [user], ids[start : start + 50])
    await store.remember_seen(link, [user, other], [ids[0], ids[399]])
    ring = await link.fetchval("SELECT questions FROM user_seen WHERE user_id = $1", user)
    assert len(ring) == store.SEEN_MAX == len(set(ring))
    assert ring[:2] == [ids[0], ids[399]]
    assert ring[2:] == [*ids[350:399], *ids[300:350], *ids[250:300], *ids[200:250], *ids[150:200], *ids[100:149]]
    seen = await store.count_seen(link, [user, other])
    assert seen[str(ids[0])] == (2, 0)
    assert seen[str(ids[350])] == (1, 2)
    assert str(ids[90]) not in seen
