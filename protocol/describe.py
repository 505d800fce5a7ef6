"""What the declarations say about themselves: docstrings, fields, types, limits and the comments beside them.

For ``typescript`` and ``specification`` only; no process loads this while it runs.
"""

import ast
import enum
import inspect as source
import io
import re
import textwrap
import tokenize
from functools import cache
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import NODEFAULT, Struct, inspect

MISSING: Final = object()
_INTERNAL: Final = re.compile(r" \(DESIGN [^)]*\)")  # who reads SPEC does not have it


class FieldText(NamedTuple):
    """One field as documents show it."""

    name: str
    type: inspect.Type
    required: bool
    default: Any  # MISSING when required
    comment: str


def doc(thing: type) -> str:
    """Return the docstring as one paragraph a line."""
    paragraphs = source.cleandoc(thing.__doc__ or "").split("\n\n")
    joined = "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)
    return _INTERNAL.sub("", joined).replace("``", "`")


@cache
def _comments(thing: type) -> dict[str, str]:
    """Return the comment at the end of each assignment's line, by the name assigned."""
    text = textwrap.dedent(source.getsource(thing))
    by_line = {
        token.start[0]: token.string.lstrip("# ")
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
        if token.type == tokenize.COMMENT
    }
    body = ast.parse(text).body[0]
    assert isinstance(body, ast.ClassDef)
    found: dict[str, str] = {}
    for statement in body.body:
        target = statement.target if isinstance(statement, ast.AnnAssign) else None
        if isinstance(statement, ast.Assign):
            target = statement.targets[0]  # type: ignore[assignment]  # a name, in an enum
        if isinstance(target, ast.Name):
            found[target.id] = by_line.get(statement.end_lineno or 0, "")
    return found


def comment_of(thing: type, name: str) -> str:
    """Return the comment beside ``name`` in the class or the nearest base that declares it."""
    for base in thing.__mro__:
        if base.__module__.startswith("protocol") and name in (comments := _comments(base)):
            return comments[name].replace("``", "`")
    return ""


def fields(kind: type[Struct]) -> list[FieldText]:
    """Return the fields in declared order."""
    info: Any = inspect.type_info(kind)
    told: list[FieldText] = []
    for field in info.fields:
        default: Any = MISSING
        if field.default is not NODEFAULT:
            default = field.default
        elif field.default_factory is not NODEFAULT:
            default = field.default_factory()
        kind_of, extra = unwrap(field.type)
        comment = comment_of(kind, field.name) or extra
        told.append(FieldText(field.encode_name, kind_of, field.required, default, comment))
    return told


def unwrap(kind: inspect.Type) -> tuple[inspect.Type, str]:
    """Return the type without its metadata, and what the metadata says in words."""
    if not isinstance(kind, inspect.Metadata):
        return kind, ""
    schema = kind.extra_json_schema or {}
    inner, _ = unwrap(kind.type)
    return inner, ". ".join(schema[part].rstrip(".") for part in ("title", "description") if part in schema)


def members(kind: type[enum.Enum]) -> list[tuple[str, Any, str]]:
    """Return (name, value, comment) of an enumeration."""
    return [(member.name, member.value, comment_of(kind, member.name)) for member in kind]


def builtins(value: Any) -> Any:
    """Return a default as plain JSON."""
    return msgspec.to_builtins(value)
