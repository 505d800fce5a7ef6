"""The golden vectors in ``vectors/``: bytes every implementation must read and write, run by pytest and by vitest.

``python -m protocol.golden`` adds the vectors that are not there yet. It never changes or removes one: old vectors
are the test that old clients and old journals still work. ``vectors/README.md`` describes the files.
"""

import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from protocol import examples, golden_cases
from protocol.codec import canonical, encode_client, encode_server, pack_bus
from protocol.delta import diff
from protocol.frames import binary, close, text
from protocol.ids import RoomCode, normalise_room_code, shard_of
from protocol.registry import tag_of
from protocol.types import WireFormat

FOLDER: Final = Path(__file__).parent / "vectors"
Vector = dict[str, Any]


def plain(message: Struct) -> Vector:
    """Return the message as its vector shows it: every field, bytes in base64."""
    fields: Vector = msgspec.to_builtins(message)
    whole = {name: getattr(message, name) for name in message.__struct_fields__}
    return {"t": tag_of(type(message)), **{name: fields.get(name, whole[name]) for name in whole}}


def _message(name: str, message: Any, encode: Callable[[Any, WireFormat], bytes]) -> Vector:
    return {
        "name": name,
        "message": plain(message),
        "msgpack": encode(message, WireFormat.MSGPACK).hex(),
        "json": encode(message, WireFormat.JSON).decode(),
    }


def _deltas() -> Iterable[Vector]:
    for name, old, new, append_only in golden_cases.DELTAS:
        patch = diff(old, new, frozenset(append_only))
        yield {
            "name": name,
            "old": old,
            "new": new,
            "append_only": append_only,
            "patch": {"set": patch.set, "unset": patch.unset, "append": patch.append},
        }


def _frames() -> Iterable[Vector]:
    for length in (0, 1, 125, 126, 65_535, 65_536):
        for kind, make in (("binary", binary), ("text", text)):
            head = make(b"a" * length)[: 2 if length < 126 else 4 if length < 65_536 else 10]
            yield {"name": f"{kind} of {length}", "kind": kind, "payload": "61", "times": length, "head": head.hex()}


def _closes() -> Iterable[Vector]:
    for code, reason in ((1000, ""), (1002, "unknown_tag: t"), (4003, "é" * 70), (4005, "closed")):
        yield {
            "name": f"close {code}",
            "kind": "close",
            "code": code,
            "reason": reason,
            "frame": close(code, reason).hex(),
        }


def vectors() -> dict[str, list[Vector]]:
    """Return every vector as the code of now makes it, by file name."""
    return {
        "client": [_message(name, each, encode_client) for name, each in examples.CLIENT.items()],
        "server": [_message(name, each, encode_server) for name, each in examples.SERVER.items()],
        "bus": [
            {"name": name, "message": plain(each), "msgpack": pack_bus(each).hex()}
            for name, each in examples.BUS.items()
        ],
        "delta": list(_deltas()),
        "frames": [*_frames(), *_closes()],
        "invalid": [
            {"name": name, "format": wire, "bytes": payload.hex(), "code": code, "where": where}
            for name, wire, payload, code, where in golden_cases.INVALID
        ],
        "canonical": [
            {"name": name, "value": value, "msgpack": canonical(value).hex()} for name, value in golden_cases.CANONICAL
        ],
        "room_codes": [
            {
                "name": typed,
                "typed": typed,
                "code": (code := normalise_room_code(typed)),
                "shard_of_64": shard_of(RoomCode(code), 64) if code else None,
            }
            for typed in golden_cases.ROOM_CODES
        ],
    }


def read(name: str) -> list[Vector]:
    """Return the stored vectors of a file."""
    path = FOLDER / f"{name}.json"
    stored: list[Vector] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    return stored


def missing() -> dict[str, list[Vector]]:
    """Return the vectors that are not stored yet, by file name."""
    lacking: dict[str, list[Vector]] = {}
    for name, now in vectors().items():
        known = {vector["name"] for vector in read(name)}
        lacking[name] = [vector for vector in now if vector["name"] not in known]
    return lacking


def main() -> int:
    """Add what is missing; return the exit code."""
    FOLDER.mkdir(exist_ok=True)
    for name, new in missing().items():
        if not new:
            continue
        lines = ",\n".join(json.dumps(vector, ensure_ascii=False) for vector in [*read(name), *new])
        (FOLDER / f"{name}.json").write_text(f"[\n{lines}\n]\n", encoding="utf-8")
        sys.stdout.write(f"{name}: {len(new)} added\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
