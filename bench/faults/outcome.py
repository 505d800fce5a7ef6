"""What a run gives: each fault, figures for each kind, what must not have been."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from bench.faults.books import Sums
from bench.faults.plan import Plan


class Moment(Struct, frozen=True, kw_only=True):
    """One fault. Times are seconds; ``at_s`` since the first could come.

    ``back_s``: from the instant of the fault to each touched seat's Welcome; ``runs_s``: until it saw the clock run;
    ``pause_s``: from the loss of its connection to its Welcome.
    """

    number: int
    kind: str
    who: str
    at_s: float
    lasted_s: float
    back_s: list[float]
    pause_s: list[float]
    runs_s: list[float]
    longest_wait_s: float  # of a command for its answer
    last_back: str  # the seat that was back last, and its attempts
    notes: str


class Violation(Struct, frozen=True, kw_only=True):
    """Something that must not be, and all it takes to look for it."""

    what: str
    seed: int
    fault: int
    kind: str
    at_s: float
    room: str
    seat: int | None
    detail: str


class Figures(Struct, frozen=True, kw_only=True):
    """One kind of fault. Seconds: p50, p99, max; None where the fault cost no seat its connection."""

    times: int
    seats: int
    back_s: dict[str, float | None]
    pause_s: dict[str, float | None]
    runs_s: dict[str, float | None]
    longest_wait_s: dict[str, float | None]  # over faults


class Outcome(Struct, frozen=True, kw_only=True):
    """A whole run."""

    plan: Plan
    seconds: float
    faults: int
    next_fault: int  # where to go on from
    commands_s: float  # acknowledged
    accepted: int
    refused: int
    frames: int
    answer_ms: dict[str, float | None]  # from wanting a command to its answer, standstills included
    epochs_checked: int  # whose last told clock was held against the journal
    sums: Sums
    kinds: dict[str, Figures]
    violations: list[Violation]
    players_late_ms: int
    moments: list[Moment]


def spread(values: Sequence[float]) -> dict[str, float | None]:
    """Return p50, p99 and max."""
    ordered = sorted(values)
    if not ordered:
        return {"p50": None, "p99": None, "max": None}
    at = {q: ordered[max(0, math.ceil(q * len(ordered)) - 1)] for q in (0.5, 0.99)}
    return {"p50": round(at[0.5], 3), "p99": round(at[0.99], 3), "max": round(ordered[-1], 3)}


def quantiles(table: Mapping[int, int], step: float) -> dict[str, float | None]:
    """Return p50, p99 and max of what was counted in steps (upper ends)."""
    result: dict[str, float | None] = {}
    for name, q in (("p50", 0.5), ("p99", 0.99), ("max", 1.0)):
        wanted = q * sum(table.values())
        result[name] = None
        for number in sorted(table):
            wanted -= table[number]
            if wanted <= 0:
                result[name] = round((number + 1) * step, 1)
                break
    return result


def figures(moments: Sequence[Moment], kinds: Sequence[str]) -> dict[str, Figures]:
    """Add up, kind by kind."""
    found = {}
    for kind in kinds:
        chosen = [moment for moment in moments if moment.kind == kind]
        if chosen:
            found[kind] = Figures(
                times=len(chosen),
                seats=sum(len(moment.back_s) for moment in chosen),
                back_s=spread([value for moment in chosen for value in moment.back_s]),
                pause_s=spread([value for moment in chosen for value in moment.pause_s]),
                runs_s=spread([value for moment in chosen for value in moment.runs_s]),
                longest_wait_s=spread([moment.longest_wait_s for moment in chosen]),
            )
    return found


def brief(told: Outcome) -> dict[str, Any]:
    """Return the outcome as it is kept: of each fault's seats only p50, p99 and max."""
    kept: dict[str, Any] = msgspec.to_builtins(told)
    for moment in kept["moments"]:
        for name in ("back_s", "pause_s", "runs_s"):
            moment[name] = spread(moment[name])
    return kept
