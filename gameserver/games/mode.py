"""The mode contract (DESIGN §6): what a set of rules is.

Rules are functions of their arguments only: no clock, no randomness but ``Rng`` inside the state, no I/O.
All times are room-clock milliseconds. State is a mutable ``msgspec.Struct`` without floats and sets.
"""

import enum
from collections.abc import Sequence
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from msgspec import Struct

from gameserver.games.rng import Rng
from protocol.bus import MatchPlayer
from protocol.errors import ErrorCode
from protocol.ids import ModeId, SeatNumber
from protocol.modes.base import ContentSpec, ModeCommand, Settings
from protocol.types import View


class Audience(enum.StrEnum):
    """Who gets the same shared view."""

    PLAYERS = "players"  # seats that play (a host who plays is one of them)
    CROWD = "crowd"  # watchers; frames are coalesced
    SCREEN = "screen"  # the big screen
    HOST = "host"  # a host who does not play


class SeatChange(enum.StrEnum):
    """What happened to a seat while a match runs."""

    JOINED = "joined"  # a newcomer, playing from now on
    LEFT = "left"  # gone for good
    AWAY = "away"  # its connection is lost
    BACK = "back"  # connected again


class Role(enum.StrEnum):
    """What a seat may do."""

    PLAYER = "player"
    HOST = "host"
    COHOST = "cohost"


class Actor(Struct, frozen=True, array_like=True):
    """Who sends a command: a seat and its role, with what the shell measured of its line (journaled)."""

    seat: SeatNumber
    role: Role
    credit_cap_ms: int = 0  # B of DESIGN §9: how much of its reaction time this line may claim back
    error_ms: int = 0  # e of DESIGN §9: the clock-sync error


class PlayingSeat(Struct, frozen=True, array_like=True):
    """A seat as the rules know it: a number, and whether it is connected."""

    seat: SeatNumber
    here: bool


class Timing(Struct, frozen=True, array_like=True):
    """Measured by the shell, journaled, in force from the next question on (DESIGN §4 law 8, §9)."""

    lead_ms: int = 300  # L: question text leaves at most this long before it opens
    window_ms: int = 250  # W = G: late arrivals still count this long after a close


class Event(Struct, frozen=True):
    """What happened, as told by the rules: for logs, statistics and tests; not sent to clients."""

    kind: str
    at_ms: int
    seat: int | None = None
    data: dict[str, Any] = {}


Events = list[Event]


class Outcome(Struct, frozen=True):
    """How a match ended: one row for each seat that ever played, best first; ties share a rank.

    ``user`` and ``name`` of the rows are empty: the room fills them in, rules know seats only.
    """

    players: list[MatchPlayer]
    rated: bool = True


class Rejected(Exception):  # noqa: N818 - the design's word: a refusal is not an error of ours
    """A command may not be done. Raised before anything changed; answered with its code."""

    def __init__(self, code: ErrorCode, detail: str = "") -> None:
        super().__init__(code, detail)
        self.code = code
        self.detail = detail


S = TypeVar("S", bound=Struct)
C = TypeVar("C", bound=ModeCommand, contravariant=True)


class Mode(Protocol, Generic[S, C]):
    """Rules of one game. Every method is a function of its arguments only.

    ``apply`` validates wholly, then mutates; on ``Rejected`` nothing has changed. Callers ``advance`` to an
    input's time before they ``apply`` it. ``advance(a); advance(b)`` equals ``advance(b)`` for a ≤ b.
    """

    id: ClassVar[ModeId]
    rules_version: ClassVar[int]  # +1 whenever the same inputs could give another outcome
    players_min: ClassVar[int]
    players_max: ClassVar[int]
    settings_type: ClassVar[type[Settings]]
    state_type: ClassVar[type[Struct]]
    append_only: ClassVar[frozenset[str]]  # path patterns of lists that only grow (see protocol.delta)

    def content_needed(self, settings: Any, seats: Sequence[PlayingSeat]) -> ContentSpec | None:
        """Return what content a match with these settings needs, or None."""

    def check_content(self, settings: Any, items: Sequence[dict[str, Any]]) -> None:
        """Raise ``Rejected(NO_CONTENT)`` when a delivered pack cannot serve."""

    def start(
        self,
        settings: Any,
        seats: Sequence[PlayingSeat],
        content: Sequence[dict[str, Any]],
        rng: Rng,
        at_ms: int,
    ) -> S:
        """Return the state of a match that starts at ``at_ms``."""

    def set_timing(self, state: S, timing: Timing) -> None:
        """Take over what the shell measured; in force from the next question on."""

    def seat_changed(self, state: S, seat: SeatNumber, change: SeatChange, at_ms: int) -> Events:
        """Take note of a seat that joined, left, went away or came back."""

    def apply(self, state: S, actor: Actor, command: C, at_ms: int) -> Events:
        """Apply a command. Raises ``Rejected``."""

    def advance(self, state: S, to_ms: int) -> Events:
        """Fire every deadline ≤ ``to_ms``, each at its own time."""

    def next_deadline(self, state: S) -> int | None:
        """Return the room-clock time at which to look again, or None."""

    def between_questions(self, state: S) -> bool:
        """Return whether a hand-over would hurt nobody now."""

    def public_view(self, state: S, audience: Audience) -> View:
        """Return what the audience sees, as plain builtins: fresh containers, never the state's own."""

    def private_view(self, state: S, seat: SeatNumber) -> View | None:
        """Return what only this seat sees besides; None when nothing."""

    def outcome(self, state: S) -> Outcome | None:
        """Return the outcome once the match is over, else None."""

    def abandon(self, state: S, at_ms: int) -> Outcome:
        """Return the standing as an outcome when the match is ended before its time."""
