"""Addresses behind proxies, Host and Origin."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import door
from protocol.door import DoorHello, DoorLines, TcpTimes
from protocol.hops import HostNames, TrustedProxies, parse_address, same_origin, split_host, who


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("192.0.2.1", "192.0.2.1"),
        (" 192.0.2.1:80 ", "192.0.2.1"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("2001:db8::1", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("unknown", None),
        ("", None),
        ("1.2.3", None),
        ("_hidden", None),
    ],
)
def test_parse_address(text: str, address: str | None) -> None:
    found = parse_address(text)
    assert (None if found is None else str(found)) == address


@given(st.ip_addresses(v=4), st.lists(st.ip_addresses(v=4), max_size=5))
def test_without_trusted_proxies_the_peer_is_the_client(
    peer: ipaddress.IPv4Address, hops: list[ipaddress.IPv4Address]
) -> None:
    assert TrustedProxies().client(str(peer), [", ".join(map(str, hops))]) == str(peer)


@given(st.lists(st.ip_addresses(v=4, network="10.0.0.0/8"), min_size=1, max_size=4), st.text(max_size=40))
def test_a_client_cannot_choose_its_address(proxies: list[ipaddress.IPv4Address], forged: str) -> None:
    """Whatever a client wrote into the header, its own address was appended by the first proxy of ours."""
    trusted = TrustedProxies(["10.0.0.0/8"])
    *middle, peer = map(str, proxies)
    assert trusted.client(peer, [", ".join([forged, "203.0.113.9", *middle])]) == "203.0.113.9"


def test_a_peer_without_an_address() -> None:
    assert TrustedProxies(["10.0.0.0/8"]).client("", ["1.2.3.4"]) == ""
    assert who("") == ""


@pytest.mark.parametrize(
    ("address", "counted"), [("192.0.2.1", "192.0.2.1"), ("2001:db8:a:b:c::1", "2001:db8:a:b::/64")]
)
def test_who(address: str, counted: str) -> None:
    assert who(address) == counted


@given(st.text(max_size=30))
def test_split_host_never_fails(value: str) -> None:
    parts = split_host(value)
    if parts is not None:
        assert parts[0]
        assert parts[0] == parts[0].lower()


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "1.2.3", "0x7f.1"]
)
def test_a_name_that_may_resolve_to_us_is_not_ours(host: str) -> None:
    assert not HostNames(["arena.example"]).ours(host)


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("null", "null"),
        ("ftp://a", "a"),
        ("http://a", ""),
        ("http://", "a"),
        ("http://a:81", "a"),
        ("https://a", "a:80"),
        ("http://a@b", "b"),
        ("http://b/a", "b"),
        ("file://", "a"),
    ],
)
def test_other_origins(origin: str, host: str) -> None:
    assert not same_origin(origin, host)


@given(st.builds(TcpTimes, st.integers(1, 60_000_000), st.integers(0, 60_000_000), st.integers(0, 60_000_000)))
def test_tcp_times_survive_their_header(times: TcpTimes) -> None:
    assert door.parse_tcp(door.format_tcp(times)) == times


@given(st.text(max_size=40))
def test_any_header_is_times_or_nothing(value: str) -> None:
    times = door.parse_tcp(value)
    assert times is None or door.parse_tcp(door.format_tcp(times)) == times


@given(st.binary(max_size=256))
def test_any_tcp_info_is_times_or_nothing(raw: bytes) -> None:
    times = door.read_tcp_info(raw)
    assert times is None or 0 < times.srtt_us <= door.US_MAX


def test_tcp_info_as_linux_lays_it_out() -> None:
    raw = bytearray(door.TCP_INFO_BYTES)
    raw[68:72] = (20_000).to_bytes(4, "little")
    raw[72:76] = (3_000).to_bytes(4, "little")
    raw[148:152] = (15_000).to_bytes(4, "little")
    assert door.read_tcp_info(bytes(raw)) == TcpTimes(20_000, 3_000, 15_000)
    raw[148:152] = b"\xff" * 4  # not measured yet
    assert door.read_tcp_info(bytes(raw)) == TcpTimes(20_000, 3_000, 0)


@pytest.mark.parametrize("told", [DoorHello("d", "s"), DoorLines([(1, 2, 3, 4)]), DoorLines([])])
def test_control_messages(told: door.DoorMessage) -> None:
    packed = door.pack_control(told)
    assert int.from_bytes(packed[:4], "big") == len(packed) - 4
    assert door.unpack_control(packed[4:]) == told


@given(st.binary(max_size=60))
def test_unpacking_fails_in_one_way(body: bytes) -> None:
    try:
        door.unpack_control(body)
    except ValueError as error:
        assert str(error)  # noqa: PT017 - either outcome is right; anything else escapes
