"""The table, the lines of progress, the plot."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from bench.faults.outcome import Moment, Outcome, Violation, figures, spread
from bench.faults.plan import Plan

SLOW_S: Final = 1.5
"""A return that took longer is told with its attempts."""


def _times(values: Mapping[str, float | None]) -> str:
    return " / ".join("–" if value is None else f"{value:.2f}" for value in values.values())


def line(moment: Moment) -> str:
    """Return one fault in one line."""
    text = f"{moment.at_s:7.1f} s  #{moment.number} {moment.kind} {moment.who}"
    if moment.back_s:
        back, runs = spread(moment.back_s), spread(moment.runs_s)
        text += f": {len(moment.back_s)} seats back {_times(back)} s, clock {_times(runs)} s"
    if moment.back_s and moment.back_s[-1] > SLOW_S:
        text += f" (last {moment.last_back})"
    text += f"; longest wait {moment.longest_wait_s:.2f} s"
    return text + (f"; {moment.notes}" if moment.notes else "")


def violation(one: Violation) -> str:
    """Return a violation in one line."""
    where = (
        f"seed {one.seed}, fault {one.fault} ({one.kind}), {one.at_s:.3f} s, room {one.room or '–'}, seat {one.seat}"
    )
    return f"BROKEN: {one.what}: {where}: {one.detail}"


def state(moments: Sequence[Moment], violations: Sequence[Violation], plan: Plan, seconds: float) -> Table:
    """Return the table so far."""
    table = Table(title=f"{len(moments)} faults in {seconds:.0f} s, {len(violations)} things that must not be")
    columns = ("fault", "times", "seats", "fault → back, s", "loss → back, s", "→ clock runs, s", "longest wait, s")
    for column in columns:
        table.add_column(column, justify="left" if column == "fault" else "right")
    for kind, one in figures(moments, plan.kinds).items():
        waits = _times(one.longest_wait_s)
        cells = (_times(one.back_s), _times(one.pause_s), _times(one.runs_s), waits)
        table.add_row(kind, str(one.times), str(one.seats or "–"), *cells)
    return table


def outcome(console: Console, told: Outcome) -> None:
    """Print what came out. Triples are p50 / p99 / max."""
    plan, sums = told.plan, told.sums
    console.print(state(told.moments, told.violations, plan, told.seconds))
    table = Table(title=f"{plan.rooms} rooms of {plan.players}, {plan.nodes} nodes, seed {plan.seed}")
    table.add_column("")
    table.add_column("", justify="right")
    rows: list[tuple[str, Any]] = [
        ("commands a second, acknowledged", f"{told.commands_s:.0f}"),
        ("a command → its answer, ms: p50 / p99 / max", " / ".join(str(value) for value in told.answer_ms.values())),
        ("matches compared", sums.matches),
        ("answers acknowledged / that count", f"{sums.accepted} / {sums.answers}"),
        ("acknowledged answers lost", sums.lost),
        ("counted twice", sums.twice),
        ("counted without a word to the player", sums.never_sent),
        ("results lost / doubled", f"{sums.results_lost} / {sums.results_doubled}"),
        ("epochs whose last words are in the journal", told.epochs_checked),
        ("load processes were late by, ms", told.players_late_ms),
        ("to go on", f"--seed {plan.seed} --from {told.next_fault}"),
    ]
    for name, value in rows:
        table.add_row(name, str(value))
    console.print(table)
    for one in told.violations[:20]:
        console.print(violation(one), style="red", markup=False, highlight=False)
    console.print("[green]everything held" if not told.violations else f"[red]{len(told.violations)} did not hold")


def plot(told: Outcome, path: Path) -> None:
    """Draw when each seat was back, and when its clock ran, for each kind of fault."""
    import matplotlib as mpl  # noqa: PLC0415 - a second to import, and only plots need it

    mpl.use("Agg")
    from matplotlib import pyplot  # noqa: PLC0415 - after the backend is chosen

    figure, (back, waits) = pyplot.subplots(1, 2, figsize=(13, 5))
    for kind in told.kinds:
        chosen = [moment for moment in told.moments if moment.kind == kind]
        values = sorted(value for moment in chosen for value in moment.back_s)
        if values:
            back.plot(
                values, [(n + 1) / len(values) for n in range(len(values))], label=f"{kind} ({len(values)} seats)"
            )
    back.set_title("share of the touched seats that are back, by s since the fault")
    back.set_xlim(left=0)
    if back.lines:
        back.legend(fontsize=7, loc="lower right")
    names = list(told.kinds)
    for place, kind in enumerate(names):
        for moment in told.moments:
            if moment.kind == kind:
                waits.plot(moment.longest_wait_s, place, "k.", markersize=4)
    waits.set_yticks(range(len(names)), names)
    waits.set_title("longest wait of a command in each fault, s")
    plan = told.plan
    figure.suptitle(
        f"{told.faults} faults, {plan.rooms} rooms of {plan.players}, {plan.nodes} nodes, "
        f"{told.commands_s:.0f} commands a second, {len(told.violations)} violations"
    )
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
