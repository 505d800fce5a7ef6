"""What is asked for, and which fault comes when: a function of the seed and the fault's number."""

from random import Random
from typing import Final

from msgspec import Struct

POINTS: Final = ("before_commit", "in_flight", "committed_not_told")

KINDS: Final[dict[str, str]] = {
    "kill": "a node is killed (kill -9) at any instant",
    "before_commit": "a node kills itself inside a tick, before its commit is sent",
    "in_flight": "a node kills itself inside a tick, with its commit sent and not answered",
    "committed_not_told": "a node kills itself inside a tick, with its commit confirmed and not told",
    "stop": "a node is stopped (SIGSTOP) for longer than its lease, and goes on",
    "drain": "a node is told to end (SIGTERM), and is started again",
    "rolling": "every node in turn is told to end, and is started again",
    "api": "the API, with the door that all players come through, is killed",
    "worker": "the worker is killed",
    "redis": "Redis is killed, and started again",
    "redis_stop": "Redis stands still for up to two seconds",
    "flush": "FLUSHALL: Redis has nothing any more",
    "postgres": "PostgreSQL is killed, and started again",
    "cut_redis": "one node's link to Redis carries nothing for up to two leases",
    "slow_redis": "one node's link to Redis is slow for some seconds",
    "cut_players": "the links of some players carry nothing for some seconds",
    "slow_players": "the links of some players are slow for some seconds",
    "kill_and_redis": "a node and Redis are killed together",
}

DOUBLE: Final = ("kill_and_redis",)
KILLS: Final = ("kill", *POINTS)
WEIGHTS: Final = {"kill": 3, "rolling": 0.3}
"""How often a kind comes beside the others (1)."""


class Plan(Struct, frozen=True, kw_only=True):
    """What is asked for."""

    rooms: int = 100
    players: int = 8
    nodes: int = 4
    processes: int = 2  # of players
    minutes: float = 10.0
    count: int = 0  # of faults; 0: until time is up
    kinds: tuple[str, ...] = tuple(kind for kind in KINDS if kind not in DOUBLE)
    seed: int = 1
    first: int = 0  # number of the first fault
    every_s: float = 2.0  # from one recovery to the next fault, on the average
    questions: int = 3
    seconds: int = 5
    changing: bool = True  # in every other room answers may be changed, and are
    pulse_s: float = 1.0
    recover_s: float = 60.0  # within which everything goes on after a fault
    environment: dict[str, str] = {}


class Fault(Struct, frozen=True):
    """One fault to come. ``random`` decides everything else about it."""

    number: int
    kind: str
    pause_s: float
    random: Random


def fault(plan: Plan, number: int) -> Fault:
    """Return the fault of that number: the same for the same seed and kinds, wherever a run begins."""
    random = Random(f"{plan.seed}:{number}")
    kind = random.choices(plan.kinds, [WEIGHTS.get(kind, 1.0) for kind in plan.kinds])[0]
    return Fault(number, kind, random.uniform(0.25, 2 * plan.every_s - 0.25), random)


def chosen(text: str) -> tuple[str, ...]:
    """Read a list of kinds by comma. Raises ``ValueError``."""
    if not text:
        return Plan().kinds
    kinds = tuple(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))
    for kind in kinds:
        if kind not in KINDS:
            raise ValueError(f"there is no fault {kind!r}: one of {', '.join(KINDS)}")
    return kinds
