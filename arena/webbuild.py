"""Builds the web client when it is missing or older than its sources."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from arena.units import ROOT
from arena.values import SettingsError

WEB: Final = ROOT / "clients" / "web"
NODE_MIN: Final = (20, 19)
NODE_ADVICE: Final = (
    "install Node.js 20.19 or newer (Debian 13, Ubuntu 25.04 and newer: apt-get install nodejs npm; "
    "elsewhere: https://nodejs.org/en/download)"
)
_STAMP = ".built-from"
_NOT_SOURCES = {"node_modules", "dist", "coverage", "test-results"}
_INSTALL_SECONDS = 900
_BUILD_SECONDS = 300


def node_problem() -> str | None:
    """Return what is wrong with the machine's Node.js in one line; None when it will do."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        return f"Node.js is missing: {NODE_ADVICE}"
    try:
        told = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=20, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return f"Node.js does not run: {NODE_ADVICE}"
    version = re.match(r"v(\d+)\.(\d+)", told)
    if version is None or (int(version[1]), int(version[2])) < NODE_MIN:
        return f"Node.js {told.strip()} is too old: {NODE_ADVICE}"
    return None


def sources(web: Path) -> Iterator[Path]:
    """Yield the files the client is built from, in a fixed order."""
    for folder, folders, files in os.walk(web):
        folders[:] = sorted(name for name in folders if name not in _NOT_SOURCES and not name.startswith("."))
        yield from (Path(folder) / name for name in sorted(files) if ".test." not in name)


def fingerprint(web: Path) -> str:
    """Return a digest of the sources."""
    digest = hashlib.sha256()
    for file in sources(web):
        digest.update(f"{file.relative_to(web)}\0".encode())
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


class WebBuild:
    """The web client's build in ``web`` (its sources); the result goes to ``web/dist``."""

    def __init__(self, web: Path = WEB) -> None:
        self.web = web
        self._dist = web / "dist"

    @property
    def has_sources(self) -> bool:
        """Whether there is anything to build from (not so in an installed package)."""
        return (self.web / "package.json").exists()

    @property
    def built(self) -> bool:
        """Whether there is a result, whatever its age."""
        return (self._dist / "index.html").exists()

    def is_fresh(self) -> bool:
        """Say whether the result was made from the sources as they are."""
        try:
            return self.built and (self._dist / _STAMP).read_text(encoding="ascii") == fingerprint(self.web)
        except OSError:
            return False

    def commands(self) -> list[tuple[str, list[str], int]]:
        """Return what has to be run in the sources' folder: (what it does, command, seconds allowed)."""
        npm = shutil.which("npm") or "npm"
        build = ("Building the web client", [npm, "run", "build"], _BUILD_SECONDS)
        if self._modules_fresh():
            return [build]
        install = [npm, "ci", "--no-audit", "--no-fund", "--loglevel=error"]
        return [("Installing the web client's packages", install, _INSTALL_SECONDS), build]

    def _lock_digest(self) -> str:
        return hashlib.sha256((self.web / "package-lock.json").read_bytes()).hexdigest()

    def _modules_fresh(self) -> bool:
        try:
            stamp = (self.web / "node_modules" / ".arena-stamp").read_text(encoding="ascii")
        except OSError:
            return False
        return stamp.strip() == self._lock_digest()

    def mark_modules(self) -> None:
        """Write down that the packages are those of the lock file."""
        (self.web / "node_modules" / ".arena-stamp").write_text(self._lock_digest(), encoding="ascii")

    def mark_built(self, made_from: str) -> None:
        """Write down what the result was made from (``fingerprint`` before the build)."""
        (self._dist / _STAMP).write_text(made_from, encoding="ascii")

    def check_node(self) -> None:
        """Raise ``SettingsError`` when the client has to be built and cannot be."""
        problem = node_problem()
        if problem:
            raise SettingsError(
                f"The web client has to be built once, and {problem[0].lower()}{problem[1:]}; "
                "or start without it: arena up --no-web."
            )


def main() -> None:
    """Build the client if it is missing or stale, with npm's own output (make and the browser tests use this)."""
    build = WebBuild()
    if build.is_fresh():
        return
    build.check_node()
    made_from = fingerprint(build.web)
    for doing, command, seconds in build.commands():
        sys.stderr.write(f"{doing} …\n")
        subprocess.run(command, cwd=build.web, timeout=seconds, check=True, stdout=sys.stderr)
        if command[1] == "ci":
            build.mark_modules()
    build.mark_built(made_from)


if __name__ == "__main__":
    try:
        main()
    except (SettingsError, subprocess.SubprocessError) as error:
        sys.exit(f"arena: {error}")
