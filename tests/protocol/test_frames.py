"""Frames are what RFC 6455 says, as an independent implementation reads them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Opcode
from websockets.protocol import CLIENT, Protocol, State

from protocol import golden
from protocol.frames import CLOSE_REASON_BYTES_MAX, binary, close, frame_for, text
from protocol.types import WireFormat


def read(data: bytes) -> tuple[Opcode, bytes]:
    """Return what the `websockets` package reads from one whole frame."""
    peer = Protocol(CLIENT, state=State.OPEN)
    peer.receive_data(data)
    (event,) = peer.events_received()
    assert peer.parser_exc is None
    return event.opcode, bytes(event.data)  # type: ignore[union-attr]  # a frame


@given(st.binary(max_size=300))
def test_binary(payload: bytes) -> None:
    assert read(binary(payload)) == (Opcode.BINARY, payload)


@pytest.mark.parametrize("length", [0, 125, 126, 65_535, 65_536, 200_000])
def test_lengths(length: int) -> None:
    payload = b"x" * length
    assert read(binary(payload)) == (Opcode.BINARY, payload)
    assert read(text(payload)) == (Opcode.TEXT, payload)


@given(st.integers(3000, 4999), st.text(max_size=200))
def test_close(code: int, reason: str) -> None:
    opcode, body = read(close(code, reason))
    assert opcode == Opcode.CLOSE
    assert int.from_bytes(body[:2], "big") == code
    told = body[2:].decode("utf-8")
    assert len(body) - 2 <= CLOSE_REASON_BYTES_MAX
    whole = reason.encode("utf-8", "replace").decode()
    assert whole.startswith(told)
    assert told == whole or len((told + whole[len(told)]).encode()) > CLOSE_REASON_BYTES_MAX


def test_frame_for_each_format() -> None:
    assert frame_for(WireFormat.MSGPACK, b"x") == binary(b"x")
    assert frame_for(WireFormat.JSON, b"x") == text(b"x")


@pytest.mark.parametrize("vector", golden.read("frames"), ids=lambda vector: vector["name"])
def test_golden(vector: golden.Vector) -> None:
    if vector["kind"] == "close":
        assert close(vector["code"], vector["reason"]).hex() == vector["frame"]
        return
    payload = bytes.fromhex(vector["payload"]) * vector["times"]
    make = binary if vector["kind"] == "binary" else text
    assert make(payload) == bytes.fromhex(vector["head"]) + payload
