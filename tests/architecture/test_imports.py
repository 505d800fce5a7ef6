"""DESIGN §5, proven: who may import whom, transitively through our own modules; the chain is named when it fails."""

import shutil
from pathlib import Path

import pytest

from tests.architecture.imports import PACKAGES, chain, graph
from tests.support.services import REPOSITORY

IMPURE = ("asyncio", "socket", "redis", "time", "random", "os", "secrets", "threading", "datetime", "subprocess")
THIRD_PARTY_SHELL = ("websockets", "starlette", "uvicorn", "asyncpg", "redis", "uvloop")
PURE = ("protocol", "gameserver.games", "gameserver.judge", "gameserver.rooms")
TOOLS = ("protocol.typescript", "protocol.specification", "protocol.golden", "protocol.hops")
"""Programs and helpers that run at build time or in shells, not in rules; nothing pure imports them (tested below)."""

RULES = {
    "protocol": ("arena", "gameserver", "httpapi", "clients"),
    "gameserver.games": (
        "gameserver.rooms",
        "gameserver.shards",
        "gameserver.net",
        "gameserver.adapters",
        "arena",
        "httpapi",
    ),
    "gameserver.judge": (
        "gameserver.rooms",
        "gameserver.shards",
        "gameserver.net",
        "gameserver.adapters",
        "arena",
        "httpapi",
    ),
    "gameserver.rooms": ("gameserver.shards", "gameserver.net", "gameserver.adapters", "arena", "httpapi"),
    "gameserver.shards": ("gameserver.net", "gameserver.adapters", "httpapi", *THIRD_PARTY_SHELL),
    "gameserver.net": ("gameserver.adapters", "httpapi", "redis", "asyncpg", "starlette"),
    "gameserver.adapters": ("gameserver.net", "gameserver.rooms", "gameserver.games", "httpapi"),
    "gameserver.node": ("httpapi",),
    "httpapi": ("gameserver.rooms", "gameserver.shards", "gameserver.net", "gameserver.adapters", "gameserver.node"),
    "clients.python": ("gameserver", "httpapi", "arena"),
    "arena": ("gameserver", "httpapi", "clients"),
}


@pytest.fixture(scope="module")
def imports() -> dict[str, list[str]]:
    return graph(REPOSITORY)


def _inside(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


@pytest.mark.parametrize("package", RULES)
def test_a_package_reaches_only_what_it_may(imports: dict[str, list[str]], package: str) -> None:
    for name in imports:
        if _inside(name, package):
            way = chain(imports, name, RULES[package])
            assert way is None, " → ".join(way or [])


@pytest.mark.parametrize("package", ["gameserver.shards", "gameserver.net"])
def test_shards_and_edge_know_nothing_of_arena_but_logs_and_metrics(
    imports: dict[str, list[str]], package: str
) -> None:
    for name, reached in imports.items():
        if _inside(name, package):
            assert {one for one in reached if _inside(one, "arena")} <= {"arena", "arena.logs", "arena.metrics"}, name


def test_no_mode_knows_another(imports: dict[str, list[str]]) -> None:
    for folder in ("gameserver.games", "protocol.modes"):
        modes = _modes()
        for mode in modes:
            others = [f"{folder}.{other}" for other in modes if other != mode]
            for name in imports:
                if _inside(name, f"{folder}.{mode}"):
                    way = chain(imports, name, others)
                    assert way is None, " → ".join(way or [])


def _modes() -> list[str]:
    folder = REPOSITORY / "protocol" / "modes"
    return [path.stem for path in sorted(folder.glob("*.py")) if path.stem not in ("__init__", "base")]


@pytest.mark.parametrize("package", PURE)
def test_rules_reach_no_clock_no_chance_and_no_io(imports: dict[str, list[str]], package: str) -> None:
    for name in imports:
        if _inside(name, package) and name not in TOOLS:
            way = chain(imports, name, IMPURE)
            assert way is None, " → ".join(way or [])


def test_nothing_pure_imports_a_tool(imports: dict[str, list[str]]) -> None:
    for name in imports:
        if any(_inside(name, package) for package in PURE) and name not in TOOLS:
            assert chain(imports, name, TOOLS) is None


def test_a_clock_planted_three_modules_deep_is_found_and_the_chain_is_named(tmp_path: Path) -> None:
    for package in PACKAGES:
        ignored = shutil.ignore_patterns("node_modules", "dist", "__pycache__", "web")
        shutil.copytree(REPOSITORY / package, tmp_path / package, ignore=ignored)
    planted = tmp_path / "gameserver" / "games" / "rng.py"
    planted.write_text(planted.read_text(encoding="utf-8") + "\nimport time\n", encoding="utf-8")
    way = chain(graph(tmp_path), "gameserver.rooms.room", ("time",))
    assert way is not None
    assert way[0] == "gameserver.rooms.room"
    assert way[-2:] == ["gameserver.games.rng", "time"]
    assert len(way) >= 4
