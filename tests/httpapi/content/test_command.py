"""``python -m httpapi.content``: what people see, and the exit codes."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from httpapi.content.__main__ import main
from httpapi.content.model import FILE_BYTES_MAX
from tests.support.data import data_file


def question(number: int) -> dict[str, object]:
    return {"id": f"q{number}", "text": f"Question {number}?", "right": True, "difficulty": "easy"}


@pytest.fixture
def own_file(tmp_path: Path) -> Path:
    path = tmp_path / "own.json"
    head = {"format": "svidnet.arena/trivia", "version": 1, "source": "Mine", "licence": "CC0", "category": "Odd"}
    path.write_text(json.dumps({**head, "questions": [question(1), question(2), {"id": "bad"}]}, indent=1))
    return path


@pytest.fixture
def database(fresh_database_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("DATABASE_URL", fresh_database_url)
    return fresh_database_url


@pytest.mark.usefixtures("database")
def test_import_stats_and_again(own_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["import", str(own_file), "--approve"]) == 0
    told = capsys.readouterr().out
    assert "3 questions read, 2 added, 0 changed, 0 approved, 0 there already, 1 refused" in told
    assert f"{own_file}:20: question 3: Object missing required field" in told
    assert main(["import", str(own_file), "--approve"]) == 0
    assert "nothing changed" in capsys.readouterr().out
    assert main(["stats"]) == 0
    told = capsys.readouterr().out
    assert "2  Odd (2 easy, 0 medium, 0 hard)" in told
    assert "2  from Mine (CC0), 2 approved" in told


@pytest.mark.usefixtures("database")
def test_the_bank(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bank"]) == 0
    assert "added" in capsys.readouterr().out
    assert main(["bank"]) == 0
    assert "all there already; nothing changed" in capsys.readouterr().out


@pytest.mark.usefixtures("database")
def test_a_truncated_file_keeps_the_others_out(own_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = own_file.with_name("broken.json")
    broken.write_text(own_file.read_text()[:-20])
    assert main(["import", str(own_file), str(broken)]) == 2
    out = capsys.readouterr()
    assert out.out == ""
    assert f"content: {broken}:2" in out.err
    assert "nothing was imported" in out.err
    assert main(["stats"]) == 0
    assert "0  approved questions in 0 categories" in capsys.readouterr().out


def _own(text: str) -> str:
    head = {"format": "svidnet.arena/trivia", "version": 1, "source": "Mine", "licence": "CC0", "category": "Odd"}
    return json.dumps({**head, "questions": [{**question(1), "text": text}]}, ensure_ascii=False)


def _huge(path: Path) -> None:
    path.touch()
    os.truncate(path, FILE_BYTES_MAX + 1)  # a hole: it takes no room


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda path: None, "cannot be read: No such file"),
    "a directory": (lambda path: path.mkdir(), "not a file"),
    "a pipe nobody writes to": (os.mkfifo, "not a file"),
    "an endless device": (lambda path: path.symlink_to("/dev/zero"), "not a file"),
    "huge": (_huge, "larger than"),
    "empty": (lambda path: path.touch(), "ends where '{' was expected"),
    "broken": (lambda path: path.write_text('{"questions": [{]}'), "not JSON"),
    "nested deeply": (lambda path: path.write_text('{"questions": ' + "[" * 200_000), "nested too deeply"),
    "Latin-1": (lambda path: path.write_bytes(_own("Wo liegt Köln?").encode("latin-1")), "not UTF-8"),
    "UTF-16": (lambda path: path.write_text(_own("Where?"), encoding="utf-16"), "not UTF-8"),
    "zeros": (lambda path: path.write_bytes(bytes(1000)), "expected '{'"),
    "an image": (lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256))), "not UTF-8"),
    "a list": (lambda path: path.write_text("[]"), "expected '{'"),
    "another format": (lambda path: path.write_text('{"questions": [], "format": "x"}'), "format"),
    "no questions": (lambda path: path.write_text('{"format": "svidnet.arena/trivia"}'), "no list named"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_question_file_is_one_clear_line(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Files are read before the database is asked: none is needed."""
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    make, said = BROKEN[name]
    path = tmp_path / "questions.json"
    make(path)
    assert main(["import", str(path)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"content: {path}:1: "), captured.err
    assert said in captured.err
    assert captured.err.endswith("; nothing was imported\n")
    assert captured.err.count("\n") == 1


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize(
    "text", ["\\ud800?", "\\ud800\\u001b[2J", " ", "x" * 5000], ids=["surrogate", "escape", "blank", "long"]
)
def test_a_question_that_cannot_be_kept_is_refused_alone(
    text: str, own_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own_file.write_text(own_file.read_text().replace("Question 1?", text))
    assert main(["import", str(own_file)]) == 0
    told = capsys.readouterr().out
    assert "3 questions read, 1 added" in told
    assert "\x1b" not in told, "a file does not talk to the terminal"


@pytest.mark.usefixtures("database")
def test_many_refusals_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    files = [str(data_file(f"trivia/opentdb/derived_encodings/api_{name}_200.json")) for name in ("base64", "url3986")]
    assert main(["import", *files]) == 0
    assert "and 150 more: 150 × the same question as" in capsys.readouterr().out


def test_lint_says_what_it_found(own_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lint"]) == 0
    assert "no findings" in capsys.readouterr().out
    assert main(["lint", str(own_file)]) == 1
    told = capsys.readouterr().out
    assert "no explanation" in told
    assert "question 3: Object missing required field" in told


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "DATABASE_URL is not set"),
        ("postgresql://nobody@127.0.0.1:1/none", "the database did not do it"),
    ],
)
def test_no_database_is_one_clear_line(
    url: str, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    assert main(["stats"]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1


def test_a_database_without_tables_says_what_to_do(
    postgres: object, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", postgres.url.rpartition("/")[0] + "/postgres")  # type: ignore[attr-defined]  # a Postgres
    assert main(["bank"]) == 2
    assert "run `arena migrate`" in capsys.readouterr().err


def test_wrong_words_are_explained(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["import"])
    assert ended.value.code == 2
    assert "FILE" in capsys.readouterr().err
