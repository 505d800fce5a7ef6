"""``arena verify-match``: an honest match holds; whoever changed anything afterwards is found out."""

import base64
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gameserver import verify
from gameserver.games import log as logs
from gameserver.games.log import read
from tests.games.test_match_log import RESULT, stored


def told(*, encoding: str = "hex", **changes: Any) -> dict[str, Any]:
    """Return the match as the API serves it."""

    def text(value: bytes) -> str:
        return value.hex() if encoding == "hex" else base64.b64encode(value).decode()

    fields = msgspec.to_builtins(msgspec.structs.replace(RESULT, **changes), builtin_types=(bytes,))
    return {name: text(value) if isinstance(value, bytes) else value for name, value in fields.items()}


def run(tmp_path: Path, match: object) -> int:
    file = tmp_path / "match.json"
    file.write_text(json.dumps(match))
    return verify.main([str(file)])


@pytest.mark.parametrize("encoding", ["hex", "base64"])
def test_an_honest_match_holds(encoding: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, told(encoding=encoding)) == 0
    assert "came out as told" in capsys.readouterr().out


def test_the_fields_may_stand_one_level_down(tmp_path: Path) -> None:
    fields = told()
    fairness = {name: fields.pop(name) for name in ("seed", "salt", "commitment", "log")}
    assert run(tmp_path, {**fields, "fairness": fairness}) == 0


def _other_scores() -> list[Any]:
    first, *rest = RESULT.players
    return [msgspec.structs.replace(first, score=first.score + 1), *rest]


HEADER, ENTRIES = read(RESULT.log)
WITHOUT_ANSWERS = [entry for entry in ENTRIES if not isinstance(entry, logs.Commanded)]


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"players": _other_scores()}, id="a score"),
        pytest.param({"players": RESULT.players[:-1]}, id="a player left out"),
        pytest.param({"seed": bytes(32)}, id="the seed"),
        pytest.param({"salt": bytes(32)}, id="the salt"),
        pytest.param({"commitment": bytes(32)}, id="the commitment"),
        pytest.param({"content": [{**RESULT.content[0], "right": 1}, *RESULT.content[1:]]}, id="a right answer"),
        pytest.param({"settings": {**RESULT.settings, "scoring": "flat"}}, id="the settings"),
        pytest.param({"log": logs.compress(b"?")}, id="an unreadable log"),
        pytest.param({"log": stored(HEADER, WITHOUT_ANSWERS)}, id="a log with answers missing"),
        pytest.param(
            {"log": stored(msgspec.structs.replace(HEADER, nonces=[b""] * 4), list(ENTRIES))}, id="a log without nonces"
        ),
    ],
)
def test_a_changed_match_is_found_out(
    changes: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path, told(**changes)) == 1
    out = capsys.readouterr().out
    assert "BROKEN" in out
    assert "NOT what was promised" in out


def test_without_a_log_it_says_what_it_could_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, told(log=b"")) == 2
    assert "no match log" in capsys.readouterr().out


def test_a_match_of_other_rules_is_unknown_not_broken(tmp_path: Path) -> None:
    header = msgspec.structs.replace(HEADER, rules_version=9)
    log = stored(header, list(ENTRIES))
    match = told(log=log, rules_version=9)
    lines = list(verify.check(verify.read_told(json.dumps(match).encode())))
    assert [line.verdict for line in lines if "rules trivia version 9" in line.text] == [verify.Verdict.UNKNOWN]


@pytest.mark.parametrize("content", ["", "[]", "{", '{"mode": "trivia"}', '{"status": 404, "title": "not found"}'])
def test_what_is_no_match_gets_one_clear_line(content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "match.json"
    file.write_text(content)
    assert verify.main([str(file)]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("cannot check")
    assert captured.err.count("\n") == 1


def test_bytes_that_are_no_bytes_are_told(tmp_path: Path) -> None:
    assert run(tmp_path, {**told(), "seed": "!!"}) == 2


def test_a_missing_file_and_wrong_arguments_exit_with_2(tmp_path: Path) -> None:
    assert verify.main([str(tmp_path / "nothing.json")]) == 2
    assert verify.main([]) == 2
