"""Which programs ``arena up`` runs, with what environment, and in which order they stop."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from msgspec import Struct

from arena.units import Program, answers, environment_with, python, says

NODE_STOP_SECONDS: Final = 15.0
API_STOP_SECONDS: Final = 10.0
WORKER_STOP_SECONDS: Final = 10.0
SERVER_STOP_SECONDS: Final = 20.0
_PRIVATE = ("ARENA_JWT_PRIVATE", "DATABASE_URL")


class Plan(Struct, frozen=True, kw_only=True):
    """What runs where: everything the programs must be told."""

    nodes: int
    host: str
    port: int
    data: Path
    logs: Path
    database_url: str
    redis_url: str
    redis_cache_url: str
    door_secret: str


class Table(Struct, frozen=True):
    """The programs of a plan by their place in the order of stopping."""

    nodes: Sequence[Program]
    api: Sequence[Program]
    workers: Sequence[Program]

    @property
    def programs(self) -> list[Program]:
        """Every program."""
        return [*self.nodes, *self.api, *self.workers]

    @property
    def stopping(self) -> list[tuple[list[str], float]]:
        """Names group by group, with seconds: rooms are told and saved first, while everything they need still runs."""
        groups = ((self.nodes, NODE_STOP_SECONDS), (self.api, API_STOP_SECONDS), (self.workers, WORKER_STOP_SECONDS))
        return [([program.name for program in group], seconds) for group, seconds in groups]


TableMaker = Callable[[Plan], Table]
"""Makes the programs of a plan; tests run the supervisor with small programs of their own."""


def environment_of(plan: Plan) -> dict[str, str]:
    """Return the settings that all programs share."""
    return {
        "DATABASE_URL": plan.database_url,
        "REDIS_URL": plan.redis_url,
        "REDIS_CACHE_URL": plan.redis_cache_url,
        "ARENA_DATA": str(plan.data),
        "ARENA_HOST": plan.host,
        "ARENA_PORT": str(plan.port),
        "ARENA_DOOR_SECRET": plan.door_secret,
    }


def make_table(plan: Plan) -> Table:
    """Return the real programs: nodes, the HTTP API with the door, and a worker."""
    shared = environment_of(plan)

    def program(
        name: str, command: list[str], ready: Callable[[Program], bool], environment: Mapping[str, str]
    ) -> Program:
        return Program(name, command, environment=environment, log=plan.logs / f"{name}.log", ready=ready)

    def node(number: int) -> Program:
        name = f"node-{number}"
        # A node only verifies, and never speaks to PostgreSQL: it gets neither the key nor the URL.
        told = environment_with(
            {**shared, "ARENA_NODE_NAME": name, "ARENA_NODE_LISTEN": "127.0.0.1:0"}, without=_PRIVATE
        )
        told.pop("DATABASE_URL", None)
        return program(name, python("gameserver"), says("node_ready"), told)

    told = environment_with(shared)
    return Table(
        nodes=[node(number) for number in range(1, plan.nodes + 1)],
        api=[program("api", python("httpapi"), answers(plan.host, plan.port, "/readyz"), told)],
        workers=[
            program("worker", python("httpapi.worker"), says("worker_ready"), {**told, "ARENA_NODE_NAME": "worker"})
        ],
    )
