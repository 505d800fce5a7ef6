"""Frames out: at once, in order, bounded; the end after what is queued; the room told once."""

import asyncio
import os
import socket

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gameserver.net.limits import EdgeLimits
from gameserver.net.phases import Phase
from gameserver.net.socket import Socket
from protocol import frames
from protocol.client import ClockAsk
from protocol.codec import decode_server
from protocol.errors import CloseCode
from protocol.server import Farewell
from tests.net.bed import Bench, close_code, close_frame, eventually, frame, message, node, parse_frames

SHORT = EdgeLimits(outbox_bytes=1000)


def ready(limits: EdgeLimits | None = None) -> Bench:
    bench = Bench(limits=limits)
    bench.upgrade()
    ((_, nonce),) = parse_frames(bytes(bench.transport.out))[0]
    bench.frames()
    bench.socket.data_received(frame(10, nonce))
    bench.transport.writes = 0
    return bench


def test_nothing_buffered_goes_straight_to_the_transport() -> None:
    bench = ready()
    shared = frames.binary(b"shared")
    bench.socket.send(shared)
    assert bench.transport.writes == 1
    assert bytes(bench.transport.out) == shared
    assert bench.edge.counters.frames_out == 1


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 60)), max_size=30))
@settings(deadline=None)
def test_order_is_kept_however_the_kernel_takes(steps: list[tuple[int, int]]) -> None:
    bench = ready()
    bench.transport.room = 0
    sent = b""
    for number, (size, taken) in enumerate(steps):
        data = frames.binary(bytes((number,)) * size)
        bench.socket.send(data)
        sent += data
        bench.transport.take(taken)
        assert bench.socket.unsent() == len(sent) - len(bench.transport.out)
    bench.transport.take(None)
    assert bytes(bench.transport.out) == sent
    assert bench.socket.unsent() == 0
    bench.socket.send(b"\x82\x00")
    assert bytes(bench.transport.out) == sent + b"\x82\x00"


def test_while_paused_the_transport_is_left_alone() -> None:
    bench = ready()
    bench.transport.room = 5
    bench.socket.send(frames.binary(b"a" * 10))
    for _ in range(20):
        bench.socket.send(frames.binary(b"b"))
    assert bench.transport.writes == 1
    bench.transport.take(None)
    assert bench.transport.writes == 2, "what waited goes in one write"


def test_a_slow_reader_is_closed_with_a_reason() -> None:
    bench = ready(SHORT)
    bench.transport.room = 3
    for _ in range(12):
        bench.socket.send(frames.binary(bytes(100)))
    assert bench.edge.counters.closes["SLOW_READER"] == 1
    assert bench.socket.unsent() < 300, "what it will not see is forgotten"
    bench.loop.turn()
    assert bench.member.gone_count == 1
    bench.transport.take(None)
    told, rest = parse_frames(bytes(bench.transport.out))
    assert rest == b""
    assert close_code(told) == CloseCode.SLOW_READER
    assert decode_server(told[-2][1]) == Farewell(code=4007)


def test_a_reader_that_takes_nothing_is_cut() -> None:
    bench = ready(SHORT)
    bench.transport.room = 0
    bench.socket.send(frames.binary(bytes(100)))
    bench.step(4.9)
    assert not bench.transport.lost
    bench.step(0.3)
    assert bench.transport.lost
    assert bench.edge.counters.aborts == {"stuck": 1}
    assert bench.member.gone_count == 1


def test_a_reader_that_takes_a_little_is_kept() -> None:
    bench = ready(SHORT)
    bench.transport.room = 0
    bench.socket.send(frames.binary(bytes(100)))
    for _ in range(10):
        bench.step(4)
        bench.transport.take(1)
    assert not bench.transport.lost


def test_a_peer_that_does_not_go_is_cut_after_two_seconds() -> None:
    bench = ready()
    bench.socket.close(CloseCode.KICKED, "out", 500)
    told = bench.frames()
    assert decode_server(told[0][1]) == Farewell(code=4004, reason="out", after_ms=500)
    assert close_code(told) == CloseCode.KICKED
    bench.step(1.9)
    assert not bench.transport.lost
    bench.step(0.2)
    assert bench.transport.lost
    assert bench.edge.counters.aborts == {"closing": 1}
    assert bench.edge.sockets == set()


def test_close_comes_after_what_is_queued() -> None:
    bench = ready()
    bench.transport.room = 1
    bench.socket.send(frames.binary(b"first"))
    bench.socket.send(frames.binary(b"second"))
    bench.socket.close(CloseCode.ROOM_CLOSED)
    bench.socket.send(frames.binary(b"never"))
    bench.transport.take(None)
    told = bench.frames()
    assert [payload for opcode, payload in told[:2]] == [b"first", b"second"]
    assert [opcode for opcode, _ in told] == [2, 2, 2, 8]


def test_close_is_idempotent() -> None:
    bench = ready()
    bench.socket.close(CloseCode.KICKED)
    before = bytes(bench.transport.out)
    bench.socket.close(CloseCode.MOVED)
    bench.socket.send(b"\x82\x00")
    assert bytes(bench.transport.out) == before
    assert bench.edge.counters.closes == {"KICKED": 1}


def test_a_long_reason_is_cut_at_a_character() -> None:
    bench = ready()
    bench.socket.close(CloseCode.REFUSED, "é" * 100)
    opcode, payload = bench.frames()[-1]
    assert opcode == 8
    assert payload[2:].decode() == "é" * 60


def test_messages_after_our_close_are_dropped_and_the_echo_ends_it() -> None:
    bench = ready()
    bench.socket.close(CloseCode.KICKED)
    bench.socket.data_received(message(ClockAsk(c=1)) + frame(9, b"late") + close_frame(4004))
    assert bench.member.messages == []
    assert bench.transport.eof
    assert bench.socket._phase is Phase.CLOSING


def test_gone_is_told_once_and_never_from_inside() -> None:
    bench = ready()
    order: list[str] = []
    bench.member.on_message = lambda _: (order.append("received"), bench.socket.close(CloseCode.KICKED))[0]
    bench.socket.data_received(message(ClockAsk(c=1)))
    assert order == ["received"]
    assert bench.member.gone_count == 0
    bench.loop.turn()
    assert bench.member.gone_count == 1
    bench.transport.abort()
    bench.loop.turn()
    assert bench.member.gone_count == 1


@pytest.mark.parametrize(
    "ending", ["peer closes", "peer is lost", "peer half-closes", "protocol error", "we close", "cut"]
)
def test_every_ending_tells_the_room_once(ending: str) -> None:
    bench = ready()
    if ending == "peer closes":
        bench.socket.data_received(close_frame())
    elif ending == "peer is lost":
        bench.transport.abort()
    elif ending == "peer half-closes":
        assert not bench.socket.eof_received()
        bench.transport.close()
    elif ending == "protocol error":
        bench.socket.data_received(frame(7))
    elif ending == "we close":
        bench.socket.close(CloseCode.MOVED)
    else:
        bench.socket.cut("test")
    bench.loop.turn()
    assert bench.member.gone_count == 1
    bench.step(3)
    assert bench.member.gone_count == 1
    assert bench.transport.lost
    assert bench.edge.sockets == set()
    bench.socket.send(b"\x82\x00")
    bench.socket.close(CloseCode.NORMAL)
    bench.socket.cut("again")


def test_half_close_waits_for_what_is_queued() -> None:
    bench = ready()
    bench.transport.room = 1
    bench.socket.send(frames.binary(b"x" * 50))
    bench.socket.send(frames.binary(b"y" * 50))
    bench.socket.data_received(close_frame())
    assert not bench.transport.eof
    bench.transport.take(None)
    assert bench.transport.eof
    assert [opcode for opcode, _ in bench.frames()] == [2, 2, 8]


async def test_a_real_slow_reader_does_not_disturb_the_others() -> None:
    """One client stops reading; its room goes on, and it is told why when it reads again."""
    async with node(limits=EdgeLimits(outbox_bytes=64 * 1024, sweep_s=0.02, ping_every_s=10)) as running:
        slow, slow_member = await running.join()
        good, good_member = await running.join()
        slow.writer.transport.pause_reading()
        shared = frames.binary(bytes(16 * 1024))
        count = 0
        while not slow_member.gone_count:
            count += 1
            for member in (slow_member, good_member):
                member.connection.send(shared)
            assert (await good.next())[1] == bytes(16 * 1024)
            assert count < 2000
        assert good_member.gone_count == 0
        slow.writer.transport.resume_reading()
        assert await slow.close_code() == CloseCode.SLOW_READER


async def test_frames_for_a_connection_that_is_gone_reach_nobody_who_has_its_descriptor_now() -> None:
    async with node() as running:
        client, member = await running.join()
        connection = member.connection
        assert isinstance(connection, Socket)
        number = connection._transport.get_extra_info("socket").fileno()
        client.writer.transport.abort()
        await running.hub.until(lambda: member.gone_count == 1)
        await eventually(lambda: not _is_open(number))
        heirs = [socket.socketpair() for _ in range(50)]
        try:
            assert any(number in (ours.fileno(), theirs.fileno()) for ours, theirs in heirs)
            connection.send(frames.binary(b"late"))
            connection.ping(b"nonce678")
            for end in (end for pair in heirs for end in pair):
                end.setblocking(False)
                with pytest.raises(BlockingIOError):
                    end.recv(1)
        finally:
            for ours, theirs in heirs:
                ours.close()
                theirs.close()


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


async def test_a_write_that_the_kernel_refuses_ends_the_connection_once() -> None:
    async with node() as running:
        client, member = await running.join()
        connection = member.connection
        assert isinstance(connection, Socket)
        client.writer.transport.abort()
        for _ in range(10_000):
            connection.send(frames.binary(b"x"))  # some of these meet the reset before the loop reads of it
            if member.gone_count:
                break
            await asyncio.sleep(0)
        await running.hub.until(lambda: member.gone_count == 1)


def test_what_is_looked_at_late_keeps_the_time_at_which_it_was_read() -> None:
    bench = ready()
    read: list[float] = []
    bench.member.on_message = lambda _message: read.append(bench.socket.read_ms)
    began = bench.loop.time()
    Socket.data_received(bench.socket, message(ClockAsk(c=1)))
    bench.loop.now += 0.02
    Socket.data_received(bench.socket, message(ClockAsk(c=2)))
    assert read == []
    bench.loop.now += 0.03
    bench.edge.take_arrivals()
    assert read == pytest.approx([began * 1000, (began + 0.02) * 1000])


async def test_what_was_read_before_the_end_is_looked_at_before_it() -> None:
    async with node() as running:
        for number in range(20):
            client, member = await running.join()
            client.writer.write(message(ClockAsk(c=number)) + message(ClockAsk(c=number + 1)))
            client.writer.write_eof()
            await running.hub.until(lambda member=member: member.gone_count == 1)
            assert member.messages == [ClockAsk(c=number), ClockAsk(c=number + 1)]


async def test_many_clients_at_once() -> None:
    async with node() as running:
        pairs = [await running.join() for _ in range(150)]
        shared = frames.binary(b"to all")
        for _, member in pairs:
            member.connection.send(shared)
        for number, (client, _) in enumerate(pairs):
            client.writer.write(message(ClockAsk(c=number)))
            assert await client.next() == (2, b"to all")
        await running.hub.until(lambda: all(member.received for _, member in pairs))
        assert [member.messages for _, member in pairs] == [[ClockAsk(c=number)] for number in range(150)]
        for client, _ in pairs:
            client.writer.write(close_frame())
        await running.hub.until(lambda: all(member.gone_count == 1 for _, member in pairs))


async def test_drain_says_farewell_to_everybody() -> None:
    async with node() as running:
        pairs = [await running.join() for _ in range(5)]
        drained = running.listener.drain()
        codes = []

        async def leave() -> None:
            for client, _ in pairs:
                codes.append(await client.close_code())
                client.writer.write(close_frame(1012))
                await client.ended()

        await asyncio.gather(drained, leave())
        assert codes == [CloseCode.SERVICE_RESTART] * 5
        assert all(member.gone_count == 1 for _, member in pairs)
        with pytest.raises(ConnectionRefusedError):
            await running.knock()
