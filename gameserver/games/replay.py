"""Plays a match log through the mode again: the same rules give the same outcome."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from msgspec import Struct

from gameserver.games.log import AnyEntry, Commanded, Ended, Header, SeatChanged, TimingSet, read
from gameserver.games.match import MatchRun
from gameserver.games.mode import Actor, Outcome, Rejected, Role, SeatChange, Timing
from gameserver.games.registry import MODES
from protocol.codec import decode_client
from protocol.errors import ProtocolError
from protocol.ids import ModeId, SeatNumber
from protocol.modes.base import ModeCommand


class ReplayError(ValueError):
    """The log contradicts the rules, or itself."""


class OtherRules(ReplayError):  # noqa: N818 - nobody's error: another installation may replay it
    """The match was played by rules that are not here."""


class Replayed(Struct, frozen=True):
    """What came out."""

    header: Header
    outcome: Outcome
    abandoned: bool
    ended_ms: int


class Step(NamedTuple):
    """The match after one entry; ``entry`` is None for its start."""

    entry: AnyEntry | None
    run: MatchRun
    outcome: Outcome | None


def replay(packed: bytes) -> Replayed:
    """Return what comes out of a stored log. Raises ``LogError`` or ``ReplayError``."""
    header, entries = read(packed)
    if not entries or not isinstance(entries[-1], Ended):
        raise ReplayError("the log does not end with the match's end")
    outcome: Outcome | None = None
    for step in steps(header, entries):
        outcome = step.outcome
    assert outcome is not None, "the last entry gives the outcome, or raises"
    end = entries[-1]
    return Replayed(header, outcome, end.abandoned, end.at_ms)


def steps(header: Header, entries: Sequence[AnyEntry]) -> Iterator[Step]:
    """Yield the match after its start and after each entry, with the outcome once it is over.

    Raises ``ReplayError``.
    """
    mode = MODES.get(ModeId(header.mode))
    if mode is None or mode.rules_version != header.rules_version:
        known = "unknown" if mode is None else f"at version {mode.rules_version}"
        raise OtherRules(f"rules {header.mode} version {header.rules_version} are {known} here")
    run: MatchRun | None = None
    for entry in entries:
        if run is None:
            if not isinstance(entry, TimingSet):
                raise ReplayError("the log does not begin with a timing")
            run = _begin(header, entry)
            yield Step(None, run, None)
            continue
        run.advance(entry.at_ms)
        yield Step(entry, run, _enter(run, entry))


def _begin(header: Header, entry: TimingSet) -> MatchRun:
    try:
        return MatchRun.begin(header, Timing(entry.lead_ms, entry.window_ms))
    except (LookupError, ValueError, Rejected) as error:
        raise ReplayError(f"no match begins like this: {error}") from None


def _enter(run: MatchRun, entry: AnyEntry) -> Outcome | None:
    match entry:
        case TimingSet():
            run.set_timing(Timing(entry.lead_ms, entry.window_ms), entry.at_ms)
        case SeatChanged():
            _seat(run, entry)
        case Commanded():
            _command(run, entry)
        case Ended():
            outcome = None if entry.abandoned else run.outcome()
            if outcome is None and not entry.abandoned:
                raise ReplayError("the match is not over where its log says so")
            return run.end(entry.at_ms, outcome)
    return None


def _seat(run: MatchRun, entry: SeatChanged) -> None:
    try:
        run.seat_changed(entry.seat, SeatChange(entry.change), entry.at_ms)
    except (LookupError, ValueError):
        raise ReplayError(f"seat {entry.seat} cannot be {entry.change!r} at {entry.at_ms} ms") from None


def _command(run: MatchRun, entry: Commanded) -> None:
    try:
        command = decode_client(entry.raw)
        if not isinstance(command, ModeCommand):
            raise ReplayError(f"a command at {entry.at_ms} ms is not the mode's")
        actor = Actor(SeatNumber(entry.seat), Role(entry.role), entry.credit_cap_ms, entry.error_ms)
        run.apply(actor, command, entry.raw, entry.at_ms)
    except (ProtocolError, Rejected, ValueError) as error:
        raise ReplayError(f"a command at {entry.at_ms} ms does not count: {error}") from None
