"""The C program that does the least: compiled when it is needed, run on a free port."""

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from bench.stack import Process

SOURCE: Final = Path(__file__).with_name("reference.c")
TICK_HZ: Final = 20


class NoCompilerError(Exception):
    """There is no C compiler here."""

    def __str__(self) -> str:
        return "the reference is a C program and needs cc: install gcc (Debian: apt-get install gcc libc6-dev)"


@contextlib.contextmanager
def running(folder: Path, *, members: int, frame_bytes: int) -> Iterator[tuple[int, Process]]:
    """Compile it into ``folder`` and run it; gives its port. ``frame_bytes`` is a whole frame, header included.

    Raises:
        NoCompilerError: no ``cc`` on the path.
    """
    compiler = shutil.which("cc")
    if compiler is None:
        raise NoCompilerError
    program = folder / "reference"
    subprocess.run([compiler, "-O2", "-o", str(program), str(SOURCE)], check=True, timeout=60)
    command = [str(program), "0", str(members), str(frame_bytes), str(TICK_HZ)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline()), Process("reference", process.pid)
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
