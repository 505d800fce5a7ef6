"""The clock's bound holds for any line, and told time pulls the estimate up."""

from hypothesis import given
from hypothesis import strategies as st

from clients.python.clock import ClockSync


@given(
    st.integers(-(10**9), 10**9),
    st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 3000), st.integers(0, 5000)), min_size=1, max_size=20),
)
def test_the_estimate_is_within_its_error(offset: int, exchanges: list[tuple[int, int, int]]) -> None:
    """Whatever the two ways take, and however unequal they are."""
    clock = ClockSync()
    clock.reset(1, 0)
    now = 0
    for there, back, pause in exchanges:
        asked = now
        shard = asked + there + offset
        now = asked + there + back
        assert clock.answered(asked, shard, 1, now)
        estimate, error = clock.shard(now), clock.error(now)
        assert estimate is not None
        assert error is not None
        assert abs(estimate - (now + offset)) <= error
        assert error <= (there + back) // 2 + 1
        now += pause


def test_the_best_of_the_last_eight_counts_and_ages() -> None:
    clock = ClockSync()
    clock.reset(1, 0)
    clock.answered(0, 1000, 1, 10)
    assert clock.error(10) == 6
    assert clock.error(10 + 50_000) == 11
    for turn in range(8):
        clock.answered(100 + turn, 5000, 1, 300 + turn)
    assert clock.error(310) == 101


def test_void_answers() -> None:
    clock = ClockSync()
    clock.reset(5, 0)
    assert not clock.answered(0, 1, 4, 10)
    assert not clock.answered(20, 1, 5, 10)
    assert clock.shard(10) is None
    assert clock.error(10) is None


def test_told_time_is_a_floor() -> None:
    clock = ClockSync()
    clock.reset(1, 0)
    clock.saw(5_000, 1_000)
    assert clock.shard(1_500) == 5_500
    clock.saw(5_100, 2_000)
    assert clock.shard(2_000) == 6_000, "a later view does not pull it down"
    clock.answered(2_000, 4_000, 1, 2_010)
    assert clock.shard(2_010) == 6_010
    clock.answered(2_010, 9_000, 1, 2_020)
    clock.reset(2, 2_020)
    assert clock.shard(2_020) is None


def test_the_room_clock() -> None:
    clock = ClockSync()
    assert clock.room({}, 0) is None
    assert clock.room({"clock": {"offset": 5, "stopped": None}}, 0) is None
    assert clock.room({"clock": {"offset": 5, "stopped": 77}}, 0) == 77
    clock.reset(1, 0)
    clock.saw(1_000, 0)
    assert clock.room({"clock": {"offset": 300, "stopped": None}}, 50) == 750


def test_nothing_is_asked_without_a_connection() -> None:
    clock = ClockSync()
    assert clock.ask_at is None
    clock.reset(1, 10)
    assert clock.ask_at == 10
    clock.stop()
    assert clock.ask_at is None
