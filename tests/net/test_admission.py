"""Limits by address and the pace of new connections; each row of the table of limits."""

import inspect

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gameserver.net import limits
from gameserver.net.admission import Admission, Pace
from gameserver.net.gate import GateSettings
from gameserver.net.limits import EdgeLimits
from protocol.client import Hello
from protocol.errors import CloseCode
from tests.net import test_admission, test_control, test_framing, test_handshake, test_outflow, test_wheel
from tests.net.bed import CODE, Bench, message, node, request, ticket

PROXIED = GateSettings(trusted_proxies=["192.0.2.1"])


def status(bench: Bench, asked: bytes) -> tuple[int, str]:
    """Ask on a new socket; return the status and the Retry-After."""
    socket, transport = bench.connect()
    socket.data_received(asked)
    head = bytes(transport.out).partition(b"\r\n\r\n")[0].decode()
    after = [line.partition(": ")[2] for line in head.split("\r\n") if line.startswith("Retry-After")]
    return int(head.split(" ")[1]), after[0] if after else ""


def test_twenty_unknown_codes_a_minute() -> None:
    bench = Bench(gate=PROXIED)
    classroom = [("X-Forwarded-For", "198.51.100.7")]
    for _ in range(20):
        assert status(bench, request("/ws/game/AAAAAA", headers=classroom))[0] == 404
    bench.loop.now += 10
    assert status(bench, request(headers=classroom)) == (429, "50"), "a good code, too"
    assert status(bench, request(headers=[("X-Forwarded-For", "198.51.100.8")]))[0] == 101
    bench.loop.now += 50
    assert status(bench, request(headers=classroom))[0] == 101


@pytest.mark.parametrize("code", [CloseCode.ROOM_NOT_FOUND, CloseCode.RESUME_REFUSED])
def test_refusals_by_the_room_count(code: CloseCode) -> None:
    bench = Bench()
    bench.hub.refuse = code
    for _ in range(20):
        socket, _ = bench.connect()
        socket.data_received(request() + message(Hello(seat=1, secret="s" * 16)))
    assert status(bench, request())[0] == 429


def test_bad_tickets_count() -> None:
    bench = Bench()
    for _ in range(20):
        assert status(bench, request(token="forged"))[0] == 101
    assert status(bench, request(token="forged"))[0] == 429


def test_good_joins_never_count() -> None:
    bench = Bench(limits=EdgeLimits(opens_burst=1000))
    for _ in range(500):
        assert status(bench, request())[0] == 101
    assert status(bench, request())[0] == 101


def test_other_closes_do_not_count() -> None:
    bench = Bench()
    bench.hub.refuse = CloseCode.MOVED
    for _ in range(30):
        socket, _ = bench.connect()
        socket.data_received(request() + message(Hello(seat=1, secret="s" * 16)))
    assert status(bench, request())[0] == 101


def test_open_connections_an_address() -> None:
    bench = Bench(limits=EdgeLimits(connections_per_address=3))
    for _ in range(3):
        bench.connect()[0].data_received(request())
    assert status(bench, request()) == (429, "5")
    first = min(bench.edge.sockets, key=lambda socket: socket.id)
    second = sorted(bench.edge.sockets, key=lambda socket: socket.id)[1]
    assert first is bench.socket, "which never asked"
    second.cut("test")
    bench.loop.turn()
    assert status(bench, request())[0] == 101


def test_a_full_node() -> None:
    bench = Bench(limits=EdgeLimits(connections=3))
    for _ in range(2):
        bench.connect()[0].data_received(request())
    assert status(bench, request()) == (503, "5")
    assert bench.edge.counters.refused == {"node_full": 1}


def test_sockets_that_never_ask_are_bounded() -> None:
    bench = Bench(limits=EdgeLimits(connections=2, unasked=3))
    opened = [bench.connect()[1] for _ in range(8)]
    bench.loop.turn()
    assert [transport.lost for transport in opened] == [False] * 4 + [True] * 4
    assert len(bench.edge.sockets) == 5
    assert bench.edge.counters.aborts == {"sockets": 4}


def test_the_pace_of_upgrades() -> None:
    bench = Bench(limits=EdgeLimits(opens_per_s=10, opens_burst=5))
    for _ in range(5):
        assert status(bench, request())[0] == 101
    assert status(bench, request()) == (503, "1")
    bench.loop.now += 0.1
    assert status(bench, request())[0] == 101


@given(st.lists(st.floats(0, 2), max_size=60), st.integers(1, 10), st.floats(0.5, 50))
def test_a_pace_never_gives_more_than_it_may(gaps: list[float], burst: int, per_s: float) -> None:
    pace, now, taken = Pace(per_s, burst), 100.0, []
    for gap in gaps:
        now += gap
        wait = pace.take(now)
        if wait:
            now += wait + 1e-6
            assert pace.take(now) == 0, "who waits as told gets in"
        taken.append(now)
    for start in range(len(taken)):
        for end in range(start, len(taken)):
            assert end - start + 1 <= burst + (taken[end] - taken[start]) * per_s + 1e-3


def test_failures_of_many_addresses_are_bounded() -> None:
    admission = Admission(EdgeLimits(addresses=100, failures_per_minute=2))
    for number in range(1000):
        admission.failed(f"10.0.{number // 256}.{number % 256}", float(number))
        admission.failed(f"10.0.{number // 256}.{number % 256}", float(number))
    assert len(admission._failures) == 100
    assert admission.locked_out("10.0.3.231", 999.0) > 0
    assert admission.locked_out("10.0.0.1", 999.0) == 0


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=60))
def test_open_counts_are_exact(steps: list[tuple[str, bool]]) -> None:
    admission = Admission(EdgeLimits(connections_per_address=2))
    held = {"a": 0, "b": 0, "c": 0}
    for address, opens in steps:
        if opens:
            admission.opened(address)
            held[address] += 1
        elif held[address]:
            admission.closed(address)
            held[address] -= 1
        assert admission.crowded(address) is (held[address] >= 2)
    assert admission._open == {address: count for address, count in held.items() if count}


async def test_a_classroom_on_one_address_comes_in() -> None:
    """Thirty pupils behind one address, all at once, each with a ticket."""
    async with node() as running:
        for _ in range(30):
            client = await running.dial(request(token=ticket()))
            assert client.status == 101
            client.writer.write(message(Hello()))
        await running.hub.until(lambda: len(running.hub.members) == 30)
        assert {code for code, _, _ in running.hub.hellos} == {CODE}


EXERCISED = {
    # settings that need no test of their own: they say when something happens that another row bounds
    "sweep_s": "test_a_peer_that_does_not_go_is_cut_after_two_seconds",
    "ping_every_s": "test_a_ping_at_the_start_and_each_ten_seconds",
    "message_bytes": "test_too_long_is_refused_before_the_body_arrives",
    "messages_per_s": "test_twenty_messages_a_second_and_forty_at_once",
    "messages_burst": "test_twenty_messages_a_second_and_forty_at_once",
    "control_per_s": "test_twenty_control_frames_a_second",
    "outbox_bytes": "test_a_slow_reader_is_closed_with_a_reason",
    "request_bytes": "test_refusals",
    "early_bytes": "test_too_much_before_the_answer_is_cut",
    "handshake_s": "test_the_request_has_five_seconds",
    "ticket_s": "test_the_store_is_away",
    "hello_s": "test_hello_has_five_seconds",
    "pong_within_s": "test_no_pong_within_five_seconds_closes",
    "stuck_s": "test_a_reader_that_takes_nothing_is_cut",
    "closing_s": "test_a_peer_that_does_not_go_is_cut_after_two_seconds",
    "connections": "test_a_full_node",
    "unasked": "test_sockets_that_never_ask_are_bounded",
    "connections_per_address": "test_open_connections_an_address",
    "opens_per_s": "test_the_pace_of_upgrades",
    "opens_burst": "test_the_pace_of_upgrades",
    "failures_per_minute": "test_twenty_unknown_codes_a_minute",
    "addresses": "test_failures_of_many_addresses_are_bounded",
    "control_links": "test_too_many_links",
    "socket_buffer_bytes": "test_a_real_slow_reader_does_not_disturb_the_others",
    "echo_bytes": "test_echo_has_a_limit_of_its_own",
}


def test_each_limit_is_in_the_table_and_has_a_test() -> None:
    modules = (test_admission, test_control, test_framing, test_handshake, test_outflow, test_wheel)
    tests = {name for module in modules for name, _ in inspect.getmembers(module, inspect.isfunction)}
    assert set(limits.TABLE) == set(EdgeLimits.__struct_fields__) == set(EXERCISED)
    assert set(EXERCISED.values()) <= tests
