"""What content a match asks for, which packs it takes, and in which order things are shown."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gameserver.games.mode import Rejected
from gameserver.games.rng import Rng
from gameserver.games.trivia import content
from protocol.errors import ErrorCode
from protocol.modes.base import ContentSpec
from protocol.modes.trivia import TriviaSettings
from tests.support.rooms import question, questions

SETTINGS = TriviaSettings(questions=3)


@pytest.mark.parametrize(
    ("settings", "spec"),
    [
        (TriviaSettings(questions=7), ContentSpec(kind="trivia", count=7)),
        (TriviaSettings(difficulty="hard"), ContentSpec(kind="trivia", count=10, difficulties={"hard": 1})),
        (
            TriviaSettings(difficulty="rising", categories=["art"]),
            ContentSpec(kind="trivia", count=10, categories=["art"], difficulties={"easy": 1, "medium": 1, "hard": 1}),
        ),
        (TriviaSettings(types="boolean"), ContentSpec(kind="trivia", count=10, types=["boolean"])),
    ],
)
def test_settings_ask_for_content(settings: TriviaSettings, spec: ContentSpec) -> None:
    assert content.needed(settings) == spec


def changed(**changes: Any) -> list[dict[str, Any]]:
    return [{**question(0), **changes}, *questions(3)[1:]]


@pytest.mark.parametrize(
    "items",
    [
        pytest.param([], id="none"),
        pytest.param(questions(2), id="too few"),
        pytest.param(changed(right=4), id="the right option does not exist"),
        pytest.param(changed(right=-1), id="a negative option"),
        pytest.param(changed(options=["a"]), id="one option"),
        pytest.param(changed(options=list("abcdefg")), id="seven options"),
        pytest.param(changed(options=["a", "a", "b"]), id="an option twice"),
        pytest.param(changed(kind="boolean"), id="true/false with four options"),
        pytest.param(changed(kind="essay"), id="a kind nobody knows"),
        pytest.param(changed(text=""), id="no text"),
        pytest.param(changed(text="x" * 501), id="too long a text"),
        pytest.param(changed(id="q1"), id="a question twice"),
        pytest.param(changed(extra=1), id="a field nobody knows"),
        pytest.param(changed(right=1.5), id="a fraction"),
    ],
)
def test_a_pack_that_cannot_serve_is_refused(items: list[dict[str, Any]]) -> None:
    with pytest.raises(Rejected) as refusal:
        content.check(SETTINGS, items)
    assert refusal.value.code is ErrorCode.NO_CONTENT


def test_a_good_pack_is_taken() -> None:
    content.check(SETTINGS, questions(3))
    content.check(SETTINGS, questions(5))


@given(st.binary(min_size=1, max_size=32), st.integers(2, 6))
def test_shuffled_options_still_name_the_right_one(seed: bytes, options: int) -> None:
    items = questions(3, right=1, options=options)
    shown = content.lay_out(SETTINGS, items, Rng(seed))
    assert sorted(place.id for place in shown) == ["q0", "q1", "q2"]
    for place in shown:
        item = items[int(place.id[1:])]
        assert place.options[place.right] == item["options"][1]
        assert [item["options"][index] for index in place.order] == place.options


@pytest.mark.parametrize("options", [["True", "False"], ["False", "True"]])
@pytest.mark.parametrize("right", [0, 1])
def test_true_stands_before_false_whatever_is_right(options: list[str], right: int) -> None:
    items = [{**question(number, kind="boolean"), "options": options, "right": right} for number in range(3)]
    for place in content.lay_out(SETTINGS, items, Rng(b"seed")):
        assert place.options == ["True", "False"]
        assert place.options[place.right] == options[right]


def test_what_is_shown_does_not_depend_on_what_is_right() -> None:
    one = content.lay_out(SETTINGS, questions(3, right=0), Rng(b"seed"))
    other = content.lay_out(SETTINGS, questions(3, right=3), Rng(b"seed"))
    assert [(place.id, place.options) for place in one] == [(place.id, place.options) for place in other]


def test_rising_difficulty_begins_easy_and_ends_hard() -> None:
    settings = msgspec.structs.replace(SETTINGS, questions=6, difficulty="rising")
    shown = content.lay_out(settings, questions(6), Rng(b"seed"))
    assert [place.difficulty for place in shown] == ["easy", "easy", "medium", "medium", "hard", "hard"]
