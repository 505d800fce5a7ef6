"""The view of a room, as every audience gets it. ``game`` is the mode's own view while a match runs.

Times are room-clock milliseconds. The room clock is ``clock.stopped`` while that is set, else the shard clock −
``clock.offset``.
Anything keyed by seat is a map whose keys are seat numbers as text.
"""

from typing import Any, Literal

from msgspec import Struct

Phase = Literal["lobby", "countdown", "match", "results", "closed"]
Standing = Literal["paused", "regrouping", "count_in"]


class ClockView(Struct, frozen=True):
    """How to get from the shard clock to the room clock."""

    offset: int
    stopped: int | None  # the room clock at which it stands still; null while it runs


class SeatView(Struct, frozen=True):
    """One seat as everybody sees it."""

    name: str
    avatar: str
    kind: str  # guest, account, bot
    role: str  # player, host, cohost
    playing: bool
    here: bool  # connected
    ready: bool


class StandstillView(Struct, frozen=True):
    """Why the room's clock stands still."""

    kind: Standing
    awaited: dict[str, bool]  # regrouping: seats waited for
    until: int | None  # shard clock at which this ends at the latest; null: the host decides


class FairnessView(Struct, frozen=True, omit_defaults=True):
    """Verifiable fairness (DESIGN §10): what was promised, and at the end what it was."""

    secret_hash: str  # hex SHA-256 of the server secret for the next or running match
    commitment: str | None = None  # hex, told at match start
    seed: str | None = None  # hex, told at results
    secret: str | None = None
    salt: str | None = None


class PodiumRow(Struct, frozen=True):
    """One line of the results, best first; ties share a rank."""

    seat: int
    name: str
    avatar: str
    rank: int
    score: int
    correct: int
    answered: int


class ResultsView(Struct, frozen=True):
    """How the last match ended."""

    match: str
    abandoned: bool
    rated: bool
    rows: list[PodiumRow]


class RoomView(Struct, frozen=True, omit_defaults=True):
    """The whole view."""

    code: str
    title: str
    phase: Phase
    mode: str
    settings: dict[str, Any]
    public: bool
    locked: bool
    host: int | None  # the host's seat
    seats: dict[str, SeatView]
    clock: ClockView
    number: int  # matches started in this room so far
    fairness: FairnessView
    until: int | None = None  # when the phase ends by itself (countdown), room clock
    waiting_for: str | None = None  # "content" while the match waits for its questions
    standstill: StandstillView | None = None
    game: dict[str, Any] | None = None
    results: ResultsView | None = None
    notice: str | None = None  # why the last start fell through: no_content, content_late, not_enough_players, …
