"""The one delta algorithm: what turns one view into the next. SPEC.md describes it for other languages.

A path is keys joined by ``/``, with ``~`` written ``~0`` and ``/`` written ``~1`` inside a key; keys are never
empty. Maps are compared key by key; everything else is replaced whole, save lists declared append-only.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import compress
from operator import is_not
from typing import Any, Final

from msgspec import Struct

from protocol.types import View

_LARGE: Final = 32
"""From this many entries on, maps of the same keys are compared without a step of Python for each."""


class Patch(Struct, frozen=True):
    """The difference between two views. Falsy when there is none."""

    set: dict[str, Any] = {}  # path → value; its parent exists
    unset: list[str] = []  # paths
    append: dict[str, list[Any]] = {}  # path → items at the end of the list there

    def __bool__(self) -> bool:
        return bool(self.set or self.unset or self.append)


class PatchError(ValueError):
    """A patch does not fit the view: a path leads nowhere. Whoever holds the view asks for a Resync."""


def escape(key: str) -> str:
    """Return the key as a path segment."""
    if "~" in key or "/" in key:
        return key.replace("~", "~0").replace("/", "~1")
    return key


def unescape(segment: str) -> str:
    """Return the key a path segment names."""
    if "~" in segment:
        return segment.replace("~1", "/").replace("~0", "~")
    return segment


def same(a: Any, b: Any) -> bool:
    """Return whether two values are the same on the wire, where ``true`` is not ``1``."""
    if a is b:
        return True
    if a.__class__ is not b.__class__ or a != b:
        return False
    # Equal for Python; but True == 1, so look into containers.
    if a.__class__ is list:
        return all(map(same, a, b))
    if a.__class__ is dict:
        return all(same(value, b[key]) for key, value in a.items())
    return True


@lru_cache(maxsize=64)
def _patterns(append_only: frozenset[str]) -> tuple[tuple[str, ...], ...]:
    return tuple(sorted(tuple(pattern.split("/")) for pattern in append_only))


def _grows(path: str, append_only: frozenset[str]) -> bool:
    segments = path.split("/")
    return any(
        len(pattern) == len(segments)
        and all(wanted in ("*", segment) for wanted, segment in zip(pattern, segments, strict=True))
        for pattern in _patterns(append_only)
    )


def diff(old: View, new: View, append_only: frozenset[str] = frozenset()) -> Patch:
    """Return the patch that turns ``old`` into ``new``: ``apply(old, diff(old, new)) == new``.

    Subtrees that are the same object are skipped unseen: a view that shares what did not change costs little.
    """
    patch = Patch({}, [], {})
    if old is not new:
        _diff(old, new, "", append_only, patch)
    return patch


def _diff(old: View, new: View, prefix: str, append_only: frozenset[str], patch: Patch) -> None:
    added = 0
    for key, value in _unlike(old, new):
        try:
            before = old[key]
        except KeyError:
            added += 1
            patch.set[prefix + escape(key)] = value
            continue
        if before is value:
            continue
        kind = value.__class__
        if kind is not before.__class__ or (kind is not dict and kind is not list):
            if kind is not before.__class__ or before != value:
                patch.set[prefix + escape(key)] = value
        elif kind is dict:
            _diff(before, value, f"{prefix}{escape(key)}/", append_only, patch)
        else:
            _diff_list(before, value, prefix + escape(key), append_only, patch)
    if len(old) + added != len(new):
        patch.unset.extend(prefix + escape(key) for key in old if key not in new)


def _unlike(old: View, new: View) -> Iterable[tuple[str, Any]]:
    """Return the new entries, without those that are the same object as before where that is quick to say."""
    if len(new) < _LARGE or len(old) != len(new) or list(old) != list(new):
        return new.items()
    return compress(new.items(), map(is_not, old.values(), new.values()))


def _diff_list(old: list[Any], new: list[Any], path: str, append_only: frozenset[str], patch: Patch) -> None:
    if same(old, new):
        return
    if len(new) > len(old) and _grows(path, append_only) and all(map(same, old, new)):
        patch.append[path] = new[len(old) :]
    else:
        patch.set[path] = new


def apply(view: View, patch: Patch) -> View:
    """Return the view after the patch: a new one that shares every subtree the patch did not touch.

    First ``unset``, then ``set``, then ``append``. Raises ``PatchError``, and then nothing has changed.
    """
    fresh: dict[str, View] = {"": dict(view)}
    for path in patch.unset:
        parent, key = _parent(fresh, path)
        if key not in parent:
            raise PatchError(path)
        del parent[key]
    for path, value in patch.set.items():
        parent, key = _parent(fresh, path)
        parent[key] = value
    for path, items in patch.append.items():
        parent, key = _parent(fresh, path)
        before = parent.get(key)
        if not isinstance(before, list):
            raise PatchError(path)
        parent[key] = before + items
    return fresh[""]


def _parent(fresh: dict[str, View], path: str) -> tuple[View, str]:
    """Return the map a path ends in, copied once, and the last key."""
    upper, slash, last = path.rpartition("/")
    if not last or (slash and not upper):
        raise PatchError(path)
    return _fresh(fresh, upper), unescape(last)


def _fresh(fresh: dict[str, View], path: str) -> View:
    copy = fresh.get(path)
    if copy is None:
        upper, _, last = path.rpartition("/")
        parent = _fresh(fresh, upper)
        key = unescape(last)
        child: Mapping[str, Any] | None = parent.get(key)
        if not isinstance(child, dict):
            raise PatchError(path)
        copy = fresh[path] = parent[key] = dict(child)
    return copy
