"""How a bot plays trivia: which option, and after how long. Pure: all chance comes from the ``Random`` it is given.

A bot cannot see what is right. With a knowledge file it knows the questions in it, as well as its skill says; without
one it guesses, leaning to the longest option as people do.
"""

import json
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path
from random import Random
from typing import Any, Final

from msgspec import Struct

THINK_MEDIAN_MS: Final = 3_500
THINK_LEAST_MS: Final = 700
THINK_SPREAD: Final = 0.45  # of the logarithm
READ_MS_A_CHARACTER: Final = 12
LATEST_PART: Final = 0.92  # of the question's time

Knowledge = Mapping[str, str]
"""Normalised question → the text of the right option."""


class Decision(Struct, frozen=True):
    """What to answer, and when by the room clock."""

    question: int
    option: int
    due: int
    opens_at: int


def normalise(text: str) -> str:
    """Return a text by which the same question is found again, whatever its case, accents and blanks."""
    plain = unicodedata.normalize("NFKD", text).casefold()
    return " ".join(
        "".join(each if each.isalnum() else " " for each in plain if not unicodedata.combining(each)).split()
    )


def read_knowledge(paths: Iterable[Path]) -> dict[str, str]:
    """Return what question files in the project's own format know. Raises ``ValueError`` that names the file."""
    known: dict[str, str] = {}
    for path in paths:
        try:
            for question in json.loads(path.read_text(encoding="utf-8"))["questions"]:
                known[normalise(question["text"])] = _right_text(question)
        except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
            raise ValueError(f"{path} is not a question file of the project's own format: {error!r}") from None
    return known


def _right_text(question: dict[str, Any]) -> str:
    right = question["right"]
    return str(right) if isinstance(right, bool) else str(question["options"][right])


class Brain:
    """One bot's mind. ``skill`` is 0 … 100."""

    def __init__(self, *, skill: int, random: Random, knowledge: Knowledge | None = None) -> None:
        self._skill = skill
        self._random = random
        self._knowledge = knowledge or {}
        self._decision: tuple[tuple[int, int], Decision] | None = None

    def decide(self, view: Mapping[str, Any], private: Mapping[str, Any] | None) -> Decision | None:
        """Return what to do about the question shown now; None: there is none, or it is answered.

        The same question always gets the same decision, however often it is looked at.
        """
        game = view.get("game")
        if view.get("phase") != "match" or not isinstance(game, dict) or game.get("mode") != "trivia":
            return None
        question = game.get("question") or {}
        options = question.get("options")
        if game.get("stage") not in ("ready", "open") or not options or (private or {}).get("answer") is not None:
            return None
        key = (int(view["number"]), int(game["number"]))
        if self._decision is None or self._decision[0] != key:
            self._decision = (key, self._make(game, question, options))
        return self._decision[1]

    def _make(self, game: dict[str, Any], question: dict[str, Any], options: list[str]) -> Decision:
        opens_at, closes_at = int(question["opens_at"]), int(question["closes_at"])
        due = min(opens_at + self._think_ms(question["text"]), opens_at + int((closes_at - opens_at) * LATEST_PART))
        return Decision(int(game["number"]), self._choose(question["text"], options), due, opens_at)

    def _think_ms(self, text: str) -> int:
        slow = 1.4 - self._skill / 125  # the skilled are quicker
        thought = self._random.lognormvariate(0, THINK_SPREAD) * THINK_MEDIAN_MS * slow
        return max(THINK_LEAST_MS, int(thought)) + READ_MS_A_CHARACTER * len(text)

    def _choose(self, text: str, options: list[str]) -> int:
        everything = range(len(options))
        knows = self._random.randrange(100) < self._skill
        right = self._knowledge.get(normalise(text))
        if right is None:
            # Guessing: the longest option is right more often than its share.
            return max(everything, key=lambda index: len(options[index])) if knows else self._random.choice(everything)
        found = [index for index in everything if normalise(options[index]) == normalise(right)]
        if knows and found:
            return found[0]
        return self._random.choice([index for index in everything if index not in found] or list(everything))
