"""The load generator's own WebSocket bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode
from websockets.streams import StreamReader

from bench import wire
from protocol.frames import binary


@given(st.binary(max_size=70_000).filter(lambda data: len(data) < 65_536))
def test_a_masked_frame_is_read_by_another_implementation(payload: bytes) -> None:
    reader = StreamReader()
    reader.feed_data(wire.frame(wire.BINARY, payload))
    with pytest.raises(StopIteration) as done:
        next(Frame.parse(reader.read_exact, mask=True))
    assert (done.value.value.opcode, done.value.value.data) == (Opcode.BINARY, payload)


@given(st.lists(st.binary(max_size=300), max_size=5), st.binary(max_size=70_000), st.integers(0, 80_000))
def test_frames_are_split_wherever_the_bytes_are_cut(small: list[bytes], large: bytes, cut: int) -> None:
    payloads = [*small, large, b"end"]
    data = b"".join(binary(payload) for payload in payloads)
    first, rest = wire.split(data[:cut])
    second, left = wire.split(rest + data[cut:])
    assert [payload for _, payload in first + second] == payloads
    assert left == b""


def test_an_answer_tells_status_and_when_to_come_again() -> None:
    assert wire.answer_of(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket") == (101, 0.0)
    assert wire.answer_of(b"HTTP/1.1 503 Busy\r\nretry-after: 3\r\nX: y") == (503, 3.0)
    assert wire.answer_of(b"HTTP/1.1 503 Busy\r\nRetry-After: soon") == (503, 0.0)
