"""A whole small installation of real processes for tests: nodes, httpapi and worker over real servers.

Everything listens on loopback with short leases, so that what a test waits for is the thing itself.
"""

import json
import os
import queue
import secrets
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from redis import Redis

from arena.keys import signing_keys
from arena.settings import Settings
from gameserver.shards import placement
from protocol import keys
from protocol.ids import ShardId
from tests.support.ports import free_port
from tests.support.services import REPOSITORY, create_database, short_folder

READY_S = 30.0
QUICK = {
    "ARENA_LEASE_MS": "800",
    "ARENA_RENEW_MS": "200",
    "ARENA_BEAT_MS": "100",
    "ARENA_CLAIM_MS": "50",
    "ARENA_FOUND_GRACE_MS": "800",
    "ARENA_SHARDS": "8",
}


class Process:
    """One child: its lines are kept, so that a failing test can show them."""

    def __init__(self, name: str, arguments: list[str], environment: dict[str, str]) -> None:
        self.name = name
        self.lines: deque[str] = deque(maxlen=400)
        self._ready: queue.Queue[dict[str, object]] = queue.Queue(maxsize=100)
        self.child = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=REPOSITORY,
            env={**os.environ, **environment, "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, name=f"read-{name}", daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.child.stdout is not None
        for line in self.child.stdout:
            self.lines.append(line.rstrip())
            if '"event": "node_ready"' in line or '"event":"node_ready"' in line:
                self._ready.put(json.loads(line))

    def wait_ready(self) -> dict[str, object]:
        """Wait for the node's ready line."""
        try:
            return self._ready.get(timeout=READY_S)
        except queue.Empty:
            raise AssertionError(f"{self.name} did not get ready:\n{self.tail()}") from None

    def tail(self) -> str:
        """Return its last lines."""
        return "\n".join(self.lines)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.child.send_signal(number)

    def kill(self) -> None:
        """Kill it at once and wait until it is gone."""
        if self.child.poll() is None:
            self.child.kill()
        self.wait()

    def stop(self) -> int:
        """Ask it to stop; kill it when it does not within ten seconds."""
        if self.child.poll() is None:
            self.child.terminate()
            try:
                self.child.wait(10)
            except subprocess.TimeoutExpired:
                self.child.kill()
        return self.wait()

    def wait(self, seconds: float = 20.0) -> int:
        """Wait for its end; return the exit code."""
        code = self.child.wait(seconds)
        self._reader.join(5)
        if self.child.stdout is not None:
            self.child.stdout.close()
        return code


class Cluster:
    """Processes over one Redis and one database."""

    def __init__(self, folder: Path, redis_url: str, database_url: str) -> None:
        self.folder = folder
        self.redis_url = redis_url
        self.database_url = database_url
        self.processes: dict[str, Process] = {}
        self.api_port = 0
        self.environment = {
            **QUICK,
            "REDIS_URL": redis_url,
            "DATABASE_URL": database_url,
            "ARENA_DATA": str(folder),
            "ARENA_DOOR_SECRET": secrets.token_hex(32),
        }
        signing_keys(Settings(data=folder))

    @property
    def api_url(self) -> str:
        """The public address."""
        return f"http://127.0.0.1:{self.api_port}"

    def wait_settled(self) -> None:
        """Wait until each node has its share of the shards: nothing is moved, and nobody sent along, from then on.

        The first node that starts takes everything, and gives the next one its share when that has lived for 5 s.
        """
        nodes = [name for name in self.processes if name.startswith("node-")]
        share: dict[str, list[int]] = {name: [] for name in nodes}
        for number in range(int(self.environment["ARENA_SHARDS"])):
            share[max(nodes, key=lambda name, n=number: placement.weight(name, ShardId(n)))].append(number)  # type: ignore[misc]  # a default binds the number
        with Redis.from_url(self.redis_url) as redis:
            wait_until(lambda: _held(redis, nodes) == share, lambda: f"{_held(redis, nodes)} instead of {share}")

    def start_node(self, name: str, **environment: str) -> Process:
        """Start a node and wait until it listens."""
        process = Process(
            name,
            ["-m", "gameserver"],
            {**self.environment, "ARENA_NODE_NAME": name, "ARENA_NODE_LISTEN": "127.0.0.1:0", **environment},
        )
        self.processes[name] = process
        process.wait_ready()
        return process

    def start_api(self) -> Process:
        """Start httpapi and wait until it is ready to serve."""
        self.api_port = free_port()
        process = Process(
            "api",
            ["-m", "httpapi"],
            {**self.environment, "ARENA_HOST": "127.0.0.1", "ARENA_PORT": str(self.api_port)},
        )
        self.processes["api"] = process
        wait_until(lambda: responds(f"{self.api_url}/readyz"), lambda: f"api is not ready:\n{process.tail()}")
        return process

    def start_worker(self, name: str = "worker") -> Process:
        """Start a worker."""
        process = Process(name, ["-m", "httpapi.worker"], self.environment)
        self.processes[name] = process
        return process

    def import_bank(self) -> None:
        """Import the project's own questions."""
        done = subprocess.run(
            [sys.executable, "-m", "httpapi.content", "bank"],
            cwd=REPOSITORY,
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def stop(self) -> None:
        """Stop everything."""
        for process in reversed(self.processes.values()):
            if process.child.poll() is None:
                process.child.terminate()
        for process in reversed(self.processes.values()):
            process.stop()


@contextmanager
def running_cluster(
    redis_url: str,
    database_url: str,
    *,
    nodes: int = 2,
    api: bool = True,
    worker: bool = True,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Cluster]:
    """Give a running installation; with content, when there is a worker."""
    with short_folder() as folder:
        cluster = Cluster(folder, redis_url, database_url)
        cluster.environment.update(environment or {})
        try:
            if worker:
                cluster.import_bank()
                cluster.start_worker()
            for number in range(nodes):
                cluster.start_node(f"node-{number + 1}")
            if api:
                cluster.start_api()
            yield cluster
        finally:
            cluster.stop()


def _held(redis: Redis, nodes: Sequence[str]) -> dict[str, list[int]]:
    """Return which shards each node's newest card tells."""
    stored: Any = redis.hvals(keys.NODES)
    cards = sorted((json.loads(raw) for raw in stored), key=lambda card: card["beat_ms"])
    return {card["name"]: sorted(card["shards"]) for card in cards if card["name"] in nodes}


def new_database(postgres_url: str, name: str) -> str:
    """Return the URL of a fresh, migrated database."""
    return create_database(postgres_url, name, "arena")


def responds(url: str) -> bool:
    """Whether a GET answers 200."""
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return int(answer.status) == 200
    except (urllib.error.URLError, OSError):
        return False


def wait_until(holds: Callable[[], bool], why: Callable[[], str], seconds: float = READY_S) -> None:
    """Wait for a condition of another process; nothing there can wake us, so it is looked at every 20 ms."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, why()
        time.sleep(0.02)
