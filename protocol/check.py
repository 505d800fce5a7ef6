"""What decoded input must be besides fitting its Struct, and which ``ProtocolErrorCode`` a failure gets.

Order of precedence: size, encoding, shape (map, depth, sizes, floats, keys), tag, fields. Paths name fields
(``settings.questions``), never values; what a peer wrote into a path is cut and made printable.
"""

import math
import re
from typing import Any, Final

import msgpack
import msgspec

from protocol import limits
from protocol.errors import ProtocolError, ProtocolErrorCode

_INT_MAX: Final = 2**53 - 1
_WHERE_CHARS_MAX: Final = 64
_UNPRINTABLE: Final = re.compile(r"[^ -~]")
_AT: Final = re.compile(r" - at `(?:key` in `)?\$\.?(?P<path>.*)`\Z", re.DOTALL)
_NAMED: Final = re.compile(r"Object (?P<what>contains unknown|missing required) field `(?P<field>.*?)`", re.DOTALL)


def where(path: str) -> str:
    """Return the path as it may be told: printable ASCII, at most 64 characters."""
    return _UNPRINTABLE.sub("?", path[:_WHERE_CHARS_MAX])


def fail(code: ProtocolErrorCode, path: str = "") -> ProtocolError:
    """Return the error to raise."""
    return ProtocolError(code, where(path))


def check_plain(value: Any, path: str = "", depth: int = 1, *, bytes_too: bool = True) -> None:
    """Raise ``ProtocolError`` unless ``value`` is made of bounded maps, lists, text, integers, booleans and null.

    ``depth`` is the level of ``value`` if it is a container: the message itself is level 1.
    """
    kind = value.__class__
    if kind is str:
        if len(value) > limits.STR_BYTES_MAX or len(value.encode()) > limits.STR_BYTES_MAX:
            raise fail(ProtocolErrorCode.OUT_OF_RANGE, path)
    elif kind is dict or kind is list:
        _check_container(value, path, depth, bytes_too=bytes_too)
    elif kind is int:
        if not -_INT_MAX <= value <= _INT_MAX:
            raise fail(ProtocolErrorCode.OUT_OF_RANGE, path)
    elif kind is float:
        finite = math.isfinite(value)
        raise fail(ProtocolErrorCode.WRONG_TYPE if finite else ProtocolErrorCode.NOT_FINITE, path)
    elif not (value is None or kind is bool or (bytes_too and kind is bytes)):
        raise fail(ProtocolErrorCode.WRONG_TYPE, path)


def _check_container(value: dict[Any, Any] | list[Any], path: str, depth: int, *, bytes_too: bool) -> None:
    if depth > limits.DEPTH_MAX:
        raise fail(ProtocolErrorCode.TOO_DEEP, path)
    if isinstance(value, list):
        if len(value) > limits.ARRAY_LEN_MAX:
            raise fail(ProtocolErrorCode.OUT_OF_RANGE, path)
        for index, item in enumerate(value):
            check_plain(item, f"{path}[{index}]", depth + 1, bytes_too=bytes_too)
        return
    if len(value) > limits.MAP_LEN_MAX:
        raise fail(ProtocolErrorCode.OUT_OF_RANGE, path)
    for key, item in value.items():
        if key.__class__ is not str:
            raise fail(ProtocolErrorCode.WRONG_TYPE, path)
        check_plain(key, path, depth + 1)
        check_plain(item, f"{path}.{key}" if path else key, depth + 1, bytes_too=bytes_too)


def unique_pairs(pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
    """Return the map these pairs make; raises DUPLICATE_KEY. A hook for msgpack and json."""
    table = dict(pairs)
    if len(table) != len(pairs):
        raise fail(ProtocolErrorCode.DUPLICATE_KEY)
    return table


def of_unpacking(error: Exception) -> ProtocolError:
    """Return what an error of ``msgpack.unpackb`` means."""
    if isinstance(error, UnicodeDecodeError):
        return fail(ProtocolErrorCode.NOT_UTF8)
    if isinstance(error, msgpack.StackError):
        return fail(ProtocolErrorCode.TOO_DEEP)
    said = str(error)
    if "exceeds max_ext_len" in said or "strict_map_key" in said:
        return fail(ProtocolErrorCode.WRONG_TYPE)
    if "exceeds max_" in said:
        return fail(ProtocolErrorCode.OUT_OF_RANGE)
    return fail(ProtocolErrorCode.NOT_MSGPACK)


def of_validation(error: msgspec.ValidationError) -> ProtocolError:
    """Return what an error of ``msgspec.convert`` means."""
    said = str(error)
    at = _AT.search(said)
    path = at["path"] if at else ""
    named = _NAMED.match(said)
    if named:
        code = (
            ProtocolErrorCode.UNKNOWN_FIELD if named["what"] == "contains unknown" else ProtocolErrorCode.MISSING_FIELD
        )
        return fail(code, f"{path}.{named['field']}" if path else named["field"])
    if said.startswith("Invalid base64"):
        return fail(ProtocolErrorCode.WRONG_TYPE, path)
    if said.startswith("Invalid") or re.match(r"Expected `\w+`( of length)? [<>]=?|Expected `\w+` of length", said):
        return fail(ProtocolErrorCode.OUT_OF_RANGE, path)
    return fail(ProtocolErrorCode.WRONG_TYPE, path)
