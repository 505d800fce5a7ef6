"""Golden journals come to what they always came to: an upgrade does not change running games unseen."""

import json
from pathlib import Path

import pytest

from tests.support.golden import FOLDER, outcome_of


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.json")), ids=lambda file: file.stem)
def test_a_golden_journal_comes_to_what_it_did(file: Path) -> None:
    kept = json.loads(file.read_text())
    came_to = outcome_of([bytes.fromhex(entry) for entry in kept["journal"]])
    assert came_to["results"] == kept["results"]
    assert came_to["hash"] == kept["hash"]


def test_golden_journals_hold_results() -> None:
    assert any(json.loads(file.read_text())["results"] for file in FOLDER.glob("*.json"))
