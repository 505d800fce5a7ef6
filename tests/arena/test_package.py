"""What a wheel contains: every file that the programs read, so that `pip install` of one is a whole installation."""

import tomllib
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from tests.support.services import REPOSITORY

SHIPPED = ("arena", "bench", "clients/python", "gameserver", "httpapi", "migrations", "protocol")
LEFT_OUT = {
    "bench/results": "measured on one machine; a bench writes its own",
}
SETUPTOOLS: dict[str, Any] = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["tool"][
    "setuptools"
]
DATA: dict[str, list[str]] = SETUPTOOLS["package-data"]


def tree(root: Path) -> list[Path]:
    """Return every file of the shipped folders."""
    return [
        path.relative_to(root)
        for folder in SHIPPED
        for path in (root / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and not is_left_out(path.relative_to(root))
    ]


def is_left_out(path: Path) -> bool:
    return any(path.is_relative_to(folder) for folder in LEFT_OUT)


def declared(root: Path) -> set[Path]:
    """Return the data files that ``package-data`` names."""
    return {
        path.relative_to(root)
        for package, patterns in DATA.items()
        for pattern in patterns
        for path in (root / package.replace(".", "/")).glob(pattern)
        if path.is_file()
    }


def forgotten(root: Path) -> list[Path]:
    """Return the files that a wheel would lack."""
    covered = declared(root)
    return sorted(path for path in tree(root) if path.suffix != ".py" and path not in covered)


def is_package(folder: Path) -> bool:
    """Say whether setuptools finds this folder (every folder counts, with or without ``__init__.py``)."""
    name = ".".join(folder.parts)
    find = SETUPTOOLS["packages"]["find"]
    taken = any(fnmatchcase(name, pattern) for pattern in find["include"])
    return taken and not any(fnmatchcase(name, pattern) for pattern in find["exclude"])


def test_no_data_file_is_forgotten() -> None:
    assert forgotten(REPOSITORY) == [], "add it to [tool.setuptools.package-data]"


def test_no_module_is_forgotten() -> None:
    assert [path for path in tree(REPOSITORY) if path.suffix == ".py" and not is_package(path.parent)] == []


@pytest.mark.parametrize(("package", "pattern"), [(name, each) for name in DATA for each in DATA[name]])
def test_every_pattern_means_something(package: str, pattern: str) -> None:
    folder = Path(package.replace(".", "/"))
    assert is_package(folder)
    if package != "clients.web":  # there once it is built
        assert list((REPOSITORY / folder).glob(pattern))


@pytest.mark.parametrize("name", ["tests", "tests.support", "clients.web.node_modules.gyp", "clients.web.src", "docs"])
def test_what_is_no_part_of_an_installation_stays_out(name: str) -> None:
    assert not is_package(Path(name.replace(".", "/")))


def test_a_new_data_file_is_noticed(tmp_path: Path) -> None:
    for path in ("gameserver/adapters/lua/new.lua", "gameserver/adapters/new.sql", "httpapi/content_bank/odd/new.json"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    assert forgotten(tmp_path) == [Path("gameserver/adapters/new.sql")]
