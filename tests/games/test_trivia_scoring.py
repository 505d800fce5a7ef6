"""Points and ranks by themselves."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gameserver.games.trivia.scoring import credited_ms, points_for, ranks_of, streak_bonus
from gameserver.games.trivia.state import Player

MILLIS = st.integers(0, 2**53 - 1)


@pytest.mark.parametrize(
    ("scoring", "ms", "points"),
    [
        ("speed", 0, 1_000),
        ("speed", 10_000, 750),
        ("speed", 20_000, 500),
        ("speed", 1, 999),
        ("flat", 0, 1_000),
        ("flat", 20_000, 1_000),
    ],
)
def test_points(scoring: str, ms: int, points: int) -> None:
    assert points_for(scoring, ms, 20_000) == points


@given(st.integers(5, 120), st.data())
def test_a_faster_answer_never_earns_less(seconds: int, data: st.DataObject) -> None:
    limit = seconds * 1_000
    fast = data.draw(st.integers(0, limit))
    slow = data.draw(st.integers(fast, limit))
    assert 1_000 >= points_for("speed", fast, limit) >= points_for("speed", slow, limit) >= 500


@pytest.mark.parametrize(("streak", "bonus"), [(1, 0), (2, 100), (6, 500), (7, 500), (50, 500)])
def test_streak_bonus(streak: int, bonus: int) -> None:
    assert streak_bonus(streak) == bonus


@given(arrival=MILLIS, opens_at=MILLIS, reaction=MILLIS, cap=st.integers(0, 120))
def test_credit_never_exceeds_the_cap_nor_turns_into_a_debit(
    arrival: int, opens_at: int, reaction: int, cap: int
) -> None:
    since = max(arrival - opens_at, 0)
    credited = credited_ms(arrival, opens_at, reaction, cap)
    assert max(since - cap, 0) <= credited <= since


@given(st.dictionaries(st.integers(1, 99), st.integers(0, 5), min_size=1))
def test_a_rank_is_one_more_than_how_many_scored_higher(scores: dict[int, int]) -> None:
    ranks = ranks_of({seat: Player(first=0, here=True, score=score) for seat, score in scores.items()})
    for seat, score in scores.items():
        assert ranks[seat] == 1 + sum(other > score for other in scores.values())
    assert list(ranks.values()) == sorted(ranks.values()), "best first"
