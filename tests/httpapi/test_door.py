"""The door: a real uvicorn in front of real node listeners, all in this loop."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
import redis.asyncio
import uvicorn

from gameserver.adapters.redis_directory import RedisDirectory
from gameserver.net.gate import GateSettings
from gameserver.net.limits import EdgeLimits
from gameserver.ports import NodeCard as FullCard
from httpapi.door import Door, DoorLimits
from httpapi.door_owners import NodeCard, NodesUnavailable, OwnerCache, RedisNodes
from httpapi.guard import Guard
from protocol import door, frames
from protocol.client import ClockAsk, Hello
from protocol.errors import CloseCode
from protocol.ids import InstanceId, RoomCode, ShardId, shard_of
from tests.net.bed import (
    CODE,
    Client,
    FakeMember,
    Node,
    close_frame,
    eventually,
    message,
    node,
    request,
    ticket,
)

SHARDS = 64
SECRET = "a secret of this test, long enough"
GATE = GateSettings(door_secret=SECRET)
ALL = list(range(SHARDS))


class Cards:
    """Node cards that a test changes."""

    def __init__(self, *cards: NodeCard) -> None:
        self.cards = list(cards)
        self.read_count = 0
        self.broken = False

    async def read(self) -> Sequence[NodeCard]:
        self.read_count += 1
        if self.broken:
            raise NodesUnavailable
        return list(self.cards)


def card(running: Node, *, beat: int = 1, shards: list[int] | None = None, **more: Any) -> NodeCard:
    return NodeCard(
        instance=f"node-{running.port}",
        address=f"127.0.0.1:{running.port}",
        control=f"127.0.0.1:{running.listener.control_port}",
        beat_ms=beat,
        shards=ALL if shards is None else shards,
        **more,
    )


class House:
    """uvicorn with a door, and its clients."""

    def __init__(self, shared: Door, server: uvicorn.Server, port: int) -> None:
        self.door = shared
        self.server = server
        self.port = port
        self.clients: list[Client] = []

    async def knock(self, sent: bytes = b"") -> Client:
        client = Client(*await asyncio.open_connection("127.0.0.1", self.port))
        client.writer.write(sent)
        self.clients.append(client)
        return client

    async def dial(self, asked: bytes | None = None) -> Client:
        client = await self.knock(request(token=ticket()) if asked is None else asked)
        return await client.read_head()

    async def join(self, running: Node, *headers: tuple[str, str]) -> tuple[Client, FakeMember]:
        client = await self.dial(request(token=ticket(), headers=headers))
        assert client.status == 101, client.head
        before = len(running.hub.members)
        client.writer.write(message(Hello()))
        await running.hub.until(lambda: len(running.hub.members) > before)
        return client, running.hub.members[before]

    async def stop(self) -> None:
        self.server.should_exit = True


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"http"})


@asynccontextmanager
async def house(
    nodes: Any, *, limits: DoorLimits | None = None, trusted: Sequence[str] = (), secret: str = SECRET
) -> AsyncIterator[House]:
    """Serve as httpapi does: its guard for HTTP, its door for WebSockets."""
    shared = Door(owners=OwnerCache(nodes, shards=SHARDS), secret=secret, trusted_proxies=trusted, limits=limits)
    listening = socket.create_server(("127.0.0.1", 0), backlog=256)
    config = uvicorn.Config(
        app,
        http=cast("Any", Guard().protocol),
        ws=cast("Any", shared.protocol),
        log_config=None,
        access_log=False,
        proxy_headers=False,
        timeout_graceful_shutdown=5,
    )
    server = uvicorn.Server(config)
    await shared.start()
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    await eventually(lambda: server.started)
    running = House(shared, server, listening.getsockname()[1])
    try:
        yield running
    finally:
        for client in running.clients:
            client.writer.close()
        server.should_exit = True
        async with asyncio.timeout(10):
            await serving
        await shared.stop()
        listening.close()


async def test_from_a_public_socket_to_a_room_and_back() -> None:
    async with node(gate=GATE, control=True) as running, house(Cards(card(running))) as public:
        client, member = await public.join(running, ("Origin", "http://127.0.0.1:9000"))
        client.writer.write(message(ClockAsk(c=5)))
        await running.hub.until(lambda: bool(member.received))
        assert member.messages == [ClockAsk(c=5)]
        member.connection.send(frames.binary(b"told"))
        assert await client.next() == (2, b"told")
        client.writer.write(close_frame())
        assert await client.close_code() == CloseCode.NORMAL
        await client.ended()
        await eventually(lambda: member.gone_count == 1 and not public.door.splices)


async def test_http_and_the_door_share_a_port() -> None:
    async with house(Cards()) as public:
        plain = await public.dial(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert plain.status == 200


async def test_many_at_once() -> None:
    async with node(gate=GATE, control=True) as running, house(Cards(card(running))) as public:
        pairs = [await public.join(running) for _ in range(60)]
        for number, (client, member) in enumerate(pairs):
            client.writer.write(message(ClockAsk(c=number)))
            member.connection.send(frames.binary(b"%d" % number))
        for number, (client, member) in enumerate(pairs):
            assert await client.next() == (2, b"%d" % number)
            await running.hub.until(lambda member=member: bool(member.received))
            assert member.messages == [ClockAsk(c=number)]
        assert len(public.door.splices) == 60


# ---- what the node is told --------------------------------------------------------------------------


async def visit_of(running: Node) -> Any:
    (found,) = running.listener._edge.sockets
    return found._visit


async def test_the_node_believes_the_door_and_not_the_client() -> None:
    forged = [
        (door.DOOR, SECRET),
        (door.CLIENT, "6.6.6.6"),
        (door.CONNECTION, "evil-1"),
        (door.TCP, "50000000 50000000 1"),
        ("X-Forwarded-For", "6.6.6.6"),
        ("X-ARENA-client", "6.6.6.6"),
    ]
    async with node(gate=GATE, control=True) as running, house(Cards(card(running))) as public:
        _, member = await public.join(running, *forged)
        visit = await visit_of(running)
        assert visit.client == "127.0.0.1"
        assert visit.link == (public.door.id, 1)
        assert not visit.public
        assert visit.tcp is not None
        assert visit.tcp.srtt_us < 1_000_000
        assert cast("Any", member.connection).meter.rated


async def test_behind_nginx_its_headers_count() -> None:
    async with (
        node(gate=GATE, control=True) as running,
        house(Cards(card(running)), trusted=["127.0.0.0/8"]) as public,
    ):
        await public.join(running, ("X-Forwarded-For", "6.6.6.6, 203.0.113.9"), (door.TCP, "31000 2000 0"))
        visit = await visit_of(running)
        assert visit.client == "203.0.113.9"
        assert visit.tcp == door.TcpTimes(31_000, 2_000, 0)
        (splice,) = public.door.splices
        assert splice.control == "", "the door's own socket is nginx's: its times would be a lie"


async def test_times_of_the_public_socket_follow_on_the_control_connection() -> None:
    async with node(gate=GATE, control=True) as running, house(Cards(card(running))) as public:
        client, _ = await public.join(running)
        (splice,) = public.door.splices
        splice.told = door.TcpTimes(50_000_000, 0, 0)  # as if the line had been terrible
        await eventually(lambda: running.listener.counters.lines_in)
        assert splice.told.srtt_us < 1_000_000
        client.writer.close()
        await eventually(lambda: not public.door._lines._links)


async def test_a_secret_that_does_not_match_is_no_door() -> None:
    async with (
        node(gate=GATE, control=True) as running,
        house(Cards(card(running)), secret="another secret") as public,
    ):
        _, member = await public.join(running)
        visit = await visit_of(running)
        assert visit.link is None
        assert visit.client == "127.0.0.1"
        assert member.gone_count == 0


# ---- finding the node -------------------------------------------------------------------------------


async def test_an_unknown_owner_is_a_503_until_there_is_one() -> None:
    async with node(gate=GATE, control=True) as running:
        cards = Cards()
        async with house(cards, limits=DoorLimits(owner_s=0.1)) as public:
            client = await public.dial()
            assert (client.status, client.header("Retry-After")) == (503, "1")
            cards.cards = [card(running)]
            public.door.owners.doubt()
            await eventually(lambda: asyncio.get_running_loop().time() - public.door.owners._read_at > 0.05)
            assert (await public.dial()).status == 101


async def test_whoever_comes_while_a_room_changes_owners_waits_for_the_next_one() -> None:
    async with node(gate=GATE, control=True) as dead, node(gate=GATE, control=True) as successor:
        cards = Cards(card(dead))
        async with house(cards, limits=DoorLimits(owner_s=10.0)) as public:
            await dead.listener.close()
            coming = asyncio.create_task(public.dial())
            before = cards.read_count
            await eventually(lambda: cards.read_count > before + 1)  # it has looked in vain
            assert not coming.done()
            cards.cards = [card(dead), card(successor, beat=2)]
            client = await coming
            assert client.status == 101
            client.writer.write(message(Hello()))
            await successor.hub.until(lambda: bool(successor.hub.members))


async def test_a_node_that_is_gone_is_not_tried_again_before_it_says_something_new() -> None:
    async with node(gate=GATE, control=True) as running:
        cards = Cards(card(running))
        async with house(cards, limits=DoorLimits(owner_s=0.1)) as public:
            await running.listener.close()
            assert (await public.dial()).status == 503
            owner = public.door.owners.owner(CODE)
            assert await owner is None
            cards.cards = [card(running, beat=2)]
            public.door.owners.doubt()
            public.door.owners._read_at = float("-inf")
            assert await public.door.owners.owner(CODE) is not None


async def test_each_room_goes_to_the_node_that_holds_its_shard() -> None:
    other = RoomCode("ZZZZZZ")
    assert shard_of(CODE, SHARDS) != shard_of(other, SHARDS)
    async with node(gate=GATE, control=True) as first, node(gate=GATE, control=True) as second:
        cards = Cards(card(first, shards=[shard_of(CODE, SHARDS)]), card(second, shards=[shard_of(other, SHARDS)]))
        async with house(cards) as public:
            for running, code in ((first, CODE), (second, other)):
                client = await public.dial(request(f"/ws/game/{code.lower()}", token=ticket(room=code)))
                client.writer.write(message(Hello()))
                await running.hub.until(lambda running=running: bool(running.hub.members))
                assert running.hub.hellos[0][0] == code


async def test_the_lobby_goes_to_a_node_with_few_connections() -> None:
    async with node(gate=GATE, control=True) as busy, node(gate=GATE, control=True) as idle:
        cards = Cards(card(busy, connections=9), card(idle, connections=2), card(busy, connections=0, draining=True))
        async with house(cards) as public:
            client = await public.dial(request("/ws/lobby", token=ticket(room="", aud="lobby")))
            client.writer.write(message(Hello()))
            await idle.lobby.hub.until(lambda: bool(idle.lobby.hub.members))


async def test_a_node_that_fell_silent_loses_its_players_when_another_holds_their_room() -> None:
    async with node(gate=GATE, control=True) as silent, node(gate=GATE, control=True) as successor:
        cards = Cards(card(silent))
        async with house(cards) as public:
            client, _ = await public.join(silent)
            (splice,) = public.door.splices
            assert splice.card is not None
            watcher = public.door._silence
            await watcher.stop()

            async def looked() -> None:
                public.door.owners._read_at = float("-inf")
                await watcher.look()

            cards.cards = []  # nobody holds the room: there is nowhere to go
            for _ in range(5):
                await looked()
            cards.broken = True
            await looked()
            cards.broken = False
            cards.cards = [card(successor, shards=[])]
            for _ in range(5):
                await looked()
            cards.cards = [card(silent), card(successor, beat=2)]  # moving by plan: the node itself says so
            for _ in range(5):
                await looked()
            assert public.door.splices == {splice}
            cards.cards = [card(successor, beat=2)]
            await looked()
            assert public.door.splices == {splice}, "at the first look"
            await looked()
            async with asyncio.timeout(20):
                await client.reader.read()  # to its end
            await eventually(lambda: not public.door.splices)
            await public.join(successor)


async def test_of_two_holders_the_one_heard_last() -> None:
    stale = NodeCard(instance="old", address="127.0.0.1:1", beat_ms=5, shards=ALL)
    fresh = NodeCard(instance="new", address="127.0.0.1:2", beat_ms=6, shards=ALL)
    owners = OwnerCache(Cards(fresh, stale), shards=SHARDS)
    assert await owners.owner(CODE) == fresh


async def test_cards_are_read_once_for_all_who_ask() -> None:
    cards = Cards()
    owners = OwnerCache(cards, shards=SHARDS)
    await asyncio.gather(*(owners.owner(CODE) for _ in range(50)))
    assert cards.read_count == 1
    await owners.any_node()
    assert cards.read_count == 1


async def test_an_old_card_serves_while_the_store_is_away() -> None:
    cards = Cards(NodeCard(instance="a", address="127.0.0.1:1", beat_ms=1, shards=ALL))
    owners = OwnerCache(cards, shards=SHARDS)
    assert await owners.owner(CODE) is not None
    cards.broken = True
    owners._read_at -= 1
    assert await owners.owner(CODE) is not None
    owners._read_at -= 10
    with pytest.raises(NodesUnavailable):
        await owners.owner(CODE)


async def test_without_the_store_nobody_is_let_in() -> None:
    cards = Cards()
    cards.broken = True
    async with house(cards) as public:
        client = await public.dial()
        assert (client.status, client.header("Retry-After")) == (503, "1")


async def test_cards_as_nodes_write_them(redis_url: str) -> None:
    directory = RedisDirectory(redis_url)
    client = redis.asyncio.Redis.from_url(redis_url)
    full = FullCard("n", "instance-of-test-door", "127.0.0.1:7", "127.0.0.1:8", 0, 0, [ShardId(3)], 4, 5)
    try:
        await directory.beat(full)
        await client.hset("arena:nodes", "rubbish", b"{")
        found = {each.instance: each for each in await RedisNodes(client).read()}
        assert found["instance-of-test-door"].address == "127.0.0.1:7"
        assert found["instance-of-test-door"].shards == [3]
        assert "rubbish" not in found
        dead = await RedisNodes(client, dead_after_ms=-10_000).read()
        assert dead == []
    finally:
        await directory.leave(InstanceId("instance-of-test-door"))
        await client.hdel("arena:nodes", "rubbish")
        await directory.close()
        await client.aclose()


async def test_a_store_that_is_not_there() -> None:
    client = redis.asyncio.Redis(host="127.0.0.1", port=1)
    with pytest.raises(NodesUnavailable):
        await RedisNodes(client).read()
    await client.aclose()


async def test_a_short_connection_makes_the_door_look_again() -> None:
    """A room that moved shows only in frames, which the door does not read."""
    async with node(gate=GATE, control=True) as running:
        cards = Cards(card(running))
        async with house(cards) as public:
            running.hub.refuse = CloseCode.MOVED
            client = await public.dial()
            client.writer.write(message(Hello()))
            assert await client.close_code() == CloseCode.MOVED
            client.writer.write(close_frame(4010))
            await client.ended()
            await eventually(lambda: public.door.owners._wrong)


# ---- refusals ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        (request("/ws/game/AAAAAA"), 404),
        (request("/ws/elsewhere"), 404),
        (request("/"), 404),
        (request(headers=[("X", "y" * 9000)] * 4), 431),
    ],
)
async def test_refusals(asked: bytes, status: int) -> None:
    async with house(Cards()) as public:
        client = await public.dial(asked)
        assert client.status == status
        await client.reader.read()


async def test_what_the_node_refuses_reaches_the_client() -> None:
    async with node(gate=GATE, control=True) as running, house(Cards(card(running))) as public:
        client = await public.dial(request(headers=[("Origin", "http://evil.example")]))
        assert client.status == 403
        assert b"ARENA_ORIGINS" in await client.reader.read()


async def test_a_full_door() -> None:
    async with (
        node(gate=GATE, control=True) as running,
        house(Cards(card(running)), limits=DoorLimits(connections=1)) as public,
    ):
        await public.join(running)
        assert (await public.dial()).status == 503


async def test_a_node_that_never_answers_is_given_up() -> None:
    silent = await asyncio.start_server(_hold, "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    cards = Cards(NodeCard(instance="silent", address=f"127.0.0.1:{port}", beat_ms=1, shards=ALL))
    async with house(cards, limits=DoorLimits(answer_s=0.05)) as public:
        client = await public.knock(request())
        with contextlib.suppress(ConnectionResetError):
            assert await client.reader.read() == b""
        await eventually(lambda: not public.door.splices)
    silent.close()


async def _hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while await reader.read(4096):
            pass
    writer.close()


# ---- endings and backpressure -----------------------------------------------------------------------


async def test_a_client_that_vanishes_is_gone_at_the_node() -> None:
    async with node(gate=GATE, control=True) as running, house(Cards(card(running))) as public:
        client, member = await public.join(running)
        client.writer.transport.abort()
        await running.hub.until(lambda: member.gone_count == 1)
        await eventually(lambda: not public.door.splices)


async def test_a_node_that_dies_ends_its_connections() -> None:
    async with node(gate=GATE, control=True) as running, house(Cards(card(running))) as public:
        client, _ = await public.join(running)
        await running.listener.close()
        await client.ended()
        await eventually(lambda: not public.door.splices)


async def test_a_client_that_does_not_read_costs_the_door_little() -> None:
    limits = EdgeLimits(outbox_bytes=128 * 1024, sweep_s=0.02)
    async with node(gate=GATE, control=True, limits=limits) as running, house(Cards(card(running))) as public:
        slow, slow_member = await public.join(running)
        good, good_member = await public.join(running)
        slow.writer.transport.pause_reading()
        shared = frames.binary(bytes(32 * 1024))
        held = 0
        for _ in range(2000):
            for member in (slow_member, good_member):
                member.connection.send(shared)
            await good.next()
            for splice in public.door.splices:
                assert splice.transport is not None
                held = max(held, splice.transport.get_write_buffer_size())
            if slow_member.gone_count:
                break
        assert slow_member.gone_count == 1, "the node sees the client's slowness through the door"
        assert good_member.gone_count == 0
        assert held <= 64 * 1024 + 256 * 1024, "one read more than the high-water mark"
        slow.writer.transport.resume_reading()
        assert await slow.close_code() == CloseCode.SLOW_READER


async def test_a_flood_from_a_client_waits_outside() -> None:
    """A node that reads no more stops the public socket from being read."""
    reading = asyncio.Event()

    async def stubborn(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
        writer.transport.pause_reading()  # type: ignore[attr-defined]  # a stream's transport reads
        await reading.wait()
        writer.transport.resume_reading()  # type: ignore[attr-defined]  # a stream reads
        await _hold(reader, writer)

    server = await asyncio.start_server(stubborn, "127.0.0.1", 0, limit=1024)
    port = server.sockets[0].getsockname()[1]
    cards = Cards(NodeCard(instance="stubborn", address=f"127.0.0.1:{port}", beat_ms=1, shards=ALL))
    async with house(cards) as public:
        client = await public.dial(request())
        client.writer.write(bytes(32 * 1024 * 1024))
        await eventually(lambda: any(not _reads(splice) for splice in public.door.splices))
        (splice,) = public.door.splices
        assert splice._upstream is not None
        assert splice._upstream.transport is not None
        assert splice._upstream.transport.get_write_buffer_size() < 512 * 1024
        reading.set()
        await eventually(lambda: client.writer.transport.get_write_buffer_size() == 0)
    server.close()


def _reads(splice: Any) -> bool:
    return bool(splice.transport.is_reading())


async def test_a_half_closed_client_still_reads_what_comes() -> None:
    async with node(gate=GATE, control=True) as running, house(Cards(card(running))) as public:
        client, member = await public.join(running)
        member.connection.send(frames.binary(b"last words"))
        client.answers_pings = False
        client.writer.write_eof()
        assert await client.next() == (2, b"last words")
        await client.ended()
        await running.hub.until(lambda: member.gone_count == 1)


async def test_stopping_with_open_connections_does_not_hang() -> None:
    async with node(gate=GATE, control=True) as running:
        async with house(Cards(card(running))) as public:
            pairs = [await public.join(running) for _ in range(3)]
            pairs[0][0].writer.transport.pause_reading()
            public.server.should_exit = True
            for client, _ in pairs[1:]:
                await client.ended()
        await running.hub.until(lambda: all(member.gone_count == 1 for _, member in pairs))


async def test_stopping_while_a_node_is_being_looked_for() -> None:
    class Slow(Cards):
        async def read(self) -> Sequence[NodeCard]:
            self.read_count += 1
            await asyncio.Event().wait()
            return []

    cards = Slow()
    async with house(cards) as public:
        client = await public.knock(request())
        await eventually(lambda: cards.read_count)
        public.server.should_exit = True
        assert (await client.read_head()).status == 503
        await eventually(lambda: not public.door.tasks)
        assert public.door.owners._reading is not None
    assert public.door.owners._reading is None
