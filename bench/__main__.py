"""``python -m bench``: measure small parts, a load beside the C reference, a big room, idle connections."""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from bench import load, micro, report
from bench.faults.plan import KINDS, Plan, chosen
from bench.reference import NoCompilerError


def parser() -> argparse.ArgumentParser:
    """Return what the command line knows."""
    whole = argparse.ArgumentParser(prog="arena bench", description=__doc__)
    commands = whole.add_subparsers(dest="command", required=True)

    small = commands.add_parser("micro", help="codec, room step, fan-out, commit")
    small.add_argument("parts", nargs="*", choices=[[], *micro.PARTS], metavar="part", help=", ".join(micro.PARTS))

    rooms = commands.add_parser("load", help="rooms of players over real sockets, beside the C reference")
    rooms.add_argument("--profile", choices=["ready", "trivia"], default="ready", help="what players do (%(default)s)")
    rooms.add_argument("--connections", type=int, default=2000)
    rooms.add_argument("--players", type=int, default=8, help="in each room")
    rooms.add_argument("--commands", type=float, default=2.0, help="a second, of each player (profile ready)")
    rooms.add_argument("--seconds", type=float, default=20.0, help="measured")
    rooms.add_argument("--warm", type=float, default=5.0, help="seconds before")
    rooms.add_argument("--processes", type=int, default=2, help="of clients")
    rooms.add_argument("--nodes", type=int, default=1, help="game nodes of the bench's own installation")
    rooms.add_argument("--no-reference", action="store_true", help="without the C program")
    rooms.add_argument("--profile-file", default="", help="leave cProfile's figures of node 1 there (slows it)")

    reference = commands.add_parser("reference", help="the C program alone")
    reference.add_argument("--connections", type=int, default=2000)
    reference.add_argument("--players", type=int, default=8)
    reference.add_argument("--commands", type=float, default=2.0)
    reference.add_argument("--seconds", type=float, default=20.0)
    reference.add_argument("--frame-bytes", type=int, default=55)
    reference.add_argument("--command-bytes", type=int, default=33, help="a command's whole frame")

    idle = commands.add_parser("idle", help="memory and CPU of connections that say nothing")
    idle.add_argument("--connections", type=int, default=2000)
    idle.add_argument("--seconds", type=float, default=20.0)

    big = commands.add_parser("bigroom", help="one room of 500 players and 2,000 watchers")
    big.add_argument("--players", type=int, default=500)
    big.add_argument("--watchers", type=int, default=2000)
    big.add_argument("--questions", type=int, default=10)
    big.add_argument("--within", type=float, default=10.0, help="seconds in which all players join")

    broken = commands.add_parser("faults", help="a whole installation under load whose parts are killed and cut off")
    broken.add_argument("--minutes", type=float, default=10.0)
    broken.add_argument("--count", type=int, default=0, help="of faults; 0: until the time is up")
    broken.add_argument(
        "--faults", default="", help="kinds by comma; all single faults without it: " + ", ".join(KINDS)
    )
    broken.add_argument("--rooms", type=int, default=100)
    broken.add_argument("--players", type=int, default=8, help="in each room")
    broken.add_argument("--nodes", type=int, default=4)
    broken.add_argument("--processes", type=int, default=2, help="of players")
    broken.add_argument("--seed", type=int, default=1)
    broken.add_argument("--from", dest="first", type=int, default=0, metavar="K", help="go on with fault K of the seed")
    broken.add_argument("--every", type=float, default=2.0, help="seconds from a recovery to the next fault")

    broken.add_argument("--keep", action="store_true", help="keep the logs although everything held")

    for command in (rooms, idle, big):
        command.add_argument("--server", default="", help="an installation of yours: http://host:port")
    for command in (small, rooms, reference, idle, big, broken):
        command.add_argument("--name", default="", help="of the files kept in bench/results")
    return whole


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the exit code."""
    options = parser().parse_args(arguments)
    console, told = Console(), report.machine()
    try:
        with tempfile.TemporaryDirectory(prefix="arena-bench-") as folder:
            return COMMANDS[options.command](options, console, told, Path(folder))
    except (NoCompilerError, TimeoutError, RuntimeError) as error:
        console.print(f"[red]bench: {error}")
        return 1
    except KeyboardInterrupt:
        return 130


def _micro(options: argparse.Namespace, console: Console, told: dict[str, object], _folder: Path) -> int:
    lines = micro.run(options.parts)
    report.show_micro(console, lines)
    console.print(f"kept in {report.keep(options.name or 'micro', lines, told)}")
    return 0


def _load(options: argparse.Namespace, console: Console, told: dict[str, object], folder: Path) -> int:
    plan = load.Plan(
        profile=options.profile,
        connections=options.connections,
        players=options.players,
        commands_s=options.commands,
        seconds=options.seconds,
        warm_s=options.warm,
        processes=options.processes,
        nodes=options.nodes,
        server=options.server,
        # The reference's clients toggle; a match has no steady rhythm that it could copy.
        with_reference=not options.no_reference and options.profile == "ready",
        profile_file=options.profile_file,
    )
    outcome = load.run(console, plan, folder)
    report.show_load(console, outcome)
    name = options.name or f"load-{plan.profile}"
    path = report.keep(name, outcome, told)
    report.plot_load(outcome, path.with_suffix(".png"))
    console.print(f"kept in {path} and {path.with_suffix('.png')}")
    return 1 if outcome.arena.dropped else 0


def _reference(options: argparse.Namespace, console: Console, told: dict[str, object], folder: Path) -> int:
    plan = load.Plan(
        connections=options.connections,
        players=options.players,
        commands_s=options.commands,
        seconds=options.seconds,
    )
    side = load.run_reference(console, plan, folder, options.frame_bytes, options.command_bytes)
    outcome = load.Outcome(plan=plan, arena=side)
    report.show_load(console, outcome)
    console.print(f"kept in {report.keep(options.name or 'reference', outcome, told)}")
    return 0


def _idle(options: argparse.Namespace, console: Console, told: dict[str, object], folder: Path) -> int:
    plan = load.Plan(
        profile="idle",
        connections=options.connections,
        seconds=options.seconds,
        server=options.server,
        with_reference=False,
    )
    outcome = load.run(console, plan, folder)
    report.show_load(console, outcome)
    console.print(f"kept in {report.keep(options.name or 'idle', outcome, told)}")
    return 1 if outcome.arena.dropped else 0


def _bigroom(options: argparse.Namespace, console: Console, told: dict[str, object], folder: Path) -> int:
    from bench import bigroom  # noqa: PLC0415 - it alone needs the whole installation

    plan = bigroom.Plan(
        players=options.players,
        watchers=options.watchers,
        questions=options.questions,
        within_s=options.within,
        server=options.server,
    )
    outcome = bigroom.run(console, plan, folder)
    bigroom.show(console, outcome)
    console.print(f"kept in {report.keep(options.name or 'bigroom', outcome, told)}")
    return 0 if bigroom.passed(outcome) else 1


def _faults(options: argparse.Namespace, console: Console, told: dict[str, object], _folder: Path) -> int:
    from bench.faults import run, show  # noqa: PLC0415 - it alone needs the whole installation
    from bench.faults.outcome import brief  # noqa: PLC0415 - as above

    try:
        kinds = chosen(options.faults)
    except ValueError as error:
        console.print(f"[red]bench: {error}")
        return 2
    plan = Plan(
        rooms=options.rooms,
        players=options.players,
        nodes=options.nodes,
        processes=options.processes,
        minutes=options.minutes,
        count=options.count,
        kinds=kinds,
        seed=options.seed,
        first=options.first,
        every_s=options.every,
    )
    outcome, _logs = run.run(console, plan, keep=options.keep)
    show.outcome(console, outcome)
    path = report.keep(options.name or "faults", brief(outcome), told)
    show.plot(outcome, path.with_suffix(".png"))
    console.print(f"kept in {path} and {path.with_suffix('.png')}")
    return 1 if outcome.violations else 0


COMMANDS = {
    "micro": _micro,
    "load": _load,
    "reference": _reference,
    "idle": _idle,
    "bigroom": _bigroom,
    "faults": _faults,
}

if __name__ == "__main__":
    sys.exit(main())
