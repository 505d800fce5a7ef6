"""``arena up`` as people run it: every real process, an account, a room, a killed node, a stop, a second start."""

import http.client
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from signal import SIGKILL, SIGTERM
from typing import Any

import psutil
import pytest

from tests.support.ports import free_port
from tests.support.processes import Running, alive, family_of, running, until
from tests.support.services import short_folder

QUICK = {
    "ARENA_LEASE_MS": "800",
    "ARENA_RENEW_MS": "200",
    "ARENA_BEAT_MS": "100",
    "ARENA_CLAIM_MS": "50",
    "ARENA_FOUND_GRACE_MS": "800",
    "ARENA_SHARDS": "8",
}


@pytest.fixture
def data() -> Iterator[Path]:
    with short_folder() as folder:
        yield folder / "data"


class Api:
    """A small client of the public port."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.token = ""

    def call(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Return (status, the answer read as JSON)."""
        line = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
        headers = {"Content-Type": "application/json"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        try:
            line.request(method, path, json.dumps(body) if body is not None else None, headers)
            answer = line.getresponse()
            text = answer.read()
            return answer.status, json.loads(text) if text else None
        finally:
            line.close()

    def register(self, username: str) -> None:
        asked = {"username": username, "password": "correct horse battery", "client": "bot"}
        status, session = self.call("POST", "/api/auth/register", asked)
        assert status in (200, 201), session
        self.token = session["access_token"]

    def open_room(self) -> str:
        modes = self.call("GET", "/api/games/modes")[1]["modes"]
        trivia = next(mode for mode in modes if mode["id"] == "trivia")
        asked = {"mode": "trivia", "settings": trivia["defaults"], "public": True, "title": "Friday"}
        status, made = self.call("POST", "/api/games/rooms", asked)
        assert status == 201, made
        return str(made["code"])

    def may_join(self, code: str) -> bool:
        return self.call("POST", f"/api/games/rooms/{code}/join", {"role": "player"})[0] == 200


def _up(data: Path, port: int) -> Any:
    arguments = ["-m", "arena", "up", "--no-web", "--data", str(data), "--port", str(port), "--host", "127.0.0.1"]
    return running(arguments, **QUICK)


def _tool(data: Path, *arguments: str) -> Running:
    with running(["-m", "arena", *arguments], ARENA_DATA=str(data)) as told:
        assert told.ended() == 0, told.text
    return told


def _stop(up: Running) -> None:
    family = [child.pid for child in family_of(up.process.pid)]
    up.send(SIGTERM)
    assert up.ended(30) == 0, up.text
    until(lambda: not any(alive(pid) for pid in family), "nothing is left")


def _node_pid(up: Running, name: str) -> int:
    for child in family_of(up.process.pid):
        if "gameserver" in child.cmdline() and child.environ().get("ARENA_NODE_NAME") == name:
            return child.pid
    raise AssertionError(f"{name} does not run")


def test_people_find_everything_in_its_place_before_and_after_kills_and_stops(data: Path) -> None:
    port = free_port()
    api = Api(port)
    with _up(data, port) as up:
        up.wait_for("is ready", 60)
        assert api.call("GET", "/readyz")[0] == 200
        api.register("ada")
        code = api.open_room()
        until(lambda: api.may_join(code), "the room is open")

        assert any("questions" in line for line in _tool(data, "content", "stats").lines)
        _tool(data, "admin", "grant", "ada")

        first = _node_pid(up, "node-1")
        assert "DATABASE_URL" not in psutil.Process(first).environ(), "a node never speaks to PostgreSQL"
        os.kill(first, SIGKILL)
        up.wait_for("node-1 was ended by SIGKILL; starting it again")
        until(lambda: _runs_again(up, first), "node-1 runs again")
        until(lambda: api.may_join(code), "the room is open again")
        _stop(up)
    started = time.monotonic()
    with _up(data, port) as up:
        up.wait_for("is ready", 60)
        assert time.monotonic() - started < 10
        until(lambda: api.may_join(code), "the room outlived the stop of everything")
        _stop(up)


def _runs_again(up: Running, before: int) -> bool:
    try:
        return _node_pid(up, "node-1") != before
    except (AssertionError, psutil.Error):
        return False
