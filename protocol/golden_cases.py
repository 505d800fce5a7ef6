"""What the golden vectors for deltas, invalid input, canonical bytes and room codes are made of."""

from typing import Any, Final

import msgpack

from protocol.errors import ProtocolErrorCode as Code

DELTAS: Final[list[tuple[str, dict[str, Any], dict[str, Any], list[str]]]] = [
    ("nothing", {"a": 1}, {"a": 1}, []),
    ("a value changes", {"phase": "lobby", "n": 1}, {"phase": "match", "n": 1}, []),
    ("a key comes", {"a": 1}, {"a": 1, "b": {"c": 2}}, []),
    ("a key goes", {"a": 1, "b": {"c": 2}}, {"a": 1}, []),
    ("null is not absent", {"a": None}, {}, []),
    ("absent becomes null", {}, {"a": None}, []),
    ("deep change", {"a": {"b": {"c": 1, "d": 2}}}, {"a": {"b": {"c": 3, "d": 2}}}, []),
    ("a map becomes empty", {"a": {"b": 1}}, {"a": {}}, []),
    ("an empty map fills", {"a": {}}, {"a": {"b": 1}}, []),
    ("an empty map comes", {}, {"a": {}}, []),
    ("a map becomes text", {"a": {"b": 1}}, {"a": "b"}, []),
    ("text becomes a map", {"a": "b"}, {"a": {"b": 1}}, []),
    ("a map becomes a list", {"a": {"0": 1}}, {"a": [1]}, []),
    ("true is not 1", {"a": True, "b": 0, "c": [1]}, {"a": 1, "b": False, "c": [True]}, []),
    ("a list is replaced whole", {"a": [1, 2, 3]}, {"a": [1, 2, 4]}, []),
    ("a list that grew is replaced whole", {"a": [1]}, {"a": [1, 2]}, []),
    ("an append-only list grows", {"log": [1]}, {"log": [1, 2, 3]}, ["log"]),
    ("an append-only list starts", {"log": []}, {"log": ["x"]}, ["log"]),
    ("an append-only list comes", {}, {"log": ["x"]}, ["log"]),
    ("an append-only list shrinks", {"log": [1, 2]}, {"log": [1]}, ["log"]),
    ("an append-only list changes before it grows", {"log": [1, 2]}, {"log": [9, 2, 3]}, ["log"]),
    (
        "an append-only list of any seat",
        {"seats": {"7": {"marks": [1]}, "8": {"marks": []}}},
        {"seats": {"7": {"marks": [1, 2]}, "8": {"marks": []}}},
        ["seats/*/marks"],
    ),
    ("a star stands for one segment", {"a": {"b": {"c": [1]}}}, {"a": {"b": {"c": [1, 2]}}}, ["a/*", "*/c"]),
    ("a slash in a key", {"a/b": {"c": 1}}, {"a/b": {"c": 2}}, []),
    ("a tilde in a key", {"a~b": {"~1": 1}}, {"a~b": {"~1": 2, "~0/": 3}}, []),
    ("a star in a key", {"*": {"log": [1]}}, {"*": {"log": [1, 2]}}, ["*/log"]),
    ("other alphabets", {"ключ": {"鍵": "🔑"}}, {"ключ": {"鍵": "🗝"}}, []),
    (
        "one seat of several",
        {"seats": {"1": {"here": True, "name": "Ada"}, "2": {"here": True, "name": "Bo"}}},
        {"seats": {"1": {"here": True, "name": "Ada"}, "2": {"here": False, "name": "Bo"}}},
        [],
    ),
    (
        "one seat comes and one goes",
        {"seats": {"1": {"here": True}, "2": {"here": True}}},
        {"seats": {"2": {"here": True}, "3": {"here": True}}},
        [],
    ),
]


def _pack(value: Any) -> bytes:
    packed: bytes = msgpack.packb(value)
    return packed


def _nest(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = {"a": value}
    return value


_ANSWER: Final = {"t": "trivia.answer", "id": 1, "question": 0, "option": 0, "reaction_ms": 5}
_SETTINGS: Final = {"t": "room.settings", "id": 1}

_MSGPACK: Final[list[tuple[str, bytes, Code, str]]] = [
    ("nothing", b"", Code.NOT_MSGPACK, ""),
    ("a byte that means nothing", b"\xc1", Code.NOT_MSGPACK, ""),
    ("cut short", _pack(_ANSWER)[:-1], Code.NOT_MSGPACK, ""),
    ("something after the message", _pack({"t": "resync"}) + b"\x00", Code.NOT_MSGPACK, ""),
    ("too large", _pack({"t": "resync"}) + bytes(4096), Code.TOO_LARGE, ""),
    ("not UTF-8", b"\x81\xa1t\xa1\xff", Code.NOT_UTF8, ""),
    ("a surrogate in UTF-8", b"\x81\xa1t\xa3\xed\xa0\x80", Code.NOT_UTF8, ""),
    ("an array", _pack(["resync"]), Code.NOT_A_MAP, ""),
    ("null", b"\xc0", Code.NOT_A_MAP, ""),
    ("an array in an array a thousand times", b"\x91" * 2000 + b"\x01", Code.TOO_DEEP, ""),
    ("nine levels", _pack({**_SETTINGS, "settings": _nest(8)}), Code.TOO_DEEP, "settings.a.a.a.a.a.a.a"),
    ("a key twice", b"\x82\xa1t\xa6resync\xa1t\xa6resync", Code.DUPLICATE_KEY, ""),
    ("a key twice, under a long header", b"\xde\x00\x02\xa1t\xa6resync\xa1t\xa6resync", Code.DUPLICATE_KEY, ""),
    (
        "a key twice, deep",
        b"\x83\xa1t\xadroom.settings\xa2id\x01\xa8settings\x82\xa1a\x01\xa1a\x02",
        Code.DUPLICATE_KEY,
        "",
    ),
    ("not a number", _pack({**_ANSWER, "reaction_ms": float("nan")}), Code.NOT_FINITE, "reaction_ms"),
    ("infinite", _pack({**_SETTINGS, "settings": {"x": [float("inf")]}}), Code.NOT_FINITE, "settings.x[0]"),
    ("a float", _pack({**_ANSWER, "id": 1.0}), Code.WRONG_TYPE, "id"),
    ("a float in settings", _pack({**_SETTINGS, "settings": {"seconds": 20.0}}), Code.WRONG_TYPE, "settings.seconds"),
    ("an unknown message", _pack({"t": "room.explode", "id": 1}), Code.UNKNOWN_TAG, "t"),
    ("a message of the server", _pack({"t": "welcome"}), Code.UNKNOWN_TAG, "t"),
    ("no tag", _pack({"id": 1}), Code.MISSING_FIELD, "t"),
    ("a tag that is a number", _pack({"t": 7}), Code.WRONG_TYPE, "t"),
    ("a tag that is a map", _pack({"t": {}}), Code.WRONG_TYPE, "t"),
    ("an unknown field", _pack({**_ANSWER, "cheat": True}), Code.UNKNOWN_FIELD, "cheat"),
    ("an unknown field, deep", _pack({"t": "hello", "at": {"epoch": 1, "n": 2, "x": 3}}), Code.UNKNOWN_FIELD, "at.x"),
    ("a missing field", _pack({"t": "room.kick", "id": 1}), Code.MISSING_FIELD, "seat"),
    ("text for a number", _pack({**_ANSWER, "id": "1"}), Code.WRONG_TYPE, "id"),
    ("true for a number", _pack({**_ANSWER, "option": True}), Code.WRONG_TYPE, "option"),
    ("bytes for text", _pack({"t": "chat", "text": b"hi"}), Code.WRONG_TYPE, "text"),
    ("text for bytes", _pack({"t": "hello", "nonce": "AAAAAAAAAAAAAAAAAAAAAA=="}), Code.WRONG_TYPE, "nonce"),
    ("bytes in settings", _pack({**_SETTINGS, "settings": {"x": b"1"}}), Code.WRONG_TYPE, "settings.x"),
    ("null for a number", _pack({**_ANSWER, "option": None}), Code.WRONG_TYPE, "option"),
    ("an extension", b"\x81\xa1t\xd4\x01\x00", Code.WRONG_TYPE, ""),
    ("an empty extension", b"\x81\xa1t\xc7\x00\x05", Code.WRONG_TYPE, "t"),
    ("a timestamp", b"\x81\xa1t\xd6\xff\x00\x00\x00\x00", Code.WRONG_TYPE, ""),
    ("a key that is a number", b"\x82\xa1t\xa6resync\x01\x01", Code.WRONG_TYPE, ""),
    ("a key of bytes", b"\x82\xa1t\xa6resync\xc4\x01a\x01", Code.WRONG_TYPE, ""),
    ("command id 0", _pack({**_ANSWER, "id": 0}), Code.OUT_OF_RANGE, "id"),
    ("command id over 2^53-1", _pack({**_ANSWER, "id": 2**53}), Code.OUT_OF_RANGE, "id"),
    ("a negative number", _pack({**_ANSWER, "option": -1}), Code.OUT_OF_RANGE, "option"),
    ("option 6", _pack({**_ANSWER, "option": 6}), Code.OUT_OF_RANGE, "option"),
    (
        "a number over 2^53-1 in settings",
        _pack({**_SETTINGS, "settings": {"x": 2**53}}),
        Code.OUT_OF_RANGE,
        "settings.x",
    ),
    ("empty chat", _pack({"t": "chat", "text": ""}), Code.OUT_OF_RANGE, "text"),
    ("chat of 121 characters", _pack({"t": "chat", "text": "a" * 121}), Code.OUT_OF_RANGE, "text"),
    ("text of 257 bytes", _pack({"t": "chat", "text": "a" * 257}), Code.OUT_OF_RANGE, ""),
    ("a nonce of 15 bytes", _pack({"t": "hello", "nonce": bytes(15)}), Code.OUT_OF_RANGE, "nonce"),
    ("bytes over 1,024", _pack({"t": "hello", "nonce": bytes(1025)}), Code.OUT_OF_RANGE, ""),
    ("an array of 65", _pack({**_SETTINGS, "settings": {"x": [0] * 65}}), Code.OUT_OF_RANGE, ""),
    ("a map of 33", _pack({**_SETTINGS, "settings": {str(n): 0 for n in range(33)}}), Code.OUT_OF_RANGE, ""),
    ("an array that claims 4 billion", b"\x81\xa1t\xdd\xff\xff\xff\xff", Code.OUT_OF_RANGE, ""),
]

_JSON: Final[list[tuple[str, bytes, Code, str]]] = [
    ("json: nothing", b"", Code.NOT_JSON, ""),
    ("json: cut short", b'{"t":"resync"', Code.NOT_JSON, ""),
    ("json: something after the message", b'{"t":"resync"}x', Code.NOT_JSON, ""),
    ("json: NaN", b'{"t":"clock","c":NaN}', Code.NOT_JSON, ""),
    ("json: half a surrogate pair", b'{"t":"chat","text":"\\ud800"}', Code.NOT_JSON, ""),
    ("json: too large", b'{"t":"resync"}' + b" " * 4096, Code.TOO_LARGE, ""),
    ("json: not UTF-8", b'{"t":"\xff"}', Code.NOT_UTF8, ""),
    ("json: an array", b'["resync"]', Code.NOT_A_MAP, ""),
    ("json: too deep", b"[" * 1000 + b"]" * 1000, Code.NOT_A_MAP, ""),
    (
        "json: nine levels",
        b'{"t":"room.settings","id":1,"settings":' + b'{"a":' * 8 + b"1" + b"}" * 9,
        Code.TOO_DEEP,
        "settings.a.a.a.a.a.a.a",
    ),
    ("json: a key twice", b'{"t":"resync","t":"resync"}', Code.DUPLICATE_KEY, ""),
    ("json: a float", b'{"t":"clock","c":1.0}', Code.WRONG_TYPE, "c"),
    ("json: a number beyond 64 bits", b'{"t":"clock","c":99999999999999999999}', Code.WRONG_TYPE, "c"),
    ("json: an unknown message", b'{"t":"x"}', Code.UNKNOWN_TAG, "t"),
    ("json: an unknown field", b'{"t":"resync","x":1}', Code.UNKNOWN_FIELD, "x"),
    ("json: a missing field", b'{"t":"clock"}', Code.MISSING_FIELD, "c"),
    ("json: bytes that are not base64", b'{"t":"hello","nonce":"@@@"}', Code.WRONG_TYPE, "nonce"),
    ("json: a nonce of 3 bytes", b'{"t":"hello","nonce":"AAAA"}', Code.OUT_OF_RANGE, "nonce"),
    (
        "json: an array of 65",
        b'{"t":"room.settings","id":1,"settings":{"x":[' + b"0," * 64 + b"0]}}",
        Code.OUT_OF_RANGE,
        "settings.x",
    ),
    (
        "json: a map of 33",
        b'{"t":"room.settings","id":1,"settings":{' + b",".join(b'"%d":0' % n for n in range(33)) + b"}}",
        Code.OUT_OF_RANGE,
        "settings",
    ),
    ("json: text of 257 bytes", b'{"t":"chat","text":"' + b"a" * 257 + b'"}', Code.OUT_OF_RANGE, "text"),
]

INVALID: Final = [
    *((name, "msgpack", payload, code, where) for name, payload, code, where in _MSGPACK),
    *((name, "json", payload, code, where) for name, payload, code, where in _JSON),
]

CANONICAL: Final[list[tuple[str, Any]]] = [
    ("null", None),
    ("keys sorted", {"b": 1, "a": 2, "B": 3, "é": 4, "z": 5}),
    ("keys sorted by bytes", {"\uffff": 1, "😀": 2}),
    ("keys sorted, deep", {"x": [{"b": [], "a": {}}]}),
    ("shortest numbers", [0, 127, 128, 255, 256, 65535, 65536, 2**32 - 1, 2**32, 2**53 - 1]),
    ("shortest negative numbers", [-1, -32, -33, -128, -129, -32768, -32769, -(2**31), -(2**31) - 1]),
    ("texts of every header", ["", "a" * 31, "a" * 32, "a" * 255, "a" * 256]),
    ("a list of 16", list(range(16))),
    ("settings", {"questions": 10, "categories": ["history", "art"], "streaks": True, "difficulty": "mixed"}),
]

ROOM_CODES: Final = [
    "BCDF23",
    "bcd-f23",
    " b c d f 2 3 ",
    "BCDF2",
    "BCDF230",
    "ABCDEF",
    "bcd_f2",
    "",
    "ZZZZZZ",
    "QRSTVW",
]
