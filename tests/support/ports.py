"""Ports for servers of tests: below the range the kernel gives to others, and apart for each test process."""

import itertools
import os
import socket

_FIRST = 20_000
_EACH = 1_000
_WORKER = int("".join(filter(str.isdigit, os.environ.get("PYTEST_XDIST_WORKER", "gw0"))) or 0) % 12
_numbers = itertools.count()


def free_port() -> int:
    """Return a port that nobody listens on and that no other test process is given."""
    for _ in range(_EACH):
        port = _FIRST + _WORKER * _EACH + next(_numbers) % _EACH
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no port is free")
