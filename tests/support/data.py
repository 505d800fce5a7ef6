"""Public data sets that tests read (``../shared/data`` beside the repository)."""

from pathlib import Path

from tests.support.services import DATA


def data_file(name: str) -> Path:
    """Return the path of a data set's file; fails the test, saying which file is missing."""
    path = DATA / name
    assert path.exists(), f"this test reads ../shared/data/{name}, which is not there"
    return path
