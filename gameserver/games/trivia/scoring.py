"""Points, ranks and the outcome. Integers throughout; ties share a rank."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from gameserver.games.mode import Outcome
from gameserver.games.trivia.state import Player, TriviaState
from protocol.bus import MatchPlayer

POINTS: Final = 1_000
STREAK_STEP: Final = 100
STREAK_STEPS_MAX: Final = 5

_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(dict[int, tuple[int, int, int]]).decode


def credited_ms(arrival: int, opens_at: int, reaction_ms: int, cap_ms: int) -> int:
    """Return the time since opening that counts (DESIGN §9): the arrival, less a credit of at most ``cap_ms``."""
    claimed = opens_at + reaction_ms
    credit = min(max(arrival - claimed, 0), cap_ms)
    return max(arrival - credit - opens_at, 0)


def points_for(scoring: str, ms: int, limit_ms: int) -> int:
    """Return the points of a right answer after ``ms`` of ``limit_ms``: 1,000 falling to 500, or flat 1,000."""
    if scoring == "flat":
        return POINTS
    return POINTS * (2 * limit_ms - ms) // (2 * limit_ms)


def streak_bonus(streak: int) -> int:
    """Return the bonus of the ``streak``-th right answer in a row: 0, 100, … 500."""
    return STREAK_STEP * min(streak - 1, STREAK_STEPS_MAX)


def score_question(state: TriviaState) -> None:
    """Give points for the current question, rank everybody, and file the answers. O(seats), once a question."""
    question, settings = state.question, state.settings
    limit_ms = settings.seconds * 1_000
    row: dict[int, tuple[int, int, int]] = {}
    fastest: tuple[int, int] | None = None
    for seat, player in state.players.items():
        answer = state.answers.get(seat)
        player.gained = 0
        if answer is not None:
            player.answered += 1
        if answer is None or answer.option != question.right:
            player.streak = 0
            continue
        player.streak += 1
        player.correct += 1
        player.gained = points_for(settings.scoring, answer.ms, limit_ms)
        if settings.streaks:
            player.gained += streak_bonus(player.streak)
        player.score += player.gained
        if fastest is None or (answer.ms, seat) < fastest:
            fastest = (answer.ms, seat)
    for seat, answer in state.answers.items():
        row[seat] = (answer.option, answer.ms, state.players[seat].gained)
    state.fastest = None if fastest is None else fastest[1]
    state.history.append(_pack(row))
    _rank(state)


def _rank(state: TriviaState) -> None:
    ranks = ranks_of(state.players)
    for seat, player in state.players.items():
        rank = ranks[seat]
        # Before its first scored question a seat has no place to have moved from.
        player.moved = player.rank - rank if player.first < state.number else 0
        player.rank = rank


def ranks_of(players: Mapping[int, Player]) -> dict[int, int]:
    """Return each seat's rank, best first; equal scores share a rank and the next one is skipped."""
    ranks: dict[int, int] = {}
    rank, before = 1, -1
    for place, seat in enumerate(sorted(players, key=lambda seat: (-players[seat].score, seat)), start=1):
        if players[seat].score != before:
            rank, before = place, players[seat].score
        ranks[seat] = rank
    return ranks


def outcome(state: TriviaState) -> Outcome:
    """Return the standing as an outcome: one row for each seat that ever played, best first."""
    facts = _facts(state)
    ranks = ranks_of(state.players)
    return Outcome(
        players=[
            MatchPlayer(
                seat=seat,
                user="",
                name="",
                rank=rank,
                score=state.players[seat].score,
                correct=state.players[seat].correct,
                answered=state.players[seat].answered,
                finished=not state.players[seat].left,
                facts=facts.get(seat, []),
            )
            for seat, rank in ranks.items()
        ]
    )


def _facts(state: TriviaState) -> dict[int, list[dict[str, Any]]]:
    """Return what each seat answered; ``option`` is the index in the content item, not the place shown."""
    facts: dict[int, list[dict[str, Any]]] = {}
    for number, packed in enumerate(state.history):
        question = state.questions[number]
        for seat, (option, ms, points) in _unpack(packed).items():
            facts.setdefault(seat, []).append(
                {
                    "question": question.id,
                    "number": number,
                    "option": question.order[option],
                    "correct": option == question.right,
                    "ms": ms,
                    "points": points,
                }
            )
    return facts
