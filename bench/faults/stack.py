"""The installation under test: what ``arena up`` starts, kept running by the same supervisor, with links between.

Every node reaches Redis through a link of its own, every third room's players reach the door through one.
"""

import asyncio
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import redis
from msgspec import Struct

from arena import keys as key_files
from arena.deaths import DeathTeller
from arena.embedded.postgres import Postgres
from arena.embedded.valkey import Valkey
from arena.settings import Settings
from arena.supervisor import Death, Supervisor
from arena.table import NODE_STOP_SECONDS, SERVER_STOP_SECONDS, Plan, environment_of
from arena.units import Program, answers, environment_with, python, said, says
from bench.faults.links import Link, linked
from bench.faults.plan import POINTS
from protocol import keys
from protocol.ids import RoomCode, ShardId, shard_of

HOST: Final = "127.0.0.1"
SETUP_S: Final = 120
REDIS_S: Final = 2.0
LOOK_S: Final = 0.02


class Node(Struct):
    """A node's program, the link it reaches Redis through, and the point at which SIGUSR1 kills it."""

    program: Program
    link: Link
    point: str

    @property
    def name(self) -> str:
        """Its name."""
        return self.program.name

    @property
    def ready(self) -> bool:
        """Whether its present life listens."""
        return self.program.child.running and bool(self.instance)

    @property
    def instance(self) -> str:
        """The instance id of its present life; empty while it is not ready."""
        return str(said(self.program, "node_ready").get("instance", ""))


class Stack:
    """Everything that runs."""

    def __init__(self, folder: Path, supervisor: Supervisor, shards: int) -> None:
        self.folder = folder
        self.supervisor = supervisor
        self.shards = shards
        self.nodes: list[Node] = []
        self.valkey: Valkey
        self.postgres: Postgres
        self.api: Program
        self.worker: Program
        self.door: Link
        self.port = 0
        self.deaths: list[tuple[float, str, int]] = []  # when, which process, its exit code
        self.redis: redis.Redis

    @property
    def servers(self) -> list[str]:
        """Public addresses: rooms use them in turn, so that a third of them comes through the link."""
        straight = f"http://{HOST}:{self.port}"
        return [straight, straight, f"http://{HOST}:{self.door.port}"]

    async def heads(self) -> dict[int, str]:
        """Return shard → instance that claimed it last."""

        def read() -> dict[int, str]:
            with self.redis.pipeline(transaction=False) as pipe:
                for number in range(self.shards):
                    pipe.hget(keys.head(ShardId(number)), "instance")
                told: list[Any] = pipe.execute()
            return {number: (raw or b"").decode() for number, raw in enumerate(told)}

        return await asyncio.to_thread(read)

    async def rooms_of(self, node: Node, codes: list[str]) -> list[str]:
        """Return the rooms that the node owns now."""
        heads, instance = await self.heads(), node.instance
        return [code for code in codes if heads[shard_of(RoomCode(code), self.shards)] == instance]

    async def ready_again(self, unit: Any, seconds: float = 60.0) -> None:
        """Wait until a node, a server or the API does its work. Raises ``TimeoutError``."""
        async with asyncio.timeout(seconds):
            while not is_ready(unit):  # noqa: ASYNC110 - another process's doing
                await asyncio.sleep(LOOK_S)


def is_ready(unit: Any) -> bool:
    """Whether it runs and does its work."""
    if isinstance(unit, Node):
        return unit.ready
    return bool(unit.child.running and unit.is_ready())


@asynccontextmanager
async def running(
    folder: Path, *, nodes: int, environment: dict[str, str], say: Callable[[str], None]
) -> AsyncIterator[Stack]:
    """Start everything on an empty folder; stop it at the end, each part within its time."""
    logs = folder / "logs"
    logs.mkdir()
    supervisor = Supervisor(say, back_off_s=(0.0, 0.2))
    settings = Settings.from_env({**environment, "ARENA_DATA": str(folder)})
    stack = Stack(folder, supervisor, settings.shards)
    loop = asyncio.get_running_loop()
    async with AsyncExitStack() as links:
        supervisor.watch_children(loop)
        supervisor.tell_deaths_to(lambda death: _died(stack, death))
        teller: DeathTeller | None = None
        groups: list[tuple[list[str], float]] = []
        try:
            stack.valkey, stack.postgres = Valkey(folder), Postgres(folder)
            stack.postgres.set_up()
            groups = [([stack.valkey.name, stack.postgres.name], SERVER_STOP_SECONDS)]
            await supervisor.start([stack.valkey, stack.postgres])
            stack.redis = redis.Redis.from_url(stack.valkey.url, protocol=2, socket_timeout=REDIS_S)
            key_files.signing_keys(settings)
            plan = _plan(folder, logs, nodes, stack)
            stack.port = plan.port
            told = {**environment_of(plan), **environment, "ARENA_LOG": environment.get("ARENA_LOG", "info")}
            await asyncio.gather(*(_helper(folder, told, *helper) for helper in (("httpapi.migrate",),)))
            await _helper(folder, told, "httpapi.content", "bank")
            stack.door = await links.enter_async_context(linked("door", (HOST, plan.port)))
            for number in range(1, nodes + 1):
                link = await links.enter_async_context(linked(f"redis-{number}", _socket_of(stack.valkey)))
                stack.nodes.append(_node(number, told, link, logs, stack.valkey))
            everywhere = environment_with(told)
            stack.api = Program(
                "api",
                python("httpapi"),
                environment=everywhere,
                log=logs / "api.log",
                ready=answers(HOST, plan.port, "/readyz"),
            )
            stack.worker = Program(
                "worker",
                python("httpapi.worker"),
                environment={**everywhere, "ARENA_NODE_NAME": "worker"},
                log=logs / "worker.log",
                ready=says("worker_ready"),
            )
            programs = [node.program for node in stack.nodes]
            teller = DeathTeller(programs, plan.door_secret)
            supervisor.tell_deaths_to(teller.died)
            groups.insert(0, ([program.name for program in (*programs, stack.api, stack.worker)], NODE_STOP_SECONDS))
            await supervisor.start([*programs, stack.api, stack.worker])
            yield stack
        finally:
            for node in stack.nodes:
                node.link.mend()
            await supervisor.stop(groups)
            if teller is not None:
                await teller.close()
            loop.remove_signal_handler(signal.SIGCHLD)


def _died(stack: Stack, death: Death) -> None:
    stack.deaths.append((time.monotonic(), death.unit, death.code))


def _plan(folder: Path, logs: Path, nodes: int, stack: Stack) -> Plan:
    with socket.socket() as free:
        free.bind((HOST, 0))
        port = free.getsockname()[1]
    return Plan(
        nodes=nodes,
        host=HOST,
        port=port,
        data=folder,
        logs=logs,
        database_url=stack.postgres.url,
        redis_url=stack.valkey.url,
        redis_cache_url=stack.valkey.url,
        door_secret=secrets.token_urlsafe(32),
    )


def _socket_of(valkey: Valkey) -> Path:
    return Path(urlsplit(valkey.url).path)


def _node(number: int, told: dict[str, str], link: Link, logs: Path, valkey: Valkey) -> Node:
    url = f"redis://:{urlsplit(valkey.url).password}@{HOST}:{link.port}/0"
    point = POINTS[(number - 1) % len(POINTS)]
    environment = environment_with(
        {
            **told,
            "REDIS_URL": url,
            "REDIS_CACHE_URL": url,
            "ARENA_NODE_NAME": f"node-{number}",
            "ARENA_NODE_LISTEN": f"{HOST}:0",
            "ARENA_FAULT": point,
        },
        without=("ARENA_JWT_PRIVATE", "DATABASE_URL"),
    )
    environment.pop("DATABASE_URL", None)
    program = Program(
        f"node-{number}",
        python("gameserver"),
        environment=environment,
        log=logs / f"node-{number}.log",
        ready=says("node_ready"),
    )
    return Node(program, link, point)


async def _helper(folder: Path, told: dict[str, str], module: str, *arguments: str) -> None:
    def work() -> None:
        with (folder / "logs" / f"{module}.log").open("wb") as log:
            subprocess.run(
                [sys.executable, "-m", module, *arguments],
                env=environment_with(told),
                stdout=log,
                stderr=subprocess.STDOUT,
                timeout=SETUP_S,
                check=True,
            )

    await asyncio.to_thread(work)
