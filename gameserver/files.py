"""Files that somebody names on the command line: only real ones, and only so many bytes of them."""

import stat
from pathlib import Path
from typing import Final

FILE_BYTES_MAX: Final = 64 * 1024 * 1024
"""Far above what a match or a saved fault takes."""


def read_named(name: str) -> bytes:
    """Return the file's bytes. Raises ``OSError`` (a directory, a device, a pipe; too large; not there; no right)."""
    path = Path(name)
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError("not a regular file")
    with path.open("rb") as file:
        content = file.read(FILE_BYTES_MAX + 1)
    if len(content) > FILE_BYTES_MAX:
        raise OSError(f"larger than {FILE_BYTES_MAX >> 20} MiB")
    return content
