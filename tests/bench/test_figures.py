"""The arithmetic of the reports."""

from hypothesis import given
from hypothesis import strategies as st

from bench import watch
from bench.crowd import quantile_ms
from bench.swarm import LATENESS_US, count


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=200), st.sampled_from([0.01, 0.5, 0.99, 1.0]))
def test_a_quantile_of_counted_latencies_is_one_that_was_counted(micros: list[int], q: float) -> None:
    table: dict[int, int] = {}
    for value in micros:
        count(table, value / 1e6)
    got = quantile_ms(table, q)
    assert got is not None
    ordered = sorted(micros)
    exact = ordered[max(0, min(len(ordered) - 1, int(-(-q * len(ordered) // 1)) - 1))]
    assert abs(got * 1000 - exact) <= 2 * LATENESS_US


def test_no_latencies_have_no_quantile() -> None:
    assert quantile_ms({}, 0.5) is None
    assert watch.quantile({}, {}, "h", 0.5) is None


def test_a_histogram_is_read_between_two_looks_within_its_bucket() -> None:
    before = {'h_bucket{le="1.0"}': 5.0, 'h_bucket{le="2.0"}': 5.0, 'h_bucket{le="+Inf"}': 5.0}
    after = {'h_bucket{le="1.0"}': 5.0, 'h_bucket{le="2.0"}': 15.0, 'h_bucket{le="+Inf"}': 15.0}
    assert watch.quantile(before, after, "h", 0.5) == 1.5
    assert watch.quantile(before, after | {'h_bucket{le="+Inf"}': 100.0}, "h", 0.99) == 2.0


def test_counters_grow_with_all_their_labels() -> None:
    assert watch.added({'c{a="1"}': 1.0}, {'c{a="1"}': 4.0, 'c{a="2"}': 2.0, "cc": 9.0}, "c") == 5.0
