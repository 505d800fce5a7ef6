"""A room's stored form: it comes back the same, also from old dumps, and what is no dump is told as such."""

import json
import zlib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gameserver.rooms import dump as dumps
from gameserver.rooms.dump import DumpError
from gameserver.rooms.room import Room
from protocol import client
from tests.support.rooms import Table

STORED = Path(__file__).parent / "checkpoints"


def playing() -> Table:
    """Return a table in the middle of a question, with a result that waits from the match before."""
    at = Table(people=3)
    at.start()
    at.do(1, client.EndMatch)
    at.do(1, client.Rematch)
    at.deliver()
    at.run_to("open")
    at.answer(1, 0)
    at.drop(2)
    return at


def test_a_dump_comes_back_the_same() -> None:
    room = playing().room
    blob = room.dump()
    again = Room.load(blob)
    assert again.dump() == blob
    assert again.state_hash() == room.state_hash()
    assert again.next_deadline() == room.next_deadline()
    assert again.pending() == room.pending()
    assert again.connected_count == room.connected_count


def test_dumping_and_looking_change_nothing() -> None:
    at = playing()
    before = at.room.state_hash()
    at.room.dump()
    _ = at.view
    at.room.private_view(1)
    at.room.take_touched()
    at.room.pending()
    at.room.card()
    assert at.room.state_hash() == before


@pytest.mark.parametrize("file", sorted(STORED.glob("*.json")), ids=lambda file: file.stem)
def test_stored_old_dumps_load_and_play_on(file: Path) -> None:
    stored = json.loads(file.read_text())
    room = Room.load(bytes.fromhex(stored["dump"]))
    assert room.phase == stored["phase"]
    at_ms = stored["at_ms"]
    for _ in range(100):
        due = room.next_deadline()
        if due is None or room.phase == "results":
            break
        at_ms = max(due, at_ms)
        room.advance(at_ms)
    assert room.phase == "results"


def test_there_is_a_stored_dump_of_every_schema() -> None:
    kept = {json.loads(file.read_text())["schema"] for file in STORED.glob("*.json")}
    assert kept == set(range(1, dumps.SCHEMA + 1))


def test_an_upgrade_takes_old_states_to_todays_schema(monkeypatch: pytest.MonkeyPatch) -> None:
    blob = playing().room.dump()

    def forget_title(state: dict[str, Any]) -> dict[str, Any]:
        return {**state, "title": "upgraded"}

    monkeypatch.setattr(dumps, "SCHEMA", 3)
    monkeypatch.setitem(dumps.UPGRADES, 1, forget_title)
    monkeypatch.setitem(dumps.UPGRADES, 2, lambda state: {**state, "locked": True})
    state = Room.load(blob).state
    assert (state.title, state.locked) == ("upgraded", True)


@pytest.mark.parametrize(
    "blob",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\xc1", id="not msgpack"),
        pytest.param(msgspec.msgpack.encode([99, b"", b"", b"", []]), id="a schema nobody knows"),
        pytest.param(msgspec.msgpack.encode([1, b"\x80", b"", b"", []]), id="an empty state"),
    ],
)
def test_bytes_that_are_no_dump_are_told_as_such(blob: bytes) -> None:
    with pytest.raises(DumpError):
        Room.load(blob)


def test_a_damaged_log_is_told_as_such() -> None:
    schema, state, header, entries, results = msgspec.msgpack.decode(playing().room.dump())
    for damaged in (b"", b"?", zlib.compress(b"\xc1")):
        with pytest.raises(DumpError):
            Room.load(msgspec.msgpack.encode([schema, state, header, damaged, results]))
    Room.load(msgspec.msgpack.encode([schema, state, header, entries, results]))


def test_a_mode_nobody_knows_is_told_as_such() -> None:
    schema, state, *rest = msgspec.msgpack.decode(Table(people=1).room.dump())
    changed = msgspec.msgpack.encode({**msgspec.msgpack.decode(state), "mode": "chess"})
    with pytest.raises(DumpError):
        Room.load(msgspec.msgpack.encode([schema, changed, *rest]))
