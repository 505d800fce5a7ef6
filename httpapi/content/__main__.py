"""``python -m httpapi.content import FILE… | bank | stats | lint [FILE…]``.

Exit codes: 0 done (also when single questions were refused) · 1 the checker found something · 2 nothing was done:
a file is broken, the database cannot be reached, or the command makes no sense.
"""

import argparse
import asyncio
import re
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final, TypeVar

import asyncpg

from arena.settings import Settings, SettingsError
from httpapi.content.bank import APPROVAL, bank_files, read_bank
from httpapi.content.importer import Approval, Report, import_files, read_file
from httpapi.content.lint import lint
from httpapi.content.model import Draft, FileError, Refusal
from httpapi.content.text import Encoding
from httpapi.store import questions as store

T = TypeVar("T")

CONNECT_S: Final = 10
IMPORT_S: Final = 120
REFUSALS_SHOWN: Final = 50
_NUMBERS: Final = re.compile(r" question \d|[\d(]")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the exit code."""
    told = _parser().parse_args(arguments)
    run: Callable[[argparse.Namespace], int] = told.run
    try:
        return run(told)
    except FileError as error:
        _complain(f"{error}; nothing was imported")
    except SettingsError as error:
        _complain(str(error))
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        _complain(f"the database did not do it: {reason}; check DATABASE_URL and run `arena migrate`")
    return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="arena content", description="Questions: import, count and check them.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    importing = commands.add_parser("import", help="import question files (the project's own JSON, Open Trivia DB)")
    importing.add_argument("files", nargs="+", type=Path, metavar="FILE")
    importing.add_argument("--source", help="whose questions these are, instead of what the file says")
    importing.add_argument("--licence", help="what may be done with them, instead of what the file says")
    importing.add_argument(
        "--encoding",
        type=Encoding,
        choices=list(Encoding),
        help="how an Open Trivia DB file's strings are encoded; found out from the file by default",
    )
    importing.add_argument("--approve", action="store_true", help="rooms may draw these questions at once")
    importing.set_defaults(run=_import)
    bank = commands.add_parser("bank", help="import the questions that come with the project")
    bank.set_defaults(run=_import_bank)
    stats = commands.add_parser("stats", help="count what is in the database")
    stats.set_defaults(run=_stats)
    check = commands.add_parser("lint", help="check question files (by default those that come with the project)")
    check.add_argument("files", nargs="*", type=Path, metavar="FILE")
    check.set_defaults(run=_lint)
    return parser


# ---- commands ---------------------------------------------------------------------------------------


def _import(told: argparse.Namespace) -> int:
    files = [read_file(path, encoding=told.encoding, source=told.source, licence=told.licence) for path in told.files]
    approval = Approval(new=told.approve, known=told.approve)
    for report in _with_database(lambda link: import_files(link, files, approval=approval)):
        _show(report)
    return 0


def _import_bank(_told: argparse.Namespace) -> int:
    files = read_bank()
    reports = _with_database(lambda link: import_files(link, files, approval=APPROVAL))
    if all(report.did_nothing for report in reports):
        _say(f"the bank's {sum(report.read for report in reports)} questions are all there already; nothing changed")
    else:
        for report in reports:
            _show(report)
    return 0


def _stats(_told: argparse.Namespace) -> int:
    counts = _with_database(store.count_by_category)
    for count in counts:
        mix = ", ".join(f"{number} {difficulty}" for difficulty, number in count.by_difficulty.items())
        _say(f"{count.questions:6}  {count.name} ({mix})")
    _say(f"{sum(count.questions for count in counts):6}  approved questions in {len(counts)} categories")
    for source in _with_database(store.count_by_source):
        _say(f"{source.questions:6}  from {source.name} ({source.licence}), {source.approved} approved")
    return 0


def _lint(told: argparse.Namespace) -> int:
    drafts: list[Draft] = []
    findings: list[Refusal] = []
    for path in told.files or bank_files():
        file = read_file(path)
        drafts += file.drafts
        findings += file.refused
    findings += lint(drafts)
    for finding in findings:
        _say(str(finding))
    kinds = Counter(draft.kind for draft in drafts)
    _say(
        f"{len(drafts)} questions ({kinds['choice']} choices, {kinds['boolean']} true or false) in "
        f"{len({draft.category for draft in drafts})} categories: {len(findings) or 'no'} findings"
    )
    return 1 if findings else 0


# ---- helpers ----------------------------------------------------------------------------------------


def _with_database(work: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
    url = Settings.from_env().require_database()

    async def run() -> T:
        link = await asyncpg.connect(url, timeout=CONNECT_S, command_timeout=IMPORT_S)
        try:
            return await work(link)
        finally:
            await link.close(timeout=CONNECT_S)

    return asyncio.run(run())


def _show(report: Report) -> None:
    if report.did_nothing and not report.refused:
        _say(f"{report.file}: {report.read} questions, all there already; nothing changed")
        return
    _say(
        f"{report.file}: {report.read} questions read, {report.added} added, {report.changed} changed, "
        f"{report.approved} approved, {report.unchanged} there already, {len(report.refused)} refused"
        + ("; nothing changed" if report.did_nothing else "")
    )
    for refusal in report.refused[:REFUSALS_SHOWN]:
        _say(f"  {refusal}")
    if len(report.refused) > REFUSALS_SHOWN:
        reasons = Counter(_NUMBERS.split(refusal.reason)[0].strip() for refusal in report.refused[REFUSALS_SHOWN:])
        rest = ", ".join(f"{number} × {reason}" for reason, number in reasons.most_common(10))
        _say(f"  and {len(report.refused) - REFUSALS_SHOWN} more: {rest}")


def _say(line: str) -> None:
    sys.stdout.write(_shown(line) + "\n")


def _complain(line: str) -> None:
    sys.stderr.write(f"content: {_shown(line)}\n")


def _shown(line: str) -> str:
    """Return the line with what cannot be printed as escapes: files bring half characters and terminal commands."""
    return "".join(
        mark if mark.isprintable() else mark.encode("unicode_escape", "backslashreplace").decode() for mark in line
    )


if __name__ == "__main__":
    sys.exit(main())
