"""The state of a trivia match, and the table of its stages.

A question goes announced → told → open → closing → reveal → scores; after the last one the match is over.
Every stage but OVER ends by itself at ``until``; what else may end it stands in ``STAGES``.
"""

import enum
from typing import Any, Final

from msgspec import Struct

from gameserver.games.rng import Rng
from protocol.modes.trivia import TriviaSettings

READY_MS: Final = 3_000
"""From the announcement of a question to its opening."""

SCORES_MS: Final = 4_000
"""How long the scoreboard stands between two questions."""

AWAY_GRACE_MS: Final = 10_000
"""How long the others wait, within the question's time, for a seat whose connection broke."""

LEAD_MS: Final = (100, 300)
WINDOW_MS: Final = (40, 250)
CREDIT_MS_MAX: Final = 120


class Stage(enum.StrEnum):
    """Where a match is."""

    ANNOUNCED = "announced"  # the question's number, category and time are known; its text is not
    TOLD = "told"  # the text has left, so that every client shows it at ``opens_at``
    OPEN = "open"
    CLOSING = "closing"  # time is up; answers given in time may still arrive
    REVEAL = "reveal"
    SCORES = "scores"
    OVER = "over"


class Happening(enum.StrEnum):
    """What moves a match from one stage to the next."""

    TIME = "time"  # ``until`` has come
    ALL_ANSWERED = "all_answered"
    SKIP = "skip"  # a host does not want to wait
    LAST = "last"  # TIME or SKIP after the last question


STAGES: Final[dict[Stage, dict[Happening, Stage]]] = {
    Stage.ANNOUNCED: {Happening.TIME: Stage.TOLD},
    Stage.TOLD: {Happening.TIME: Stage.OPEN},
    Stage.OPEN: {Happening.TIME: Stage.CLOSING, Happening.ALL_ANSWERED: Stage.REVEAL},
    Stage.CLOSING: {Happening.TIME: Stage.REVEAL},
    Stage.REVEAL: {Happening.TIME: Stage.SCORES, Happening.SKIP: Stage.SCORES, Happening.LAST: Stage.OVER},
    Stage.SCORES: {Happening.TIME: Stage.ANNOUNCED, Happening.SKIP: Stage.ANNOUNCED},
    Stage.OVER: {},
}

SHOWN: Final[dict[Stage, str]] = {
    Stage.ANNOUNCED: "ready",
    Stage.TOLD: "ready",
    Stage.OPEN: "open",
    Stage.CLOSING: "closing",
    Stage.REVEAL: "reveal",
    Stage.SCORES: "scores",
    Stage.OVER: "over",
}
"""A stage's name in the view."""


class Question(Struct, frozen=True, array_like=True):
    """A question with its options in the order shown."""

    id: str
    kind: str
    text: str
    options: list[str]
    right: int
    order: list[int]  # ``order[shown]`` is the option's index in the content item
    category: str
    difficulty: str
    explanation: str
    source: str


class Answer(Struct, frozen=True, array_like=True):
    """What a seat took, and its credited time since the question opened."""

    option: int
    ms: int


class Player(Struct, array_like=True):
    """One seat's part in the match."""

    first: int  # the question from which it plays
    here: bool
    gone_at: int = 0  # when its connection broke, while not ``here``
    left: bool = False
    score: int = 0
    streak: int = 0
    correct: int = 0
    answered: int = 0
    rank: int = 1
    moved: int = 0
    gained: int = 0


class TriviaState(Struct, dict=True):
    """Everything about a running match. ``__dict__`` holds pieces of views only: made from the fields, never stored."""

    settings: TriviaSettings
    rng: Rng
    questions: list[Question]
    players: dict[int, Player]
    stage: Stage
    number: int
    until: int  # when the stage ends by itself
    opens_at: int
    closes_at: int
    lead_ms: int = LEAD_MS[1]
    window_ms: int = WINDOW_MS[1]
    next_lead_ms: int = LEAD_MS[1]
    next_window_ms: int = WINDOW_MS[1]
    answers: dict[int, Answer] = {}  # to the current question, in order of arrival
    waiting: int = 0  # seats the open question still waits for
    leaving: dict[int, int] = {}  # among them, those away: until when they are waited for, soonest first
    fastest: int | None = None
    history: list[bytes] = []  # for each question revealed: packed {seat: [option, ms, points]}

    @property
    def question(self) -> Question:
        """Return the current question."""
        return self.questions[self.number]

    @property
    def memo(self) -> dict[str, Any]:
        """Return the pieces of views made since they last changed."""
        return self.__dict__
