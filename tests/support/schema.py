"""Checks values against the part of JSON Schema that our OpenAPI document uses; anything else in it is an error."""

import re
from typing import Any

_SAID = {"title", "description", "default", "format", "examples", "$defs"}
_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}


def mistakes(value: Any, schema: dict[str, Any], root: dict[str, Any], at: str = "$") -> list[str]:
    """Return what is wrong with the value; empty when nothing."""
    if "$ref" in schema:
        return mistakes(value, resolve(schema["$ref"], root), root, at)
    found = _type(value, schema["type"], None, None, at) if "type" in schema else []
    if found:
        return found  # bounds of another type mean nothing
    for word, told in schema.items():
        if word not in _SAID:
            found += _CHECKS[word](value, told, schema, root, at)
    return found


def resolve(ref: str, root: dict[str, Any]) -> dict[str, Any]:
    """Return what a reference within the document names."""
    assert ref.startswith("#/"), ref
    part: Any = root
    for name in ref[2:].split("/"):
        part = part[name]
    assert isinstance(part, dict)
    return part


def _type(value: Any, told: str, _schema: Any, _root: Any, at: str) -> list[str]:
    fits = isinstance(value, _TYPES[told]) and (told == "boolean" or not isinstance(value, bool))
    return [] if fits else [f"{at}: {value!r} is no {told}"]


def _properties(value: Any, told: dict[str, Any], _schema: Any, root: Any, at: str) -> list[str]:
    if not isinstance(value, dict):
        return []
    return [
        text
        for name, schema in told.items()
        if name in value
        for text in mistakes(value[name], schema, root, f"{at}.{name}")
    ]


def _required(value: Any, told: list[str], _schema: Any, _root: Any, at: str) -> list[str]:
    return [f"{at}: {name} is missing" for name in told if isinstance(value, dict) and name not in value]


def _additional(value: Any, told: Any, schema: dict[str, Any], root: Any, at: str) -> list[str]:
    more = [name for name in value if name not in schema.get("properties", {})] if isinstance(value, dict) else []
    if told is False:
        return [f"{at}: {name} is not known" for name in more]
    return [text for name in more for text in mistakes(value[name], told, root, f"{at}.{name}")]


def _items(value: Any, told: dict[str, Any], _schema: Any, root: Any, at: str) -> list[str]:
    each = enumerate(value) if isinstance(value, list) else ()
    return [text for number, item in each for text in mistakes(item, told, root, f"{at}[{number}]")]


def _any_of(value: Any, told: list[dict[str, Any]], _schema: Any, root: Any, at: str) -> list[str]:
    return [] if any(not mistakes(value, one, root, at) for one in told) else [f"{at}: {value!r} fits none of {told}"]


def _bound(fits: Any) -> Any:
    return lambda value, told, _schema, _root, at: [] if fits(value, told) else [f"{at}: {value!r} is out of bounds"]


_CHECKS: dict[str, Any] = {
    "type": _type,
    "properties": _properties,
    "required": _required,
    "additionalProperties": _additional,
    "items": _items,
    "anyOf": _any_of,
    "enum": _bound(lambda value, told: value in told),
    "const": _bound(lambda value, told: value == told),
    "minimum": _bound(lambda value, told: value >= told),
    "maximum": _bound(lambda value, told: value <= told),
    "minLength": _bound(lambda value, told: len(value) >= told),
    "maxLength": _bound(lambda value, told: len(value) <= told),
    "minItems": _bound(lambda value, told: len(value) >= told),
    "maxItems": _bound(lambda value, told: len(value) <= told),
    "pattern": _bound(lambda value, told: re.search(told, value) is not None),
}
