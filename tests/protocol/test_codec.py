"""The codec: what goes in comes out, the same in every version."""

from pathlib import Path
from typing import Any

import msgpack
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import examples, golden, limits
from protocol.bus import Recorded
from protocol.client import ClientMessage, Hello
from protocol.codec import (
    canonical,
    decode_client,
    decode_server,
    encode_ack,
    encode_client,
    encode_delta,
    encode_private,
    encode_server,
    pack_bus,
    unpack_bus,
)
from protocol.delta import Patch
from protocol.errors import ProtocolError, ProtocolErrorCode
from protocol.registry import BUS_MESSAGES, CLIENT_MESSAGES, SERVER_MESSAGES, tag_of
from protocol.server import Ack, Delta, PrivateDelta, ServerMessage, Welcome
from protocol.types import WireFormat
from tests.protocol.messages import messages_of
from tests.protocol.strategies import values, views

FORMATS = list(WireFormat)
SHARED_DATA = Path(__file__).parents[3] / "shared" / "data"


def message_of(kind: type[msgspec.Struct], vector: golden.Vector) -> Any:
    """Return the message a vector shows."""
    return msgspec.convert(vector["message"], kind)


# ---- golden vectors


@pytest.mark.parametrize("vector", golden.read("client"), ids=lambda vector: vector["name"])
def test_golden_client(vector: golden.Vector) -> None:
    message = message_of(CLIENT_MESSAGES[vector["message"]["t"]], vector)
    assert encode_client(message).hex() == vector["msgpack"]
    assert encode_client(message, WireFormat.JSON).decode() == vector["json"]
    assert decode_client(bytes.fromhex(vector["msgpack"])) == message
    assert decode_client(vector["json"].encode(), WireFormat.JSON) == message


@pytest.mark.parametrize("vector", golden.read("server"), ids=lambda vector: vector["name"])
def test_golden_server(vector: golden.Vector) -> None:
    message = message_of(SERVER_MESSAGES[vector["message"]["t"]], vector)
    assert encode_server(message).hex() == vector["msgpack"]
    assert encode_server(message, WireFormat.JSON).decode() == vector["json"]
    assert decode_server(bytes.fromhex(vector["msgpack"])) == message
    assert decode_server(vector["json"].encode(), WireFormat.JSON) == message


@pytest.mark.parametrize("vector", golden.read("bus"), ids=lambda vector: vector["name"])
def test_golden_bus(vector: golden.Vector) -> None:
    message = message_of(BUS_MESSAGES[vector["message"]["t"]], vector)
    assert pack_bus(message).hex() == vector["msgpack"]
    assert unpack_bus(bytes.fromhex(vector["msgpack"])) == message


@pytest.mark.parametrize("vector", golden.read("invalid"), ids=lambda vector: vector["name"])
def test_golden_invalid(vector: golden.Vector) -> None:
    with pytest.raises(ProtocolError) as caught:
        decode_client(bytes.fromhex(vector["bytes"]), WireFormat(vector["format"]))
    assert (caught.value.code, caught.value.where) == (vector["code"], vector["where"])


@pytest.mark.parametrize("vector", golden.read("canonical"), ids=lambda vector: vector["name"])
def test_golden_canonical(vector: golden.Vector) -> None:
    assert canonical(vector["value"]).hex() == vector["msgpack"]


@pytest.mark.parametrize(
    ("stored", "kinds"), [("client", CLIENT_MESSAGES), ("server", SERVER_MESSAGES), ("bus", BUS_MESSAGES)]
)
def test_every_message_has_a_vector(stored: str, kinds: dict[str, Any]) -> None:
    assert {vector["message"]["t"] for vector in golden.read(stored)} == set(kinds)


def test_every_code_the_codec_raises_has_a_vector() -> None:
    from_state = {ProtocolErrorCode.WRONG_FRAME, ProtocolErrorCode.UNEXPECTED}  # raised by the edge
    assert {vector["code"] for vector in golden.read("invalid")} == set(ProtocolErrorCode) - from_state


def test_no_vector_is_missing() -> None:
    assert not any(golden.missing().values()), "run python -m protocol.golden"


# ---- round trips


@given(messages_of(CLIENT_MESSAGES), st.sampled_from(FORMATS))
def test_client_messages_round_trip(message: ClientMessage, wire: WireFormat) -> None:
    assert decode_client(encode_client(message, wire), wire) == message


@given(messages_of(SERVER_MESSAGES), st.sampled_from(FORMATS))
def test_server_messages_round_trip(message: ServerMessage, wire: WireFormat) -> None:
    assert decode_server(encode_server(message, wire), wire) == message


@given(messages_of(BUS_MESSAGES))
def test_bus_messages_round_trip(message: Any) -> None:
    assert unpack_bus(pack_bus(message)) == message


@given(messages_of(CLIENT_MESSAGES))
def test_the_two_formats_mean_the_same(message: ClientMessage) -> None:
    as_json = decode_client(encode_client(message, WireFormat.JSON), WireFormat.JSON)
    assert encode_client(as_json) == encode_client(message)


@given(messages_of(SERVER_MESSAGES))
def test_encoding_is_what_msgspec_would_send(message: ServerMessage) -> None:
    assert msgspec.msgpack.decode(encode_server(message), type=type(message)) == message
    assert next(iter(msgpack.unpackb(encode_server(message)))) == "t"


# ---- the short encoders are the long one


@given(views, st.lists(st.text(max_size=9), max_size=4), st.dictionaries(st.text(max_size=9), st.lists(values)))
def test_short_encoders(chosen: dict[str, Any], unset: list[str], append: dict[str, list[Any]]) -> None:
    patch = Patch(chosen, unset, append)
    for wire in FORMATS:
        delta = Delta(e=3, f=8, n=9, c=77, s=chosen, u=unset, a=append)
        assert encode_delta(3, 8, 9, 77, patch, wire=wire) == encode_server(delta, wire)
        private = PrivateDelta(e=3, n=9, s=chosen, u=unset)
        assert encode_private(3, 9, patch, wire=wire) == encode_server(private, wire)
        assert encode_ack([1, 2**40], wire=wire) == encode_server(Ack(ids=[1, 2**40]), wire)


# ---- what clients must bear


def test_a_client_passes_over_what_it_does_not_know() -> None:
    payload = msgpack.packb({"t": "ack", "ids": [1], "newer": {"x": 1}})
    assert decode_server(payload) == Ack(ids=[1])


@pytest.mark.parametrize(
    ("payload", "wire", "code"),
    [
        (msgpack.packb({"t": "of a later version"}), WireFormat.MSGPACK, ProtocolErrorCode.UNKNOWN_TAG),
        (msgpack.packb({"t": ["ack"]}), WireFormat.MSGPACK, ProtocolErrorCode.UNKNOWN_TAG),
        (msgpack.packb({}), WireFormat.MSGPACK, ProtocolErrorCode.UNKNOWN_TAG),
        (msgpack.packb([1]), WireFormat.MSGPACK, ProtocolErrorCode.NOT_A_MAP),
        (msgpack.packb({"t": "ack", "ids": "1"}), WireFormat.MSGPACK, ProtocolErrorCode.WRONG_TYPE),
        (b"\xc1", WireFormat.MSGPACK, ProtocolErrorCode.NOT_MSGPACK),
        (b"{", WireFormat.JSON, ProtocolErrorCode.NOT_JSON),
        (b"\xff", WireFormat.JSON, ProtocolErrorCode.NOT_UTF8),
        (bytes(limits.SERVER_MESSAGE_BYTES_MAX + 1), WireFormat.MSGPACK, ProtocolErrorCode.TOO_LARGE),
    ],
)
def test_bad_server_messages(payload: bytes, wire: WireFormat, code: ProtocolErrorCode) -> None:
    with pytest.raises(ProtocolError) as caught:
        decode_server(payload, wire)
    assert caught.value.code == code


def test_the_largest_room_fits_into_a_message() -> None:
    """500 seats with the longest names, in the middle of a match."""
    seat = {**examples.LOBBY_VIEW["seats"]["1"], "name": "字" * 24, "avatar": "x" * 24}  # type: ignore[index]  # a map of maps
    score = {"score": 99_999, "rank": 500, "moved": -499, "gained": 1500, "streak": 50}
    numbers = [str(1000 + seat) for seat in range(limits.SEATS_MAX)]
    view = {
        **examples.LOBBY_VIEW,
        "seats": dict.fromkeys(numbers, seat),
        "game": {"answered": dict.fromkeys(numbers, True), "scores": dict.fromkeys(numbers, score)},
    }
    payload = encode_server(Welcome("BCDF23", "player", "players", 1, 0, 0, view))
    assert len(payload) <= limits.SERVER_MESSAGE_BYTES_MAX
    assert decode_server(payload)


# ---- the bus and canonical bytes


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (b"\xc1", ProtocolErrorCode.NOT_MSGPACK),
        (msgpack.packb([]), ProtocolErrorCode.NOT_A_MAP),
        (msgpack.packb({"t": "hello"}), ProtocolErrorCode.UNKNOWN_TAG),
        (msgpack.packb({"t": "recorded", "id": "x"}), ProtocolErrorCode.MISSING_FIELD),
    ],
)
def test_bad_bus_messages(payload: bytes, code: ProtocolErrorCode) -> None:
    with pytest.raises(ProtocolError) as caught:
        unpack_bus(payload)
    assert caught.value.code == code


@given(values)
def test_canonical_bytes_do_not_depend_on_the_order_of_keys(value: Any) -> None:
    def turned(inner: Any) -> Any:
        if isinstance(inner, dict):
            return {key: turned(inner[key]) for key in reversed(inner)}
        return [turned(item) for item in inner] if isinstance(inner, list) else inner

    assert canonical(turned(value)) == canonical(value)
    assert msgpack.unpackb(canonical(value)) == value


@given(st.dictionaries(st.text(st.characters(codec="utf-8")), st.none(), max_size=9))
def test_canonical_keys_are_in_the_order_of_their_bytes(table: dict[str, None]) -> None:
    keys = [key.encode() for key in msgpack.unpackb(canonical(table), strict_map_key=False)]
    assert keys == sorted(keys)


def test_canonical_takes_structs_and_bytes() -> None:
    message = Recorded(id="1", code="BCDF23")
    assert canonical([b"\x00", message]) == msgpack.packb([b"\x00", {"code": "BCDF23", "id": "1", "t": "recorded"}])


def test_what_cannot_be_sent_is_our_bug() -> None:
    with pytest.raises(TypeError, match="set cannot be sent"):
        encode_server(Welcome("", "", "", 1, 0, 0, {"x": {1}}))


def test_a_nested_struct_is_sent_as_a_map() -> None:
    message = Welcome("", "", "", 1, 0, 0, {"x": Hello(nonce=bytes(16))})
    for wire in FORMATS:
        view = decode_server(encode_server(message, wire), wire).view  # type: ignore[attr-defined]  # each of the two has one
        assert view["x"]["t"] == tag_of(Hello)
