"""The doors' control connections, the lobby, the phases, and the echo of test builds."""

import asyncio
import contextlib
import itertools
from collections.abc import Sequence
from typing import Any

import pytest

from gameserver.net.gate import GateSettings
from gameserver.net.limits import EdgeLimits
from gameserver.net.lobby import LobbyHub
from gameserver.net.phases import TRANSITIONS, Phase, Step, next_phase
from gameserver.ports import StoreUnavailable
from protocol import door
from protocol.client import Chat, ClockAsk, Hello
from protocol.door import DoorHello, DoorLines, TcpTimes
from protocol.errors import CloseCode
from protocol.server import LobbyRooms
from tests.net.bed import Bench, Node, close_code, close_frame, eventually, frame, message, node, request, ticket

SECRET = "a secret of this test, long enough"
GATE = GateSettings(door_secret=SECRET)


class Link:
    """A door's end of a control connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def say(self, told: door.DoorMessage) -> None:
        self.writer.write(door.pack_control(told))

    async def ended(self) -> None:
        async with asyncio.timeout(20):
            with contextlib.suppress(ConnectionResetError):
                assert await self.reader.read() == b""
        self.writer.close()


async def link(running: Node) -> Link:
    return Link(*await asyncio.open_connection("127.0.0.1", running.listener.control_port))


def through_door(number: int) -> list[tuple[str, str]]:
    return [(door.DOOR, SECRET), (door.CLIENT, "203.0.113.9"), (door.CONNECTION, f"d00r-{number}")]


async def test_lines_reach_their_connections() -> None:
    async with node(gate=GATE, control=True) as running:
        _, first = await running.join(*through_door(1))
        _, second = await running.join(*through_door(2), (door.TCP, "10000 1000 9000"))
        control = await link(running)
        control.say(DoorHello("d00r", SECRET))
        control.say(DoorLines([(1, 40_000, 6_000, 30_000), (3, 1, 1, 1), (2, -1, 0, 0)]))
        await eventually(lambda: running.listener.counters.lines_in)
        assert running.listener.counters.lines_in == 1, "an unknown number and nonsense are passed over"
        first_meter, second_meter = (member.connection.meter for member in (first, second))  # type: ignore[attr-defined]  # of our Socket
        assert first_meter._tcp == TcpTimes(40_000, 6_000, 30_000)
        assert second_meter._tcp == TcpTimes(10_000, 1_000, 9_000)
        control.writer.close()


async def test_a_line_is_forgotten_with_its_connection() -> None:
    async with node(gate=GATE, control=True) as running:
        client, member = await running.join(*through_door(7))
        assert list(running.listener._edge.links) == [("d00r", 7)]
        client.writer.write(close_frame())
        await member.left.wait()
        client.writer.close()
        await eventually(lambda: not running.listener._edge.links)


@pytest.mark.parametrize(
    "sent",
    [
        door.pack_control(DoorHello("d00r", "a guess")),
        door.pack_control(DoorLines([])),
        b"\x00\x00\x00\x01\xc1",
        b"\xff\xff\xff\xff",
        b"GET / HTTP/1.1\r\n\r\n",
    ],
)
async def test_strangers_are_cut(sent: bytes) -> None:
    async with node(gate=GATE, control=True) as running:
        control = await link(running)
        control.writer.write(sent)
        await control.ended()


async def test_without_a_secret_nobody_is_believed() -> None:
    async with node(control=True) as running:
        control = await link(running)
        control.say(DoorHello("d00r", ""))
        await control.ended()


async def test_too_many_links() -> None:
    async with node(gate=GATE, control=True, limits=EdgeLimits(control_links=1)) as running:
        first = await link(running)
        first.say(DoorHello("d00r", SECRET))
        second = await link(running)
        await second.ended()
        first.writer.close()


async def test_control_frames_split_at_every_byte() -> None:
    async with node(gate=GATE, control=True) as running:
        await running.join(*through_door(1))
        control = await link(running)
        stream = door.pack_control(DoorHello("d00r", SECRET)) + door.pack_control(DoorLines([(1, 5_000, 100, 4_000)]))
        for place in range(len(stream)):
            control.writer.write(stream[place : place + 1])
            await asyncio.sleep(0)
        await eventually(lambda: running.listener.counters.lines_in == 1)
        control.writer.close()


async def test_a_direct_client_s_times_come_from_our_own_socket() -> None:
    async with node() as running:
        client, member = await running.join()
        reading = asyncio.create_task(client.next())
        await eventually(lambda: member.connection.meter.rated)  # type: ignore[attr-defined]  # of our Socket
        member.connection.send(b"\x82\x00")
        await reading


# ---- phases -----------------------------------------------------------------------------------------


def test_every_phase_and_step_is_in_the_table_or_refused() -> None:
    assert set(TRANSITIONS) == set(Phase)
    for phase, step in itertools.product(Phase, Step):
        if step in TRANSITIONS[phase]:
            assert next_phase(phase, step) is TRANSITIONS[phase][step]
        else:
            with pytest.raises(AssertionError):
                next_phase(phase, step)


def test_every_phase_ends_in_closed() -> None:
    for phase in Phase:
        assert phase is Phase.CLOSED or TRANSITIONS[phase][Step.LOST] is Phase.CLOSED


# ---- the lobby --------------------------------------------------------------------------------------


class Rooms:
    """Public rooms that a test changes."""

    def __init__(self) -> None:
        self.rooms: list[dict[str, Any]] = []
        self.asked = 0
        self.broken = False

    async def list_public(self) -> Sequence[dict[str, Any]]:
        self.asked += 1
        if self.broken:
            raise StoreUnavailable
        return list(self.rooms)


async def visit(running: Node) -> Any:
    client = await running.dial(request("/ws/lobby", token=ticket(room="", aud="lobby")))
    client.writer.write(message(Hello()))
    return client


async def test_the_lobby_tells_rooms_and_their_changes() -> None:
    rooms = Rooms()
    rooms.rooms = [{"code": "BCDFGH"}]
    async with node(lobby=LobbyHub(rooms, poll_s=0.01)) as running:
        first = await visit(running)
        assert await first.next_message() == LobbyRooms(rooms=[{"code": "BCDFGH"}])
        second = await visit(running)
        assert await second.next_message() == LobbyRooms(rooms=[{"code": "BCDFGH"}])
        rooms.broken = True
        asked = rooms.asked
        await eventually(lambda: rooms.asked > asked)
        rooms.broken = False
        rooms.rooms = []
        for client in (first, second):
            assert await client.next_message() == LobbyRooms(rooms=[])


async def test_an_empty_lobby_asks_nobody() -> None:
    rooms = Rooms()
    lobby = LobbyHub(rooms, poll_s=0.01)
    async with node(lobby=lobby) as running:
        client = await visit(running)
        await client.next_message()
        client.writer.write(close_frame())
        await eventually(lambda: lobby._task is None)
        again = await visit(running)
        assert await again.next_message() == LobbyRooms(rooms=[])


async def test_in_the_lobby_only_the_clock_may_be_asked_for() -> None:
    async with node(lobby=LobbyHub(Rooms(), poll_s=0.01)) as running:
        client = await visit(running)
        client.writer.write(message(ClockAsk(c=1)) + message(Chat(text="hello?")))
        assert await client.close_code() == CloseCode.PROTOCOL_ERROR


async def test_the_lobby_needs_a_ticket() -> None:
    async with node() as running:
        client = await running.dial(request("/ws/lobby"))
        client.writer.write(message(Hello(seat=1, secret="s" * 16)))
        assert await client.close_code() == CloseCode.BAD_TICKET


# ---- echo -------------------------------------------------------------------------------------------


def echo(limits: EdgeLimits | None = None) -> tuple[Bench, Any, Any]:
    bench = Bench(gate=GateSettings(echo=True), limits=limits)
    socket, transport = bench.connect(echo=True)
    socket.data_received(request("/echo"))
    transport.out.clear()
    return bench, socket, transport


def test_echo() -> None:
    bench, socket, transport = echo()
    bench.transport = transport
    socket.data_received(
        frame(1, "grüß".encode()) + frame(2, bytes(70_000)) + frame(2, b"a", fin=False) + frame(0, b"b")
    )
    assert bench.frames() == [(1, "grüß".encode()), (2, bytes(70_000)), (2, b"ab")]
    socket.data_received(frame(1, b"\xff"))
    assert close_code(bench.frames()) == 1007


def test_echo_has_a_limit_of_its_own() -> None:
    bench, socket, transport = echo(EdgeLimits(echo_bytes=1000))
    bench.transport = transport
    socket.data_received(frame(2, bytes(1000)))
    assert bench.frames() == [(2, bytes(1000))]
    socket.data_received(frame(2, bytes(1001))[:10])
    assert close_code(bench.frames()) == CloseCode.TOO_BIG


def test_a_test_build_s_rooms_are_like_any_other() -> None:
    bench = Bench(gate=GateSettings(echo=True))
    socket, _ = bench.connect(echo=True)
    socket.data_received(request() + message(Hello(seat=1, secret="s" * 16)) + message(ClockAsk(c=3)))
    assert bench.member.messages == [ClockAsk(c=3)]
