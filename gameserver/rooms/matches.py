"""From a start to a result: content, countdown, match, outcome."""

from typing import Any

import msgspec

from gameserver.games import fairness
from gameserver.games.log import Header
from gameserver.games.match import MatchRun, seal
from gameserver.games.mode import Mode, Outcome, PlayingSeat, Rejected, Timing
from gameserver.games.registry import MODES
from gameserver.rooms import inputs, standstill
from gameserver.rooms.core import Core
from gameserver.rooms.limits import CONTENT_WAIT_MS, COUNTDOWN_MS, UNRECORDED_MAX
from gameserver.rooms.phases import Phase, Turn, after
from gameserver.rooms.reply import Effect, Reply
from gameserver.rooms.state import LastMatch, Match, Person, Seat, Starting
from protocol.bus import ContentRequest, MatchPlayer, MatchResult
from protocol.errors import CloseCode, ErrorCode
from protocol.ids import ModeId, SeatNumber


def read_settings(mode_id: str, settings: dict[str, Any]) -> dict[str, Any]:
    """Return the settings whole, defaults included. Raises ``Rejected(INVALID)`` naming the field."""
    mode = MODES.get(ModeId(mode_id))
    if mode is None:
        raise Rejected(ErrorCode.INVALID, f"$.mode: there is no mode {mode_id[:32]!r}")
    try:
        whole: dict[str, Any] = msgspec.to_builtins(msgspec.convert(settings, mode.settings_type))
    except msgspec.ValidationError as error:
        raise Rejected(ErrorCode.INVALID, str(error)[:200]) from None
    return whole


def _mode(core: Core) -> tuple[Mode[Any, Any], Any]:
    mode = MODES[ModeId(core.state.mode)]
    return mode, msgspec.convert(core.state.settings, mode.settings_type)


# ---- starting ----


def start(core: Core, turn: Turn, at_ms: int) -> None:
    """Ask for content, or count down at once where none is needed. Raises ``Rejected``."""
    state = core.state
    phase = after(state.phase, turn)
    mode, settings = _mode(core)
    players = [seat for seat in state.seats.values() if seat.playing and seat.here]
    if len(players) < mode.players_min:
        raise Rejected(ErrorCode.NOT_ENOUGH_PLAYERS, f"{mode.players_min} players are needed")
    if len(players) > mode.players_max:
        raise Rejected(ErrorCode.FULL, f"at most {mode.players_max} can play")
    if len(state.unrecorded) >= UNRECORDED_MAX:
        raise Rejected(ErrorCode.BUSY, "too many results wait to be recorded")

    spec = mode.content_needed(settings, [PlayingSeat(SeatNumber(seat.number), seat.here) for seat in players])
    state.phase = phase
    state.attempt += 1
    state.last = state.notice = None
    starting = Starting(seats=[seat.number for seat in players])
    if spec is None:
        starting.until = core.now(at_ms) + COUNTDOWN_MS
    else:
        starting.request = fairness.request_id(state.entropy, state.number + 1, state.attempt)
        starting.spec = msgspec.to_builtins(spec)
        starting.users = [seat.user for seat in players]
        starting.give_up_at = at_ms + CONTENT_WAIT_MS
    state.starting = starting
    core.touch()


def cancel(core: Core) -> None:
    """Take a start back. Raises ``Rejected``."""
    core.state.phase = after(core.state.phase, Turn.CANCEL)
    core.state.starting = None
    core.touch()


def fall_back(core: Core, notice: str) -> None:
    """Return to the lobby because the match cannot begin, and say why."""
    core.state.phase = after(core.state.phase, Turn.FALL_BACK)
    core.state.starting = None
    core.state.notice = notice
    core.touch()


def content(core: Core, delivered: inputs.Content, at_ms: int) -> Reply:
    """Take the worker's answer and count down. Raises ``Rejected(NOT_FOUND)`` when nobody asked for it."""
    starting = core.state.starting
    if starting is None or starting.request is None or starting.request != delivered.request:
        raise Rejected(ErrorCode.NOT_FOUND, "nobody waits for this content")
    mode, settings = _mode(core)
    try:
        mode.check_content(settings, delivered.items)
    except Rejected:
        fall_back(core, str(ErrorCode.NO_CONTENT))
        return Reply()
    starting.content = delivered.items
    starting.request = starting.give_up_at = None
    starting.until = core.now(at_ms) + COUNTDOWN_MS
    core.touch()
    return Reply()


def begin(core: Core, at_ms: int) -> None:
    """The countdown is over: play."""
    state = core.state
    starting = state.starting
    assert starting is not None
    mode, _ = _mode(core)
    seats = [seat for seat in state.seats.values() if seat.playing and (seat.here or seat.number in starting.seats)]
    if len(seats) < mode.players_min:
        fall_back(core, str(ErrorCode.NOT_ENOUGH_PLAYERS))
        return
    state.phase = after(state.phase, Turn.BEGIN)
    state.number += 1
    secret = fairness.server_secret(state.entropy, state.number)
    header = Header(
        mode=mode.id,
        rules_version=mode.rules_version,
        settings=state.settings,
        seats=[(seat.number, seat.here) for seat in seats],
        nonces=[seat.nonce for seat in seats],
        secret=secret,
        seed=fairness.seed_of(secret, [seat.nonce for seat in seats]),
        content=starting.content,
        started_ms=core.now(at_ms),
    )
    state.starting = None
    _play(core, header, seats)


def _play(core: Core, header: Header, seats: list[Seat]) -> None:
    state = core.state
    core.run = MatchRun.begin(header, Timing(state.lead_ms, state.window_ms))
    state.match = Match(
        id=fairness.match_id(state.entropy, state.number),
        run=core.run.state,
        roster={seat.number: Person(seat.user, seat.name, seat.avatar) for seat in seats},
        secret=header.secret,
        seed=header.seed,
        commitment=fairness.commitment(
            salt=fairness.salt_of(header.secret),
            seed=header.seed,
            content=header.content,
            mode=header.mode,
            rules_version=header.rules_version,
            settings=header.settings,
        ),
        settings=header.settings,
    )
    for seat in state.seats.values():
        if seat.ready:
            seat.ready = False
            core.touch_seat(seat.number)
    core.touch()
    core.touched.game = core.touched.private_all = True


# ---- playing ----


def advance(core: Core, at_ms: int) -> None:
    """Fire the match's deadlines that are due."""
    run, _ = core.playing()
    core.touch_game(run.advance(core.now(at_ms)))


def measure(core: Core, measured: inputs.Measure, at_ms: int) -> Reply:
    """Take over L and W for the questions to come. Raises ``Rejected`` when they are known already."""
    state = core.state
    if (state.lead_ms, state.window_ms) == (measured.lead_ms, measured.window_ms):
        raise Rejected(ErrorCode.ALREADY_DONE, "measured the same before")
    state.lead_ms, state.window_ms = measured.lead_ms, measured.window_ms
    if core.run is not None:
        core.run.set_timing(Timing(measured.lead_ms, measured.window_ms), core.now(at_ms))
    return Reply()


def settle(core: Core, at_ms: int) -> None:
    """End the match when its rules say that it is over."""
    if core.run is None:
        return
    outcome = core.run.outcome()
    if outcome is not None:
        _finish(core, Turn.OVER, at_ms, outcome)


def end_if_deserted(core: Core, at_ms: int) -> None:
    """End the match when nobody of it is left in the room."""
    match = core.state.match
    if match is not None and not any(number in core.state.seats for number in match.roster):
        _finish(core, Turn.END, at_ms, None)


def end(core: Core, at_ms: int) -> None:
    """End the match before its time. Raises ``Rejected``."""
    after(core.state.phase, Turn.END)
    _finish(core, Turn.END, at_ms, None)


def _finish(core: Core, turn: Turn, at_ms: int, over: Outcome | None) -> None:
    """Turn the match into a result that waits to be recorded. ``over`` is None when it ends before its time."""
    run, match = core.playing()
    state = core.state
    abandoned = over is None
    ended_ms = core.now(at_ms)
    outcome = run.end(ended_ms, over)
    players = [
        msgspec.structs.replace(row, user=match.roster[row.seat].user, name=match.roster[row.seat].name)
        for row in outcome.players
    ]
    rated = outcome.rated and not abandoned
    header = run.log.read_header()
    result = MatchResult(
        id=match.id,
        code=state.code,
        mode=header.mode,
        rules_version=header.rules_version,
        number=state.number,
        settings=match.settings,
        started_ms=header.started_ms,
        ended_ms=ended_ms,
        started_at=state.created_at + header.started_ms // 1_000,
        rated=rated,
        abandoned=abandoned,
        players=players,
        seed=match.seed,
        salt=fairness.salt_of(match.secret),
        commitment=match.commitment,
        content=header.content,
        log=b"",
        digest=b"",
    )
    core.results[match.id] = result = seal(result, run.log.whole())
    state.unrecorded[match.id] = result.digest
    state.last = LastMatch(
        id=match.id,
        abandoned=abandoned,
        rated=rated,
        rows=[_podium_row(row, match.roster[row.seat]) for row in players],
        commitment=match.commitment,
        secret=match.secret,
        seed=match.seed,
    )
    _leave_match(core, turn, at_ms)


def _podium_row(row: MatchPlayer, person: Person) -> dict[str, Any]:
    return {
        "seat": row.seat,
        "name": person.name,
        "avatar": person.avatar,
        "rank": row.rank,
        "score": row.score,
        "correct": row.correct,
        "answered": row.answered,
    }


def _leave_match(core: Core, turn: Turn, at_ms: int) -> None:
    core.state.phase = after(core.state.phase, turn)
    core.run = core.state.match = None
    standstill.match_over(core, at_ms)
    core.touch()
    core.touched.game = core.touched.private_all = True


def void(core: Core, at_ms: int) -> None:
    """Give the match up without a result: what it came to cannot be trusted. Raises ``Rejected``."""
    after(core.state.phase, Turn.VOID)
    core.state.notice = "match_voided"
    _leave_match(core, Turn.VOID, at_ms)


# ---- afterwards ----


def back_to_lobby(core: Core) -> None:
    """Leave the results. Raises ``Rejected``."""
    core.state.phase = after(core.state.phase, Turn.LOBBY)
    core.state.last = None
    core.touch()


def recorded(core: Core, match: str) -> Reply:
    """The worker has the result. Raises ``Rejected(NOT_FOUND)``."""
    if core.state.unrecorded.pop(match, None) is None:
        raise Rejected(ErrorCode.NOT_FOUND, "no such result waits")
    del core.results[match]
    return Reply()


def close(core: Core, at_ms: int) -> Reply:
    """End the room for good. A running match is ended and recorded as abandoned. Raises ``Rejected``."""
    state = core.state
    after(state.phase, Turn.CLOSE)
    if state.phase is Phase.MATCH:
        _finish(core, Turn.END, at_ms, None)
    state.phase = after(state.phase, Turn.CLOSE)
    state.starting = None
    core.touch()
    here = tuple(seat.number for seat in state.seats.values() if seat.here)
    return Reply(kicked=here, close=CloseCode.ROOM_CLOSED)


def pending(core: Core) -> tuple[Effect, ...]:
    """Return what the room waits for: the same ids whenever it is asked."""
    state = core.state
    waits: list[Effect] = list(core.results.values())
    starting = state.starting
    if starting is not None and starting.request is not None:
        waits.append(
            ContentRequest(
                id=starting.request, code=state.code, mode=state.mode, spec=starting.spec, users=starting.users
            )
        )
    return tuple(waits)
