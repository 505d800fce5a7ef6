"""The questions that come with the project: written for it, approved."""

from pathlib import Path
from typing import Final

from httpapi.content.importer import Approval, File, read_file

FOLDER: Final = Path(__file__).resolve().parent.parent / "content_bank" / "trivia"
APPROVAL: Final = Approval(new=True, known=False)
"""New ones are drawn at once; what an administrator took out stays out."""


def bank_files() -> list[Path]:
    """Return the bank's files in the order of their names."""
    return sorted(FOLDER.glob("*.json"))


def read_bank() -> list[File]:
    """Read and check the whole bank. Raises ``FileError``."""
    return [read_file(path) for path in bank_files()]
