"""The checker finds what a quizmaster would, and the shipped bank passes it."""

from typing import Any

import pytest

from httpapi.content.bank import bank_files, read_bank
from httpapi.content.lint import lint
from httpapi.content.model import Draft

GOOD: dict[str, Any] = {
    "file": "x",
    "index": 1,
    "line": 1,
    "ref": "x",
    "kind": "choice",
    "text": "Which planet is the largest?",
    "options": ["Mars", "Jupiter", "Venus", "Earth"],
    "right": 1,
    "category": "Space",
    "difficulty": "easy",
    "explanation": "It is Jupiter.",
}


def reasons(*changed: dict[str, Any]) -> list[str]:
    return [finding.reason for finding in lint([Draft(**{**GOOD, **change}) for change in changed])]


def test_a_good_question_passes() -> None:
    assert reasons({}) == []


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"explanation": ""}, "no explanation"),
        ({"explanation": "Jupiter"}, "no sentence"),
        ({"text": "Which is currently the largest city?"}, "ages: 'currently'"),
        ({"text": "Who is the latest winner?"}, "ages: 'latest'"),
        ({"text": "The largest planet is"}, "no question"),
        ({"text": "Is Jupiter the largest planet?"}, "stands in the question"),
        (
            {"options": ["Mars", "Jupiter, which is the fifth planet from the Sun", "Venus", "Earth"]},
            "longer than all others",
        ),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_is_found(changed: dict[str, Any], reason: str) -> None:
    (found,) = reasons(changed)
    assert reason in found


def test_near_duplicates_are_found() -> None:
    (found,) = reasons({}, {"text": "Which is the largest planet?", "line": 9})
    assert "asks nearly what x:1 asks" in found


def test_uneven_places_are_found() -> None:
    words = (
        "alpha bravo charlie delta echo foxtrot golf hotel india juliet kilo lima mike november oscar papa " * 3
    ).split()
    many = [{"text": f"{word * 3} {number * 7919}?", "right": 0} for number, word in enumerate(words)]
    assert reasons(*many)[:1] == ["of 48 questions with 4 options, 48 have the right one at 0"]
    even = [{**one, "right": number % 4} for number, one in enumerate(many)]
    assert reasons(*even) == []


def test_the_shipped_bank_passes() -> None:
    files = read_bank()
    assert len(files) == len(bank_files()) >= 10
    assert [str(refusal) for file in files for refusal in file.refused] == []
    drafts = [draft for file in files for draft in file.drafts]
    assert [str(finding) for finding in lint(drafts)] == []
    kinds = {(draft.kind, len(draft.options)) for draft in drafts}
    assert kinds >= {("boolean", 2), ("choice", 3), ("choice", 4), ("choice", 5), ("choice", 6)}
    truths = [draft.right for draft in drafts if draft.kind == "boolean"]
    assert 0.4 <= sum(truths) / len(truths) <= 0.6
    assert {file.source.name for file in files} == {"SvidNet Arena"}
