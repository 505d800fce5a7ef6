"""Seats: who comes, comes back, drops, leaves, is removed.

A seat survives its connections; its number is never reused.
"""

from gameserver.games.mode import Rejected, SeatChange
from gameserver.rooms import hosts, inputs, matches, standstill
from gameserver.rooms.core import Core
from gameserver.rooms.limits import BANNED_MAX
from gameserver.rooms.phases import Phase
from gameserver.rooms.reply import Reply
from gameserver.rooms.state import Person, Seat
from protocol import limits as wire
from protocol.errors import CloseCode, ErrorCode


def join(core: Core, asked: inputs.Join, at_ms: int) -> Reply:
    """Give a user a seat, or the one they have. Raises ``Rejected``: LOCKED, FULL, BANNED."""
    state = core.state
    if asked.user in state.banned:
        raise Rejected(ErrorCode.BANNED, "this user was removed from the room")
    number = core.by_user.get(asked.user)
    if number is None:
        seat = _new_seat(core, asked)
    else:
        seat = state.seats[number]
        seat.name, seat.avatar, seat.kind = asked.name, asked.avatar, asked.kind
    seat.secret_hash = asked.secret_hash
    seat.muted, seat.shadow_muted = asked.muted, asked.shadow_muted
    return _arrive(core, seat, asked.nonce, at_ms)


def back(core: Core, asked: inputs.Back, at_ms: int) -> Reply:
    """Connect a seat again. Raises ``Rejected(NOT_FOUND)``."""
    return _arrive(core, core.seat(asked.seat), asked.nonce, at_ms)


def drop(core: Core, number: int, at_ms: int) -> Reply:
    """Take note of a lost connection. Raises ``Rejected``."""
    seat = core.seat(number)
    if not seat.here:
        raise Rejected(ErrorCode.ALREADY_DONE, "this seat is away")
    seat.here, seat.gone_at = False, at_ms
    core.touch_seat(number)
    core.tell_rules(number, SeatChange.AWAY, at_ms)
    _count(core, -1, at_ms)
    hosts.went_away(core, seat, at_ms)
    return Reply(seat=number)


def _new_seat(core: Core, asked: inputs.Join) -> Seat:
    state = core.state
    if state.locked and asked.user != state.creator:
        raise Rejected(ErrorCode.LOCKED, "the room is locked")
    if len(state.seats) >= min(wire.SEATS_MAX, core.players_max()):
        _make_room(core)
    seat = Seat(
        number=state.next_seat,
        user=asked.user,
        name=asked.name,
        avatar=asked.avatar,
        kind=asked.kind,
        secret_hash=asked.secret_hash,
        nonce=b"",
        here=False,
    )
    state.next_seat += 1
    state.seats[seat.number] = seat
    core.by_user[seat.user] = seat.number
    return seat


def _make_room(core: Core) -> None:
    """Give up the seat that has been away longest and plays no match. Raises ``Rejected(FULL)``."""
    state = core.state
    in_match = state.match.roster if state.match is not None else {}
    awaited = state.regrouping.awaited if state.regrouping is not None else {}
    idle = [
        (seat.gone_at, seat.number)
        for seat in state.seats.values()
        if not seat.here and seat.number not in in_match and seat.number not in awaited and seat.number != state.host
    ]
    if not idle:
        raise Rejected(ErrorCode.FULL, "no seat is left")
    seat = state.seats.pop(min(idle)[1])
    del core.by_user[seat.user]
    core.touch_seat(seat.number)


def _arrive(core: Core, seat: Seat, nonce: bytes, at_ms: int) -> Reply:
    """Connect a seat; its ids go on at the next free multiple of 1,024, so no two connections share one."""
    if nonce:
        seat.nonce = nonce
    seat.id_base = (max(seat.accepted, seat.id_base) // wire.COMMAND_ID_STEP + 1) * wire.COMMAND_ID_STEP
    if not seat.here:
        seat.here = True
        _count(core, 1, at_ms)
        core.tell_rules(seat.number, SeatChange.BACK, at_ms)
    _enter_match(core, seat, at_ms)
    hosts.arrived(core, seat)
    standstill.back(core, seat.number, at_ms)
    core.touch_seat(seat.number)
    core.touched.private[seat.number] = True
    return Reply(seat=seat.number, next_id=seat.id_base)


def _enter_match(core: Core, seat: Seat, at_ms: int) -> None:
    """Let a late-comer into the running match, where the settings allow it.

    Who left a match does not come into it again under another seat: one part for each user.
    """
    match = core.state.match
    if match is None or core.run is None or not seat.playing or seat.number in match.roster:
        return
    if not match.settings.get("late_join", False) or len(match.roster) >= core.run.mode.players_max:
        return
    if any(person.user == seat.user for person in match.roster.values()):
        return
    match.roster[seat.number] = Person(seat.user, seat.name, seat.avatar)
    core.tell_rules(seat.number, SeatChange.JOINED, at_ms)


def _count(core: Core, change: int, at_ms: int) -> None:
    core.here += change
    if core.here == 0:
        core.state.empty_since = at_ms
    else:
        core.state.empty_since = None


def remove(core: Core, seat: Seat, at_ms: int, *, close: CloseCode) -> Reply:
    """Take a seat away for good. Its row in a running match stays."""
    state = core.state
    del state.seats[seat.number]
    del core.by_user[seat.user]
    core.touch_seat(seat.number)
    core.tell_rules(seat.number, SeatChange.LEFT, at_ms)
    if seat.here:
        _count(core, -1, at_ms)
    if state.host == seat.number:
        hosts.elect(core)
    standstill.back(core, seat.number, at_ms)
    matches.settle(core, at_ms)
    matches.end_if_deserted(core, at_ms)
    return Reply(seat=seat.number, kicked=(seat.number,), close=close)


def ban(core: Core, user: str) -> None:
    """Remember that this user may not come back."""
    banned = core.state.banned
    if user not in banned:
        banned.append(user)
        del banned[:-BANNED_MAX]


def moderate(core: Core, asked: inputs.Moderate, at_ms: int) -> Reply:
    """Carry out what an administrator decided. Raises ``Rejected``."""
    number = core.by_user.get(asked.user)
    seat = core.state.seats[number] if number is not None else None
    if asked.action == "ban":
        ban(core, asked.user)
        return remove(core, seat, at_ms, close=CloseCode.KICKED) if seat is not None else Reply()
    if asked.action not in ("mute", "unmute"):
        raise Rejected(ErrorCode.INVALID, f"{asked.action} is not an action")
    if seat is None:
        raise Rejected(ErrorCode.NOT_FOUND, "this user has no seat")
    seat.muted = asked.action == "mute"
    return Reply(seat=seat.number)


def require_idle(core: Core) -> None:
    """Raise ``Rejected(WRONG_PHASE)`` unless the room is in its lobby or at its results."""
    if core.state.phase not in (Phase.LOBBY, Phase.RESULTS):
        raise Rejected(ErrorCode.WRONG_PHASE, "a match is starting or running")
