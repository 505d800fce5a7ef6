"""What a run leaves: a table on the screen, JSON and a plot in ``bench/results``."""

import datetime
import os
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import psutil
from rich.console import Console
from rich.table import Table

from bench.load import Outcome, Side
from bench.micro import Line

RESULTS: Final = Path(__file__).parent / "results"


def machine() -> dict[str, Any]:
    """Return what the figures were measured on; no name, no path."""
    model = platform.processor() or platform.machine()
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    except OSError:
        pass  # not Linux: the name above must do
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load_before": round(os.getloadavg()[0], 2),
    }


def keep(name: str, outcome: Any, told: Mapping[str, Any], folder: Path = RESULTS) -> Path:
    """Write the JSON; return where."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    whole = {
        "command": "python -m bench " + " ".join(sys.argv[1:]),
        "when": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        "machine": dict(told),
        "result": msgspec.to_builtins(outcome),
    }
    path.write_bytes(msgspec.json.format(msgspec.json.encode(whole)) + b"\n")
    return path


def _commit() -> str:
    try:
        done = subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"],
            capture_output=True,
            text=True,
            timeout=5,
            check=True,
            cwd=RESULTS.parent,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()


def show_micro(console: Console, lines: Sequence[Line]) -> None:
    """Print the small parts."""
    table = Table(title="CPU of one core")
    table.add_column("part")
    table.add_column("what")
    table.add_column("µs", justify="right")
    table.add_column("")
    for line in lines:
        table.add_row(line.part, line.what, f"{line.us:,.2f}", line.note)
    console.print(table)


def show_load(console: Console, outcome: Outcome) -> None:
    """Print ours beside the reference."""
    sides = [side for side in (outcome.arena, outcome.reference) if side is not None]
    plan = outcome.plan
    crowd = f"{outcome.arena.connections} connections in rooms of {plan.players}"
    table = Table(title=f"{plan.profile}: {crowd}, {plan.seconds:.0f} s")
    table.add_column("")
    for side in sides:
        table.add_column(side.name, justify="right")
    for name, cells in _rows(sides):
        table.add_row(name, *cells)
    console.print(table)
    if outcome.ratio is not None:
        console.print(f"CPU for each delivered frame: [bold]{outcome.ratio} ×[/bold] the C reference")
    for side in sides:
        if side.dropped or side.refused or side.clients_late_ms > 100:
            console.print(
                f"[yellow]{side.name}: {side.dropped} connections dropped, {side.refused} commands refused; the load"
                f" processes themselves were up to {side.clients_late_ms:.0f} ms late. {side.closes or ''}"
            )


def _rows(sides: Sequence[Side]) -> list[tuple[str, list[str]]]:
    def times(values: Mapping[str, float | None]) -> str:
        return " / ".join("–" if value is None else f"{value:,.1f}" for value in values.values())

    def number(value: float | None, unit: str = "") -> str:
        return "–" if value is None else f"{value:,.1f}{unit}"

    return [
        ("delivered frames a second", [f"{side.frames_s:,.0f}" for side in sides]),
        ("bytes a frame", [number(side.frame_bytes) for side in sides]),
        ("commands a second", [f"{side.commands / side.seconds:,.0f}" for side in sides]),
        ("command → receipt, ms: p50 / p99 / max", [times(side.receipt_ms) for side in sides]),
        ("command → acknowledgement, ms: p50 / p99", [times(side.ack_ms) for side in sides]),
        ("drain → confirmation, ms: p50 / p99", [times(side.commit_ms) for side in sides]),
        ("commits a second", [f"{side.commits_s:,.0f}" for side in sides]),
        ("cores used", [", ".join(f"{name} {cores:.2f}" for name, cores in side.cpu.items()) for side in sides]),
        ("CPU a delivered frame, µs", [number(side.cpu_us_a_frame) for side in sides]),
        ("memory a connection, KB", [number(side.rss_kb_a_connection) for side in sides]),
        (
            "load processes: cores / worst lateness ms",
            [f"{s.clients_cpu:.2f} / {s.clients_late_ms:.0f}" for s in sides],
        ),
    ]


def plot_load(outcome: Outcome, path: Path) -> None:
    """Draw frames, latency and CPU beside the reference's."""
    import matplotlib as mpl  # noqa: PLC0415 - a second to import, and only plots need it

    mpl.use("Agg")
    from matplotlib import pyplot  # noqa: PLC0415 - after the backend is chosen

    sides = [side for side in (outcome.arena, outcome.reference) if side is not None]
    names = [side.name for side in sides]
    figure, (rate, latency, cpu) = pyplot.subplots(1, 3, figsize=(12, 4))
    rate.bar(names, [side.frames_s for side in sides])
    rate.set_title("delivered frames a second")
    for offset, key in enumerate(("p50", "p99", "max")):
        values = [side.receipt_ms.get(key) or 0 for side in sides]
        latency.bar([n + offset * 0.25 for n in range(len(sides))], values, width=0.25, label=key)
    latency.set_xticks([n + 0.25 for n in range(len(sides))], names)
    latency.set_title("command to receipt, ms")
    latency.legend()
    cpu.bar(names, [side.cpu_us_a_frame or 0 for side in sides])
    cpu.set_title("CPU a delivered frame, µs" + (f" ({outcome.ratio} ×)" if outcome.ratio else ""))
    plan = outcome.plan
    crowd = f"{outcome.arena.connections} connections in rooms of {plan.players}"
    figure.suptitle(f"{plan.profile}: {crowd}, {outcome.arena.commands / outcome.arena.seconds:,.0f} commands a second")
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
