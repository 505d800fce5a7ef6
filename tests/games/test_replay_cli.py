"""``arena replay FILE``: golden journals, what a fault left behind, match logs, and files that are none of these."""

import json
from pathlib import Path

import msgspec
import pytest

from gameserver import replay
from gameserver.rooms import inputs
from gameserver.rooms.record import pack_input
from gameserver.shards.faults import SavedFault
from protocol import client
from protocol.codec import encode_client
from tests.games.test_match_log import RESULT
from tests.support.golden import FOLDER
from tests.support.rooms import Table


def packed(at: Table) -> list[bytes]:
    return [pack_input(at_ms, given) for at_ms, given in at.journal]


def saved(at: Table, *, base: bytes = b"", tail: list[bytes], failed: bytes = b"", where: str = "apply") -> bytes:
    return msgspec.msgpack.encode(SavedFault(at.room.code, where, "", base=base, tail=tail, failed=failed))


def run(tmp_path: Path, content: bytes) -> int:
    file = tmp_path / "file"
    file.write_bytes(content)
    return replay.main([str(file)])


def test_a_golden_journal_ends_at_its_hash(capsys: pytest.CaptureFixture[str]) -> None:
    file = next(iter(sorted(FOLDER.glob("*.json"))))
    assert replay.main([str(file)]) == 0
    assert capsys.readouterr().out.splitlines()[-1].endswith(json.loads(file.read_text())["hash"])


def test_a_fault_is_played_from_its_creation_or_its_checkpoint(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    at = Table(people=3)
    at.start()
    at.run_to("open")
    at.answer(1, 1)
    assert run(tmp_path, saved(at, tail=packed(at))) == 0
    from_creation = capsys.readouterr().out.splitlines()
    assert from_creation[-1].endswith(at.room.state_hash().hex())
    assert len(from_creation) == len(at.journal)

    base, kept = at.room.dump(), len(at.journal)
    at.answer(2, 1)
    assert run(tmp_path, saved(at, base=base, tail=packed(at)[kept:])) == 0
    assert capsys.readouterr().out.splitlines()[-1].endswith(at.room.state_hash().hex())


def test_the_input_that_failed_is_the_last_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    at = Table(people=2)
    broken = pack_input(at.at, inputs.CommandInput(seat=1, raw=encode_client(client.ResyncAsk())))
    assert run(tmp_path, saved(at, tail=packed(at), failed=broken)) == 1
    captured = capsys.readouterr()
    assert "CommandInput" in captured.out.splitlines()[-1]
    assert "AssertionError" in captured.err


def test_a_fault_in_a_deadline_is_played_up_to_that_deadline(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    at = Table(people=2)
    at.start()
    at.run_to("open")
    at.answer(1, 1)
    assert run(tmp_path, saved(at, tail=packed(at), where="advance")) == 0
    at.run_to("closing")
    assert capsys.readouterr().out.splitlines()[-1].endswith(at.room.state_hash().hex())


def test_a_match_log_is_played_to_its_podium(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, RESULT.log) == 0
    out = capsys.readouterr().out
    assert "Ended" in out
    for player in RESULT.players:
        assert f"{player.rank:>4}.  seat {player.seat:<6}{player.score:>8} points" in out


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"{}", id="another JSON"),
        pytest.param(b'{"journal": ["zz"]}', id="not hexadecimal"),
        pytest.param(b'{"journal": []}', id="no journal"),
        pytest.param(b'{"journal": ["c1"]}', id="no inputs"),
        pytest.param(json.dumps({"journal": [pack_input(1, inputs.Drop(1)).hex()]}).encode(), id="no creation"),
        pytest.param(b"\x00\x01", id="noise"),
        pytest.param(msgspec.msgpack.encode(SavedFault("C", "apply", "", b"?", [])), id="a broken checkpoint"),
    ],
)
def test_what_cannot_be_read_gets_one_clear_line(
    content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path, content) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_missing_file_and_wrong_arguments_exit_with_2(tmp_path: Path) -> None:
    assert replay.main([str(tmp_path / "nothing")]) == 2
    assert replay.main([]) == 2
