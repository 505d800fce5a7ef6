"""Waiting for a server that was started."""

import time
from pathlib import Path
from typing import Protocol

from arena.embedded.errors import EmbeddedError
from arena.embedded.process import Child


class Server(Protocol):
    """What an embedded server is to those who start and stop it."""

    @property
    def name(self) -> str:
        """Its name in texts and in log files."""

    child: Child
    log: Path

    @property
    def url(self) -> str:
        """Where it is reached, password included."""

    def launch(self) -> None:
        """Start it without waiting until it is ready."""

    def is_ready(self) -> bool:
        """Ask once whether it answers; raises ``EmbeddedError`` when it has ended."""

    def stop(self, timeout_s: float = 20.0) -> None:
        """Stop it cleanly; kill it when it takes longer."""


def wait_ready(server: Server, timeout_s: float) -> None:
    """Wait until the server answers, looking every 10 ms.

    Raises:
        EmbeddedError: it ended, or did not answer in time (then it is killed).
    """
    until = time.monotonic() + timeout_s
    while not server.is_ready():
        if time.monotonic() >= until:
            server.child.kill()
            raise EmbeddedError(f"{server.child.name} was not ready after {timeout_s:.0f} s (see {server.log})")
        time.sleep(0.01)
