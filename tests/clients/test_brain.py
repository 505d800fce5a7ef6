"""How bots think: they know what their skill lets them know, and answer in time."""

import json
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.python.brain import Brain, normalise, read_knowledge

OPTIONS = ["Prague", "Vienna, the capital", "Warsaw", "Bern"]
BANK = Path(__file__).parents[2] / "httpapi" / "content_bank" / "trivia"


def view_of(number: int = 0, stage: str = "open", **question: Any) -> dict[str, Any]:
    whole = {"text": "Which lies on the Danube?", "options": OPTIONS, "opens_at": 10_000, "closes_at": 30_000}
    whole.update(question)
    game = {"mode": "trivia", "stage": stage, "number": number, "question": whole}
    return {"phase": "match", "number": 1, "game": game}


def share_right(brain: Brain, right: int, options: list[str] = OPTIONS) -> float:
    decisions = [brain.decide(view_of(number, options=options), None) for number in range(2000)]
    return sum(decision is not None and decision.option == right for decision in decisions) / len(decisions)


@pytest.mark.parametrize("skill", [0, 30, 70, 100])
def test_skill_is_how_often_a_known_question_is_answered_right(skill: int) -> None:
    brain = Brain(
        skill=skill, random=Random(1), knowledge={normalise("which lies on the DANUBE"): "VIENNA the capital"}
    )
    assert abs(share_right(brain, 1) - skill / 100) < 0.04


def test_guessing_leans_to_the_longest() -> None:
    assert share_right(Brain(skill=100, random=Random(1)), 1) == 1
    assert abs(share_right(Brain(skill=0, random=Random(1)), 1) - 0.25) < 0.04


def test_knowledge_of_an_option_that_is_not_offered_does_not_help() -> None:
    brain = Brain(skill=100, random=Random(1), knowledge={normalise("Which lies on the Danube?"): "Budapest"})
    assert share_right(brain, 1) < 0.5


@given(st.integers(), st.integers(0, 100), st.integers(5, 120), st.text(max_size=500))
def test_answers_come_after_the_opening_and_in_time(seed: int, skill: int, seconds: int, text: str) -> None:
    decision = Brain(skill=skill, random=Random(seed)).decide(
        view_of(text=text, opens_at=10_000, closes_at=10_000 + seconds * 1000), None
    )
    assert decision is not None
    assert 10_700 <= decision.due <= 10_000 + seconds * 920
    assert decision.opens_at == 10_000
    assert 0 <= decision.option < len(OPTIONS)


def test_a_question_is_decided_once() -> None:
    brain = Brain(skill=50, random=Random(3))
    first = brain.decide(view_of(stage="ready"), None)
    assert first is not None
    assert all(brain.decide(view_of(stage="open"), {}) is first for _ in range(5))
    assert brain.decide(view_of(1), None) is not first


@pytest.mark.parametrize(
    ("view", "private"),
    [
        ({}, None),
        ({"phase": "lobby"}, None),
        ({"phase": "match", "game": None}, None),
        ({**view_of(), "phase": "results"}, None),
        ({"phase": "match", "number": 1, "game": {"mode": "other"}}, None),
        (view_of(stage="reveal"), None),
        (view_of(stage="closing"), None),
        (view_of(options=None), None),
        (view_of(), {"answer": 0}),
    ],
)
def test_when_there_is_nothing_to_do(view: dict[str, Any], private: dict[str, Any] | None) -> None:
    assert Brain(skill=50, random=Random(1)).decide(view, private) is None


def test_the_projects_own_bank_can_be_learnt() -> None:
    files = sorted(BANK.glob("*.json"))
    known = read_knowledge(files)
    questions = [question for file in files for question in json.loads(file.read_text(encoding="utf-8"))["questions"]]
    assert len(known) == len(questions) > 50
    for question in questions:
        right = question["right"]
        wanted = str(right) if isinstance(right, bool) else question["options"][right]
        assert known[normalise(question["text"])] == wanted


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"questions":[{}]}', '{"questions":[{"text":"x","right":1}]}'])
def test_a_file_that_is_none(tmp_path: Path, content: str) -> None:
    path = tmp_path / "bank.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match=r"bank\.json"):
        read_knowledge([path])


def test_case_accents_and_marks_do_not_matter() -> None:
    assert normalise("  Qu'est-ce  que l’ÉTÉ? ") == normalise("qu est ce que l ete")
