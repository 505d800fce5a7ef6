"""The bench's own installation: a Valkey and game nodes on an empty folder, without HTTP API and PostgreSQL.

What httpapi and worker do for a running game (content, "recorded") is done by a thread here, so that what is
measured is the game server and its store. ``bench bigroom`` and ``--server`` measure whole installations.
"""

import contextlib
import json
import os
import random
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import redis
from msgspec import Struct

from arena import keys as key_files
from arena.embedded.valkey import Valkey
from arena.settings import Settings
from bench.entrance import Target
from protocol import keys
from protocol.bus import ContentPack, ContentRequest, MatchResult, Recorded
from protocol.codec import pack_bus, unpack_bus
from protocol.ids import RoomCode, ShardId, shard_of

READY_S: Final = 30
STOP_S: Final = 20
SHARDS: Final = 64


class Process(Struct, frozen=True):
    """A server process to be watched. ``metrics`` is where it tells its own figures; empty: nowhere."""

    name: str
    pid: int
    metrics: str = ""


class Installation(Struct, frozen=True):
    """What runs."""

    target: Target
    processes: list[Process]


@contextlib.contextmanager
def own(
    folder: Path, *, nodes: int = 1, environment: Mapping[str, str] | None = None, profile: Path | None = None
) -> Iterator[Installation]:
    """Start a store and nodes, and stop them at the end. ``profile``: where node 1 leaves cProfile's figures."""
    key_files.signing_keys(Settings.from_env({"ARENA_DATA": str(folder)}))
    server = Valkey(folder)
    url = server.start()
    started: list[subprocess.Popen[str]] = []
    worker = _Worker(url)
    try:
        told = {
            **os.environ,
            "REDIS_URL": url,
            "ARENA_DATA": str(folder),
            "ARENA_LOG": "warning",
            **(environment or {}),
        }
        processes = [Process("valkey", server.child.pid)]
        for number in range(1, nodes + 1):
            processes.append(_node(f"node-{number}", told, started, folder, profile if number == 1 else None))
        worker.start()
        yield Installation(Target(redis_url=url, data=str(folder), shards=SHARDS), processes)
    finally:
        worker.stop()
        for node in started:
            node.terminate()
        for node in started:
            with contextlib.suppress(subprocess.TimeoutExpired):
                node.wait(STOP_S)
            node.kill()
            node.wait()
            if node.stdout is not None:
                node.stdout.close()
        server.stop()


def _node(
    name: str, told: Mapping[str, str], started: list[subprocess.Popen[str]], folder: Path, profile: Path | None
) -> Process:
    run = ["-m", "gameserver"] if profile is None else ["-m", "bench.profiled", str(profile)]
    with (folder / f"{name}.log").open("wb") as log:
        node = subprocess.Popen(
            [sys.executable, *run],
            env={**told, "ARENA_NODE_NAME": name, "ARENA_NODE_LISTEN": "127.0.0.1:0"},
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    started.append(node)
    assert node.stdout is not None
    for line in node.stdout:
        if '"node_ready"' in line:
            ready = json.loads(line)
            return Process(name, ready["pid"], f"http://127.0.0.1:{ready['port']}/metrics")
    raise RuntimeError(f"{name} ended with code {node.wait(READY_S)}; see {folder / f'{name}.log'}")


class _Worker:
    """Answers the rooms' requests with made-up questions, and confirms results."""

    def __init__(self, url: str) -> None:
        self._redis = redis.Redis.from_url(url, protocol=2, socket_timeout=5)
        self._random = random.Random(7)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="bench-worker", daemon=True)
        self.results = 0

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(5)
        self._redis.close()

    def _run(self) -> None:
        streams = [make(ShardId(number)) for number in range(SHARDS) for make in (keys.requests, keys.results)]
        after: dict[Any, Any] = dict.fromkeys(streams, "0")
        while not self._stopping.is_set():
            with contextlib.suppress(redis.RedisError):
                read: Any = self._redis.xread(after, count=100, block=200)
                for stream, entries in read:
                    for entry, fields in entries:
                        self._take(fields[keys.MESSAGE.encode()])
                        after[stream.decode()] = entry
                        self._redis.xdel(stream, entry)

    def _take(self, raw: bytes) -> None:
        message = unpack_bus(raw)
        if isinstance(message, ContentRequest):
            items = [self._question(n) for n in range(int(message.spec.get("count", 10)))]
            self._post(message.code, pack_bus(ContentPack(id=message.id, code=message.code, items=items)))
        elif isinstance(message, MatchResult):
            self.results += 1
            self._post(message.code, pack_bus(Recorded(id=message.id, code=message.code)))

    def _question(self, number: int) -> dict[str, Any]:
        words = " ".join("".join(self._random.choices("abcdefghij", k=6)) for _ in range(9))
        return {
            "id": f"bench-{number}",
            "kind": "choice",
            "text": f"{words}?",
            "options": [f"{words[:9]} {n}" for n in range(4)],
            "right": self._random.randrange(4),
            "explanation": words,
        }

    def _post(self, code: str, message: bytes) -> None:
        self._redis.xadd(keys.inbox(shard_of(RoomCode(code), SHARDS)), {keys.MESSAGE: message})
