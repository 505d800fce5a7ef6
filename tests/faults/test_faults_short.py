"""``arena bench faults``, short: every oracle on a whole installation of its own."""

import msgspec
import pytest
from rich.console import Console

from bench.faults import run, show
from bench.faults.plan import POINTS, Plan
from tests.support.services import short_folder

QUICK = {
    "ARENA_SHARDS": "16",
    "ARENA_LEASE_MS": "1500",
    "ARENA_RENEW_MS": "400",
    "ARENA_BEAT_MS": "200",
    "ARENA_CLAIM_MS": "100",
    "ARENA_FOUND_GRACE_MS": "1500",
}


@pytest.mark.timeout(110)
def test_a_killed_node_and_an_emptied_redis_cost_nobody_anything() -> None:
    plan = Plan(
        rooms=6,
        players=3,
        nodes=3,
        processes=1,
        changing=False,
        count=3,
        minutes=0.5,
        kinds=("kill", "flush", *POINTS),
        seed=2,
        every_s=0.5,
        environment=QUICK,
    )
    outcome, logs = run.run(Console(quiet=True), plan)
    assert outcome.violations == [], f"logs: {logs}"
    assert outcome.faults == 3
    assert {moment.kind for moment in outcome.moments} >= {"flush"}
    assert any(figures.seats for figures in outcome.kinds.values()), "no node that owned a room was killed"
    assert outcome.sums.matches >= plan.rooms
    assert outcome.sums.answers > 0
    assert outcome.epochs_checked > 0
    with short_folder() as folder:
        show.plot(outcome, folder / "faults.png")
        assert (folder / "faults.png").stat().st_size > 1_000
    msgspec.json.encode(outcome)
