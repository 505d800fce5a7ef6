"""The whole of ``bench load``, small: real processes, a real store, the C reference beside it."""

import msgspec
import pytest
from rich.console import Console

from bench import load, report
from tests.support.services import short_folder

QUICK = {
    "ARENA_LEASE_MS": "600",
    "ARENA_RENEW_MS": "200",
    "ARENA_BEAT_MS": "150",
    "ARENA_CLAIM_MS": "100",
    "ARENA_FOUND_GRACE_MS": "600",
}


def test_every_command_reaches_every_member_and_the_reference_does_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in QUICK.items():
        monkeypatch.setenv(name, value)
    plan = load.Plan(connections=16, players=4, commands_s=4.0, seconds=1.5, warm_s=0.3, processes=1, opens_s=200)
    with short_folder() as folder:
        outcome = load.run(Console(quiet=True), plan, folder)
        kept = report.keep("small", outcome, report.machine(), folder)
        report.plot_load(outcome, kept.with_suffix(".png"))
        assert msgspec.json.decode(kept.read_bytes())["result"]["plan"]["connections"] == 16
        assert kept.with_suffix(".png").stat().st_size > 1_000
    assert outcome.reference is not None
    for side in (outcome.arena, outcome.reference):
        assert (side.dropped, side.refused) == (0, 0)
        assert side.commands > 30
        # Each command is told to the four members of its room; those under way at either end are missed or extra.
        assert abs(side.receipts - 4 * side.commands) <= 4 * plan.connections
        assert 0 < side.frames <= side.receipts + 4 * plan.connections
    assert outcome.arena.commit_ms["p50"] is not None
    assert outcome.arena.cpu_us_a_frame is not None
