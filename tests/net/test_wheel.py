"""Keep-alive, deadlines and floods, by the wheel; the line's measurement from it."""

import asyncio

from gameserver.net.limits import EdgeLimits
from protocol.client import ClockAsk
from protocol.errors import CloseCode
from tests.net.bed import Bench, FakeTransport, close_code, frame, message, node, parse_frames


def pings(transport: FakeTransport) -> list[bytes]:
    found, rest = parse_frames(bytes(transport.out))
    transport.out[:] = rest
    return [payload for opcode, payload in found if opcode == 9]


def test_a_ping_at_the_start_and_each_ten_seconds() -> None:
    bench = Bench()
    bench.upgrade()
    nonces = set()
    for _ in range(5):
        (nonce,) = pings(bench.transport)
        nonces.add(nonce)
        bench.socket.data_received(frame(10, nonce))
        bench.step(9.9)
        assert pings(bench.transport) == []
        bench.step(0.1)
    assert len(nonces) == 5, "each ping has a nonce of its own"


def test_no_pong_within_five_seconds_closes() -> None:
    bench = Bench()
    bench.upgrade()
    bench.step(4.9)
    assert bench.frames() == []
    bench.step(0.1)
    assert close_code(bench.frames()) == CloseCode.PING_TIMEOUT
    assert bench.member.gone_count == 1


def test_a_pong_to_another_nonce_is_no_pong() -> None:
    bench = Bench()
    bench.upgrade()
    (nonce,) = pings(bench.transport)
    bench.socket.data_received(frame(10, b"guessed!") + frame(10, nonce[:4]))
    bench.step(5)
    assert close_code(bench.frames()) == CloseCode.PING_TIMEOUT


def test_a_pong_just_in_time() -> None:
    bench = Bench()
    bench.upgrade()
    (nonce,) = pings(bench.transport)
    bench.step(4.9)
    bench.socket.data_received(frame(10, nonce))
    bench.step(0.2)
    assert bench.frames() == []
    assert bench.socket.meter.ping_us == 4_900_000


def test_no_ping_behind_unsent_bytes() -> None:
    bench = Bench()
    bench.upgrade()
    (nonce,) = pings(bench.transport)
    bench.socket.data_received(frame(10, nonce))
    bench.transport.room = 0
    bench.socket.send(b"\x82\x00")
    for _ in range(3):
        bench.step(4.5)
        bench.transport.take(1)
        bench.transport.room = 0
        bench.socket.send(b"\x82\x00")
    bench.transport.take(None)
    assert pings(bench.transport) == []
    assert bench.member.gone_count == 0, "and no pong is expected then"


def test_the_lowest_round_trip_counts() -> None:
    bench = Bench()
    bench.upgrade()
    for round_trip in (0.3, 0.1, 0.2):
        (nonce,) = pings(bench.transport)
        bench.step(round_trip)
        bench.socket.data_received(frame(10, nonce))
        bench.step(10 - round_trip)
    assert bench.socket.meter.ping_us is not None
    assert abs(bench.socket.meter.ping_us - 100_000) < 10
    assert bench.socket.line.one_way_ms == 50
    assert bench.socket.line.credit_cap_ms == 50


def test_an_idle_connection_is_not_watched() -> None:
    bench = Bench()
    bench.upgrade()
    (nonce,) = pings(bench.transport)
    bench.socket.data_received(frame(10, nonce))
    bench.step(0.1)
    assert bench.edge.wheel._watched == set()
    bench.transport.room = 0
    bench.socket.send(b"\x82\x00")
    assert bench.edge.wheel._watched == {bench.socket}
    bench.transport.take(None)
    bench.step(0.1)
    assert bench.edge.wheel._watched == set()


def test_twenty_control_frames_a_second() -> None:
    bench = Bench()
    bench.upgrade()
    for _ in range(3):
        for _ in range(20):
            bench.socket.data_received(frame(9))
        bench.loop.now += 1
    assert len(bench.frames()) == 60
    assert not bench.transport.closed
    for _ in range(21):
        bench.socket.data_received(frame(10, b"unasked"))
    assert bench.transport.closed
    assert bench.edge.counters.aborts == {"control_flood": 1}
    bench.loop.turn()
    assert bench.member.gone_count == 1


def test_pongs_owed_to_a_flood_are_bounded() -> None:
    """A client that pings and does not read: whatever it sends, we hold at most twenty pongs for it."""
    bench = Bench()
    bench.upgrade()
    bench.transport.room = 0
    flood = b"".join(frame(9, bytes(125)) for _ in range(2000))
    bench.socket.data_received(flood)
    assert bench.transport.closed
    assert bench.socket.unsent() <= 20 * 127


def test_twenty_messages_a_second_and_forty_at_once() -> None:
    bench = Bench()
    bench.upgrade()
    bench.loop.now += 10
    bench.socket.data_received(message(ClockAsk(c=1)) * 40)
    assert len(bench.member.messages) == 40
    bench.loop.now += 1
    bench.socket.data_received(message(ClockAsk(c=1)) * 20)
    assert len(bench.member.messages) == 60
    bench.socket.data_received(message(ClockAsk(c=1)))
    assert close_code(bench.frames()) == CloseCode.RATE_LIMITED
    assert len(bench.member.messages) == 60


def test_fragments_are_paid_for() -> None:
    bench = Bench()
    bench.upgrade()
    bench.socket.data_received(frame(2, b"", fin=False) + frame(0, b"", fin=False) * 60)
    assert close_code(bench.frames()) == CloseCode.RATE_LIMITED
    assert bench.edge.counters.fragments_in <= 41


def test_a_stalled_wheel_does_not_hurry() -> None:
    bench = Bench()
    bench.upgrade()
    (nonce,) = pings(bench.transport)
    bench.socket.data_received(frame(10, nonce))
    bench.loop.now += 60
    bench.edge.wheel.step()
    assert pings(bench.transport) == []


async def test_pings_over_a_real_socket() -> None:
    limits = EdgeLimits(ping_every_s=1.5, pong_within_s=1.0, sweep_s=0.05)
    async with node(limits=limits) as running:
        living, living_member = await running.join()
        _, silent_member = await running.join()
        silent_member.connection.send(b"\x82\x00")
        reading = asyncio.create_task(living.next())  # answers pings meanwhile
        await running.hub.until(lambda: silent_member.gone_count == 1)
        await asyncio.sleep(0)
        assert running.listener.counters.closes["PING_TIMEOUT"] == 1
        assert living_member.gone_count == 0
        living_member.connection.send(b"\x82\x00")
        assert await reading == (2, b"")
        line = living_member.connection.line
        assert 1 <= line.one_way_ms < 500
        assert 1 <= line.credit_cap_ms <= 120
