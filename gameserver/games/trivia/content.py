"""What content a match needs, whether a pack serves, and how questions are laid out for play."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from gameserver.games.mode import Rejected
from gameserver.games.rng import Rng
from gameserver.games.trivia.state import Question
from protocol.errors import ErrorCode
from protocol.modes.base import ContentSpec
from protocol.modes.trivia import TriviaItem, TriviaSettings

_WEIGHTS: Final[dict[str, dict[str, int]]] = {
    "mixed": {},
    "easy": {"easy": 1},
    "medium": {"medium": 1},
    "hard": {"hard": 1},
    "rising": {"easy": 1, "medium": 1, "hard": 1},
}
_RISING: Final = {"easy": 0, "medium": 1, "hard": 2}


def needed(settings: TriviaSettings) -> ContentSpec:
    """Return what a match with these settings asks the worker for."""
    return ContentSpec(
        kind="trivia",
        count=settings.questions,
        categories=list(settings.categories),
        difficulties=dict(_WEIGHTS[settings.difficulty]),
        types=[] if settings.types == "any" else [settings.types],
    )


def check(settings: TriviaSettings, items: Sequence[dict[str, Any]]) -> None:
    """Raise ``Rejected(NO_CONTENT)`` when the pack cannot serve: too few, malformed, twice the same."""
    if len(items) < settings.questions:
        raise Rejected(ErrorCode.NO_CONTENT, f"{len(items)} questions, {settings.questions} needed")
    seen: dict[str, bool] = {}
    for item in _parse(items):
        if item.right >= len(item.options) or (item.kind == "boolean" and len(item.options) != 2):
            raise Rejected(ErrorCode.NO_CONTENT, f"question {item.id} does not fit its kind")
        if len(dict.fromkeys(item.options)) != len(item.options) or item.id in seen:
            raise Rejected(ErrorCode.NO_CONTENT, f"question {item.id} repeats itself")
        seen[item.id] = True


def _parse(items: Sequence[dict[str, Any]]) -> list[TriviaItem]:
    try:
        return msgspec.convert(list(items), list[TriviaItem])
    except msgspec.ValidationError as error:
        raise Rejected(ErrorCode.NO_CONTENT, str(error)) from None


def lay_out(settings: TriviaSettings, items: Sequence[dict[str, Any]], rng: Rng) -> list[Question]:
    """Return the questions in play order with their options in the order shown.

    What is shown never depends on which option is right: choices are shuffled, the two words of a true/false
    question always stand in the same order.
    """
    chosen = _parse(items)[: settings.questions]
    rng.shuffle(chosen)
    if settings.difficulty == "rising":
        chosen.sort(key=lambda item: _RISING.get(item.difficulty, 1))
    return [_question(item, rng) for item in chosen]


def _question(item: TriviaItem, rng: Rng) -> Question:
    order = list(range(len(item.options)))
    if item.kind == "boolean":
        order.sort(key=lambda index: item.options[index], reverse=True)  # True before False
    else:
        rng.shuffle(order)
    return Question(
        id=item.id,
        kind=item.kind,
        text=item.text,
        options=[item.options[index] for index in order],
        right=order.index(item.right),
        order=order,
        category=item.category,
        difficulty=item.difficulty,
        explanation=item.explanation,
        source=item.source,
    )
