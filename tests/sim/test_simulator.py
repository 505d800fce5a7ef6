"""The simulator itself: the same seed is the same run, and a run does what it is there for."""

from tests.sim.run import run


def test_the_same_seed_gives_the_same_trace() -> None:
    for seed in (3, 7, 24):
        once, again = run(seed), run(seed)
        assert once.failure == "" == again.failure
        assert once.digest == again.digest
        assert (once.steps, once.counts) == (again.steps, again.counts)


def test_another_seed_gives_another_trace() -> None:
    assert run(1).digest != run(2).digest


def test_runs_reach_what_they_are_to_test() -> None:
    """Within a few seeds; else the two hundred of ``test_seeds`` would prove little."""
    wanted = {"claims", "commits", "duplicate", "fenced", "acks", "deltas", "whole views", "matches"}
    wanted |= {f"fault {kind}" for kind in ("kill", "kill_point", "pause", "store_down", "store_lossy", "node_cut")}
    for seed in range(1, 40):
        wanted -= {what for what, count in run(seed).counts.items() if count}
        if not wanted:
            return
    raise AssertionError(f"no run had {sorted(wanted)}")
