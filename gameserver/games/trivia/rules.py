"""The rules of trivia (DESIGN §9's last paragraph, §4 laws 4 and 8). Work per answer does not grow with the seats."""

from collections.abc import Sequence
from typing import Any, ClassVar

from msgspec import Struct

from gameserver.games.mode import (
    Actor,
    Audience,
    Event,
    Events,
    Outcome,
    PlayingSeat,
    Rejected,
    Role,
    SeatChange,
    Timing,
)
from gameserver.games.rng import Rng
from gameserver.games.trivia import content, scoring, views
from gameserver.games.trivia.state import (
    AWAY_GRACE_MS,
    CREDIT_MS_MAX,
    LEAD_MS,
    READY_MS,
    SCORES_MS,
    STAGES,
    WINDOW_MS,
    Answer,
    Happening,
    Player,
    Stage,
    TriviaState,
)
from protocol.errors import ErrorCode
from protocol.ids import ModeId, SeatNumber
from protocol.modes.base import ContentSpec, ModeCommand, Settings
from protocol.modes.trivia import TriviaAnswer, TriviaSettings, TriviaSkip
from protocol.types import View


def _clamp(value: int, bounds: tuple[int, int]) -> int:
    return min(max(value, bounds[0]), bounds[1])


class Trivia:
    """The mode. Without state of its own."""

    id: ClassVar[ModeId] = ModeId("trivia")
    rules_version: ClassVar[int] = 1
    players_min: ClassVar[int] = 2
    players_max: ClassVar[int] = 500
    settings_type: ClassVar[type[Settings]] = TriviaSettings
    state_type: ClassVar[type[Struct]] = TriviaState
    append_only: ClassVar[frozenset[str]] = frozenset()

    def content_needed(self, settings: TriviaSettings, seats: Sequence[PlayingSeat]) -> ContentSpec | None:
        """Return how many questions of which kind."""
        return content.needed(settings)

    def check_content(self, settings: TriviaSettings, items: Sequence[dict[str, Any]]) -> None:
        """Raise ``Rejected(NO_CONTENT)`` when the pack cannot serve."""
        content.check(settings, items)

    def start(
        self,
        settings: TriviaSettings,
        seats: Sequence[PlayingSeat],
        content_items: Sequence[dict[str, Any]],
        rng: Rng,
        at_ms: int,
    ) -> TriviaState:
        """Announce the first question."""
        state = TriviaState(
            settings=settings,
            rng=rng,
            questions=content.lay_out(settings, content_items, rng),
            players={place.seat: Player(first=0, here=place.here, gone_at=at_ms) for place in seats},
            stage=Stage.SCORES,
            number=-1,
            until=at_ms,
            opens_at=at_ms,
            closes_at=at_ms,
        )
        self._announce(state, at_ms)
        return state

    def set_timing(self, state: TriviaState, timing: Timing) -> None:
        """Take over L and W; in force from the next question whose text has not been told.

        For the question announced already L may only shrink: a longer one might want its text told in the past.
        """
        state.next_lead_ms = _clamp(timing.lead_ms, LEAD_MS)
        state.next_window_ms = _clamp(timing.window_ms, WINDOW_MS)
        if state.stage is Stage.ANNOUNCED:
            self._take_timing(state, min(state.next_lead_ms, state.lead_ms))

    def seat_changed(self, state: TriviaState, seat: SeatNumber, change: SeatChange, at_ms: int) -> Events:
        """Take note of who is there. The question goes on when nobody is left to wait for."""
        if change is SeatChange.JOINED:
            self._join(state, seat)
            return [Event("joined", at_ms, seat)]
        player = state.players[seat]
        before = self._waits_for(state, seat)
        if change is SeatChange.AWAY:
            player.here, player.gone_at = False, at_ms
            if before and state.settings.auto_advance:
                state.leaving[seat] = at_ms + AWAY_GRACE_MS
        elif change is SeatChange.BACK:
            player.here = True
            state.leaving.pop(seat, None)
        else:
            player.left, player.here = True, False
            state.leaving.pop(seat, None)
            views.forget(state, "scores")
        state.waiting += self._waits_for(state, seat) - before
        events = [Event(str(change), at_ms, seat)]
        if change is SeatChange.LEFT:
            self._go_on_if_all_answered(state, at_ms, events)
        return events

    def apply(self, state: TriviaState, actor: Actor, command: ModeCommand, at_ms: int) -> Events:
        """Take an answer, or a host's wish to go on. Raises ``Rejected``."""
        if isinstance(command, TriviaAnswer):
            return self._answer(state, actor, command, at_ms)
        if isinstance(command, TriviaSkip):
            return self._skip(state, actor, at_ms)
        raise Rejected(ErrorCode.WRONG_PHASE, "not a command of this mode")

    def advance(self, state: TriviaState, to_ms: int) -> Events:
        """Fire every deadline ≤ ``to_ms`` at its own time."""
        events: Events = []
        while (due := self.next_deadline(state)) is not None and due <= to_ms:
            if due < state.until:
                self._stop_waiting(state, due, events)
            else:
                self._step(state, Happening.TIME, due, events)
        return events

    def next_deadline(self, state: TriviaState) -> int | None:
        """Return when the stage ends, or when a seat that went away is no longer waited for."""
        if state.stage is Stage.OVER:
            return None
        for due in state.leaving.values():  # the soonest is the first
            return min(due, state.until)
        return state.until

    def between_questions(self, state: TriviaState) -> bool:
        """Return whether no question is being told or answered."""
        return state.stage in (Stage.ANNOUNCED, Stage.REVEAL, Stage.SCORES, Stage.OVER)

    def public_view(self, state: TriviaState, audience: Audience) -> View:
        """Return the same view for every audience: a host sees no more than the players."""
        return views.public(state)

    def private_view(self, state: TriviaState, seat: SeatNumber) -> View | None:
        """Return the seat's own answer, and from the reveal on what it earned."""
        return views.private(state, seat)

    def outcome(self, state: TriviaState) -> Outcome | None:
        """Return the outcome once the last reveal has been seen."""
        return scoring.outcome(state) if state.stage is Stage.OVER else None

    def abandon(self, state: TriviaState, at_ms: int) -> Outcome:
        """Return the standing as of the last reveal."""
        return scoring.outcome(state)

    # ---- seats ----

    def _join(self, state: TriviaState, seat: SeatNumber) -> None:
        """Add a newcomer with 0 points who plays from the next question that has not been told."""
        first = state.number if state.stage is Stage.ANNOUNCED else state.number + 1
        rank = 1 + sum(player.score > 0 for player in state.players.values())
        state.players[seat] = Player(first=first, here=True, rank=rank)
        views.forget(state, "scores")

    def _waits_for(self, state: TriviaState, seat: int) -> bool:
        """Return whether the open question waits for this seat before it goes on early."""
        player = state.players[seat]
        return (
            state.stage is Stage.OPEN
            and not player.left
            and player.first <= state.number
            and (player.here or seat in state.leaving)
            and seat not in state.answers
        )

    def _stop_waiting(self, state: TriviaState, at_ms: int, events: Events) -> None:
        seat = next(iter(state.leaving))
        state.waiting -= self._waits_for(state, seat)
        del state.leaving[seat]
        self._go_on_if_all_answered(state, at_ms, events)

    # ---- commands ----

    def _answer(self, state: TriviaState, actor: Actor, command: TriviaAnswer, at_ms: int) -> Events:
        seat = actor.seat
        player = state.players.get(seat)
        if player is None or player.left or player.first > state.number:
            raise Rejected(ErrorCode.NOT_ALLOWED, "this seat does not play this question")
        if command.question != state.number:
            code = ErrorCode.TOO_LATE if command.question < state.number else ErrorCode.TOO_EARLY
            raise Rejected(code, f"question {state.number} is the current one")
        if state.stage in (Stage.ANNOUNCED, Stage.TOLD):
            raise Rejected(ErrorCode.TOO_EARLY, "the question is not open yet")
        if state.stage not in (Stage.OPEN, Stage.CLOSING):
            raise Rejected(ErrorCode.TOO_LATE, "the question is closed")
        if command.option >= len(state.question.options):
            raise Rejected(ErrorCode.INVALID, "there is no such option")
        before = state.answers.get(seat)
        if before is not None and not state.settings.change_answers:
            raise Rejected(ErrorCode.ALREADY_DONE, "answered already")
        cap_ms = _clamp(actor.credit_cap_ms, (0, CREDIT_MS_MAX))
        ms = scoring.credited_ms(at_ms, state.opens_at, command.reaction_ms, cap_ms)
        if ms > state.closes_at - state.opens_at:
            raise Rejected(ErrorCode.TOO_LATE, "time was up")

        if before is None:
            state.waiting -= self._waits_for(state, seat)
            state.leaving.pop(seat, None)
        if before is None or before.option != command.option:  # the same again keeps its time
            state.answers[seat] = Answer(option=command.option, ms=ms)
        views.forget(state)
        events = [Event("answered", at_ms, seat)]
        self._go_on_if_all_answered(state, at_ms, events)
        return events

    def _skip(self, state: TriviaState, actor: Actor, at_ms: int) -> Events:
        if actor.role is Role.PLAYER:
            raise Rejected(ErrorCode.NOT_ALLOWED, "only a host may go on")
        if Happening.SKIP not in STAGES[state.stage]:
            raise Rejected(ErrorCode.WRONG_PHASE, "nothing to skip")
        events: Events = []
        self._step(state, Happening.SKIP, at_ms, events)
        return events

    def _go_on_if_all_answered(self, state: TriviaState, at_ms: int, events: Events) -> None:
        """Reveal at once when nobody connected is left to wait for.

        Never while answers may still be changed, and never when nobody answered at all: then the clock decides.
        """
        settings = state.settings
        if state.stage is not Stage.OPEN or state.waiting or not state.answers:
            return
        if settings.auto_advance and not settings.change_answers:
            self._step(state, Happening.ALL_ANSWERED, at_ms, events)

    # ---- stages ----

    def _step(self, state: TriviaState, happening: Happening, at_ms: int, events: Events) -> None:
        last = state.stage is Stage.REVEAL and state.number + 1 == len(state.questions)
        stage = STAGES[state.stage][Happening.LAST if last else happening]
        state.leaving.clear()
        state.waiting = 0
        if stage is Stage.ANNOUNCED:
            self._announce(state, at_ms)
        else:
            state.stage = stage
            self._enter(state, at_ms)
        events.append(Event(str(stage), at_ms, None, {"number": state.number}))

    def _enter(self, state: TriviaState, at_ms: int) -> None:
        """Set when the new stage ends, and do what it begins with."""
        match state.stage:
            case Stage.TOLD:
                state.until = state.opens_at
                views.forget(state, "question")
            case Stage.OPEN:
                state.until = state.closes_at
                self._count_waiting(state, at_ms)
                views.forget(state)
            case Stage.CLOSING:
                state.until = state.closes_at + state.window_ms
                views.forget(state)
            case Stage.REVEAL:
                scoring.score_question(state)
                state.until = at_ms + state.settings.reveal_seconds * 1_000
                views.forget(state, "scores", "reveal")
            case Stage.SCORES:
                state.until = at_ms + SCORES_MS
                views.forget(state)
            case _:
                state.until = at_ms
                views.forget(state)

    def _announce(self, state: TriviaState, at_ms: int) -> None:
        state.stage = Stage.ANNOUNCED
        state.number += 1
        state.opens_at = at_ms + READY_MS
        state.closes_at = state.opens_at + state.settings.seconds * 1_000
        state.answers = {}
        state.fastest = None
        self._take_timing(state, state.next_lead_ms)
        views.forget(state, "question", "reveal")

    def _take_timing(self, state: TriviaState, lead_ms: int) -> None:
        state.lead_ms, state.window_ms = lead_ms, state.next_window_ms
        state.until = state.opens_at - state.lead_ms

    def _count_waiting(self, state: TriviaState, at_ms: int) -> None:
        """Note whom the question waits for: who is connected, or has been away for a moment only."""
        if state.settings.auto_advance:
            gone = [
                (player.gone_at + AWAY_GRACE_MS, seat)
                for seat, player in state.players.items()
                if not player.here and not player.left and player.gone_at + AWAY_GRACE_MS > at_ms
            ]
            state.leaving = {seat: due for due, seat in sorted(gone)}
        state.waiting = sum(self._waits_for(state, seat) for seat in state.players)
