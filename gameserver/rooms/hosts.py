"""Who is host. The creator, when they come within 30 s, else the first to come; then whoever is next in line.

A host who is away for 30 s, or leaves, is followed by the first connected co-host by seat, else by the first connected
player by seat. Nobody connected: nobody is host, and the first to come back is.
"""

from gameserver.games.mode import Role
from gameserver.rooms.core import Core
from gameserver.rooms.limits import HOST_GONE_MS
from gameserver.rooms.state import Seat


def make_host(core: Core, seat: Seat) -> None:
    """Make this seat the host; the one before becomes a player."""
    state = core.state
    demote(core)
    state.host, state.host_due, state.creator_awaited = seat.number, None, False
    seat.role = Role.HOST
    core.touch()
    core.touch_role(seat.number)


def demote(core: Core) -> None:
    """Leave the room without a host for the moment."""
    state = core.state
    if state.host is not None and state.host in state.seats:
        state.seats[state.host].role = Role.PLAYER
        core.touch_role(state.host)
    state.host, state.host_due = None, None
    core.touch()


def elect(core: Core) -> None:
    """Give the room to the next in line."""
    core.state.creator_awaited = False
    follower = _next_in_line(core)
    demote(core)
    if follower is not None:
        make_host(core, follower)


def _next_in_line(core: Core) -> Seat | None:
    here = [seat for seat in core.state.seats.values() if seat.here and seat.number != core.state.host]
    for seat in here:
        if seat.role is Role.COHOST:
            return seat
    return here[0] if here else None


def arrived(core: Core, seat: Seat) -> None:
    """Take note of a seat that connected."""
    state = core.state
    if state.host is None:
        if seat.user == state.creator or not state.creator_awaited:
            make_host(core, seat)
    elif state.host == seat.number:
        state.host_due = None


def went_away(core: Core, seat: Seat, at_ms: int) -> None:
    """Take note of a seat whose connection broke. While regrouping nobody is held to be gone."""
    if core.state.host == seat.number and core.state.regrouping is None:
        core.state.host_due = at_ms + HOST_GONE_MS


def start_timers(core: Core, at_ms: int) -> None:
    """After a regrouping: from now on an absent host counts as gone."""
    state = core.state
    if state.host is None:
        if state.creator_awaited:
            state.host_due = at_ms + HOST_GONE_MS
    elif not state.seats[state.host].here:
        state.host_due = at_ms + HOST_GONE_MS
