"""What the operator sees: one line for each step, then where to go."""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import StringIO

import segno
from rich.console import Console
from rich.markup import escape


class Screen:
    """Writes to standard output; on a terminal with a spinner while a step is under way."""

    def __init__(self, *, qr: bool = True) -> None:
        self._console = Console(highlight=False, soft_wrap=True)
        self._qr = qr

    def say(self, line: str) -> None:
        """Write one line."""
        self._console.print(escape(line))

    @contextmanager
    def step(self, doing: str) -> Iterator["Step"]:
        """Show that something is under way; afterwards one line with how long it took.

        The step may set ``done`` to a better text than ``doing``, or None for no line at all.
        """
        step = Step(doing)
        started = time.monotonic()
        if self._console.is_terminal:
            with self._console.status(f"{escape(doing)} …"):
                yield step
        else:
            yield step
        if step.done is not None:
            self._console.print(f"[green]✓[/] {escape(step.done)} [dim]({time.monotonic() - started:.1f} s)[/]")

    def ready(self, here: str, elsewhere: Sequence[str]) -> None:
        """Write where people find the server, with a code for phones."""
        self._console.print("\n[bold green]SvidNet Arena is ready.[/]\n")
        self._console.print(f"  On this computer   [bold]{here}[/]")
        for number, url in enumerate(elsewhere):
            self._console.print(f"  {'In your network ' if number == 0 else ' ' * 16}   [bold]{url}[/]")
        if not elsewhere:
            self._console.print("  Others cannot reach it: it listens on this computer only, or there is no network.")
        if self._qr and elsewhere:
            self._console.print("\n  With a phone in the same network, scan this:\n")
            self._write_code(elsewhere[0])
        self._console.print("\nCtrl-C stops it; running games wait for the next start.")
        sys.stdout.flush()

    def _write_code(self, url: str) -> None:
        text = StringIO()
        segno.make(url, error="l", micro=False).terminal(out=text, compact=True, border=2)
        # Light modules are drawn: on a terminal say that they are white on black, whatever its theme.
        before, after = ("\x1b[97;40m", "\x1b[0m") if self._console.is_terminal else ("", "")
        for line in text.getvalue().splitlines():
            sys.stdout.write(f"  {before}{line}{after}\n")


class Step:
    """A step under way."""

    def __init__(self, doing: str) -> None:
        self.done: str | None = doing


def complain(line: str) -> None:
    """Write one line of error to standard error."""
    Console(stderr=True, highlight=False, soft_wrap=True).print(f"[bold red]arena:[/] {escape(line)}")
