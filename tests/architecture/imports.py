"""Who imports whom, read from the source: our modules, and what each reaches through others of ours."""

import ast
from collections import deque
from collections.abc import Iterable, Mapping
from pathlib import Path

PACKAGES = ("arena", "protocol", "gameserver", "httpapi", "clients")


def modules(root: Path) -> dict[str, Path]:
    """Return every module of ours by its dotted name."""
    found = {}
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            if "node_modules" in path.parts:
                continue
            parts = path.relative_to(root).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def _type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def _imports(tree: ast.AST) -> Iterable[str]:
    """Yield what a module imports at run time, wherever in it (names for types only are no dependency)."""
    waiting: deque[ast.AST] = deque([tree])
    while waiting:
        node = waiting.popleft()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports are not used here"
            assert node.module is not None
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif _type_checking(node):
            assert isinstance(node, ast.If)
            waiting.extend(node.orelse)
            continue
        waiting.extend(ast.iter_child_nodes(node))


def graph(root: Path) -> dict[str, list[str]]:
    """Return module → what it imports: our modules by name, others by their top-level name."""
    known = modules(root)
    found = {}
    for name, path in known.items():
        reached: dict[str, None] = {}
        for imported in _imports(ast.parse(path.read_text(encoding="utf-8"), str(path))):
            top = imported.split(".")[0]
            if top in PACKAGES:
                while imported not in known and "." in imported:
                    imported = imported.rpartition(".")[0]  # noqa: PLW2901 - a name inside a module: the module
                # A package's own __init__ runs before any module in it.
                parts = imported.split(".")
                reached.update(dict.fromkeys(".".join(parts[:end]) for end in range(1, len(parts) + 1)))
            else:
                reached[top] = None
        reached.pop(name, None)
        found[name] = [one for one in reached if one not in PACKAGES or one in known]
    return found


def chain(imports: Mapping[str, Iterable[str]], start: str, forbidden: Iterable[str]) -> list[str] | None:
    """Return how ``start`` reaches something forbidden (a module, or anything below it), or None."""
    banned = tuple(forbidden)
    before: dict[str, str | None] = {start: None}
    waiting = deque([start])
    while waiting:
        name = waiting.popleft()
        for reached in imports.get(name, ()):
            if reached in before:
                continue
            before[reached] = name
            if any(reached == one or reached.startswith(f"{one}.") for one in banned):
                way: list[str] = []
                step: str | None = reached
                while step is not None:
                    way.append(step)
                    step = before[step]
                return way[::-1]
            waiting.append(reached)
    return None
