"""The shard clock: told time never runs back, and a stall is given back."""

from hypothesis import given
from hypothesis import strategies as st

from gameserver.shards.clock import STEP_MS_MAX, ShardClock


def test_counts_elapsed_time() -> None:
    clock = ShardClock(1000, 0.0)
    assert [clock.tick(50.0), clock.tick(100.0)] == [1050, 1100]


def test_a_stall_is_given_back() -> None:
    clock = ShardClock(0, 0.0)
    assert clock.tick(10_000.0) == STEP_MS_MAX


def test_fractions_of_milliseconds_are_not_lost() -> None:
    clock = ShardClock(0, 0.0)
    for number in range(1, 1001):
        clock.tick(number * 0.4)
    assert clock.now == 400


def test_a_stamp_holds_the_next_tick_up() -> None:
    clock = ShardClock(0, 0.0)
    stamp = clock.stamp(40.0)
    clock.hold(41.0)
    assert clock.tick(42.0) >= stamp


def test_standing_still_counts_nothing() -> None:
    clock = ShardClock(0, 0.0)
    for number in range(100):
        clock.hold(number * 1000.0)
    assert clock.tick(99_001.0) == 1


@given(st.lists(st.tuples(st.sampled_from(["tick", "stamp", "hold"]), st.floats(0, 5_000)), max_size=60))
def test_never_runs_back(steps: list[tuple[str, float]]) -> None:
    clock = ShardClock(7, 0.0)
    now, told, stamps = 0.0, 7, 7
    for kind, pause in steps:
        now += pause
        if kind == "tick":
            after = clock.tick(now)
            assert after >= told
            assert after >= stamps
            told = after
        elif kind == "stamp":
            after = clock.stamp(now)
            assert after >= stamps
            assert after >= told
            stamps = after
        else:
            clock.hold(now)
