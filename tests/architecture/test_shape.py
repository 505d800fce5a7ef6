"""Style as a test: sizes, no waiting in pure code, bounded queues, nothing that must not be in the repository."""

import ast
import re
import statistics
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.imports import modules
from tests.support.services import REPOSITORY

MODULE_LINES_MAX = 400
FUNCTION_LINES_MAX = 70
MEDIAN_MAX = 150
LONGER: dict[str, str] = {}
"""Module or module:function → why it may be longer."""

BOUNDED_ELSEWHERE = {
    "gameserver.shards.shard": "what is told waits for at most four unconfirmed records",
    "gameserver.adapters.redis_link": "answers to at most four unconfirmed records and a renewal of each shard",
    "gameserver.adapters.redis_lane": "the same requests, until replicas have them; at most two writes",
    "gameserver.adapters.memory": "answers to what the shell sent: the same bound",
    "httpapi.worker.choose": "questions of one query, which has a LIMIT",
    "clients.python.orders": "at most 16 commands are unanswered; the seventeenth is refused to the caller",
}
"""Module with a queue that has no length of its own → what bounds it."""

PURE = ("protocol", "gameserver.games", "gameserver.judge", "gameserver.rooms")
SHELL = ("gameserver.shards", "gameserver.net", "gameserver.adapters", "httpapi", "arena", "clients.python")
BANNED = (
    (re.compile(r"https?://[\w.-]*(pypi\.|pythonhosted|npmjs)"), "a registry's host"),
    (re.compile(r"(^|[\s\"'(])/(work|root|home)/\w"), "a path of somebody's machine"),
    (re.compile(r"\b(TODO|FIXME|XXX|NotImplementedError)\b"), "a left-over mark"),
)


def _sources() -> dict[str, Path]:
    return modules(REPOSITORY)


def _functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_modules_are_small() -> None:
    sizes = {name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in _sources().items()}
    too_long = {name: size for name, size in sizes.items() if size > MODULE_LINES_MAX and name not in LONGER}
    assert too_long == {}
    assert statistics.median(size for size in sizes.values() if size) <= MEDIAN_MAX


def test_functions_are_small() -> None:
    too_long = {}
    for name, path in _sources().items():
        for function in _functions(path):
            length = (function.end_lineno or function.lineno) - function.lineno + 1
            if length > FUNCTION_LINES_MAX and f"{name}:{function.name}" not in LONGER:
                too_long[f"{name}:{function.name}"] = length
    assert too_long == {}


@pytest.mark.parametrize("package", PURE)
def test_pure_code_never_waits(package: str) -> None:
    for name, path in _sources().items():
        if name == package or name.startswith(f"{package}."):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                assert not isinstance(node, ast.AsyncFunctionDef | ast.Await), f"{name} waits"


def test_every_queue_of_the_shell_is_bounded() -> None:
    unbounded = []
    for name, path in _sources().items():
        if not name.startswith(SHELL) or name in BOUNDED_ELSEWHERE:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            called = ast.unparse(node.func).rpartition(".")[2]
            bound = {"deque": "maxlen", "Queue": "maxsize", "LifoQueue": "maxsize"}.get(called)
            if bound and not any(keyword.arg == bound for keyword in node.keywords):
                unbounded.append(f"{name}:{node.lineno} {called}")
    assert unbounded == []


def test_nothing_is_tracked_that_must_not_be() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, check=True, text=True
    ).stdout.split("\0")
    found = []
    for name in filter(None, listed):
        path = REPOSITORY / name
        if (
            path.suffix in {".png", ".woff2", ".bin"}
            or not path.is_file()
            or name == "tests/architecture/test_shape.py"
        ):
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        found += [f"{name}: {what}" for pattern, what in BANNED if pattern.search(text)]
    assert found == []
