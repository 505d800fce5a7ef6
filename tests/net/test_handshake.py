"""Who is let in, and what everybody else is told."""

import asyncio
from collections.abc import Iterable

import pytest

from gameserver.net.gate import GateSettings
from gameserver.net.limits import EdgeLimits
from gameserver.net.phases import Phase
from protocol import door
from protocol.client import ClockAsk, Hello
from protocol.codec import decode_server
from protocol.errors import CloseCode
from protocol.server import Farewell
from protocol.tickets import ISSUER, TicketClaims
from tests.net.bed import (
    CODE,
    Bench,
    FakeDirectory,
    FakeMember,
    close_code,
    eventually,
    message,
    node,
    parse_frames,
    request,
    ticket,
)

SECRET = "the door's own secret, long enough"
GATE = GateSettings(
    hosts=["arena.example"],
    origins=["https://app.example"],
    trusted_proxies=["10.0.0.0/8", "192.0.2.1"],
    door_secret=SECRET,
)


def answer(asked: bytes, gate: GateSettings = GATE, limits: EdgeLimits | None = None) -> tuple[int, bytes, Bench]:
    bench = Bench(gate=gate, limits=limits)
    bench.socket.data_received(asked)
    head, _, _ = bytes(bench.transport.out).partition(b"\r\n\r\n")
    return int(head.split(b" ")[1]) if head else 0, head, bench


def refused_as(bench: Bench) -> str:
    (reason,) = bench.edge.counters.refused
    return reason


@pytest.mark.parametrize(
    ("asked", "status", "reason"),
    [
        (request("/"), 404, "path"),
        (request("/ws/game/"), 404, "room_code"),
        (request("/ws/game/AEIOU1"), 404, "room_code"),
        (request("/ws/game/BCDFGH/more"), 404, "room_code"),
        (request("/ws/game/%00%00%00%00%00%00"), 404, "room_code"),
        (request("/echo"), 404, "path"),
        (request(f"/ws/game/{CODE}?seat=1"), 400, "query"),
        (request(f"/ws/game/{CODE}?token=a&token=b"), 400, "query"),
        (request(f"/ws/game/{CODE}?token={'a' * 16385}"), 400, "query"),
        (request(drop=["host"]), 400, "duplicate_header"),
        (request(headers=[("Host", "127.0.0.1:9000")]), 400, "duplicate_header"),
        (
            request(headers=[("Origin", "http://127.0.0.1:9000"), ("Origin", "http://evil.example")]),
            400,
            "handshake",
        ),
        (request(headers=[("Origin", "http://evil.example")]), 403, "origin"),
        (request(headers=[("Origin", "null")]), 403, "origin"),
        (request(headers=[("Origin", "http://127.0.0.1:9001")]), 403, "origin"),
        (request(headers=[("Origin", "http://127.0.0.1:9000.evil.example")]), 403, "origin"),
        (request(method="POST"), 405, "handshake"),
        (request(headers=[("Sec-WebSocket-Version", "8")]), 400, "handshake"),
        (request(drop=["sec-websocket-version"]), 400, "handshake"),
        (request(drop=["sec-websocket-key"]), 400, "handshake"),
        (request(headers=[("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA==")]), 400, "handshake"),
        (request(drop=["connection"]), 426, "handshake"),
        (request(drop=["upgrade"]), 426, "no_upgrade"),
        (request(headers=[("Sec-WebSocket-Protocol", "chat")]), 400, "handshake"),
        (request(headers=[("Transfer-Encoding", "chunked")]), 0, "not_http"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 0, "not_http"),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 0, "not_http"),
        (request(headers=[("X", "y" * 8200)]), 431, "not_http"),
        (request(headers=[(f"X{number}", "") for number in range(130)]), 431, "not_http"),
        (b"GET / HTTP/1.1\r\n" + b"X: " + b"y" * 40000, 431, "request_bytes"),
    ],
    ids=str,
)
def test_refusals(asked: bytes, status: int, reason: str) -> None:
    told, _, bench = answer(asked)
    assert told == status
    assert refused_as(bench) == reason
    assert bench.transport.eof
    assert bench.hub.hellos == []
    bench.step(bench.limits.closing_s + 0.1)
    assert bench.transport.lost, "a refused client that stays is cut"


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1:9000", "192.168.1.7", "[::1]:9000", "localhost:1", "LocalHost", "arena.example", "ARENA.example.:443"],
)
def test_hosts_of_ours(host: str) -> None:
    assert answer(_with_host(host))[0] == 101


@pytest.mark.parametrize(
    "host", ["rebound.example", "arena.example.evil", "", "a b", "127.0.0.1:", "127.0.0.1:x", "[::1", "user@localhost"]
)
def test_hosts_of_others(host: str) -> None:
    status, _, bench = answer(_with_host(host))
    assert status == 403
    assert refused_as(bench) == "host"


def _with_host(host: str, *headers: tuple[str, str]) -> bytes:
    return (
        request(drop=["host"]).replace(b"\r\n\r\n", b"\r\n")
        + b"".join(f"{name}: {value}\r\n".encode() for name, value in [("Host", host), *headers])
        + b"\r\n"
    )


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("127.0.0.1:9000", "http://127.0.0.1:9000"),
        ("arena.example", "https://arena.example"),
        ("arena.example:443", "https://arena.example"),
        ("arena.example", "http://arena.example:80"),
        ("arena.example", "https://app.example"),
        ("[::1]:9000", "http://[::1]:9000"),
    ],
)
def test_origins_of_ours(host: str, origin: str) -> None:
    assert answer(_with_host(host, ("Origin", origin)))[0] == 101


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        ([], None),
        (["svidnet.arena.v1+msgpack"], "svidnet.arena.v1+msgpack"),
        (["svidnet.arena.v1+json"], "svidnet.arena.v1+json"),
        (["svidnet.arena.v1+json, svidnet.arena.v1+msgpack"], "svidnet.arena.v1+msgpack"),
        (["chat, svidnet.arena.v1+json"], "svidnet.arena.v1+json"),
        (["chat", "svidnet.arena.v1+json"], "svidnet.arena.v1+json"),
    ],
)
def test_subprotocols(offered: Iterable[str], chosen: str | None) -> None:
    status, head, bench = answer(request(headers=[("Sec-WebSocket-Protocol", each) for each in offered]))
    assert status == 101
    assert (f"Sec-WebSocket-Protocol: {chosen}".encode() in head) is (chosen is not None)
    assert b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in head
    assert bench.socket.format == (chosen or "msgpack").rpartition("+")[2]


def test_no_compression_is_agreed() -> None:
    _, head, _ = answer(request(headers=[("Sec-WebSocket-Extensions", "permessage-deflate")]))
    assert b"Extensions" not in head


def test_a_request_split_at_every_byte() -> None:
    asked = request(headers=[("Origin", "http://127.0.0.1:9000")]) + message(Hello(seat=1, secret="s" * 16))
    for place in range(1, len(asked)):
        bench = Bench()
        bench.socket.data_received(asked[:place])
        bench.socket.data_received(asked[place:])
        assert bytes(bench.transport.out).startswith(b"HTTP/1.1 101"), place
        assert len(bench.hub.members) == 1, place


def test_frames_that_come_with_the_request_are_not_taken_for_the_request() -> None:
    bench = Bench()
    bench.socket.data_received(request() + message(Hello(seat=1, secret="s" * 16)) + message(ClockAsk(c=4)))
    assert bench.member.messages == [ClockAsk(c=4)]


# ---- whose address it is ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "client"),
    [
        ([], "192.0.2.1"),
        ([("X-Forwarded-For", "198.51.100.7")], "198.51.100.7"),
        ([("X-Forwarded-For", "6.6.6.6, 198.51.100.7, 10.1.2.3")], "198.51.100.7"),
        ([("X-Forwarded-For", "6.6.6.6"), ("X-Forwarded-For", "198.51.100.7")], "198.51.100.7"),
        ([("X-Forwarded-For", "6.6.6.6, rubbish, 10.1.2.3")], "10.1.2.3"),
        ([("X-Forwarded-For", "10.1.1.1, 10.1.2.3")], "10.1.1.1"),
        ([("X-Forwarded-For", "[2001:db8::1]:443")], "2001:db8::1"),
        ([(door.DOOR, SECRET), (door.CLIENT, "203.0.113.9")], "203.0.113.9"),
        ([(door.DOOR, "guessed"), (door.CLIENT, "203.0.113.9")], "192.0.2.1"),
        ([(door.DOOR, SECRET), (door.DOOR, SECRET), (door.CLIENT, "203.0.113.9")], "192.0.2.1"),
        ([(door.CLIENT, "203.0.113.9")], "192.0.2.1"),
    ],
)
def test_client_address(headers: list[tuple[str, str]], client: str) -> None:
    _, _, bench = answer(request(headers=headers))
    assert bench.socket._visit is not None
    assert bench.socket._visit.client == client


def test_a_stranger_is_not_believed() -> None:
    """Without trusted proxies the peer is the client, whatever it claims."""
    headers = [("X-Forwarded-For", "198.51.100.7"), (door.TCP, "10 10 10"), (door.CLIENT, "203.0.113.9")]
    _, _, bench = answer(request(headers=headers), GateSettings())
    assert bench.socket._visit is not None
    assert bench.socket._visit.client == "192.0.2.1"
    assert bench.socket._visit.public
    assert not bench.socket.meter.rated


def test_a_door_without_a_secret_is_not_believed() -> None:
    _, _, bench = answer(request(headers=[(door.DOOR, ""), (door.CLIENT, "203.0.113.9")]), GateSettings())
    assert bench.socket._visit is not None
    assert bench.socket._visit.client == "192.0.2.1"


@pytest.mark.parametrize(
    ("value", "rated"), [("20000 3000 18000", True), ("- - 0", False), ("1 2", False), ("0 0 0", False)]
)
def test_tcp_times_of_a_trusted_proxy(value: str, rated: bool) -> None:
    _, _, bench = answer(request(headers=[(door.TCP, value)]))
    assert bench.socket.meter.rated is rated
    assert bench.socket._visit is not None
    assert not bench.socket._visit.public, "our own socket's times are the proxy's"


def test_an_ipv6_customer_counts_as_one() -> None:
    first = answer(request(headers=[("X-Forwarded-For", "2001:db8:1:2::1")]))[2].socket._visit
    second = answer(request(headers=[("X-Forwarded-For", "2001:db8:1:2:ffff::9")]))[2].socket._visit
    assert first is not None
    assert second is not None
    assert first.who == second.who


# ---- tickets ----------------------------------------------------------------------------------------


async def test_a_ticket_opens_once() -> None:
    async with node() as running:
        token = ticket()
        first = await running.dial(request(token=token))
        assert first.status == 101
        first.writer.write(message(Hello()))
        await running.hub.until(lambda: bool(running.hub.members))
        code, _, claims = running.hub.hellos[0]
        assert code == CODE
        assert claims is not None
        assert claims.name == "Ada"
        second = await running.dial(request(token=token))
        farewell = await second.next_message()
        assert farewell == Farewell(code=4001)
        assert await second.close_code() == CloseCode.BAD_TICKET


@pytest.mark.parametrize(
    ("path", "token"),
    [
        (f"/ws/game/{CODE}", "rubbish"),
        (f"/ws/game/{CODE}", ticket(room="ZZZZZZ")),
        (f"/ws/game/{CODE}", ticket(room="", aud="lobby")),
        ("/ws/lobby", ticket()),
    ],
)
def test_wrong_tickets(path: str, token: str) -> None:
    _, _, bench = answer(request(path, token=token), GateSettings())
    head, _, frames = bytes(bench.transport.out).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101"), "a browser is told by a close code, not by a status"
    assert close_code(parse_frames(frames)[0]) == CloseCode.BAD_TICKET
    assert isinstance(bench.edge.directory, FakeDirectory)
    assert not bench.edge.directory.used


async def test_a_code_in_small_letters_is_the_same_room() -> None:
    async with node() as running:
        client = await running.dial(request(f"/ws/game/{CODE.lower()}", token=ticket()))
        client.writer.write(message(Hello()))
        await running.hub.until(lambda: bool(running.hub.members))
        assert running.hub.hellos[0][0] == CODE


async def test_a_ticket_with_everybody_blocked_fits() -> None:
    async with node() as running:
        client = await running.dial(request(token=ticket(jti="j" * 14_000)))
        assert client.status == 101


async def test_the_store_is_away() -> None:
    async with node(limits=EdgeLimits(ticket_s=0.05)) as running:
        running.directory.broken = True
        client = await running.dial()
        assert (client.status, client.header("Retry-After")) == (503, "1")
        running.directory.broken = False
        running.directory.gate = asyncio.Event()
        client = await running.dial()
        assert (client.status, client.header("Retry-After")) == (503, "1")
        assert running.listener.counters.refused == {"store": 2}


async def test_frames_before_the_answer_wait() -> None:
    async with node() as running:
        running.directory.gate = asyncio.Event()
        client = await running.knock(request(token=ticket()) + message(Hello()) + message(ClockAsk(c=9)))
        await eventually(lambda: running.listener._edge.tasks)
        running.directory.gate.set()
        await running.hub.until(lambda: bool(running.hub.members and running.hub.members[0].received))
        assert running.hub.members[0].messages == [ClockAsk(c=9)]
        assert (await client.read_head()).status == 101


async def test_too_much_before_the_answer_is_cut() -> None:
    async with node(limits=EdgeLimits(early_bytes=1000)) as running:
        running.directory.gate = asyncio.Event()
        client = await running.knock(request(token=ticket()))
        await eventually(lambda: running.listener._edge.tasks)
        client.writer.write(bytes(2000))
        with pytest.raises(ConnectionResetError):
            await client.reader.read()
        assert running.listener.counters.aborts == {"early_bytes": 1}


async def test_who_leaves_during_the_handshake_leaves_nothing() -> None:
    async with node() as running:
        running.directory.gate = asyncio.Event()
        client = await running.knock(request(token=ticket()))
        await eventually(lambda: running.listener._edge.tasks)
        client.writer.transport.abort()
        await eventually(lambda: not running.listener.connections and not running.listener._edge.tasks)


def bot(token: str, audience: str) -> TicketClaims | None:
    if token != "access":
        return None
    return TicketClaims(iss=ISSUER, aud="game", sub="bot", jti="-", iat=0, exp=30, name="Bot", kind="bot")


async def test_an_access_token_opens_only_where_it_is_allowed() -> None:
    async with node(verify_access=bot) as running:
        for _ in range(2):  # it is not used up
            client = await running.dial(request(token="access"))
            client.writer.write(message(Hello()))
        await running.hub.until(lambda: len(running.hub.members) == 2)
        assert running.hub.members[0].claims is not None
        assert running.hub.members[0].claims.kind == "bot"
    async with node() as running:
        client = await running.dial(request(token="access"))
        assert await client.close_code() == CloseCode.BAD_TICKET


# ---- Hello ------------------------------------------------------------------------------------------


def test_hello_comes_first() -> None:
    bench = Bench()
    bench.upgrade(hello=False)
    bench.socket.data_received(message(ClockAsk(c=1)))
    frames = bench.frames()
    assert close_code(frames) == CloseCode.PROTOCOL_ERROR
    farewell = decode_server(frames[0][1])
    assert isinstance(farewell, Farewell)
    assert farewell.reason.startswith("unexpected")


@pytest.mark.parametrize("hello", [Hello(), Hello(seat=1), Hello(secret="s" * 16)])
def test_without_a_ticket_a_seat_and_its_secret_are_needed(hello: Hello) -> None:
    bench = Bench()
    bench.upgrade(hello=False)
    bench.socket.data_received(message(hello))
    assert close_code(bench.frames()) == CloseCode.BAD_TICKET
    assert bench.hub.hellos == []


def test_hello_has_five_seconds() -> None:
    bench = Bench()
    bench.upgrade(hello=False)
    bench.step(4.8)
    assert bench.frames() == []
    bench.step(0.4)
    assert close_code(bench.frames()) == CloseCode.HELLO_TIMEOUT


def test_the_request_has_five_seconds() -> None:
    bench = Bench()
    bench.socket.data_received(request()[:50])
    bench.step(4.8)
    assert not bench.transport.lost
    bench.step(0.4)
    assert bench.transport.lost
    assert bench.edge.counters.aborts == {"handshake": 1}


def test_a_room_that_refuses() -> None:
    bench = Bench()
    bench.hub.refuse = CloseCode.MOVED
    bench.upgrade(hello=False)
    bench.socket.data_received(message(Hello(seat=1, secret="s" * 16)) + message(ClockAsk(c=1)))
    bench.loop.turn()
    assert close_code(bench.frames()) == CloseCode.MOVED
    assert bench.socket._phase is Phase.CLOSING


def test_a_room_that_forgets_to_close_does_not_keep_the_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench()
    monkeypatch.setattr(bench.hub, "open", lambda *told: None)
    bench.upgrade(hello=False)
    bench.socket.data_received(message(Hello(seat=1, secret="s" * 16)))
    assert close_code(bench.frames()) == CloseCode.INTERNAL


def test_a_member_that_was_closed_while_it_came_in_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench()

    def open_and_close(connection: object, *told: object) -> FakeMember:
        bench.socket.close(CloseCode.KICKED)
        member = FakeMember(bench.hub, bench.socket, None)
        bench.hub.members.append(member)
        return member

    monkeypatch.setattr(bench.hub, "open", open_and_close)
    bench.upgrade(hello=False)
    bench.socket.data_received(message(Hello(seat=1, secret="s" * 16)))
    assert bench.member.gone_count == 0, "never from inside"
    bench.loop.turn()
    bench.transport.abort()
    bench.loop.turn()
    assert bench.member.gone_count == 1


# ---- plain HTTP -------------------------------------------------------------------------------------


async def test_health_and_metrics_for_our_own_machines() -> None:
    async with node() as running:
        plain = {"drop": ["upgrade", "connection", "sec-websocket-key", "sec-websocket-version"]}
        assert (await running.dial(request("/healthz", **plain))).status == 200
        metrics = await running.dial(request("/metrics", **plain))
        assert metrics.status == 200
        text = (await metrics.reader.read()).decode()
        assert "arena_connections " in text
        proxied = request("/metrics", headers=[("X-Forwarded-For", "1.2.3.4")], **plain)
        assert (await running.dial(proxied)).status == 426
        assert (await running.dial(request("/other", **plain))).status == 426


async def test_a_sick_node_says_so() -> None:
    async with node(healthy=lambda: False) as running:
        plain = {"drop": ["upgrade", "connection", "sec-websocket-key", "sec-websocket-version"]}
        assert (await running.dial(request("/healthz", **plain))).status == 503
