"""The client over real sockets: every connection may break after every byte, and nothing is lost."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import uvloop

from clients.python import events
from clients.python.api import Api, Ticket
from clients.python.room import Outcome, RoomClient
from clients.python.session import Session
from protocol.errors import CloseCode
from protocol.modes.trivia import TriviaAnswer
from protocol.types import WireFormat
from tests.clients.fake_room import FakeRoom
from tests.clients.fake_server import FakeServer, fake_server


class Player:
    """A client of a fake server, and all it was told."""

    def __init__(self, server: FakeServer, wire: WireFormat = WireFormat.MSGPACK) -> None:
        self.seen: list[events.Event] = []
        self.server = server
        self.session = Session(draw=lambda _low, _high: 0, wire=wire)
        self.client = RoomClient(Api(server.address), "BCDF23", self.session, self.handle)

    def handle(self, event: events.Event) -> None:
        self.seen.append(event)
        self.server.happened.set()

    def saw(self, kind: type[events.Event]) -> int:
        return sum(isinstance(event, kind) for event in self.seen)

    def answer(self, mark: int) -> None:
        self.session.submit(TriviaAnswer, question=0, option=0, reaction_ms=mark)
        self.client.wake()


@asynccontextmanager
async def playing(server: FakeServer, wire: WireFormat = WireFormat.MSGPACK) -> AsyncIterator[Player]:
    """Run a client; it is stopped at the end."""
    player = Player(server, wire)
    task = asyncio.create_task(player.client.run(), name="player")
    try:
        yield player
    finally:
        player.client.close()
        async with asyncio.timeout(10):
            await task


@pytest.mark.parametrize("wire", list(WireFormat))
async def test_a_session(wire: WireFormat) -> None:
    async with fake_server() as server, playing(server, wire) as player:
        await server.until(lambda: player.saw(events.Welcomed))
        player.answer(1)
        await server.until(lambda: player.saw(events.Accepted))
        server.room.change(title="x")
        server.flush()
        await server.until(lambda: player.session.view.get("title") == "x")
        await server.until(lambda: player.saw(events.ClockSet))
        assert server.paths == ["/ws/game/BCDF23?token=t1"]
        assert server.room.applied == [1]
    assert player.seen[-1] == events.Ended(1000, "")


async def broken_session(cuts: list[tuple[int | None, int | None]]) -> tuple[FakeRoom, int]:
    """Play over connections of which the first ones are cut; return the room and how many were made."""
    async with fake_server() as server:
        server.cuts = list(cuts)
        async with playing(server) as player:
            for mark in (1, 2, 3):
                player.answer(mark)
            await server.until(lambda: player.saw(events.Accepted) == 3 and not server.cuts)
            server.room.change(title="in the end")
            server.flush()
            await server.until(lambda: player.session.view == server.room.view)
            assert player.session.private == server.room.private
        return server.room, len(server.paths)


async def test_cut_after_every_byte_from_the_server() -> None:
    """The first connection ends after byte n, for every n of a session; the seat's secret may be lost with it."""
    for down in range(0, 640, 5):
        room, connections = await broken_session([(None, down)])
        assert room.applied == [1, 2, 3], down
        assert connections >= 2 or down > 500


async def test_cut_after_every_byte_from_the_client() -> None:
    for up in range(1, 520, 6):
        room, _ = await broken_session([(up, None)])
        assert room.applied == [1, 2, 3], up


async def test_cut_again_and_again() -> None:
    room, connections = await broken_session([(None, 400), (None, 330), (260, None), (None, 350), (310, None)])
    assert room.applied == [1, 2, 3]
    assert connections == 6


async def test_coming_back_needs_no_ticket() -> None:
    async with fake_server() as server, playing(server) as player:
        await server.until(lambda: player.saw(events.Welcomed))
        next(iter(server.connections)).cut()
        await server.until(lambda: player.saw(events.Welcomed) == 2)
        assert server.paths == ["/ws/game/BCDF23?token=t1", "/ws/game/BCDF23"]
        (away,) = [event for event in player.seen if isinstance(event, events.Away)]
        assert away.code == 1006
        assert server.tickets == 1


async def run_to_the_end(player: Player) -> Outcome:
    async with asyncio.timeout(10):
        return await player.client.run()


async def test_the_room_closes() -> None:
    async with fake_server() as server:
        player = Player(server)
        task = asyncio.create_task(run_to_the_end(player), name="player")
        await server.until(lambda: player.saw(events.Welcomed))
        server.room.peers[0].close(CloseCode.ROOM_CLOSED)
        server.flush()
        assert await task == Outcome(4005, "room_closed")
        assert player.seen[-1] == events.Ended(4005, "room_closed")


async def test_a_handshake_refused_for_now_is_tried_again() -> None:
    async with fake_server() as server:
        server.refusals = [(503, {"Retry-After": "0"}), (429, {}), (502, {})]
        async with playing(server) as player:
            await server.until(lambda: player.saw(events.Welcomed))
            assert server.tickets == 4


class Ticketed(Api):
    """Needs no server for a ticket."""

    async def join(self, code: str, role: str = "player") -> Ticket:
        del role
        return Ticket(f"/ws/game/{code}", "t")


async def test_a_connection_that_ends_before_the_handshake_is_tried_again() -> None:
    """A server that dies with connections in its backlog; on the event loop that bots run on."""

    async def on_uvloop() -> int:
        away = 0
        loop = asyncio.get_running_loop()
        with socket.create_server(("127.0.0.1", 0)) as dying:
            dying.setblocking(False)

            def hang_up() -> None:
                dying.accept()[0].close()

            loop.add_reader(dying, hang_up)
            session = Session(draw=lambda _low, _high: 0)

            def handle(event: events.Event) -> None:
                nonlocal away
                if isinstance(event, events.Away):
                    away += 1
                    if away == 5:
                        client.close()

            client = RoomClient(Ticketed(f"http://127.0.0.1:{dying.getsockname()[1]}"), "BCDF23", session, handle)
            async with asyncio.timeout(10):
                await client.run()
            loop.remove_reader(dying)
        return away

    assert await asyncio.to_thread(uvloop.run, on_uvloop()) == 5


async def test_a_handshake_refused_for_good_is_the_end() -> None:
    async with fake_server() as server:
        server.refusals = [(403, {})]
        assert await run_to_the_end(Player(server)) == Outcome(0, "http_403")


async def test_a_room_that_is_not_there_is_the_end() -> None:
    async with fake_server() as server:
        server.answers["/api/games/rooms/BCDF23/join"] = [(404, {}, {"code": "room_not_found"})]
        assert await run_to_the_end(Player(server)) == Outcome(0, "room_not_found")


async def test_a_room_that_is_being_opened_is_waited_for() -> None:
    async with fake_server() as server:
        server.answers["/api/games/rooms/BCDF23/join"] = [(503, {"Retry-After": "0"}, {"code": "room_starting"})] * 2
        async with playing(server) as player:
            await server.until(lambda: player.saw(events.Welcomed))
            assert player.saw(events.Away) == 2


async def test_a_server_that_breaks_the_protocol_is_left_and_tried_again() -> None:
    async with fake_server() as server, playing(server) as player:
        await server.until(lambda: player.saw(events.Welcomed))
        server.room.peers[0].outgoing.append(b"\xc1")
        server.flush()
        await server.until(lambda: player.saw(events.Welcomed) == 2)
        (away,) = [event for event in player.seen if isinstance(event, events.Away)]
        assert "not_msgpack" in away.reason


async def test_closing_while_waiting_to_come_back() -> None:
    async with fake_server() as server:
        player = Player(server)
        server.refusals = [(503, {"Retry-After": "3600"})]
        task = asyncio.create_task(run_to_the_end(player), name="player")
        await server.until(lambda: player.saw(events.Away))
        player.client.close()
        assert await task == Outcome(1000, "")
