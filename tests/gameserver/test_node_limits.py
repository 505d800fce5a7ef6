"""A node as a real process keeps the operator's limits (``ARENA_SOCKETS``, ``ARENA_SOCKETS_PER_ADDRESS``)."""

import contextlib
import json
import resource
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from arena.keys import SigningKeys, signing_keys
from arena.openfiles import allow_open_files
from arena.settings import Settings
from arena.tokens import ISSUER, new_ticket_times, sign_ticket
from protocol.tickets import TicketClaims
from tests.support.processes import Running, running

ANSWER_S = 10.0


def a_ticket(keys: SigningKeys) -> str:
    issued, expires = new_ticket_times()
    claims = TicketClaims(
        iss=ISSUER, aud="lobby", sub=secrets.token_hex(16), jti=secrets.token_hex(16), iat=issued, exp=expires,
        name="Ann", kind="bot",
    )  # fmt: skip
    return sign_ticket(keys, claims)


@contextlib.contextmanager
def node(redis_url: str, data: Path, **environment: str) -> Iterator[tuple[Running, int]]:
    told = {"REDIS_URL": redis_url, "ARENA_DATA": str(data), "ARENA_SHARDS": "4", **environment}
    with running(["-m", "gameserver"], **told) as process:
        port = json.loads(process.wait_for("node_ready"))["port"]
        yield process, port
        process.send(signal.SIGTERM)
        assert process.ended() == 0, process.text


def knock(stack: contextlib.ExitStack, port: int, path: str) -> bytes:
    """Ask for a WebSocket; return the status line. The connection stays open."""
    line = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=ANSWER_S))
    head = (
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        "Sec-WebSocket-Protocol: svidnet.arena.v1+json\r\n\r\n"
    )
    line.sendall(head.encode())
    return line.recv(4096)


def test_sockets_of_an_address(redis_url: str, tmp_path: Path) -> None:
    keys = signing_keys(Settings(data=tmp_path))
    with node(redis_url, tmp_path, ARENA_SOCKETS_PER_ADDRESS="2") as (_, port), contextlib.ExitStack() as stack:
        answers = [knock(stack, port, f"/ws/lobby?token={a_ticket(keys)}") for _ in range(3)]
    assert [answer.split(b" ")[1] for answer in answers] == [b"101", b"101", b"429"]
    assert b"Too many connections from this address" in answers[2]


def test_sockets_in_all(redis_url: str, tmp_path: Path) -> None:
    keys = signing_keys(Settings(data=tmp_path))
    with node(redis_url, tmp_path, ARENA_SOCKETS="1") as (_, port), contextlib.ExitStack() as stack:
        answers = [knock(stack, port, f"/ws/lobby?token={a_ticket(keys)}") for _ in range(2)]
    assert [answer.split(b" ")[1] for answer in answers] == [b"101", b"503"]
    assert b"This node is full" in answers[1]


@pytest.mark.parametrize(("hard", "wanted", "then"), [(900, 500, 500), (900, 5_000, 900), (900, 60, 64)])
def test_the_soft_limit_of_open_files_is_raised(hard: int, wanted: int, then: int) -> None:
    """In a process of its own: a hard limit once lowered stays so."""
    program = f"from arena.openfiles import allow_open_files; print(allow_open_files({wanted}))"
    done = subprocess.run(
        [sys.executable, "-c", program],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard)),
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    )
    assert int(done.stdout) == then
    assert ("open_files_limited" in done.stderr) == (then < wanted)


def test_what_is_enough_already_stays() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert allow_open_files(1) == before[0]
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == before
