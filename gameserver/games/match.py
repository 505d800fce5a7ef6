"""One match being played: a mode's state, and the log of every call into it.

The wrapper adds nothing to the rules. Replaying its log through the mode gives the same outcome (``replay.py``).
"""

import hashlib
from typing import Any, Final

import msgspec
from msgspec import Struct

from gameserver.games.log import Commanded, Ended, Header, LogMark, MatchLog, SeatChanged, TimingSet, compress
from gameserver.games.mode import (
    Actor,
    Audience,
    Events,
    Mode,
    Outcome,
    PlayingSeat,
    SeatChange,
    Timing,
)
from gameserver.games.registry import MODES
from gameserver.games.rng import Rng
from protocol.bus import MatchResult
from protocol.ids import ModeId, SeatNumber
from protocol.modes.base import ModeCommand
from protocol.types import View

RESULT_DIGEST_BYTES: Final = 32

_canonical = msgspec.msgpack.Encoder(order="sorted").encode
"""The same bytes as ``protocol.codec.canonical`` (a test says so), several times as fast for a big result."""


class MatchState(Struct):
    """A running match, as it is stored. ``game`` is the mode's own state."""

    mode: str
    rules_version: int
    started_ms: int
    log: LogMark
    game: Any


class MatchRun:
    """A running match."""

    def __init__(self, state: MatchState, log: MatchLog) -> None:
        self.state = state
        self.log = log
        self.mode: Mode[Any, Any] = MODES[ModeId(state.mode)]

    @classmethod
    def begin(cls, header: Header, timing: Timing) -> "MatchRun":
        """Start the match the header describes."""
        mode = MODES[ModeId(header.mode)]
        settings = msgspec.convert(header.settings, mode.settings_type)
        seats = [PlayingSeat(SeatNumber(seat), here) for seat, here in header.seats]
        game = mode.start(settings, seats, header.content, Rng(header.seed), header.started_ms)
        log = MatchLog.begin(header)
        state = MatchState(header.mode, header.rules_version, header.started_ms, log.mark, game)
        run = cls(state, log)
        run.set_timing(timing, header.started_ms)
        return run

    @classmethod
    def load(cls, state: MatchState, header: bytes, entries: list[bytes]) -> "MatchRun":
        """Take up a match as decoded from its stored form, where ``game`` is still builtins."""
        mode = MODES[ModeId(state.mode)]
        state.game = msgspec.msgpack.decode(msgspec.msgpack.encode(state.game), type=mode.state_type)
        return cls(state, MatchLog(state.log, header, entries))

    # ---- calls into the rules; callers have advanced to ``at_ms`` ----

    def set_timing(self, timing: Timing, at_ms: int) -> None:
        """Hand over what the shell measured."""
        self.mode.set_timing(self.state.game, timing)
        self.log.add(TimingSet(at_ms, timing.lead_ms, timing.window_ms))

    def seat_changed(self, seat: int, change: SeatChange, at_ms: int) -> Events:
        """Tell the rules who came or went."""
        events = self.mode.seat_changed(self.state.game, SeatNumber(seat), change, at_ms)
        self.log.add(SeatChanged(at_ms, seat, str(change)))
        return events

    def apply(self, actor: Actor, command: ModeCommand, raw: bytes, at_ms: int) -> Events:
        """Apply a command. Raises ``Rejected``; then nothing has changed and nothing is logged."""
        events = self.mode.apply(self.state.game, actor, command, at_ms)
        self.log.add(Commanded(at_ms, actor.seat, str(actor.role), actor.credit_cap_ms, actor.error_ms, raw))
        return events

    def advance(self, to_ms: int) -> Events:
        """Let time pass. Not logged: the entries' own times say as much."""
        return self.mode.advance(self.state.game, to_ms)

    def next_deadline(self) -> int | None:
        """Return the room-clock time at which to look again."""
        return self.mode.next_deadline(self.state.game)

    def between_questions(self) -> bool:
        """Return whether a hand-over would hurt nobody now."""
        return self.mode.between_questions(self.state.game)

    def outcome(self) -> Outcome | None:
        """Return the outcome once the match is over."""
        return self.mode.outcome(self.state.game)

    def end(self, at_ms: int, outcome: Outcome | None) -> Outcome:
        """Close the log and return the outcome; None given: the match is abandoned, with the standing so far."""
        self.log.add(Ended(at_ms, outcome is None))
        return outcome if outcome is not None else self.mode.abandon(self.state.game, at_ms)

    def public_view(self, audience: Audience) -> View:
        """Return what the audience sees."""
        return self.mode.public_view(self.state.game, audience)

    def private_view(self, seat: int) -> View | None:
        """Return what only this seat sees besides."""
        return self.mode.private_view(self.state.game, SeatNumber(seat))


def seal(result: MatchResult, whole_log: bytes) -> MatchResult:
    """Return the result with its log compressed and its digest set.

    The digest covers the log uncompressed: no two builds of zlib need to agree.
    """
    return msgspec.structs.replace(result, log=compress(whole_log), digest=result_digest(result, whole_log))


def result_digest(result: MatchResult, whole_log: bytes) -> bytes:
    """Return BLAKE2b-256 over the result's canonical MessagePack, the log uncompressed and the digest empty."""
    packed = _canonical(msgspec.structs.replace(result, log=whole_log, digest=b""))
    return hashlib.blake2b(packed, digest_size=RESULT_DIGEST_BYTES).digest()
