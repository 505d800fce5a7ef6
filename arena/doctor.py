"""``arena doctor``: looks at the machine and the settings, and says what to do about what is wrong."""

import asyncio
import os
import platform
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from msgspec import Struct
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from arena import checks
from arena.datafolder import read_running
from arena.embedded.binaries import find_postgres, find_valkey
from arena.embedded.errors import EmbeddedError
from arena.embedded.process import unprivileged
from arena.settings import VARIABLES, Settings, SettingsError, unknown_variables
from arena.values import without_password
from arena.webbuild import WebBuild, node_problem

PYTHON_MIN: Final = (3, 11)
FREE_BYTES_MIN: Final = 500 * 1024 * 1024
_SECRETS = ("door_secret", "jwt_private")
_URLS = ("database_url", "redis_url", "redis_cache_url")


class Finding(Struct, frozen=True):
    """One thing looked at. ``advice`` is empty when it is well; ``fatal`` when `arena up` would not start."""

    what: str
    found: str
    advice: str = ""
    fatal: bool = False


def run(environment: Mapping[str, str]) -> int:
    """Print what was found; return 0 when `arena up` would start, else 1."""
    console = Console(highlight=False, soft_wrap=True)
    findings = examine(environment)
    for finding in findings:
        mark = "[green]✓[/]" if not finding.advice else "[bold red]✗[/]" if finding.fatal else "[yellow]![/]"
        console.print(f"{mark} {escape(finding.what)}: {escape(finding.found)}")
        if finding.advice:
            console.print(f"    → {escape(finding.advice)}")
    bad = any(finding.fatal for finding in findings)
    console.print("\nSomething must be done first." if bad else "\n`arena up` can start.")
    return 1 if bad else 0


def examine(environment: Mapping[str, str]) -> list[Finding]:
    """Return everything that was looked at."""
    findings = [_python(), _node()]
    findings += [Finding("Setting", line, "correct or remove it") for line in unknown_variables(environment)]
    try:
        settings = Settings.from_env(environment)
    except SettingsError as error:
        return [*findings, Finding("Settings", "wrong", str(error), fatal=True)]
    findings.append(_folder(settings.data))
    findings.append(_port(settings))
    findings.append(_postgres(settings))
    findings.append(_redis(settings))
    return findings


def _python() -> Finding:
    found = platform.python_version()
    if sys.version_info < PYTHON_MIN:
        return Finding("Python", found, "3.11 or newer is needed: install python3.11", fatal=True)
    return Finding("Python", found)


def _node() -> Finding:
    build = WebBuild()
    problem = node_problem()
    if problem is None:
        return Finding("Node.js", "there, for building the web client")
    if not build.has_sources or build.is_fresh():
        return Finding("Node.js", "not needed: the web client is built")
    return Finding("Node.js", "missing or too old", problem, fatal=not build.built)


def _folder(data: Path) -> Finding:
    path = data.expanduser().absolute()
    what = "Data folder"
    running = read_running(path)
    if running:
        return Finding(what, f"{path}, in use by `arena up` (process {running.pid}, {running.address})")
    existing = next(place for place in (path, *path.parents) if place.exists())
    try:
        with tempfile.TemporaryFile(
            dir=existing
        ):  # to ask what we may is not enough: root may all, /proc takes nothing
            pass
    except OSError:
        return Finding(what, f"{path} cannot be written", "make it writable, or set ARENA_DATA to another", fatal=True)
    status = os.statvfs(existing)
    if status.f_bavail * status.f_frsize < FREE_BYTES_MIN:
        free = status.f_bavail * status.f_frsize // 2**20
        return Finding(what, f"{path}, {free} MB free", "make room: a full disk stops every game")
    return Finding(what, str(path))


def _port(settings: Settings) -> Finding:
    what = "Public port"
    running = read_running(settings.data.expanduser().absolute())
    if running:
        return Finding(what, f"{running.address} (running)")
    return _try(what, lambda: checks.check_port(settings.host, settings.port), f"{settings.port} on {settings.host}")


def _try(what: str, check: Callable[[], object], found: str) -> Finding:
    try:
        check()
    except (SettingsError, EmbeddedError) as error:
        return Finding(what, "not well", str(error), fatal=True)
    return Finding(what, found)


def _postgres(settings: Settings) -> Finding:
    what = "PostgreSQL"
    try:
        if settings.database_url:
            version = asyncio.run(checks.check_database(settings.database_url))
            return Finding(what, f"{version} at {without_password(settings.database_url)}")
        binaries = find_postgres()
        who = unprivileged()
    except (SettingsError, EmbeddedError) as error:
        return Finding(what, "not well", str(error), fatal=True)
    return Finding(what, f"{binaries.version} of our own ({binaries.folder}){f', run as {who.name}' if who else ''}")


def _redis(settings: Settings) -> Finding:
    what = "Redis"
    try:
        if settings.redis_url:
            version, unsafe = asyncio.run(
                checks.check_redis(
                    settings.redis_url, allow_unsafe=settings.unsafe_redis, replicas=settings.commit_replicas
                )
            )
            found = f"{version} at {without_password(settings.redis_url)}"
            return Finding(what, found, f"running games may be lost: {'; '.join(unsafe)}" if unsafe else "")
        binary = find_valkey()
    except (SettingsError, EmbeddedError) as error:
        return Finding(what, "not well", str(error), fatal=True)
    return Finding(what, f"Valkey {binary.version} of our own ({binary.program})")


def print_settings(environment: Mapping[str, str]) -> None:
    """Print every setting with its value now; secrets are not shown."""
    settings = Settings.from_env(environment)
    table = Table(box=None, pad_edge=False)
    for title in ("Setting", "Now", "Meaning"):
        table.add_column(title, overflow="fold")
    for field, variable in VARIABLES.items():
        table.add_row(variable.name, escape(_shown(field, getattr(settings, field))), variable.meaning)
    Console(highlight=False).print(table)


def _shown(field: str, value: object) -> str:
    if field in _SECRETS and value:
        return "(set)"
    if field in _URLS and value:
        return without_password(str(value))
    if isinstance(value, tuple):
        return ":".join(map(str, value)) if field == "node_listen" else ", ".join(map(str, value))
    return str(int(value)) if isinstance(value, bool) else str(value)
