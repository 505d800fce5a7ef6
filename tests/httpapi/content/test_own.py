"""The project's own format: strict, with the line of what is refused."""

import json
from typing import Any

import pytest

from httpapi.content import own
from httpapi.content.importer import LISTS
from httpapi.content.model import Draft, FileError, Refusal
from httpapi.content.reading import read_document

HEAD: dict[str, Any] = {
    "format": "svidnet.arena/trivia",
    "version": 1,
    "source": "Test",
    "licence": "CC0",
    "category": "Space",
}
CHOICE: dict[str, Any] = {
    "id": "nearest",
    "difficulty": "easy",
    "text": "Which planet is nearest?",
    "options": ["Venus", "Mercury", "Mars"],
    "right": 1,
    "explanation": "It is Mercury.",
}
BOOLEAN: dict[str, Any] = {"id": "light", "difficulty": "hard", "text": "The Moon shines by itself.", "right": False}


def read(*questions: Any, **head: Any) -> list[Draft | Refusal]:
    text = json.dumps({**HEAD, **head, "questions": list(questions)}, indent=1)
    return list(own.read(read_document(text.encode(), file="x", lists=LISTS), file="x"))


def test_both_kinds_are_read() -> None:
    choice, boolean = read(CHOICE, BOOLEAN)
    assert isinstance(choice, Draft)
    assert isinstance(boolean, Draft)
    assert (choice.kind, choice.options[choice.right], choice.category) == ("choice", "Mercury", "Space")
    assert (boolean.kind, boolean.options, boolean.right) == ("boolean", ["True", "False"], 1)


def test_a_question_may_name_its_category() -> None:
    (draft,) = read({**CHOICE, "category": "Sky"})
    assert isinstance(draft, Draft)
    assert draft.category == "Sky"


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"explanaton": "typo"}, "unknown field"),
        ({"right": 3}, "no right answer"),
        ({"right": -1}, "no right answer"),
        ({"right": True}, "right is true or false without options"),
        ({"right": "1"}, "Expected `bool | int`"),
        ({"options": ["one"], "right": 0}, "length >= 2"),
        ({"options": list("abcdefg")}, "length <= 6"),
        ({"options": ["a", "A "]}, "the same"),
        ({"id": "Not A Slug"}, "matching regex"),
        ({"id": "x" * 81}, "length <= 80"),
        ({"explanation": "y" * 401}, "explanation longer"),
        ({"difficulty": ""}, "unknown difficulty"),
        ({"text": ""}, "no text"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_is_refused_and_why(changed: dict[str, Any], reason: str) -> None:
    good, refusal, other = read(BOOLEAN, {**CHOICE, **changed}, {**CHOICE, "id": "other"})
    assert isinstance(good, Draft)
    assert isinstance(other, Draft)
    assert isinstance(refusal, Refusal), refusal
    assert reason in refusal.reason
    assert (refusal.index, refusal.line) == (2, 14)


def test_a_place_without_options_is_refused() -> None:
    (refusal,) = read({**BOOLEAN, "right": 1})
    assert isinstance(refusal, Refusal)


def test_an_id_that_stands_twice_is_refused_with_the_first_ones_line() -> None:
    _, refusal = read(BOOLEAN, {**CHOICE, "id": "light"})
    assert isinstance(refusal, Refusal)
    assert "the id light stands on line 8 already" in refusal.reason


@pytest.mark.parametrize(
    "head",
    [{"format": "other"}, {"version": 2}, {"source": ""}, {"licence": "x" * 121}, {"extra": 1}, {"source": None}],
    ids=str,
)
def test_a_heading_that_is_not_ours_refuses_the_file(head: dict[str, Any]) -> None:
    with pytest.raises(FileError):
        read(CHOICE, **head)
