"""What would make a replay differ, found in the source of pure packages: floats, the order of sets, identities."""

import ast
from collections.abc import Iterator

import pytest

from tests.architecture.imports import modules
from tests.support.services import REPOSITORY

PURE = ("protocol", "gameserver.games", "gameserver.judge", "gameserver.rooms")
FLOATS_ALLOWED = {
    "protocol.check": "names the type to refuse it",
    "protocol.golden_cases": "vectors of numbers that are refused",
}
"""Module → why it may speak of floats."""

ORDERING = ("list", "tuple", "iter", "enumerate", "zip", "next", "dict")


def _is_set(node: ast.expr) -> bool:
    if isinstance(node, ast.Set | ast.SetComp):
        return True
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("set", "frozenset")


def _called(node: ast.AST) -> str:
    return node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""


def _shows_an_order(node: ast.AST) -> bool:
    if isinstance(node, ast.For | ast.comprehension):
        return _is_set(node.iter)
    if not isinstance(node, ast.Call):
        return False
    method = node.func.attr if isinstance(node.func, ast.Attribute) else ""
    if method == "pop" and isinstance(node.func, ast.Attribute):
        return _is_set(node.func.value)
    return (method == "join" or _called(node) in ORDERING) and any(map(_is_set, node.args))


def set_orders(tree: ast.AST) -> Iterator[int]:
    """Yield the lines where the order of a set becomes visible."""
    for node in ast.walk(tree):
        if _shows_an_order(node):
            yield node.iter.lineno if isinstance(node, ast.For | ast.comprehension) else getattr(node, "lineno", 0)


def _is_float(node: ast.AST) -> bool:
    match node:
        case ast.Constant(value=value):
            return isinstance(value, float | complex)
        case ast.Name(id=name):
            return name == "float"
        case ast.BinOp(op=ast.Div()) | ast.AugAssign(op=ast.Div()):
            return not any(_text(part) for part in ast.walk(node))  # paths are joined by a stroke too
    return False


def floats(tree: ast.AST) -> Iterator[int]:
    """Yield the lines with a float, its type's name, or a division that makes one."""
    return (getattr(node, "lineno", 0) for node in ast.walk(tree) if _is_float(node))


def _text(node: ast.AST) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def identities(tree: ast.AST) -> Iterator[int]:
    """Yield the lines that ask for something that differs between two runs: ``hash`` and ``id``."""
    return (node.lineno for node in ast.walk(tree) if isinstance(node, ast.Call) and _called(node) in ("hash", "id"))


FINDERS = {"the order of a set": set_orders, "a float": floats, "an identity": identities}


@pytest.mark.parametrize("what", FINDERS)
def test_pure_code_has_none(what: str) -> None:
    found = []
    for name, path in modules(REPOSITORY).items():
        if not any(name == package or name.startswith(f"{package}.") for package in PURE):
            continue
        if what == "a float" and name in FLOATS_ALLOWED:
            continue
        found += [f"{name}:{line}" for line in FINDERS[what](ast.parse(path.read_text(encoding="utf-8")))]
    assert found == []


@pytest.mark.parametrize(
    ("what", "source"),
    [
        ("the order of a set", "for x in {1, 2}: pass"),
        ("the order of a set", "y = [x for x in set(z)]"),
        ("the order of a set", "y = list(frozenset(z))"),
        ("the order of a set", "y = ','.join({a for a in z})"),
        ("the order of a set", "y = {1, 2}.pop()"),
        ("a float", "y = 0.5"),
        ("a float", "y = a / b"),
        ("a float", "y /= 2"),
        ("a float", "y = float(x)"),
        ("an identity", "y = hash(x)"),
        ("an identity", "y = id(x)"),
    ],
)
def test_each_is_found_where_it_is(what: str, source: str) -> None:
    assert list(FINDERS[what](ast.parse(source))) == [1]


@pytest.mark.parametrize("source", ["y = sorted({1, 2})", "y = a // b", "y = folder / 'name'", "y = x in {1, 2}"])
def test_what_is_harmless_is_left_alone(source: str) -> None:
    tree = ast.parse(source)
    assert [what for what, find in FINDERS.items() if list(find(tree))] == []
