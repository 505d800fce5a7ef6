"""What all parts of a room work on: its state, the running match, and notes on what changed since last asked.

Everything here is a function of the state but the notes, which only spare work: they never decide anything.
"""

from gameserver.games.match import MatchRun
from gameserver.games.mode import Events, Rejected, SeatChange
from gameserver.games.registry import MODES
from gameserver.rooms.state import Match, RoomState, Seat
from protocol.bus import MatchResult
from protocol.errors import ErrorCode
from protocol.ids import ModeId


class Touched:
    """What may have changed in the views since the shell last asked."""

    def __init__(self) -> None:
        self.shared = True
        self.private_all = True
        self.private: dict[int, bool] = {}
        # for the view cache
        self.base = True
        self.game = True
        self.seats_all = True
        self.seats: dict[int, bool] = {}
        self.audiences = 0  # how often roles, or who plays, changed

    def take(self) -> tuple[bool, frozenset[int] | None]:
        """Return and reset what the shell asks for."""
        answer = (self.shared, None if self.private_all else frozenset(self.private))
        self.shared = self.private_all = False
        self.private = {}
        return answer


class Core:
    """A room in memory."""

    def __init__(self, state: RoomState, run: MatchRun | None = None, results: dict[str, MatchResult] | None = None):
        self.state = state
        self.run = run
        self.results: dict[str, MatchResult] = results or {}
        self.by_user = {seat.user: seat.number for seat in state.seats.values()}
        self.here = sum(seat.here for seat in state.seats.values())
        self.touched = Touched()

    # ---- clocks ----

    def now(self, at_ms: int) -> int:
        """Return the room clock at a shard clock."""
        state = self.state
        return at_ms - state.offset if state.stopped is None else state.stopped

    # ---- notes ----

    def touch(self) -> None:
        """Note that something about the room itself changed."""
        self.touched.shared = self.touched.base = True

    def touch_seat(self, number: int) -> None:
        """Note that a seat, as everybody sees it, changed or is gone."""
        touched = self.touched
        touched.shared = True
        touched.seats[number] = True

    def touch_role(self, number: int) -> None:
        """Note that what a seat may do, or whether it plays, changed: so may its audience."""
        self.touch_seat(number)
        self.touched.audiences += 1

    def touch_game(self, events: Events, actor: int | None = None) -> None:
        """Note what calls into the rules changed: private views of the seats named, of all where none is named."""
        touched = self.touched
        touched.shared = touched.game = True
        if actor is not None:
            touched.private[actor] = True
        for event in events:
            if event.seat is None:
                touched.private_all = True
            else:
                touched.private[event.seat] = True

    # ---- the match ----

    def tell_rules(self, number: int, change: SeatChange, at_ms: int) -> None:
        """Tell the running match, if the seat plays in it, who came or went."""
        if self.run is not None and self.state.match is not None and number in self.state.match.roster:
            self.touch_game(self.run.seat_changed(number, change, self.now(at_ms)))

    # ---- lookups ----

    def seat(self, number: int) -> Seat:
        """Return the seat. Raises ``Rejected(NOT_FOUND)``."""
        seat = self.state.seats.get(number)
        if seat is None:
            raise Rejected(ErrorCode.NOT_FOUND, f"there is no seat {number}")
        return seat

    def playing(self) -> tuple[MatchRun, Match]:
        """Return the running match. Raises ``Rejected(WRONG_PHASE)``."""
        if self.run is None or self.state.match is None:
            raise Rejected(ErrorCode.WRONG_PHASE, "no match is running")
        return self.run, self.state.match

    def players_max(self) -> int:
        """Return how many seats the mode can take."""
        return MODES[ModeId(self.state.mode)].players_max
