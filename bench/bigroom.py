"""One room: hundreds of players who join from one address within seconds, thousands of watchers, one match.

Nobody may be dropped, and every acknowledged answer must stand in the results. Runs against a whole installation:
the operator's (``--server``), or one that ``arena up`` starts on an empty folder.
"""

import contextlib
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from msgspec import Struct
from rich.console import Console
from rich.table import Table

from bench import watch
from bench.crowd import DONE_S, OPEN_S, Crowd, quantile_ms
from bench.entrance import Target
from bench.load import processes_of
from bench.stack import Process
from bench.swarm import Orders

READY_S: Final = 120
SECONDS: Final = 10
REVEAL_S: Final = 3
WATCHERS_FROM: Final = "127.0.0.3"
"""Watchers come from another address than the players: one address may hold 2,000 connections."""


class Plan(Struct, frozen=True, kw_only=True):
    """What is asked for."""

    players: int = 500
    watchers: int = 2000
    questions: int = 10
    within_s: float = 10.0
    server: str = ""


class Outcome(Struct, frozen=True, kw_only=True):
    """What came out."""

    plan: Plan
    joined_s: float  # until the last of the players had its first view
    watching_s: float
    match_s: float
    dropped: int
    refused: int
    closes: dict[str, int]
    answers_sent: int
    answers_acknowledged: int
    answers_counted: int  # by the results
    differing: dict[str, Any]  # seat → [acknowledged, counted], where they differ
    players_in_results: int
    receipt_ms: dict[str, float | None]
    ack_ms: dict[str, float | None]
    frames: int
    cpu: dict[str, float]
    clients_late_ms: float


def passed(outcome: Outcome) -> bool:
    """Say whether what must hold held."""
    return (
        not outcome.dropped
        and not outcome.differing
        and outcome.answers_acknowledged == outcome.answers_counted
        and outcome.answers_acknowledged == outcome.answers_sent
        and outcome.players_in_results == outcome.plan.players
        and outcome.joined_s <= outcome.plan.within_s
    )


@contextlib.contextmanager
def whole(folder: Path) -> Iterator[tuple[str, int]]:
    """Start everything with ``arena up`` on an empty folder; gives its address and the supervisor's process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "arena", "up", "--no-web", "--no-qr", "--host", "127.0.0.1"]
    with (folder / "up.log").open("wb") as log:
        up = subprocess.Popen(
            [*command, "--port", str(port), "--data", str(folder / "data")], stdout=log, stderr=subprocess.STDOUT
        )
    try:
        until = time.monotonic() + READY_S
        while not _answers(f"{server}/readyz"):
            if up.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"arena up did not become ready: {(folder / 'up.log').read_text()[-500:]}")
            time.sleep(0.2)
        yield server, up.pid
    finally:
        up.terminate()
        try:
            up.wait(60)
        finally:
            up.kill()
            up.wait()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 - our own server's address
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def run(console: Console, plan: Plan, folder: Path) -> Outcome:
    """Play."""
    if plan.server:
        return _run(console, plan, plan.server, processes_of(plan.server))
    folder.chmod(0o711)  # root's PostgreSQL runs as another user and must pass through
    with whole(folder) as (server, supervisor):
        return _run(console, plan, server, processes_of(server, supervisor))


def _run(console: Console, plan: Plan, server: str, watched: list[Process]) -> Outcome:
    settings = {"questions": plan.questions, "seconds": SECONDS, "reveal_seconds": REVEAL_S}
    players = Orders(
        profile="once",
        people="pla",
        rooms=1,
        players=plan.players,
        settings=settings,
        target=Target(server=server),
        opens_s=plan.players / plan.within_s * 1.25,
    )
    with Crowd([players]) as seated, contextlib.ExitStack() as stack:
        crowds = [seated]
        console.print(f"{plan.players} players join …")
        seated.wait("inside", OPEN_S, lambda: None)
        if plan.watchers:
            watchers = Orders(
                profile="idle",
                people="wat",
                rooms=1,
                players=0,
                watchers=plan.watchers,
                codes=seated.codes[0],
                source=WATCHERS_FROM if watched else "",
                target=Target(server=server),
            )
            watching = stack.enter_context(Crowd([watchers]))
            crowds.append(watching)
            console.print(f"{plan.watchers} watchers come …")
            watching.wait("inside", OPEN_S, lambda: None)
        return _play(console, plan, crowds, watched)


def _play(console: Console, plan: Plan, crowds: list[Crowd], watched: list[Process]) -> Outcome:
    seated = crowds[0]
    for crowd in crowds:
        crowd.tell_all("measure")
        crowd.tell_all("go")
    console.print("the match runs …")
    began, start = time.monotonic(), watch.read(watched)
    longest = (SECONDS + REVEAL_S + 30) * plan.questions + 120
    seated.wait("over", longest, lambda: None)
    seconds, end = time.monotonic() - began, watch.read(watched)
    for crowd in crowds:
        crowd.tell_all("stop")
        crowd.wait("done", DONE_S, lambda: None)
    told, counts = seated.notes[0], seated.counts()
    everybody = [crowd.counts() for crowd in crowds]
    closes: dict[str, int] = {}
    for crowd in crowds:
        for why, times in crowd.closes.items():
            closes[why] = closes.get(why, 0) + times
    return Outcome(
        plan=plan,
        joined_s=seated.latest[0]["opening_s"],
        watching_s=crowds[-1].latest[0]["opening_s"],
        match_s=round(seconds, 1),
        dropped=sum(part.dropped for part in everybody),
        refused=counts.refused,
        closes=closes,
        answers_sent=told["answers"],
        answers_acknowledged=told["acknowledged"],
        answers_counted=told["counted"],
        differing=told["differing"],
        players_in_results=told["players_in_results"],
        receipt_ms={
            "p50": quantile_ms(counts.receipts, 0.5),
            "p99": quantile_ms(counts.receipts, 0.99),
            "max": round(counts.worst_us / 1000, 2),
        },
        ack_ms={"p50": quantile_ms(counts.ack_times, 0.5), "p99": quantile_ms(counts.ack_times, 0.99)},
        frames=sum(part.frames for part in everybody),
        cpu={name: round((end[name].cpu_s - start[name].cpu_s) / seconds, 3) for name in end},
        clients_late_ms=round(max(part.lag_us for part in everybody) / 1000, 1),
    )


def show(console: Console, outcome: Outcome) -> None:
    """Print what came out."""
    plan = outcome.plan
    table = Table(title=f"One room: {plan.players} players, {plan.watchers} watchers, {plan.questions} questions")
    table.add_column("")
    table.add_column("", justify="right")
    for name, value in (
        ("all players in after, s", outcome.joined_s),
        ("all watchers in after, s", outcome.watching_s),
        ("match, s", outcome.match_s),
        ("connections dropped", outcome.dropped),
        ("commands refused", outcome.refused),
        ("answers sent", outcome.answers_sent),
        ("answers acknowledged", outcome.answers_acknowledged),
        ("answers in the results", outcome.answers_counted),
        ("players in the results", outcome.players_in_results),
        ("answer → receipt by each player, ms: p50 / p99 / max", " / ".join(map(str, outcome.receipt_ms.values()))),
        ("answer → acknowledgement, ms: p50 / p99", " / ".join(map(str, outcome.ack_ms.values()))),
        ("frames delivered", outcome.frames),
        ("cores used", ", ".join(f"{name} {cores:.2f}" for name, cores in outcome.cpu.items())),
    ):
        table.add_row(name, str(value))
    console.print(table)
    console.print(
        "[green]passed" if passed(outcome) else f"[red]failed[/red] {outcome.closes or ''} {outcome.differing or ''}"
    )
