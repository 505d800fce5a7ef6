"""The Autobahn WebSocket suite against the node's own stack: ``python -m bench.autobahn``.

The suite runs on CPython 2.7 only. It is installed once, hash-checked, into an ignored folder (``.arena/autobahn``) and
talks to ``/echo`` of a listener built exactly as a node builds it. Result: ``bench/results/autobahn.json``.
"""

import argparse
import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import uvloop

from gameserver.net.gate import GateSettings
from gameserver.net.limits import DEFAULTS, EdgeLimits
from gameserver.net.server import serve
from gameserver.ports import Connection, Member
from protocol.client import Hello
from protocol.ids import RoomCode
from protocol.tickets import TicketClaims

HERE: Final = Path(__file__).parent
REQUIREMENTS: Final = HERE / "autobahn-requirements.txt"
RESULT: Final = HERE / "results" / "autobahn.json"
CACHE: Final = HERE.parent / ".arena" / "autobahn"
INSTALL_S: Final = 180.0
RUN_S: Final = 240.0
NOT_PERFORMANCE: Final = ("1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "10.*")
PERFORMANCE: Final = ("9.*",)
ROOMY: Final = EdgeLimits(outbox_bytes=64 * 1024 * 1024, stuck_s=60.0)
"""For messages of 16 MiB, which no node would let wait for a slow reader."""

GOOD: Final = frozenset({"OK", "NON-STRICT", "INFORMATIONAL"})
AGENT: Final = "svidnet-arena"

_WSTEST: Final = """
import site, sys
site.addsitedir(sys.argv[1])
sys.path.insert(0, sys.argv[1])
sys.argv[:2] = ["wstest"]
from autobahntestsuite.wstest import run
run()
"""


class Unavailable(Exception):  # noqa: N818 - a state of the machine, told to people
    """The suite cannot run here; the text says why and what would help."""


def find_python() -> Path:
    """Return a CPython 2.7. Raises ``Unavailable``."""
    found = shutil.which("python2.7")
    candidates = [Path(found)] if found else []
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    candidates += sorted(pyenv.glob("versions/2.7*/bin/python2.7"))
    for candidate in reversed(candidates):
        if candidate.resolve().name.startswith("python2"):  # pyenv's shims are scripts that may lead nowhere
            return candidate
    raise Unavailable("Autobahn's suite needs CPython 2.7, which is not here (`pyenv install 2.7.18` brings it)")


def _call(*command: str, within_s: float, cwd: Path) -> None:
    try:
        done = subprocess.run(
            command, cwd=cwd, timeout=within_s, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
        )
    except subprocess.TimeoutExpired:
        raise Unavailable(f"{Path(command[0]).name} took longer than {within_s:.0f} s") from None
    if done.returncode:
        said = done.stdout.decode(errors="replace").split()
        raise Unavailable(f"{Path(command[0]).name} failed: {' '.join(said[-40:])}")


def install(cache: Path = CACHE) -> tuple[Path, Path]:
    """Return (python, folder with the suite), installing it when it is not there. Raises ``Unavailable``."""
    python = find_python()
    site = cache / "site"
    if not site.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as scratch:
            target = Path(scratch) / "site"
            pip = ("-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-deps", "--require-hashes")
            _call(str(python), *pip, "--target", str(target), "-r", str(REQUIREMENTS), within_s=INSTALL_S, cwd=cache)
            try:
                target.rename(site)
            except OSError:  # somebody else was quicker
                assert site.exists()
    return python, site


class _Nobody:
    """Hub, lobby and directory of a listener where only /echo is visited."""

    def open(self, connection: Connection, *_: RoomCode | Hello | TicketClaims | None) -> Member:
        raise AssertionError("only /echo is visited")

    async def use_ticket(self, jti: str) -> bool:
        raise AssertionError("only /echo is visited")


def fuzz(url: str, cases: Sequence[str], *, cache: Path, within_s: float) -> dict[str, Any]:
    """Run the suite against a URL and return its index: case → behavior and closing. Raises ``Unavailable``."""
    python, site = install(cache)
    spec = {"servers": [{"agent": AGENT, "url": url}], "cases": list(cases)}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "spec.json").write_text(
            json.dumps({**spec, "outdir": scratch, "exclude-cases": [], "exclude-agent-cases": {}})
        )
        wstest = (str(python), "-c", _WSTEST, str(site), "-m", "fuzzingclient", "-s", "spec.json")
        _call(*wstest, within_s=within_s, cwd=folder)
        index = json.loads((folder / "index.json").read_text())[AGENT]
    return {
        case: {key: result[key] for key in ("behavior", "behaviorClose", "remoteCloseCode")}
        for case, result in sorted(index.items(), key=lambda item: [int(part) for part in item[0].split(".")])
    }


async def run(
    cases: Sequence[str] = NOT_PERFORMANCE,
    *,
    limits: EdgeLimits = DEFAULTS,
    cache: Path = CACHE,
    within_s: float = RUN_S,
) -> dict[str, Any]:
    """Run the cases against a listener of our own. Raises ``Unavailable``."""
    nobody = _Nobody()
    listener = await serve(
        hub=nobody,
        lobby=nobody,
        directory=nobody,
        verify_ticket=lambda token, audience: None,
        host="127.0.0.1",
        port=0,
        gate=GateSettings(echo=True),
        limits=limits,
    )
    try:
        url = f"ws://127.0.0.1:{listener.port}/echo"
        return await asyncio.to_thread(fuzz, url, cases, cache=cache, within_s=within_s)
    finally:
        await listener.close()


def failures(index: dict[str, Any]) -> list[str]:
    """Return the cases that did not behave."""
    return [case for case, told in index.items() if not {told["behavior"], told["behaviorClose"]} <= GOOD]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.autobahn", description=__doc__)
    parser.add_argument(
        "cases", nargs="*", default=list(NOT_PERFORMANCE), help="such as 1.* 6.4.1 (default: %(default)s)"
    )
    parser.add_argument("--large", action="store_true", help="messages up to 16 MiB (9.*), too, with a larger outbox")
    parser.add_argument("--keep", type=Path, default=RESULT, help="where the result goes (default: %(default)s)")
    told = parser.parse_args(arguments)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            index = runner.run(run(told.cases))
            if told.large:
                index |= runner.run(run(PERFORMANCE, limits=ROOMY))
    except Unavailable as unavailable:
        print(unavailable, file=sys.stderr)
        return 2
    counts = Counter(result["behavior"] for result in index.values())
    closings = Counter(result["behaviorClose"] for result in index.values())
    report = {
        "suite": "autobahntestsuite 25.10.1",
        "server": f"gameserver.net on websockets {metadata.version('websockets')}, uvloop {metadata.version('uvloop')}",
        "cases": len(index),
        "behavior": dict(counts),
        "behaviorClose": dict(closings),
        "index": index,
    }
    told.keep.parent.mkdir(parents=True, exist_ok=True)
    told.keep.write_text(json.dumps(report, indent=1) + "\n")
    bad = failures(index)
    print(f"{len(index)} cases: {dict(counts)}; closing: {dict(closings)}" + (f"; failed: {bad}" if bad else ""))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
