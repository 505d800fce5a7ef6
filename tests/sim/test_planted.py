"""The oracles see: ten bugs are planted, one after another, and each is found."""

import pytest

from tests.sim.planted import PLANTED
from tests.sim.run import run

SEEDS_MAX = 60


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_bug_is_found(name: str) -> None:
    with PLANTED[name]():
        for seed in range(1, SEEDS_MAX + 1):
            if run(seed).failure:
                return
    raise AssertionError(f"{SEEDS_MAX} seeds did not find {name}")
