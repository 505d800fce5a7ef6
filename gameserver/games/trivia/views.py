"""What is seen of a trivia match. Every audience sees the same; nothing of an answer shows before the reveal.

Pieces are made once and shared until they change: whoever compares two views skips them. Nobody changes a view.
"""

from typing import Any, Final

from gameserver.games.trivia.state import SHOWN, Stage, TriviaState
from protocol.types import View

_ANSWERING: Final = frozenset({Stage.OPEN, Stage.CLOSING, Stage.REVEAL})
_REVEALED: Final = frozenset({Stage.REVEAL, Stage.SCORES, Stage.OVER})


def public(state: TriviaState) -> View:
    """Return the view of every audience."""
    memo = state.memo
    view: View | None = memo.get("view")
    if view is None:
        view = {
            "mode": "trivia",
            "stage": SHOWN[state.stage],
            "number": state.number,
            "of": len(state.questions),
            "until": state.opens_at if state.stage is Stage.ANNOUNCED else state.until,
            "answered": _answered(state),
            "scores": _piece(state, "scores", _scores),
            "question": _piece(state, "question", _question),
        }
        if state.stage in _REVEALED:
            view["reveal"] = _piece(state, "reveal", _reveal)
        memo["view"] = view
    return view


def private(state: TriviaState, seat: int) -> View | None:
    """Return what only this seat sees: its answer, and from the reveal on what it earned."""
    player = state.players.get(seat)
    if player is None or player.left or player.first > state.number:
        return None
    answer = state.answers.get(seat)
    view: View = {}
    if answer is not None:
        view["answer"] = answer.option
    if state.stage in _REVEALED:
        view["correct"] = answer is not None and answer.option == state.question.right
        view["points"] = player.gained
    return view or None


def forget(state: TriviaState, *pieces: str) -> None:
    """Forget the view and the pieces of it that changed."""
    memo = state.memo
    memo.pop("view", None)
    for piece in pieces:
        memo.pop(piece, None)


def _piece(state: TriviaState, name: str, make: Any) -> Any:
    memo = state.memo
    piece = memo.get(name)
    if piece is None:
        piece = memo[name] = make(state)
    return piece


def _answered(state: TriviaState) -> View:
    """Return who has answered: the seats only, in order of arrival."""
    if state.stage not in _ANSWERING:
        return {}
    return {str(seat): True for seat in state.answers}


def _scores(state: TriviaState) -> View:
    return {
        str(seat): {
            "score": player.score,
            "rank": player.rank,
            "moved": player.moved,
            "gained": player.gained,
            "streak": player.streak,
        }
        for seat, player in state.players.items()
        if not player.left
    }


def _question(state: TriviaState) -> View:
    question = state.question
    view: View = {
        "category": question.category,
        "difficulty": question.difficulty,
        "kind": question.kind,
        "opens_at": state.opens_at,
        "closes_at": state.closes_at,
    }
    if state.stage is not Stage.ANNOUNCED:
        view["text"] = question.text
        view["options"] = question.options
    return view


def _reveal(state: TriviaState) -> View:
    question = state.question
    counts = [0] * len(question.options)
    for answer in state.answers.values():
        counts[answer.option] += 1
    return {
        "right": question.right,
        "counts": counts,
        "explanation": question.explanation,
        "source": question.source,
        "fastest": state.fastest,
    }
