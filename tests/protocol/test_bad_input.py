"""What may not come in gets a ProtocolError, and nothing else ever escapes."""

import contextlib
import json
import math
from pathlib import Path
from typing import Any

import msgpack
import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from protocol import limits
from protocol.client import ClientMessage, SetSettings
from protocol.codec import (
    decode_client,
    decode_server,
    encode_client,
    encode_server,
    unpack_bus,
)
from protocol.errors import ProtocolError, ProtocolErrorCode
from protocol.registry import CLIENT_MESSAGES
from protocol.server import Welcome
from protocol.types import WireFormat
from tests.protocol.messages import messages_of
from tests.protocol.strategies import views

FORMATS = list(WireFormat)
SHARED_DATA = Path(__file__).parents[3] / "shared" / "data"


# ---- nothing but ProtocolError escapes

anything: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(st.characters(codec="utf-8"))
    | st.binary(max_size=20)
    | st.builds(msgpack.ExtType, st.integers(0, 127), st.binary(max_size=4)),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=8) | st.binary(max_size=3), inner, max_size=5)
    ),
    max_leaves=20,
)


def decode_or_refuse(payload: bytes, wire: WireFormat) -> ClientMessage | None:
    refusal: ProtocolError | None = None
    try:
        message = decode_client(payload, wire)
    except ProtocolError as error:
        refusal = error
    if refusal is not None:
        assert len(refusal.where) <= 64
        assert refusal.where.isascii()
        assert str(refusal).startswith(refusal.code)
        return None
    assert type(message) in CLIENT_MESSAGES.values()
    assert decode_client(encode_client(message, wire), wire) == message
    return message


@given(st.binary(max_size=200), st.sampled_from(FORMATS))
def test_any_bytes(payload: bytes, wire: WireFormat) -> None:
    decode_or_refuse(payload, wire)
    for decode in (lambda: decode_server(payload, wire), lambda: unpack_bus(payload)):
        with contextlib.suppress(ProtocolError):
            decode()


@given(anything)
def test_any_value(value: Any) -> None:
    decode_or_refuse(msgpack.packb(value), WireFormat.MSGPACK)


@given(messages_of(CLIENT_MESSAGES), st.data())
def test_any_field_of_any_message_replaced(message: ClientMessage, data: st.DataObject) -> None:
    fields = msgpack.unpackb(encode_client(message))
    name = data.draw(st.sampled_from(sorted(fields)) | st.text(st.characters(codec="utf-8"), max_size=300))
    fields[name] = data.draw(anything)
    decode_or_refuse(msgpack.packb(fields), WireFormat.MSGPACK)


@given(messages_of(CLIENT_MESSAGES), st.sampled_from(FORMATS), st.data())
def test_any_byte_of_any_message_replaced(message: ClientMessage, wire: WireFormat, data: st.DataObject) -> None:
    payload = bytearray(encode_client(message, wire))
    payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    decode_or_refuse(bytes(payload), wire)


@given(messages_of(CLIENT_MESSAGES), st.sampled_from(FORMATS))
@settings(max_examples=50)
def test_every_message_cut_anywhere(message: ClientMessage, wire: WireFormat) -> None:
    payload = encode_client(message, wire)
    for end in range(len(payload)):
        with pytest.raises(ProtocolError):
            decode_client(payload[:end], wire)


def floats_of(value: Any) -> list[float]:
    if isinstance(value, float):
        return [value]
    if isinstance(value, dict):
        return [found for inner in value.values() for found in floats_of(inner)]
    return [found for inner in value for found in floats_of(inner)] if isinstance(value, list) else []


@given(views.filter(bool), st.floats(), st.data())
@example({"a": []}, 1.0, None)
def test_no_float_ever_comes_in(chosen: dict[str, Any], number: float, data: Any) -> None:
    chosen = {"planted": {"deep": [number]}, **dict(list(chosen.items())[:5])}
    payload = msgpack.packb({"t": "room.settings", "id": 1, "settings": chosen})
    with pytest.raises(ProtocolError) as caught:
        decode_client(payload)
    if len(floats_of(chosen)) == 1 and caught.value.code is not ProtocolErrorCode.OUT_OF_RANGE:
        finite = math.isfinite(number)
        assert caught.value.code == (ProtocolErrorCode.WRONG_TYPE if finite else ProtocolErrorCode.NOT_FINITE)


def test_a_hundred_and_twenty_characters_of_chat_have_256_bytes_at_most() -> None:
    assert decode_client(msgpack.packb({"t": "chat", "text": "ж" * 120}))
    with pytest.raises(ProtocolError):
        decode_client(msgpack.packb({"t": "chat", "text": "字" * 120}))


def test_a_secret_never_shows_in_an_error() -> None:
    payload = msgpack.packb({"t": "hello", "secret": "canary-" + "x" * 200})
    with pytest.raises(ProtocolError) as caught:
        decode_client(payload)
    assert "canary" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_where_is_printable_and_short() -> None:
    payload = msgpack.packb({"t": "resync", "\n\x00ж" + "x" * 100: 1})
    with pytest.raises(ProtocolError) as caught:
        decode_client(payload)
    assert caught.value.where == "???" + "x" * 61


# ---- public conformance data


def shared_json(name: str) -> Any:
    path = SHARED_DATA / name
    if not path.exists():
        pytest.skip(f"public test data that is not in the repository is missing: ../shared/data/{name}")
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def msgpack_suite() -> dict[str, Any]:
    suite: dict[str, Any] = shared_json("conformance/msgpack/msgpack-test-suite.json")
    return suite


def test_the_msgpack_test_suite(msgpack_suite: dict[str, Any]) -> None:
    """Each of its 233 encodings, as a setting's value: taken when it is plain, else refused with its code."""
    seen = 0
    head = msgpack.packb({"t": "room.settings", "id": 1})[1:]
    for case in [case for group in msgpack_suite.values() for case in group]:
        for spelled in case["msgpack"]:
            value = bytes.fromhex(spelled.replace("-", ""))
            payload = b"\x83" + head + b"\xa8settings\x81\xa1x" + value
            seen += 1
            message = decode_or_refuse(payload, WireFormat.MSGPACK)
            if message is not None:
                assert isinstance(message, SetSettings)
                shown = [case[kind] for kind in ("nil", "bool", "number", "string", "array", "map") if kind in case]
                assert message.settings["x"] == (shown[0] if shown else int(case["bignum"]))
            else:
                plain = {"nil", "bool", "string", "array", "map"} & set(case)
                assert not plain, case
    assert seen > 200


def test_naughty_strings() -> None:
    naughty = shared_json("security/blns/blns.json")
    assert len(naughty) > 500
    for text in naughty:
        for wire in FORMATS:
            told = {"t": "chat", "text": text}
            payload = msgpack.packb(told) if wire is WireFormat.MSGPACK else orjson.dumps(told)
            message = decode_or_refuse(payload, wire)
            fits = 1 <= len(text) <= limits.CHAT_CHARS_MAX and len(text.encode()) <= limits.STR_BYTES_MAX
            assert (message is not None) == fits
        assert decode_server(encode_server(Welcome("", "", "", 1, 0, 0, {"title": text}))).view == {"title": text}
