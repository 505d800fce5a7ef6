"""The ``trivia`` mode on the wire: settings, command, content item and views.

Times are room-clock milliseconds. Options are named by their index in ``question.options``.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from protocol.modes.base import ModeCommand, Settings
from protocol.types import Millis

Difficulty = Literal["mixed", "easy", "medium", "hard", "rising"]


class TriviaSettings(Settings, frozen=True, kw_only=True):
    """Settings of a trivia match."""

    questions: Annotated[int, Meta(ge=3, le=50, title="Questions")] = 10
    seconds: Annotated[int, Meta(ge=5, le=120, title="Seconds to answer")] = 20
    categories: Annotated[
        list[Annotated[str, Meta(max_length=48)]],
        Meta(max_length=32, title="Categories", description="None chosen means any."),
    ] = []
    difficulty: Annotated[Difficulty, Meta(title="Difficulty")] = "mixed"
    types: Annotated[Literal["any", "choice", "boolean"], Meta(title="Kind of question")] = "any"
    scoring: Annotated[
        Literal["speed", "flat"], Meta(title="Scoring", description="Speed: a fast right answer earns more.")
    ] = "speed"
    streaks: Annotated[bool, Meta(title="Streak bonus")] = True
    change_answers: Annotated[bool, Meta(title="Answers may be changed until time is up")] = False
    auto_advance: Annotated[bool, Meta(title="Go on when all have answered")] = True
    reveal_seconds: Annotated[int, Meta(ge=2, le=30, title="Seconds to see the answer")] = 6
    late_join: Annotated[bool, Meta(title="People may join a running match")] = True


class TriviaAnswer(ModeCommand, frozen=True, tag="trivia.answer"):
    """An answer. ``reaction_ms`` is the time since the client showed the question open (for fair speed points)."""

    question: Annotated[int, Meta(ge=0, le=49)]
    option: Annotated[int, Meta(ge=0, le=5)]
    reaction_ms: Millis


class TriviaSkip(ModeCommand, frozen=True, tag="trivia.next"):
    """Host: goes on to the next step (from the reveal or the scoreboard) without waiting for the clock."""


class TriviaItem(Struct, frozen=True, forbid_unknown_fields=True):
    """One question as the worker delivers it in a content pack. ``options[right]`` is right."""

    id: str
    kind: Literal["choice", "boolean"]
    text: Annotated[str, Meta(min_length=1, max_length=500)]
    options: Annotated[list[Annotated[str, Meta(min_length=1, max_length=200)]], Meta(min_length=2, max_length=6)]
    right: Annotated[int, Meta(ge=0, le=5)]
    category: str = ""
    difficulty: str = "medium"
    explanation: str = ""
    source: str = ""


class TriviaQuestionView(Struct, frozen=True, omit_defaults=True):
    """The question as shown. Text and options are there only from L before ``opens_at``."""

    category: str
    difficulty: str
    kind: str
    opens_at: int
    closes_at: int
    text: str | None = None
    options: list[str] | None = None


class TriviaRevealView(Struct, frozen=True):
    """What came out of a question."""

    right: int
    counts: list[int]  # how many chose each option
    explanation: str
    source: str
    fastest: int | None  # the seat of the fastest right answer


class TriviaScore(Struct, frozen=True):
    """A seat's standing, as of the last reveal."""

    score: int
    rank: int
    moved: int  # places gained (positive) or lost since the question before
    gained: int  # points of the last question
    streak: int


class TriviaView(Struct, frozen=True, omit_defaults=True):
    """What every audience sees of a trivia match, under ``game`` in the room's view.

    ``stage``: ready (the question is announced) → open → closing (time is up, late arrivals still count) →
    reveal → scores → ready … → over.
    """

    mode: str
    stage: str
    number: int  # 0-based
    of: int
    until: int  # when the stage ends, room clock
    answered: dict[str, bool]  # seat → true, for seats that have answered the current question
    scores: dict[str, TriviaScore]
    question: TriviaQuestionView | None = None
    reveal: TriviaRevealView | None = None


class TriviaPrivate(Struct, frozen=True, omit_defaults=True):
    """What only this seat sees."""

    answer: int | None = None  # the option taken for the current question
    closes_at: int | None = None  # only when this seat has its own end of time
    correct: bool | None = None  # from the reveal on
    points: int | None = None
