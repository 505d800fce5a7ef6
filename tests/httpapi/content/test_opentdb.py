"""The Open Trivia Database's JSON, in every encoding, from the real files."""

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from httpapi.content import opentdb
from httpapi.content import text as texts
from httpapi.content.importer import LISTS
from httpapi.content.model import Draft, FileError, Refusal
from httpapi.content.reading import Document, read_document
from httpapi.content.text import Encoding
from protocol.modes.trivia import TriviaItem
from tests.support.data import data_file

ENCODED = {
    "api_default_html_200.json": Encoding.HTML,
    "api_base64_200.json": Encoding.BASE64,
    "api_urlLegacy_200.json": Encoding.URL_LEGACY,
    "api_url3986_200.json": Encoding.URL_3986,
}
GOOD: dict[str, Any] = {
    "type": "multiple",
    "difficulty": "easy",
    "category": "Science: Computers",
    "question": "What does &quot;GHz&quot; stand for?",
    "correct_answer": "Gigahertz",
    "incorrect_answers": ["Gigahotz", "Gigahetz", " Gigahatz "],
}


def load(name: str) -> Document:
    return read_document(data_file(f"trivia/opentdb/{name}").read_bytes(), file=name, lists=LISTS)


def drafts_of(document: Document, encoding: Encoding | None = None) -> list[Draft]:
    found = list(opentdb.read(document, file="x", encoding=encoding))
    assert [one for one in found if isinstance(one, Refusal)] == []
    return [one for one in found if isinstance(one, Draft)]


def one(**changed: Any) -> Draft | Refusal:
    document = read_document(json.dumps({"results": [{**GOOD, **changed}]}).encode(), file="x", lists=LISTS)
    return next(iter(opentdb.read(document, file="x", encoding=None)))


@pytest.mark.parametrize("name", ENCODED)
def test_every_encoding_gives_the_expected_text(name: str) -> None:
    expected = json.loads(data_file("trivia/opentdb/derived_encodings/expected_decoded_200.json").read_text())
    document = load(f"derived_encodings/{name}")
    decoded = [opentdb.decoded(element.value, ENCODED[name]) for element in document.elements]
    assert msgspec.to_builtins(decoded) == expected["results"]


@pytest.mark.parametrize("name", ENCODED)
def test_the_encoding_is_found_out_and_gives_the_same_questions(name: str) -> None:
    plain = drafts_of(load("derived_encodings/expected_decoded_200.json"), Encoding.PLAIN)
    assert len(plain) == 200
    assert drafts_of(load(f"derived_encodings/{name}")) == plain


def test_the_whole_real_file_is_good() -> None:
    drafts = drafts_of(load("split_dev.json"))
    assert Counter(draft.kind for draft in drafts) == {"choice": 2253, "boolean": 368}
    assert len({draft.fingerprint for draft in drafts}) == 2617
    for draft in drafts:
        for text in (draft.text, draft.category, *draft.options):
            assert text == texts.clean(text)
            assert "\u00ad" not in text
            assert "&quot;" not in text
    places = Counter(draft.right for draft in drafts if draft.kind == "choice")
    assert min(places.values()) > 0.9 * 2253 / 4, "right answers stand at every place about equally often"


def test_a_question_becomes_ours() -> None:
    draft = one()
    assert isinstance(draft, Draft)
    assert draft.text == 'What does "GHz" stand for?'
    assert draft.category == "Computers"
    assert draft.options[draft.right] == "Gigahertz"
    assert sorted(draft.options) == ["Gigahatz", "Gigahertz", "Gigahetz", "Gigahotz"]
    assert one() == draft, "the right answer's place is the same at every import"


def test_true_and_false_stand_in_one_order() -> None:
    draft = one(type="boolean", correct_answer="False", incorrect_answers=["True"])
    assert isinstance(draft, Draft)
    assert (draft.options, draft.right) == (["True", "False"], 1)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"type": "essay"}, "unknown type"),
        ({"difficulty": "brutal"}, "unknown difficulty"),
        ({"question": " \u00ad "}, "no text"),
        ({"question": "?" * 9}, "no text"),
        ({"question": "x" * 501}, "length <= 500"),
        ({"correct_answer": "Gigahotz"}, "the same"),
        ({"correct_answer": "gigaHOTZ "}, "the same"),
        ({"correct_answer": ""}, "an empty answer"),
        ({"correct_answer": "y" * 201}, "length <= 200"),
        ({"incorrect_answers": []}, "length >= 2"),
        ({"incorrect_answers": list("abcdef")}, "length <= 6"),
        ({"type": "boolean"}, "not True and False"),
        ({"category": ""}, "no category"),
        ({"category": "c" * 61}, "category longer"),
        ({"question": None}, "Expected `str`"),
        ({"incorrect_answers": "none"}, "Expected `array`"),
        ({"question": "lost &#55357; half"}, "broken character"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_is_refused_and_why(changed: dict[str, Any], reason: str) -> None:
    refusal = one(**changed)
    assert isinstance(refusal, Refusal), refusal
    assert reason in refusal.reason
    assert (refusal.index, refusal.line) == (1, 1)


@pytest.mark.parametrize("missing", list(GOOD))
def test_a_missing_member_is_refused(missing: str) -> None:
    value = {name: text for name, text in GOOD.items() if name != missing}
    document = read_document(json.dumps({"results": [value, GOOD]}).encode(), file="x", lists=LISTS)
    found = list(opentdb.read(document, file="x", encoding=None))
    assert isinstance(found[0], Refusal)
    assert missing in found[0].reason
    assert isinstance(found[1], Draft)


def test_an_element_that_is_no_question_is_refused() -> None:
    document = read_document(b'{"results": [1, "two", null, []]}', file="x", lists=LISTS)
    assert all(isinstance(found, Refusal) for found in opentdb.read(document, file="x", encoding=None))


def test_an_answer_that_tells_of_an_error_is_refused() -> None:
    document = read_document(b'{"response_code": 1, "results": []}', file="x", lists=LISTS)
    with pytest.raises(FileError, match="response_code 1"):
        list(opentdb.read(document, file="x", encoding=None))


def test_the_wrong_encoding_by_force_is_refused_question_by_question() -> None:
    found = list(opentdb.read(load("split_dev.json"), file="x", encoding=Encoding.BASE64))
    assert all(isinstance(one, Refusal) for one in found)
    assert "base64" in found[0].reason if isinstance(found[0], Refusal) else False


def test_every_draft_is_an_item_of_the_protocol(as_item: Callable[[Draft], dict[str, Any]]) -> None:
    for draft in drafts_of(load("split_dev.json")):
        item = msgspec.convert(as_item(draft), TriviaItem)
        assert item.options[item.right] == draft.options[draft.right]
