"""Keeps SPEC.md's tables and examples equal to the declarations and the golden vectors.

A block between ``<!-- generated: NAME -->`` and ``<!-- end -->`` is written by ``python -m protocol.specification``;
``--check`` exits 1 when a block is stale. Everything else in SPEC.md is written by people.
"""

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from msgspec import Struct, inspect

from protocol import bus, describe, errors, golden, limits, room_view
from protocol.modes import trivia
from protocol.registry import CLIENT_MESSAGES, SERVER_MESSAGES

PATH: Final = Path(__file__).parent / "SPEC.md"
_BLOCK: Final = re.compile(r"(<!-- generated: (?P<name>[^>]+?) -->\n).*?(<!-- end -->)", re.DOTALL)
_HEX_BYTES_SHOWN: Final = 512

VIEWS: Final[dict[str, type[Struct]]] = {
    kind.__name__: kind
    for kind in (
        room_view.RoomView,
        room_view.ClockView,
        room_view.SeatView,
        room_view.StandstillView,
        room_view.FairnessView,
        room_view.ResultsView,
        room_view.PodiumRow,
        bus.RoomCard,
        trivia.TriviaSettings,
        trivia.TriviaView,
        trivia.TriviaQuestionView,
        trivia.TriviaRevealView,
        trivia.TriviaScore,
        trivia.TriviaPrivate,
    )
}


def _bounds(low: int | None, high: int | None, unit: str = "") -> str:
    names = {2**53 - 1: "2^53 − 1"}
    said = {bound: names.get(bound, f"{bound:,}") for bound in (low, high) if bound is not None}
    if low is not None and low == high:
        return f", {said[low]}{unit}"
    if low is not None and high is not None:
        return f", {said[low]} … {said[high]}{unit}"
    if high is not None:
        return f", at most {said[high]}{unit}"
    return f", at least {said[low]}{unit}" if low else ""


_WORDS: Final[dict[type[inspect.Type], Callable[[Any], str]]] = {
    inspect.IntType: lambda kind: "integer" + _bounds(kind.ge, kind.le),
    inspect.StrType: lambda kind: "text" + _bounds(kind.min_length, kind.max_length, " characters"),
    inspect.BytesType: lambda kind: "bytes" + _bounds(kind.min_length, kind.max_length),
    inspect.BoolType: lambda _: "boolean",
    inspect.NoneType: lambda _: "null",
    inspect.AnyType: lambda _: "anything",
    inspect.LiteralType: lambda kind: " or ".join(f"`{value}`" for value in kind.values),
    inspect.ListType: lambda kind: (
        f"list of ({type_words(kind.item_type)})" + _bounds(kind.min_length, kind.max_length, " items")
    ),
    inspect.DictType: lambda kind: f"map of text to ({type_words(kind.value_type)})",
    inspect.StructType: lambda kind: f"map: {kind.cls.__name__}",
    inspect.UnionType: lambda kind: " or ".join(map(type_words, kind.types)),
}


def type_words(kind: inspect.Type) -> str:
    """Return a field's type and limits in words."""
    kind, _ = describe.unwrap(kind)
    return _WORDS[type(kind)](kind)


def _default(field: describe.FieldText) -> str:
    if field.required:
        return ""
    if field.default is None:
        return "null"
    return f"`{json.dumps(describe.builtins(field.default))}`"


def _fields(kind: type[Struct]) -> list[str]:
    fields = describe.fields(kind)
    if not fields:
        return ["No fields."]
    return [
        "| Field | Type | Default | Meaning |",
        "|---|---|---|---|",
        *(
            f"| `{field.name}` | {type_words(field.type)} | {_default(field)} | {field.comment.replace('|', '/')} |"
            for field in fields
        ),
    ]


def _hex(spelled: str) -> str:
    if len(spelled) > 2 * _HEX_BYTES_SHOWN:
        whole = len(spelled) // 2
        return f"{spelled[: 2 * _HEX_BYTES_SHOWN]}… ({whole} bytes; whole in vectors/server.json)"
    return spelled


def _examples(stored: str, tag: str) -> list[str]:
    vector = next(vector for vector in golden.read(stored) if vector["message"]["t"] == tag)
    lines = _hex(vector["msgpack"])
    return ["", "```json", vector["json"], "```", "", "```hex", lines, "```"]


def _message(stored: str, kinds: dict[str, Any]) -> Callable[[str], list[str]]:
    def block(tag: str) -> list[str]:
        kind = kinds[tag]
        return [f"`{kind.__name__}`. {describe.doc(kind)}", "", *_fields(kind), *_examples(stored, tag)]

    return block


def _view(name: str) -> list[str]:
    kind = VIEWS[name]
    return [describe.doc(kind), "", *_fields(kind)]


def _error_codes(_: str) -> list[str]:
    rows = [f"| `{value}` | {comment} |" for _, value, comment in describe.members(errors.ErrorCode)]
    return ["| Code | Meaning |", "|---|---|", *rows]


def _protocol_errors(_: str) -> list[str]:
    rows = [f"| `{value}` | {comment} |" for _, value, comment in describe.members(errors.ProtocolErrorCode)]
    return ["| Code | Meaning |", "|---|---|", *rows]


def _closes(_: str) -> list[str]:
    rows = [
        f"| {code.value} | {code.name} | **{rule.advice}** | {rule.meaning} |"
        for code, rule in errors.CLOSE_RULES.items()
    ]
    return ["| Code | Name | Do | Meaning |", "|---|---|---|---|", *rows]


def _limits(_: str) -> list[str]:
    rows = [f"| {name} | {row.value:,} {row.unit} | {row.when_full} |" for name, row in limits.TABLE.items()]
    return ["| What | Limit | When it is reached |", "|---|---|---|", *rows]


def _deltas(_: str) -> list[str]:
    rows = ["| Case | From | To | Patch |", "|---|---|---|---|"]
    for vector in golden.read("delta"):
        patch = {name: value for name, value in vector["patch"].items() if value}
        cells = [vector["old"], vector["new"], patch]
        spelled = [f"`{json.dumps(cell, ensure_ascii=False)}`" for cell in cells]
        declared = f" (append-only: {', '.join(f'`{each}`' for each in vector['append_only'])})"
        name = vector["name"] + (declared if vector["append_only"] else "")
        rows.append(f"| {name} | {' | '.join(spelled)} |")
    return rows


BLOCKS: Final[dict[str, Callable[[str], list[str]]]] = {
    "client": _message("client", CLIENT_MESSAGES),
    "server": _message("server", SERVER_MESSAGES),
    "view": _view,
    "errors": _error_codes,
    "protocol errors": _protocol_errors,
    "closes": _closes,
    "limits": _limits,
    "deltas": _deltas,
}


def _write(block: re.Match[str]) -> str:
    kind, _, name = block["name"].partition(": ")
    return "\n".join([block[1].rstrip("\n"), *BLOCKS[kind](name), block[3]])


def generate(text: str) -> str:
    """Return SPEC.md's text with every block as the declarations of now make it."""
    return _BLOCK.sub(_write, text)


def main(arguments: list[str]) -> int:
    """Write the blocks, or with ``--check`` say whether they are stale; return the exit code."""
    before = PATH.read_text(encoding="utf-8")
    after = generate(before)
    if "--check" in arguments:
        if before == after:
            return 0
        sys.stderr.write("SPEC.md is stale: run `python -m protocol.specification`\n")
        return 1
    PATH.write_text(after, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
