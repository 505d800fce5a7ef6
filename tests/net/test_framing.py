"""Whatever way bytes are cut, the same messages come in and the same frames go out."""

import contextlib

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gameserver.net.frames_in import FrameRefused, frame_bytes
from gameserver.net.limits import EdgeLimits
from protocol.client import Chat, ClientMessage, ClockAsk, Hello, ResyncAsk
from protocol.codec import decode_server, encode_client
from protocol.errors import CloseCode
from protocol.server import Farewell
from protocol.types import WireFormat
from tests.net.bed import Bench, close_code, close_frame, frame, message

LOOSE = EdgeLimits(messages_per_s=1e6, messages_burst=10_000, control_per_s=10_000)
HELLO = message(Hello(seat=1, secret="s" * 16))


def ran(chunks: list[bytes]) -> tuple[list[ClientMessage], bytes, int]:
    """Feed chunks to a fresh connection; return what the room got, what went out, how often it was told the end."""
    bench = Bench(limits=LOOSE)
    bench.upgrade(hello=False)
    for chunk in chunks:
        bench.socket.data_received(chunk)
        bench.loop.turn()
    members = bench.hub.members
    out = bytes(bench.transport.out)
    # The first ping has a random nonce.
    at = out.find(b"\x89\x08")
    out = out if at < 0 else out[:at] + out[at + 10 :]
    return (members[0].messages if members else []), out, (members[0].gone_count if members else 0)


def fragments(payload: bytes, cuts: list[int], between: list[bytes]) -> bytes:
    """Cut a binary message at the places given, with control frames between."""
    pieces = [payload[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(payload)], strict=True)]
    parts = []
    for place, piece in enumerate(pieces):
        parts.append(frame(0 if place else 2, piece, fin=place == len(pieces) - 1))
        parts += between if place < len(pieces) - 1 else []
    return b"".join(parts)


CLOCK = encode_client(ClockAsk(c=77))
LONG = Chat(text="x" * 120)
STREAMS = {
    "whole": message(ClockAsk(c=1)) + message(ResyncAsk()),
    "ping between": message(ClockAsk(c=1)) + frame(9, b"are you there") + message(ClockAsk(c=2)),
    "stray pong": frame(10, b"nobody asked") + message(ClockAsk(c=1)),
    "long payload": message(LONG) + frame(2, encode_client(LONG) + b"") + message(ClockAsk(c=3)),
    "two fragments": fragments(CLOCK, [3], []) + message(ClockAsk(c=5)),
    "fragments with pings": fragments(CLOCK, [0, 2, 2, 5], [frame(9, b"p"), frame(10, b"")]) + message(ClockAsk(c=6)),
    "empty fragments": fragments(CLOCK, [0, 0, len(CLOCK)], []) + message(ClockAsk(c=7)),
    "close": message(ClockAsk(c=8)) + close_frame(1000, "bye") + message(ClockAsk(c=9)),
    "close between fragments": frame(2, CLOCK[:2], fin=False) + close_frame(1000) + frame(0, CLOCK[2:]),
    "empty close": message(ClockAsk(c=1)) + frame(8),
    "unmasked": message(ClockAsk(c=1)) + frame(2, CLOCK, mask=None) + message(ClockAsk(c=2)),
    "reserved bit": message(ClockAsk(c=1)) + frame(2, CLOCK, rsv=4),
    "reserved opcode": frame(3, CLOCK) + message(ClockAsk(c=2)),
    "reserved control opcode": frame(11, CLOCK),
    "fragmented ping": frame(9, b"x", fin=False) + message(ClockAsk(c=2)),
    "continuation of nothing": frame(0, CLOCK) + message(ClockAsk(c=2)),
    "data inside fragments": frame(2, CLOCK[:2], fin=False) + message(ClockAsk(c=2)) + frame(0, CLOCK[2:]),
    "text on msgpack": frame(1, b'{"t":"clock","c":1}') + message(ClockAsk(c=2)),
    "rubbish": frame(2, b"\xc1") + message(ClockAsk(c=2)),
    "bad close code": close_frame(1005),
    "short close": frame(8, b"\x03"),
    "close reason not UTF-8": frame(8, b"\x03\xe8\xff\xff"),
}


@pytest.mark.parametrize("name", STREAMS)
def test_split_at_every_byte(name: str) -> None:
    stream = HELLO + STREAMS[name]
    whole = ran([stream])
    for place in range(1, len(stream)):
        assert ran([stream[:place], stream[place:]]) == whole, place
    assert ran([stream[place : place + 1] for place in range(len(stream))]) == whole


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_any_cuts(data: st.DataObject) -> None:
    names = data.draw(st.lists(st.sampled_from(sorted(STREAMS)), min_size=1, max_size=4))
    stream = HELLO + b"".join(STREAMS[name] for name in names)
    cuts = sorted(data.draw(st.sets(st.integers(1, len(stream) - 1), max_size=12)))
    chunks = [stream[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert ran(chunks) == ran([stream])


def told(name: str) -> tuple[list[ClientMessage], list[tuple[int, bytes]], int]:
    bench = Bench(limits=LOOSE)
    bench.upgrade()
    bench.socket.data_received(STREAMS[name])
    bench.loop.turn()
    return bench.member.messages, bench.frames(), bench.member.gone_count


@pytest.mark.parametrize(
    ("name", "clocks", "opcodes"),
    [
        ("whole", [1], []),
        ("ping between", [1, 2], [10]),
        ("stray pong", [1], []),
        ("long payload", [3], []),
        ("two fragments", [77, 5], []),
        ("fragments with pings", [77, 6], [10, 10, 10, 10]),
        ("empty fragments", [77, 7], []),
        ("close", [8], [8]),
        ("close between fragments", [], [8]),
        ("empty close", [1], [8]),
    ],
)
def test_what_is_well_formed(name: str, clocks: list[int], opcodes: list[int]) -> None:
    messages, frames, gone = told(name)
    assert [each.c for each in messages if isinstance(each, ClockAsk)] == clocks
    assert [opcode for opcode, _ in frames] == opcodes
    assert gone == (8 in opcodes)


@pytest.mark.parametrize(
    ("name", "clocks", "code"),
    [
        ("unmasked", [1], 1002),
        ("reserved bit", [1], 1002),
        ("reserved opcode", [], 1002),
        ("reserved control opcode", [], 1002),
        ("fragmented ping", [], 1002),
        ("continuation of nothing", [], 1002),
        ("data inside fragments", [], 1002),
        ("text on msgpack", [], 1002),
        ("rubbish", [], 1002),
        ("bad close code", [], 1002),
        ("short close", [], 1002),
        ("close reason not UTF-8", [], 1007),
    ],
)
def test_what_is_not(name: str, clocks: list[int], code: int) -> None:
    messages, frames, gone = told(name)
    assert [each.c for each in messages if isinstance(each, ClockAsk)] == clocks
    assert close_code(frames) == code
    assert gone == 1


def test_a_pong_echoes_the_ping() -> None:
    bench = Bench()
    bench.upgrade()
    bench.socket.data_received(frame(9, b"payload"))
    assert bench.frames() == [(10, b"payload")]


def test_too_long_is_refused_before_the_body_arrives() -> None:
    bench = Bench()
    bench.upgrade()
    bench.socket.data_received(frame(2, bytes(4097))[:8])
    frames = bench.frames()
    assert close_code(frames) == CloseCode.TOO_BIG
    assert bench.transport.eof


@pytest.mark.parametrize("length", [2**16, 2**31, 2**63, 2**64 - 1])
def test_absurd_lengths_allocate_nothing(length: int) -> None:
    bench = Bench()
    bench.upgrade()
    bench.socket.data_received(b"\x82\xff" + length.to_bytes(8, "big"))
    assert close_code(bench.frames()) == CloseCode.TOO_BIG


def test_fragments_count_together() -> None:
    bench = Bench()
    bench.upgrade()
    bench.socket.data_received(frame(2, bytes(4000), fin=False))
    assert bench.frames() == []
    bench.socket.data_received(frame(0, bytes(97)))
    assert close_code(bench.frames()) == CloseCode.TOO_BIG


def test_the_largest_message_is_taken() -> None:
    """A message of exactly 4,096 bytes reaches the codec (which finds it is rubbish)."""
    bench = Bench()
    bench.upgrade()
    bench.socket.data_received(frame(2, b"\xc1" * 4096))
    assert close_code(bench.frames()) == CloseCode.PROTOCOL_ERROR
    assert bench.edge.counters.protocol_errors["not_msgpack"] == 1


def test_json() -> None:
    bench = Bench()
    bench.upgrade(("Sec-WebSocket-Protocol", "svidnet.arena.v1+json"))
    bench.socket.data_received(message(ClockAsk(c=5), WireFormat.JSON))
    assert bench.member.received == [(ClockAsk(c=5), encode_client(ClockAsk(c=5)))]
    bench.socket.data_received(frame(2, CLOCK))
    frames = bench.frames()
    assert close_code(frames) == CloseCode.PROTOCOL_ERROR
    farewell = decode_server(frames[-2][1], WireFormat.JSON)
    assert farewell == Farewell(code=1002, reason="wrong_frame")


def test_raw_is_the_message_as_it_came() -> None:
    bench = Bench()
    bench.upgrade()
    payload = encode_client(ClockAsk(c=5))
    bench.socket.data_received(frame(2, payload))
    assert bench.member.received == [(ClockAsk(c=5), payload)]


def test_a_protocol_error_says_where() -> None:
    bench = Bench()
    bench.upgrade()
    bench.socket.data_received(frame(2, msgspec.msgpack.encode({"t": "clock", "c": "now"})))
    frames = bench.frames()
    farewell = decode_server(frames[-2][1])
    assert isinstance(farewell, Farewell)
    assert farewell.reason.startswith("wrong_type")
    assert "now" not in farewell.reason


@given(st.binary(max_size=16), st.integers(0, 3))
def test_frame_bytes_never_asks_for_less_than_it_has(data: bytes, at: int) -> None:
    """A frame's length is known, or more is asked for; nothing but a refusal escapes."""
    at = min(at, len(data))
    with contextlib.suppress(FrameRefused):
        size = frame_bytes(data, at, 100)
        assert 2 <= size <= 14 + 100
        if size <= len(data) - at:
            assert frame_bytes(data[: at + size], at, 100) == size


@given(st.binary(max_size=400))
@settings(max_examples=300, deadline=None)
def test_any_bytes_end_in_messages_or_a_close(data: bytes) -> None:
    """Random bytes after a good Hello never raise, and never leave the room without its goodbye."""
    bench = Bench(limits=LOOSE)
    bench.upgrade()
    bench.socket.data_received(data)
    bench.loop.turn()
    ended = any(opcode == 8 for opcode, _ in bench.frames())
    assert bench.member.gone_count == ended
