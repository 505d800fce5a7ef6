"""What befalls a run, drawn from its seed."""

from random import Random
from typing import Final

from msgspec import Struct

POINTS: Final = ("before_commit", "in_flight", "committed_not_told")


class Fault(Struct, frozen=True):
    """One thing that happens. ``who`` is an index into nodes or people (modulo how many there are)."""

    at: float
    kind: str
    who: int
    length: float = 0.0
    amount: float = 0.0
    point: str = ""


class Plan(Struct, frozen=True):
    """The whole run."""

    nodes: int
    shards: int
    rooms: int
    people: int  # in each room
    watchers: int
    tick_hz: int
    questions: int
    safety_s: float
    latency_ms: float
    faults: list[Fault]


KINDS: Final[dict[str, float]] = {
    "kill": 3.0,
    "kill_point": 3.0,
    "silence": 1.0,
    "pause": 3.0,
    "stall": 2.0,
    "store_down": 1.5,
    "store_slow": 2.0,
    "store_lossy": 3.0,
    "node_cut": 1.5,
    "drain": 1.0,
    "suspect": 1.5,
    "time_jump": 1.0,
    "road": 2.0,
    "break": 3.0,
    "second_tab": 1.5,
    "app_closed": 1.5,
}

LOSSES: Final[dict[str, float]] = {"fall_back": 2.0, "wipe": 0.7}
"""What needs healing and founding again."""
LOSSES_PART: Final = 0.4
"""Of all seeds; the others show that nothing of it happens without need."""


def draw(seed: int, *, losses: bool | None = None) -> Plan:
    """Return the plan of a seed."""
    random = Random(f"plan/{seed}")
    drawn = random.random() < LOSSES_PART
    losses = drawn if losses is None else losses
    safety_s = random.uniform(12.0, 32.0)
    kinds = dict(KINDS, **LOSSES) if losses else KINDS
    # A run has its own mixture: most seeds see a few kinds of trouble often rather than all of them once.
    weights = [weight * random.choice((0.0, 0.3, 1.0, 3.0)) + 0.01 for weight in kinds.values()]
    count = random.choice((0, 3, 6, 9, 13, 18))
    faults = [
        _fault(random, random.choices(list(kinds), weights)[0], random.uniform(2.0, safety_s)) for _ in range(count)
    ]
    if random.random() < 0.4 and faults:  # trouble seldom comes alone
        again = random.choice(faults)
        faults += [_fault(random, again.kind, again.at + random.uniform(0.0, 1.5)) for _ in range(2)]
    return Plan(
        nodes=random.choice((1, 2, 2, 3, 3)),
        shards=random.choice((1, 2, 3)),
        rooms=random.choice((1, 1, 2, 3)),
        people=random.choice((2, 2, 3, 4)),
        watchers=random.choice((0, 1)),
        tick_hz=random.choice((5, 10, 10, 20)),
        questions=3,
        safety_s=safety_s,
        latency_ms=random.choice((0.5, 3.0, 12.0, 60.0, 110.0)),
        faults=sorted(faults, key=lambda fault: fault.at),
    )


def _fault(random: Random, kind: str, at: float) -> Fault:
    length = {
        "pause": lambda: random.choice((random.uniform(0.3, 2.0), random.uniform(2.0, 7.0))),
        "stall": lambda: random.uniform(0.02, 0.4),
        "kill": lambda: random.choice((0.15, random.uniform(0.2, 5.0))),
        "kill_point": lambda: random.choice((0.15, random.uniform(0.2, 5.0))),
        "silence": lambda: random.uniform(3.0, 8.0),
        "store_down": lambda: random.choice((random.uniform(0.05, 0.9), random.uniform(1.0, 4.0))),
        "node_cut": lambda: random.choice((random.uniform(0.2, 1.5), random.uniform(1.5, 6.0))),
        "drain": lambda: random.uniform(1.0, 3.0),
        "app_closed": lambda: random.uniform(0.1, 6.0),
        "fall_back": lambda: random.uniform(0.01, 1.5),
    }.get(kind, lambda: random.uniform(0.5, 6.0))()
    return Fault(
        at=at,
        kind=kind,
        who=random.randrange(1_000),
        length=length,
        amount=random.random(),
        point=random.choice(POINTS),
    )
