"""Two hundred simulated clusters at every run of the suite: no oracle finds anything."""

import pytest

from tests.sim.run import run

SEEDS = 200
PART = 25


def failures(seeds: range) -> list[str]:
    outcomes = [run(seed) for seed in seeds]
    return [
        f"seed {each.seed}: {each.failure}\n  repeat: make sim SEED={each.seed} N=1 TRACE=1"
        for each in outcomes
        if each.failure
    ]


@pytest.mark.parametrize("first", range(1, SEEDS + 1, PART))
def test_no_oracle_finds_anything(first: int) -> None:
    found = failures(range(first, first + PART))
    assert not found, "\n".join(found)
