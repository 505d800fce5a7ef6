"""The ``arena`` command. Thin: it reads the command line and hands over."""

import os
import sys
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from arena import doctor, parts, up
from arena.screen import complain
from arena.settings import Settings, SettingsError, unknown_variables

app = typer.Typer(
    name="arena",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="[bold]SvidNet Arena[/]: a self-hosted, real-time game platform whose games survive their server.\n\n"
    "[bold]arena up[/] runs everything on this machine: PostgreSQL and Valkey (unless DATABASE_URL and REDIS_URL name "
    "yours), two game nodes, the HTTP API with the web client on one port, and a worker. The other commands run or "
    "look after single parts.",
    epilog="Settings come from the environment (ARENA_*, DATABASE_URL, REDIS_URL); [bold]arena settings[/] lists "
    "them. Exit code 2 means: told to do something impossible; the line above it says what to do.",
)

_RUN = "Run"
_LOOK_AFTER = "Look after"
_PLAY = "Play and measure"
_PASS_ON = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}


@app.command("up", rich_help_panel=_RUN)
def up_command(  # noqa: PLR0917 - typer calls it by keyword
    nodes: Annotated[int, typer.Option(min=1, max=64, help="How many game nodes. Two survive the loss of one.")] = 2,
    port: Annotated[int | None, typer.Option(help="The one public port. [dim](ARENA_PORT, else 8000)[/]")] = None,
    host: Annotated[
        str | None,
        typer.Option(help="The address to listen on; 127.0.0.1 keeps others out. [dim](ARENA_HOST, else all)[/]"),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Folder of databases, keys and logs. [dim](ARENA_DATA, else ./.arena)[/]")
    ] = None,
    web: Annotated[
        bool, typer.Option(help="Build the web client when it is missing or older than its sources.")
    ] = True,
    qr: Annotated[bool, typer.Option(help="Show a QR code for phones.")] = True,
) -> None:
    """Run everything on this machine. Ctrl-C stops it in order; a second one at once."""
    environment = dict(os.environ)
    for name, value in (("ARENA_PORT", port), ("ARENA_HOST", host), ("ARENA_DATA", data)):
        if value is not None:
            environment[name] = str(value)
    settings = Settings.from_env(environment)
    settings = msgspec.structs.replace(settings, data=settings.data.absolute())
    for line in unknown_variables(environment):
        complain(f"warning: {line}")
    raise typer.Exit(up.run(up.Options(settings=settings, nodes=nodes, web=web, qr=qr)))


def _part(name: str, panel: str, text: str) -> None:
    """Add a command that becomes another part; all its arguments are that part's."""

    def command(context: typer.Context) -> None:
        parts.become(name, context.args)

    command.__doc__ = text
    app.command(name, rich_help_panel=panel, context_settings=_PASS_ON)(command)


_part(
    "node",
    _RUN,
    "Run one game node (ARENA_NODE_NAME, ARENA_NODE_LISTEN, REDIS_URL); --drain NAME stops one without loss.",
)
_part("api", _RUN, "Run the HTTP API, the web client and the door to the nodes (ARENA_HOST, ARENA_PORT).")
_part("worker", _RUN, "Run a worker: it records results, prepares content and keeps house.")
_part("migrate", _LOOK_AFTER, "Bring the database to the newest schema.")
_part("content", _LOOK_AFTER, "Import, count and check questions: content import FILE…, content stats, content lint.")
_part("admin", _LOOK_AFTER, "Give or take rights: admin grant USER.")


@app.command("doctor", rich_help_panel=_LOOK_AFTER)
def doctor_command() -> None:
    """Check this machine and its settings, and say what to do about what is wrong."""
    raise typer.Exit(doctor.run(os.environ))


@app.command("settings", rich_help_panel=_LOOK_AFTER)
def settings_command() -> None:
    """List every setting of the environment: name, value now, meaning."""
    doctor.print_settings(os.environ)


_part("bot", _PLAY, "Let bots join a room: bot --room CODE --skill 70 --count 5.")
_part("replay", _PLAY, "Play a saved journal again, tick by tick: replay FILE.")
_part("verify-match", _PLAY, "Check that a match was fair: verify-match FILE_OR_URL.")
_part(
    "bench",
    _PLAY,
    "Measure an installation: bench load, bench bigroom, bench faults --minutes 10, and more (bench --help).",
)


def main() -> None:
    """Run the command line; wrong settings end with one line and exit code 2."""
    try:
        app(prog_name="arena")
    except SettingsError as error:
        complain(str(error))
        sys.exit(2)


if __name__ == "__main__":
    main()
