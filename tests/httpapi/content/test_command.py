"""``python -m httpapi.content``: what people see, and the exit codes."""

import json
from pathlib import Path

import pytest

from httpapi.content.__main__ import main
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
    monkeypatch.setenv("DATABASE_URL", postgres.url.rpartition("/")[0] + "/postgres")  # type: ignore[attr-defined]
    assert main(["bank"]) == 2
    assert "run `arena migrate`" in capsys.readouterr().err


def test_wrong_words_are_explained(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["import"])
    assert ended.value.code == 2
    assert "FILE" in capsys.readouterr().err
