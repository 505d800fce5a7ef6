"""Files named on the command line: one clear line for what is none, and never an endless read."""

import os
from pathlib import Path

import pytest

from gameserver import files, replay, verify


@pytest.mark.parametrize("program", [replay.main, verify.main])
def test_what_is_no_file_of_a_bearable_size_is_refused_in_one_line(
    program: object, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert callable(program)
    monkeypatch.setattr(files, "FILE_BYTES_MAX", 1024)
    pipe, large = tmp_path / "pipe", tmp_path / "large"
    os.mkfifo(pipe)
    large.write_bytes(bytes(1025))
    for name, why in (("/dev/zero", "not a regular file"), (pipe, "not a regular file"), (tmp_path, "not a regular"),
                      (large, "larger than"), (tmp_path / "none", "No such file")):  # fmt: skip
        assert program([str(name)]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert why in line
        assert "Traceback" not in line


def test_a_file_is_read_whole(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    assert files.read_named(str(tmp_path / "file")) == b"abc"
