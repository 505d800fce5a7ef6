"""What load processes and the conductor tell each other: JSON lines. Times are seconds of the monotonic clock."""

from typing import Any

import msgspec
from msgspec import Struct


class Orders(Struct, frozen=True, kw_only=True):
    """What one load process is to do."""

    people: str  # tells its users from another process's
    rooms: int
    players: int
    servers: list[str]  # public addresses; room k uses the (k modulo their number)th
    questions: int
    seconds: int
    changing: bool
    pulse_s: float  # each room has a command under way at least this often
    stuck_s: float  # a room that shows nothing new for so long is stuck
    seed: int


class Line(Struct, frozen=True, tag_field="e"):
    """One line of a load process."""


class Inside(Line, frozen=True, tag="inside"):
    """Everybody is in. ``rooms``: code → its seats."""

    rooms: dict[str, list[int]]


class Progress(Line, frozen=True, tag="progress"):
    """Counted so far. ``answered``: room → when the newest of its answered commands was wanted."""

    sent: int
    accepted: int
    refused: int
    frames: int
    matches: int
    late_ms: int  # of this process's own clock, since the last line
    answered: dict[str, float]


class Back(Line, frozen=True, tag="back"):
    """A seat that had lost its connection was welcomed."""

    code: str
    seat: int
    lost_at: float
    at: float
    tries: list[str]  # each attempt since: when it failed (seconds after the loss), close code, how long it paused


class Runs(Line, frozen=True, tag="runs"):
    """A seat sees the room's clock run that was away, or saw it stand."""

    code: str
    seat: int
    at: float


class Stood(Line, frozen=True, tag="stood"):
    """A returning seat sees the room clock stand at ``stood_ms``, after having been told ``before_ms`` while it ran.

    ``offset_ms``: shard clock − room clock while it ran. ``lead_ms``: the shard clock is at most so much ahead of this
    machine's monotonic clock, by the clock questions that were answered (no answer is older than its question).
    """

    code: str
    seat: int
    before_ms: int
    stood_ms: int
    offset_ms: int
    lead_ms: int
    at: float


class Waited(Line, frozen=True, tag="waited"):
    """A command that took long to be answered (standstills that the client waits out included)."""

    code: str
    wanted_at: float
    at: float


class Book(Line, frozen=True, tag="book"):
    """One match as its players saw it. Questions count from 0, answers are the texts of options.

    ``counted``: seat → question → the last answer that was acknowledged. ``tried``: what a seat ever sent.
    ``told``: epoch → the greatest shard clock told in it, of epochs that ended since the last book.
    """

    code: str
    number: int
    match: str
    counted: dict[str, dict[str, str]]
    tried: dict[str, dict[str, list[str]]]
    accepted: int  # answers, changed ones included
    rows: dict[str, list[int]]  # seat → score, correct, answered, as the results show them
    told: dict[str, int]
    at: float


class Broken(Line, frozen=True, tag="broken"):
    """Something a player must never see."""

    what: str
    code: str
    detail: str
    at: float
    seat: int | None = None


class Gone(Line, frozen=True, tag="gone"):
    """All players of a room were sent away: nothing can be expected of it any more."""

    code: str


class Done(Line, frozen=True, tag="done"):
    """Every room came to rest. ``waits``: how long commands took, in steps of 10 ms → how many."""

    waits: dict[int, int]


AnyLine = Inside | Progress | Back | Runs | Stood | Waited | Book | Broken | Gone | Done

WAIT_STEP_S = 0.01
decoder = msgspec.json.Decoder(AnyLine)


def encode(line: Struct) -> bytes:
    """Return the line with its end."""
    return msgspec.json.encode(line) + b"\n"


def broken(what: str, code: str, detail: Any, at: float, seat: int | None = None) -> Broken:
    """Return a violation, its detail cut to what a person reads."""
    return Broken(what=what, code=code, detail=str(detail)[:600], at=at, seat=seat)
