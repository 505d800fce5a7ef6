"""Commands: each counts once (law 7), each is answered, each is for certain roles only."""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from gameserver.games.mode import Actor, Rejected, Role
from gameserver.rooms import hosts, matches, seats, standstill
from gameserver.rooms.core import Core
from gameserver.rooms.inputs import CommandInput
from gameserver.rooms.limits import COMMAND_ID_LEAP_MAX
from gameserver.rooms.phases import Phase, Turn
from gameserver.rooms.reply import Reply
from gameserver.rooms.state import Seat
from protocol import client
from protocol.client import Command, RoomCommand
from protocol.errors import CloseCode, ErrorCode
from protocol.ids import SeatNumber
from protocol.limits import COMMAND_IDS_REMEMBERED
from protocol.modes.base import ModeCommand


def apply(core: Core, sent: CommandInput, command: Command, at_ms: int) -> Reply:
    """Apply a command, or say why not; a refusal changes nothing."""
    seat = core.state.seats.get(sent.seat)
    if seat is None:
        return Reply(sent.seat, command.id, ErrorCode.NOT_FOUND, "there is no such seat")
    try:
        if command.id <= seat.accepted:
            if command.id in seat.recent:
                return Reply(sent.seat, command.id, repeated=True)
            raise Rejected(ErrorCode.STALE, f"{seat.accepted} is the highest id accepted")
        if command.id - max(seat.accepted, seat.id_base) > COMMAND_ID_LEAP_MAX:
            raise Rejected(ErrorCode.INVALID, "$.id: too far ahead")
        if not seat.here:
            raise Rejected(ErrorCode.NOT_ALLOWED, "this seat is not connected")
        removed = None
        if isinstance(command, ModeCommand):
            _apply_to_match(core, seat, sent, command, at_ms)
        else:
            removed = _apply_to_room(core, seat, command, at_ms)
    except Rejected as refusal:
        return Reply(sent.seat, command.id, refusal.code, refusal.detail)
    seat.accepted = command.id
    seat.recent.append(command.id)
    if len(seat.recent) > COMMAND_IDS_REMEMBERED:
        del seat.recent[0]
    if removed is None:
        return Reply(sent.seat, command.id)
    return Reply(sent.seat, command.id, kicked=removed.kicked, close=removed.close)


def _apply_to_match(core: Core, seat: Seat, sent: CommandInput, command: ModeCommand, at_ms: int) -> None:
    run, _ = core.playing()
    if core.state.stopped is not None:
        raise Rejected(ErrorCode.FROZEN, "the room stands still")
    actor = Actor(SeatNumber(seat.number), seat.role, sent.credit_cap_ms, sent.error_ms)
    core.touch_game(run.apply(actor, command, sent.raw, core.now(at_ms)), seat.number)


def _apply_to_room(core: Core, seat: Seat, command: Command, at_ms: int) -> Reply | None:
    rule = RULES.get(type(command))
    if rule is None:
        raise Rejected(ErrorCode.INVALID, "not a command of a room")
    if seat.role not in rule.roles:
        raise Rejected(ErrorCode.NOT_ALLOWED, f"a {seat.role} may not do this")
    return rule.do(core, seat, command, at_ms)


# ---- one function a command; each validates wholly, then mutates ----


def _ready(core: Core, seat: Seat, command: client.SetReady, at_ms: int) -> None:
    if core.state.phase is Phase.MATCH:
        raise Rejected(ErrorCode.WRONG_PHASE, "the match is running")
    seat.ready = command.ready
    core.touch_seat(seat.number)


def _playing(core: Core, seat: Seat, command: client.SetPlaying, at_ms: int) -> None:
    seats.require_idle(core)
    seat.playing = command.playing
    core.touch_role(seat.number)


def _settings(core: Core, seat: Seat, command: client.SetSettings, at_ms: int) -> None:
    seats.require_idle(core)
    mode = command.mode or core.state.mode
    core.state.settings = matches.read_settings(mode, command.settings)
    core.state.mode = mode
    core.state.notice = None
    core.touch()


def _start(core: Core, seat: Seat, command: client.StartMatch, at_ms: int) -> None:
    matches.start(core, Turn.START, at_ms)


def _rematch(core: Core, seat: Seat, command: client.Rematch, at_ms: int) -> None:
    matches.start(core, Turn.REMATCH, at_ms)


def _cancel(core: Core, seat: Seat, command: client.CancelStart, at_ms: int) -> None:
    matches.cancel(core)


def _lobby(core: Core, seat: Seat, command: client.BackToLobby, at_ms: int) -> None:
    matches.back_to_lobby(core)


def _end(core: Core, seat: Seat, command: client.EndMatch, at_ms: int) -> None:
    matches.end(core, at_ms)


def _kick(core: Core, seat: Seat, command: client.Kick, at_ms: int) -> Reply:
    target = core.seat(command.seat)
    if target.number == seat.number:
        raise Rejected(ErrorCode.INVALID, "$.seat: leave instead")
    if seat.role is not Role.HOST and target.role is not Role.PLAYER:
        raise Rejected(ErrorCode.NOT_ALLOWED, "only the host removes a co-host, and nobody the host")
    seats.ban(core, target.user)
    return seats.remove(core, target, at_ms, close=CloseCode.KICKED)


def _lock(core: Core, seat: Seat, command: client.Lock, at_ms: int) -> None:
    core.state.locked = command.locked
    core.touch()


def _hand_over(core: Core, seat: Seat, command: client.HandOver, at_ms: int) -> None:
    target = core.seat(command.seat)
    if target.number == seat.number or not target.here:
        raise Rejected(ErrorCode.INVALID, "$.seat: another seat that is connected")
    hosts.make_host(core, target)


def _cohost(core: Core, seat: Seat, command: client.SetCoHost, at_ms: int) -> None:
    target = core.seat(command.seat)
    if target.role is Role.HOST:
        raise Rejected(ErrorCode.INVALID, "$.seat: the host is host already")
    target.role = Role.COHOST if command.cohost else Role.PLAYER
    core.touch_role(target.number)


def _pause(core: Core, seat: Seat, command: client.Pause, at_ms: int) -> None:
    standstill.pause(core, at_ms)


def _unpause(core: Core, seat: Seat, command: client.Unpause, at_ms: int) -> None:
    standstill.unpause(core, at_ms)


def _leave(core: Core, seat: Seat, command: client.Leave, at_ms: int) -> Reply:
    return seats.remove(core, seat, at_ms, close=CloseCode.NORMAL)


class Rule(NamedTuple):
    """Who may give a command, and what it does."""

    roles: tuple[Role, ...]
    do: Callable[[Core, Seat, Any, int], Reply | None]


_ALL: Final = (Role.PLAYER, Role.HOST, Role.COHOST)
_HOSTS: Final = (Role.HOST, Role.COHOST)
_HOST: Final = (Role.HOST,)

RULES: Final[dict[type[Command], Rule]] = {
    client.SetReady: Rule(_ALL, _ready),
    client.SetPlaying: Rule(_ALL, _playing),
    client.Leave: Rule(_ALL, _leave),
    client.SetSettings: Rule(_HOSTS, _settings),
    client.StartMatch: Rule(_HOSTS, _start),
    client.CancelStart: Rule(_HOSTS, _cancel),
    client.Rematch: Rule(_HOSTS, _rematch),
    client.BackToLobby: Rule(_HOSTS, _lobby),
    client.EndMatch: Rule(_HOSTS, _end),
    client.Kick: Rule(_HOSTS, _kick),
    client.Lock: Rule(_HOSTS, _lock),
    client.Pause: Rule(_HOSTS, _pause),
    client.Unpause: Rule(_HOSTS, _unpause),
    client.HandOver: Rule(_HOST, _hand_over),
    client.SetCoHost: Rule(_HOST, _cohost),
}

assert all(issubclass(kind, RoomCommand) for kind in RULES)
