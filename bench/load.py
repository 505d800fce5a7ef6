"""Rooms of players over real sockets, and what that costs: the node's CPU for each delivered frame beside C's."""

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import psutil
from msgspec import Struct
from rich.console import Console
from rich.live import Live
from rich.table import Table

from bench import reference, stack, watch
from bench.crowd import DONE_S, OPEN_S, Crowd, quantile_ms
from bench.entrance import Target
from bench.stack import Installation, Process
from bench.swarm import Orders

SETTLE_S: Final = 2.0


class Plan(Struct, frozen=True, kw_only=True):
    """What is asked for."""

    profile: str = "ready"
    connections: int = 2000
    players: int = 8  # in each room
    commands_s: float = 2.0
    seconds: float = 20.0
    warm_s: float = 5.0
    processes: int = 2
    nodes: int = 1
    server: str = ""
    settings: dict[str, Any] = {}
    with_reference: bool = True
    opens_s: float = 300.0
    profile_file: str = ""  # cProfile's figures of node 1 (slows it)


class Side(Struct, frozen=True, kw_only=True):
    """What one server did with the load."""

    name: str
    seconds: float
    connections: int
    frames: int
    frames_s: float
    frame_bytes: float  # of a delta, on the average
    other_frames: int
    commands: int
    command_bytes: float  # of a command's frame, on the average
    refused: int
    dropped: int
    receipt_ms: dict[str, float | None]  # command to each member's receipt: p50, p99, max
    receipts: int
    ack_ms: dict[str, float | None]
    cpu: dict[str, float]  # cores used, by process
    cpu_us_a_frame: float | None  # of the nodes (or the reference), for each delta delivered
    rss_kb_a_connection: float | None
    commit_ms: dict[str, float | None]  # drain to confirmation: p50, p99
    commits_s: float
    clients_late_ms: float
    clients_cpu: float
    notes: list[dict[str, Any]]
    closes: dict[str, int]


class Outcome(Struct, frozen=True, kw_only=True):
    """A whole run."""

    plan: Plan
    arena: Side
    reference: Side | None = None
    ratio: float | None = None  # CPU for each delivered frame, ours over the reference's


def orders_of(plan: Plan, target: Target) -> list[Orders]:
    """Spread the rooms over the load processes. Each comes from a loopback address of its own."""
    rooms = plan.connections // plan.players
    orders = []
    for number in range(plan.processes):
        part = rooms // plan.processes + (number < rooms % plan.processes)
        if part:
            orders.append(
                Orders(
                    profile=plan.profile,
                    people=f"p{number:02}",
                    rooms=part,
                    players=plan.players,
                    commands_s=plan.commands_s,
                    settings=plan.settings,
                    source="" if plan.server else f"127.0.0.{number + 2}",
                    target=target,
                    opens_s=plan.opens_s / plan.processes,
                    seed=number + 1,
                )
            )
    return orders


@contextlib.contextmanager
def installation(plan: Plan, folder: Path) -> Iterator[Installation]:
    """Give what is to be measured: the operator's server, or one of our own."""
    if plan.server:
        yield Installation(Target(server=plan.server), processes_of(plan.server))
        return
    profile = Path(plan.profile_file) if plan.profile_file else None
    with stack.own(folder, nodes=plan.nodes, profile=profile) as own:
        yield own


def processes_of(server: str, parent: int | None = None) -> list[Process]:
    """Return the arena's processes when the server is on this machine; else none: their CPU cannot be seen.

    ``parent`` is their supervisor, where it is known; else all that run here are taken for the server's.
    """
    if "://127." not in server and "://localhost" not in server:
        return []
    found = []
    running = psutil.process_iter() if parent is None else psutil.Process(parent).children(recursive=True)
    for process in running:
        try:
            command = " ".join(process.cmdline())
        except psutil.Error:
            continue  # it ended while we looked
        for module, name in (("gameserver", "node"), ("httpapi.worker", "worker"), ("httpapi", "api")):
            if command.endswith(f"-m {module}"):
                found.append(Process(f"{name} {process.pid}", process.pid))
                break
    return found


def play(console: Console, plan: Plan, orders: list[Orders], watched: list[Process], name: str) -> Side:
    """Let the crowd in, play, measure for the plan's time, and return what was seen."""
    connections = sum(order.rooms * (order.players + order.watchers) for order in orders)
    before_opening = watch.read(watched)
    with Crowd(orders) as crowd, Live(console=console, refresh_per_second=4, transient=True) as live:
        began = time.monotonic()

        def show(step: str) -> Callable[[], None]:
            return lambda: live.update(_progress(name, step, crowd, connections, time.monotonic() - began))

        crowd.wait("inside", OPEN_S, show("opening"))
        crowd.tell_all("go")
        crowd.watch(plan.warm_s, show("warming up"))
        inside = watch.read(watched)
        crowd.tell_all("measure")
        started, at_start = time.monotonic(), watch.read(watched)
        clients = _clients_cpu()
        crowd.watch(plan.seconds, show("measuring"))
        seconds, at_end = time.monotonic() - started, watch.read(watched)
        clients = _clients_cpu() - clients
        crowd.tell_all("stop")
        crowd.wait("done", DONE_S, show("counting"))
        rss = _rss(before_opening, inside, connections)
        return _side(name, crowd, _Window(connections, seconds, at_start, at_end, rss, clients))


def _progress(name: str, step: str, crowd: Crowd, connections: int, seconds: float) -> Table:
    table = Table(title=f"{name}: {step}", min_width=60)
    for column in ("s", "connections", "commands", "delivered frames", "dropped"):
        table.add_column(column, justify="right")
    inside = crowd.total("inside") if step == "opening" else connections
    cells = (f"{seconds:.0f}", f"{inside}/{connections}", crowd.total("commands"), crowd.total("frames"))
    table.add_row(*(str(cell) for cell in (*cells, crowd.total("dropped"))))
    return table


def _clients_cpu() -> float:
    total = 0.0
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.Error):
            if "bench.swarm" in child.cmdline():
                times = child.cpu_times()
                total += times.user + times.system
    return total


def _rss(before: dict[str, watch.Reading], inside: dict[str, watch.Reading], connections: int) -> float | None:
    grown = [inside[name].rss - before[name].rss for name in inside if _counts(name)]
    return round(sum(grown) / 1024 / connections, 1) if grown and connections else None


def _counts(name: str) -> bool:
    return name.startswith(("node", "reference"))


class _Window(Struct, frozen=True):
    """What was read around the measured time."""

    connections: int
    seconds: float
    start: dict[str, watch.Reading]
    end: dict[str, watch.Reading]
    rss: float | None
    clients_cpu: float


def _side(name: str, crowd: Crowd, window: _Window) -> Side:
    counts, seconds, start, end = crowd.counts(), window.seconds, window.start, window.end
    cpu = {process: (end[process].cpu_s - start[process].cpu_s) / seconds for process in end}
    nodes = [process for process in end if _counts(process)]
    spent = sum(cpu[process] for process in nodes) * seconds
    with_commits = [process for process in nodes if end[process].metrics]
    commit = {
        f"p{round(q * 100)}": max(
            (
                value * 1000
                for process in with_commits
                if (value := watch.quantile(start[process].metrics, end[process].metrics, watch.COMMIT, q)) is not None
            ),
            default=None,
        )
        for q in (0.5, 0.99)
    }
    commits = sum(
        watch.added(start[process].metrics, end[process].metrics, f"{watch.COMMIT}_count") for process in with_commits
    )
    return Side(
        name=name,
        seconds=round(seconds, 2),
        connections=window.connections,
        frames=counts.frames,
        frames_s=round(counts.frames / seconds, 1),
        frame_bytes=round(counts.frame_bytes / max(counts.frames, 1), 1),
        other_frames=counts.other_frames,
        commands=counts.commands,
        command_bytes=round(counts.command_bytes / max(counts.commands, 1), 1),
        refused=counts.refused,
        dropped=counts.dropped,
        receipt_ms={
            "p50": quantile_ms(counts.receipts, 0.5),
            "p99": quantile_ms(counts.receipts, 0.99),
            "max": round(counts.worst_us / 1000, 2),
        },
        receipts=sum(counts.receipts.values()),
        ack_ms={"p50": quantile_ms(counts.ack_times, 0.5), "p99": quantile_ms(counts.ack_times, 0.99)},
        cpu={process: round(cores, 4) for process, cores in cpu.items()},
        cpu_us_a_frame=round(spent * 1e6 / counts.frames, 2) if nodes and counts.frames else None,
        rss_kb_a_connection=window.rss,
        commit_ms={name: None if value is None else round(value, 2) for name, value in commit.items()},
        commits_s=round(commits / seconds, 1),
        clients_late_ms=round(counts.lag_us / 1000, 2),
        clients_cpu=round(window.clients_cpu / seconds, 3),
        notes=crowd.notes,
        closes=crowd.closes,
    )


def run(console: Console, plan: Plan, folder: Path) -> Outcome:
    """Measure ours, then the C reference with the sizes seen, on the same machine in the same run."""
    with installation(plan, folder) as installed:
        ours = play(console, plan, orders_of(plan, installed.target), installed.processes, "arena")
    if not plan.with_reference or not ours.frames:
        return Outcome(plan=plan, arena=ours)
    theirs = run_reference(console, plan, folder, round(ours.frame_bytes), round(ours.command_bytes))
    ratio = None
    if ours.cpu_us_a_frame and theirs.cpu_us_a_frame:
        ratio = round(ours.cpu_us_a_frame / theirs.cpu_us_a_frame, 2)
    return Outcome(plan=plan, arena=ours, reference=theirs, ratio=ratio)


def run_reference(console: Console, plan: Plan, folder: Path, frame_bytes: int, command_bytes: int) -> Side:
    """Measure the C program under the same commands, with frames of these sizes (headers included)."""
    with reference.running(folder, members=plan.players, frame_bytes=frame_bytes) as (port, process):
        orders = [
            Orders(
                profile="reference",
                people=order.people,
                rooms=order.rooms,
                players=order.players,
                commands_s=plan.commands_s,
                reference=("127.0.0.1", port),
                command_bytes=command_bytes - 6,
                opens_s=order.opens_s,
                seed=order.seed,
            )
            for order in orders_of(plan, Target())
        ]
        # Rooms are numbered from 0 in every process; the program tells them apart by number.
        shifted, first = [], 0
        for order in orders:
            shifted.append(_with_codes(order, first))
            first += order.rooms
        return play(console, plan, shifted, [process], "reference")


def _with_codes(order: Orders, first: int) -> Orders:
    return msgspec.structs.replace(order, codes=[str(first + number) for number in range(order.rooms)])
