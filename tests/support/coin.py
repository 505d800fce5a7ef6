"""A second mode, the smallest there is: everybody calls a coin. No content, three players at most.

It shows that the room knows nothing of trivia, and what a mode must have. Tests put it into the registry.
"""

from collections.abc import Sequence
from typing import Any, ClassVar

from msgspec import Struct

from gameserver.games.mode import Actor, Audience, Event, Events, Outcome, PlayingSeat, Rejected, SeatChange, Timing
from gameserver.games.rng import Rng
from protocol.bus import MatchPlayer
from protocol.errors import ErrorCode
from protocol.ids import ModeId, SeatNumber
from protocol.modes.base import ContentSpec, ModeCommand, Settings
from protocol.types import View


class CoinSettings(Settings, frozen=True, kw_only=True):
    """How long there is to call."""

    seconds: int = 10


class Call(ModeCommand, frozen=True, tag="coin.call"):
    """Heads, or tails."""

    heads: bool


class CoinState(Struct):
    """Who called what, until the coin falls."""

    rng: Rng
    calls: dict[int, bool | None]
    ends_at: int
    fell: bool | None = None


class Coin:
    """The mode."""

    id: ClassVar[ModeId] = ModeId("coin")
    rules_version: ClassVar[int] = 1
    players_min: ClassVar[int] = 1
    players_max: ClassVar[int] = 3
    settings_type: ClassVar[type[Settings]] = CoinSettings
    state_type: ClassVar[type[Struct]] = CoinState
    append_only: ClassVar[frozenset[str]] = frozenset({"calls"})

    def content_needed(self, settings: CoinSettings, seats: Sequence[PlayingSeat]) -> ContentSpec | None:
        return None

    def check_content(self, settings: CoinSettings, items: Sequence[dict[str, Any]]) -> None:
        raise AssertionError("nothing was asked for")

    def start(
        self,
        settings: CoinSettings,
        seats: Sequence[PlayingSeat],
        content: Sequence[dict[str, Any]],
        rng: Rng,
        at_ms: int,
    ) -> CoinState:
        assert not content
        return CoinState(rng, {place.seat: None for place in seats}, at_ms + settings.seconds * 1_000)

    def set_timing(self, state: CoinState, timing: Timing) -> None:
        pass

    def seat_changed(self, state: CoinState, seat: SeatNumber, change: SeatChange, at_ms: int) -> Events:
        return [Event(str(change), at_ms, seat)]

    def apply(self, state: CoinState, actor: Actor, command: Call, at_ms: int) -> Events:
        if state.calls[actor.seat] is not None:
            raise Rejected(ErrorCode.ALREADY_DONE)
        state.calls[actor.seat] = command.heads
        return [Event("called", at_ms, actor.seat)]

    def advance(self, state: CoinState, to_ms: int) -> Events:
        if state.fell is None and state.ends_at <= to_ms:
            state.fell = bool(state.rng.below(2))
            return [Event("fell", state.ends_at)]
        return []

    def next_deadline(self, state: CoinState) -> int | None:
        return state.ends_at if state.fell is None else None

    def between_questions(self, state: CoinState) -> bool:
        return False

    def public_view(self, state: CoinState, audience: Audience) -> View:
        view: View = {"mode": "coin", "ends_at": state.ends_at}
        if audience is Audience.SCREEN:
            view["called"] = sum(call is not None for call in state.calls.values())
        return view

    def private_view(self, state: CoinState, seat: SeatNumber) -> View | None:
        call = state.calls.get(seat)
        return None if call is None else {"heads": call}

    def outcome(self, state: CoinState) -> Outcome | None:
        return self.abandon(state, state.ends_at) if state.fell is not None else None

    def abandon(self, state: CoinState, at_ms: int) -> Outcome:
        won = {seat: call is not None and call is state.fell for seat, call in state.calls.items()}
        rows = [MatchPlayer(seat, "", "", 1 if won[seat] else 2, int(won[seat])) for seat in won]
        return Outcome(sorted(rows, key=lambda row: row.rank), rated=False)
