"""Inputs as the journal keeps them."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gameserver.rooms import inputs
from gameserver.rooms.record import RecordError, pack_input, unpack_input

ALL = [
    inputs.Create("BCDFGH", "user", "trivia", {"questions": 3, "categories": ["art"]}, True, bytes(32), "title", 7),
    inputs.Join("user", "Näme", "guest", "a:1", b"s" * 32, b"n" * 16, muted=True, shadow_muted=True),
    inputs.Back(seat=3, nonce=b"n" * 16),
    inputs.Drop(seat=3),
    inputs.CommandInput(seat=3, raw=b"\x81", credit_cap_ms=70, error_ms=4),
    inputs.Content(request="r", items=[{"id": "q", "options": ["a", "b"], "right": 1}], reason=""),
    inputs.Recorded(match="m"),
    inputs.Measure(lead_ms=100, window_ms=40),
    inputs.Adopt(epoch=2**50, planned=True),
    inputs.Regroup(awaiting=True),
    inputs.Close(reason="enough"),
    inputs.Moderate(user="user", action="mute"),
    inputs.Void(reason="rules"),
]


@pytest.mark.parametrize("given_input", ALL, ids=lambda value: type(value).__name__)
def test_every_input_comes_back(given_input: inputs.Input) -> None:
    assert unpack_input(pack_input(2**52, given_input)) == (2**52, given_input)


def test_every_kind_of_input_is_tried_here() -> None:
    assert {type(value) for value in ALL} == set(inputs.AnyInput.__args__)


@pytest.mark.parametrize(
    ("packed", "meant"),
    [
        ("9201930506c403726177", inputs.CommandInput(seat=6, raw=b"raw")),
        ("92019209cd0100", inputs.Adopt(epoch=256)),
        ("9201910a", inputs.Regroup()),
        ("92019602a175a16ea56775657374a3613a31c40173", inputs.Join("u", "n", "guest", "a:1", b"s")),
    ],
)
def test_records_without_the_fields_that_came_later_stay_readable(packed: str, meant: inputs.Input) -> None:
    assert unpack_input(bytes.fromhex(packed)) == (1, meant)


@given(st.binary(max_size=64))
def test_nothing_but_a_record_error_escapes(packed: bytes) -> None:
    with contextlib.suppress(RecordError):
        unpack_input(packed)
