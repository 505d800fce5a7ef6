"""When a room's clock stands still: paused by the host, regrouping after time without an owner, counting in (law 11).

The three may lie on top of each other: a paused room may have to regroup, and stays paused. What limits a standstill
runs on the shard clock, because the room clock does not run.
"""

from gameserver.games.mode import Rejected, SeatChange
from gameserver.rooms import hosts
from gameserver.rooms.core import Core
from gameserver.rooms.limits import COUNT_IN_MS, REGROUP_MS, REGROUP_QUICK_MS, REGROUP_REST_MS
from gameserver.rooms.phases import Phase
from gameserver.rooms.state import Regrouping
from protocol.errors import ErrorCode


def _stop(core: Core, at_ms: int) -> None:
    core.state.stopped = core.now(at_ms)
    core.touch()


def _go_on(core: Core, at_ms: int) -> None:
    """Let the room clock run again, unless something still holds it."""
    state = core.state
    core.touch()
    if state.stopped is None or state.paused or state.regrouping is not None or state.count_in is not None:
        return
    state.offset = at_ms - state.stopped
    state.stopped = None


def pause(core: Core, at_ms: int) -> None:
    """Stop the clock until the host lets it run. Raises ``Rejected``."""
    state = core.state
    if state.phase is not Phase.MATCH:
        raise Rejected(ErrorCode.WRONG_PHASE, "no match is running")
    if state.paused:
        raise Rejected(ErrorCode.ALREADY_DONE, "paused already")
    _stop(core, at_ms)
    state.paused, state.count_in = True, None


def unpause(core: Core, at_ms: int) -> None:
    """Count in, and let the clock run. Raises ``Rejected``."""
    state = core.state
    if not state.paused:
        raise Rejected(ErrorCode.WRONG_PHASE, "the room is not paused")
    state.paused = False
    core.touch()
    if state.regrouping is None:
        state.count_in = at_ms + COUNT_IN_MS


def regroup(core: Core, at_ms: int, *, planned: bool) -> None:
    """Stand still until those who were connected are back; those still awaited stay awaited.

    All seats are away from now on. With nobody to wait for there is nothing to regroup.
    """
    state = core.state
    awaited = dict(state.regrouping.awaited) if state.regrouping is not None else {}
    gone = [seat for seat in state.seats.values() if seat.here]
    awaited.update((seat.number, True) for seat in gone)
    if not awaited:
        return
    _stop(core, at_ms)
    for seat in gone:
        seat.here, seat.gone_at = False, at_ms
        core.touch_seat(seat.number)
        core.tell_rules(seat.number, SeatChange.AWAY, at_ms)
    core.here = 0
    if state.empty_since is None:
        state.empty_since = at_ms
    state.regrouping = Regrouping(
        since=at_ms,
        until=at_ms + REGROUP_MS,
        awaited=dict.fromkeys(sorted(awaited), True),
        planned=planned and state.count_in is None and state.regrouping is None and _between_questions(core),
    )
    state.count_in = None
    state.host_due = None


def _between_questions(core: Core) -> bool:
    return core.run is None or core.run.between_questions()


def back(core: Core, number: int, at_ms: int) -> None:
    """Take note of a seat that is back, or gone for good: nobody waits for it any more."""
    regrouping = core.state.regrouping
    if regrouping is None or regrouping.awaited.pop(number, None) is None:
        return
    core.touch()
    if not regrouping.first_back and number in core.state.seats:
        regrouping.first_back = True
        regrouping.until = min(regrouping.until, at_ms + REGROUP_REST_MS)
    if not regrouping.awaited:
        end_regrouping(core, at_ms)


def end_regrouping(core: Core, at_ms: int) -> None:
    """All are back, or time is up: count in, and play."""
    state = core.state
    regrouping = state.regrouping
    assert regrouping is not None
    quick = regrouping.planned and not regrouping.awaited and at_ms - regrouping.since <= REGROUP_QUICK_MS
    state.regrouping = None
    hosts.start_timers(core, at_ms)
    if state.phase is Phase.MATCH and not state.paused and not quick:
        state.count_in = at_ms + COUNT_IN_MS
    _go_on(core, at_ms)


def count_in(core: Core, at_ms: int) -> None:
    """After a standstill that lost no connection: only the count-in. Raises ``Rejected`` when there is no need."""
    state = core.state
    if state.phase is not Phase.MATCH or state.paused or state.regrouping is not None:
        raise Rejected(ErrorCode.WRONG_PHASE, "no clock was running")
    _stop(core, at_ms)
    state.count_in = at_ms + COUNT_IN_MS


def end_count_in(core: Core, at_ms: int) -> None:
    """Play goes on."""
    core.state.count_in = None
    _go_on(core, at_ms)


def match_over(core: Core, at_ms: int) -> None:
    """Lift what stands still for the match's sake only."""
    state = core.state
    state.paused, state.count_in = False, None
    _go_on(core, at_ms)
