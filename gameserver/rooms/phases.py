"""Where a room is, and what takes it from one phase to the next: the whole of it, as one table.

lobby → countdown → match → results → lobby. A pair that is not in the table is refused, and nothing changes.
"""

import enum
from typing import Final

from gameserver.games.mode import Rejected
from protocol.errors import ErrorCode


class Phase(enum.StrEnum):
    """Where a room is; the same words as in the view."""

    LOBBY = "lobby"
    COUNTDOWN = "countdown"  # waiting for content, then counting down
    MATCH = "match"
    RESULTS = "results"
    CLOSED = "closed"


class Turn(enum.StrEnum):
    """What takes a room from one phase to another."""

    START = "start"  # a host starts a match
    REMATCH = "rematch"  # a host starts another one from the results
    CANCEL = "cancel"  # a host takes the start back
    FALL_BACK = "fall_back"  # no content, or too few players: the match cannot begin
    BEGIN = "begin"  # the countdown is over
    OVER = "over"  # the match came to its end
    END = "end"  # a host, or the last player's leaving, ends the match before its time
    VOID = "void"  # the match cannot be trusted any more
    LOBBY = "lobby"  # a host goes back to the lobby
    CLOSE = "close"


TRANSITIONS: Final[dict[Phase, dict[Turn, Phase]]] = {
    Phase.LOBBY: {
        Turn.START: Phase.COUNTDOWN,
        Turn.CLOSE: Phase.CLOSED,
    },
    Phase.COUNTDOWN: {
        Turn.CANCEL: Phase.LOBBY,
        Turn.FALL_BACK: Phase.LOBBY,
        Turn.BEGIN: Phase.MATCH,
        Turn.CLOSE: Phase.CLOSED,
    },
    Phase.MATCH: {
        Turn.OVER: Phase.RESULTS,
        Turn.END: Phase.RESULTS,
        Turn.VOID: Phase.LOBBY,
        Turn.CLOSE: Phase.CLOSED,
    },
    Phase.RESULTS: {
        Turn.LOBBY: Phase.LOBBY,
        Turn.REMATCH: Phase.COUNTDOWN,
        Turn.CLOSE: Phase.CLOSED,
    },
    Phase.CLOSED: {},
}


def after(phase: Phase, turn: Turn) -> Phase:
    """Return the phase that follows. Raises ``Rejected(WRONG_PHASE)``."""
    try:
        return TRANSITIONS[phase][turn]
    except KeyError:
        raise Rejected(ErrorCode.WRONG_PHASE, f"{turn} is not for the phase {phase}") from None
