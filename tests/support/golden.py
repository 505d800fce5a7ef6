"""Golden journals: plays kept with what they came to. ``python -m tests.support.golden`` writes them anew.

They change only when rules change on purpose (``rules_version`` + 1) or a checkpoint schema does: an unwanted
difference means that running games would come out differently after an upgrade.
"""

import json
from pathlib import Path
from typing import Any

from gameserver.rooms.inputs import Create
from gameserver.rooms.record import pack_input, unpack_input
from gameserver.rooms.room import Room
from protocol.bus import MatchResult
from tests.support.play import MODE_IDS, journal_of

FOLDER = Path(__file__).parents[1] / "games" / "golden"
SEEDS = (1, 2, 3)
STEPS = 300


def outcome_of(packed: list[bytes]) -> dict[str, Any]:
    """Return what a journal comes to: the state's hash at its end, and every result on the way."""
    at_ms, create = unpack_input(packed[0])
    assert isinstance(create, Create)
    room = Room.create(create, at_ms)
    results: dict[str, str] = {}
    for entry in packed[1:]:
        at_ms, given = unpack_input(entry)
        room.apply(given, at_ms)
        for effect in room.pending():
            if isinstance(effect, MatchResult):
                results[effect.id] = effect.digest.hex()
    return {"hash": room.state_hash().hex(), "results": results}


def journal(mode: str, seed: int) -> list[bytes]:
    """Return the accepted inputs of a random play."""
    begun_at, create, steps, _ = journal_of(mode, seed, STEPS)
    kept = [step for step in steps if step.reply.code is None and not step.reply.repeated]
    return [pack_input(begun_at, create), *(pack_input(step.at_ms, step.given) for step in kept)]


def main() -> None:
    """Write every golden journal."""
    FOLDER.mkdir(exist_ok=True)
    for mode in MODE_IDS:
        for seed in SEEDS:
            packed = journal(mode, seed)
            body = {"mode": mode, "seed": seed, **outcome_of(packed), "journal": [entry.hex() for entry in packed]}
            (FOLDER / f"{mode}-{seed}.json").write_text(json.dumps(body, indent=0) + "\n")


if __name__ == "__main__":
    main()
