"""What a room does by itself, and when. Each deadline fires at its own time, however late anybody looks (law 4).

Of two that are due at once the first in this list fires first. All times told here are shard clock.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

from gameserver.rooms import hosts, matches, standstill
from gameserver.rooms.core import Core
from gameserver.rooms.limits import EMPTY_MS
from gameserver.rooms.phases import Phase


class Deadline(NamedTuple):
    """When it is due, or None, and what it does then."""

    name: str
    due: Callable[[Core], int | None]
    fire: Callable[[Core, int], object]


def _regrouping(core: Core) -> int | None:
    regrouping = core.state.regrouping
    return regrouping.until if regrouping is not None else None


def _count_in(core: Core) -> int | None:
    return core.state.count_in


def _content(core: Core) -> int | None:
    starting = core.state.starting
    return starting.give_up_at if starting is not None else None


def _countdown(core: Core) -> int | None:
    state = core.state
    if state.starting is None or state.starting.until is None or state.stopped is not None:
        return None
    return state.starting.until + state.offset


def _match(core: Core) -> int | None:
    if core.run is None or core.state.stopped is not None:
        return None
    due = core.run.next_deadline()
    return due + core.state.offset if due is not None else None


def _host(core: Core) -> int | None:
    return core.state.host_due


def _empty(core: Core) -> int | None:
    state = core.state
    if state.empty_since is None or state.unrecorded:
        return None
    return state.empty_since + EMPTY_MS


def _give_up_content(core: Core, at_ms: int) -> None:
    matches.fall_back(core, "content_late")


_MATCH: Final = Deadline("match", _match, matches.advance)

DEADLINES: Final = (
    Deadline("regrouping", _regrouping, standstill.end_regrouping),
    Deadline("count_in", _count_in, standstill.end_count_in),
    Deadline("content", _content, _give_up_content),
    Deadline("countdown", _countdown, matches.begin),
    _MATCH,
    Deadline("host", _host, lambda core, at_ms: hosts.elect(core)),
    Deadline("empty", _empty, matches.close),
)


def soonest(core: Core) -> tuple[int, Deadline] | None:
    """Return the deadline that fires next, or None when nothing ever will."""
    state = core.state
    if state.phase is Phase.CLOSED:
        return None
    if (
        state.host_due is None
        and state.empty_since is None
        and state.starting is None
        and state.regrouping is None
        and state.count_in is None
    ):  # nearly always: asked after every input
        playing = _match(core)
        return (playing, _MATCH) if playing is not None else None
    best: tuple[int, Deadline] | None = None
    for deadline in DEADLINES:
        due = deadline.due(core)
        if due is not None and (best is None or due < best[0]):
            best = (due, deadline)
    return best
