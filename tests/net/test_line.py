"""R, J and B of DESIGN §9."""

from hypothesis import given
from hypothesis import strategies as st

from gameserver.net.line import CREDIT_CAP_US, ONE_WAY_MS_MAX, TCP_MARGIN_US, UNMEASURED_ONE_WAY_MS, LineMeter
from protocol.door import TcpTimes


def test_nothing_known() -> None:
    meter = LineMeter()
    assert (meter.credit_cap_ms, meter.one_way_ms, meter.error_ms) == (0, UNMEASURED_ONE_WAY_MS, UNMEASURED_ONE_WAY_MS)
    assert not meter.rated
    assert meter.ping_us is None


def test_the_ping_alone() -> None:
    meter = LineMeter()
    meter.pong(0.080, 100.0)
    assert (meter.credit_cap_ms, meter.one_way_ms, meter.error_ms) == (40, 40, 40)
    assert not meter.rated


def test_delayed_pongs_do_not_raise_the_credit() -> None:
    """Who holds pongs back for half a second gains what the kernel's round trip allows, and no more."""
    meter = LineMeter()
    meter.tcp(TcpTimes(20_000, 4_000, 18_000))
    meter.pong(0.500, 100.0)
    assert meter.credit_cap_ms == (20 + 30) // 2 + 4
    meter.pong(0.024, 101.0)
    assert meter.credit_cap_ms == 12 + 4
    assert meter.error_ms == 12
    assert meter.rated


def test_the_window_forgets() -> None:
    meter = LineMeter()
    meter.pong(0.010, 0.0)
    for second in range(10, 50, 10):
        meter.pong(0.200, second)
    assert meter.ping_us == 10_000
    for second in range(50, 120, 10):
        meter.pong(0.200, second)
    assert meter.ping_us == 200_000


def test_after_a_long_silence_nothing_old_counts() -> None:
    meter = LineMeter()
    meter.pong(0.010, 0.0)
    meter.pong(0.100, 500.0)
    assert meter.ping_us == 100_000


us = st.integers(1, 2_000_000)


@given(st.lists(us, min_size=1, max_size=8), st.none() | st.builds(TcpTimes, us, us, us))
def test_the_bounds(pings: list[int], tcp: TcpTimes | None) -> None:
    meter = LineMeter()
    if tcp is not None:
        meter.tcp(tcp)
    for number, taken in enumerate(pings):
        meter.pong(taken / 1_000_000, float(number))
    half = min([min(pings), *([tcp.srtt_us + TCP_MARGIN_US] if tcp else [])]) / 2
    jitter = tcp.rttvar_us if tcp else 0
    cap_us = min(half + jitter, CREDIT_CAP_US)
    assert cap_us - 2 <= meter.credit_cap_ms * 1000 < cap_us + 1000
    assert meter.credit_cap_ms <= 120
    assert meter.credit_cap_ms <= meter.one_way_ms <= ONE_WAY_MS_MAX or meter.one_way_ms == ONE_WAY_MS_MAX
    assert meter.error_ms <= meter.one_way_ms
