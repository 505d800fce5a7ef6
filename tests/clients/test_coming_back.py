"""After the end of a connection: which way, and how long to wait (SPEC §9, §10)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.python.session import BAD_TICKETS_MAX, Phase, Session, Way
from protocol import server
from protocol.client import React
from protocol.errors import CLOSE_RULES, Advice, CloseCode
from tests.clients.line import Line, hello_of, live_line, new_session, sent_messages, tell

# ---- after the end ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", list(CloseCode))
def test_every_close_code_leads_where_the_table_says(code: CloseCode) -> None:
    line = live_line()
    plan = line.cut(code)
    wanted = {Advice.RESUME: Way.RESUME, Advice.TICKET: Way.TICKET, Advice.STOP: Way.STOP}
    assert plan.way is wanted[CLOSE_RULES[code].advice]
    assert (line.session.phase is Phase.OVER) is (plan.way is Way.STOP)


@pytest.mark.parametrize("code", [1005, 1006, 3000, 4999])
def test_other_codes_mean_resume(code: int) -> None:
    assert live_line().cut(code).way is Way.RESUME


@pytest.mark.parametrize("code", [code for code in CloseCode if CLOSE_RULES[code].advice is Advice.RESUME])
def test_without_a_secret_a_ticket_is_needed(code: CloseCode) -> None:
    line = Line()
    line.connect()
    assert line.cut(code).way is Way.TICKET


def test_a_refused_secret_is_forgotten() -> None:
    line = live_line()
    line.cut(CloseCode.RESUME_REFUSED)
    line.connect()
    assert hello_of(line).secret is None
    line.settle()
    assert line.session.phase is Phase.LIVE


def test_two_bad_tickets_in_a_row_are_the_end() -> None:
    line = Line()
    for _ in range(BAD_TICKETS_MAX):
        line.connect()
        plan = line.cut(CloseCode.BAD_TICKET)
    assert plan.way is Way.STOP


def test_a_good_one_between_bad_tickets_counts() -> None:
    line = Line()
    line.connect()
    line.cut(CloseCode.BAD_TICKET)
    line.connect()
    line.settle()
    assert line.cut(CloseCode.BAD_TICKET).way is Way.TICKET


def test_farewell_speaks_when_the_close_frame_does_not() -> None:
    line = live_line()
    tell(line, server.Farewell(code=4005, reason="closed", after_ms=5))
    plan = line.cut(1006)
    assert (plan.way, plan.code, plan.reason) == (Way.STOP, 4005, "closed")


def test_waiting_grows_is_bounded_and_starts_again_after_welcome() -> None:
    line = live_line()
    waits = [line.cut().wait_ms]
    for _ in range(8):
        waits.append(line.session.failed().wait_ms)
    assert waits == [250, 500, 1000, 2000, 4000, 8000, 8000, 8000, 8000]
    line.connect()
    line.settle()
    tell(line, server.Farewell(code=1012, after_ms=700))
    assert line.cut(1012).wait_ms == 950
    assert line.session.failed(3000).wait_ms == 3500


@given(st.integers(0, 1 << 30))
def test_jitter_is_between_half_and_whole(seed: int) -> None:
    asked: list[tuple[int, int]] = []

    def draw(low: int, high: int) -> int:
        asked.append((low, high))
        return low + seed % (high - low + 1)

    session = Session(draw=draw)
    for _ in range(7):
        plan = session.failed()
        low, high = asked[-1]
        assert high == 2 * low
        assert low <= plan.wait_ms <= high <= 8000


def test_failing_to_connect_without_a_secret_asks_for_a_ticket() -> None:
    session = new_session()
    session._way = Way.RESUME
    assert session.failed().way is Way.TICKET


def test_what_was_to_be_sent_on_a_lost_line_is_not_sent_on_the_next() -> None:
    line = live_line()
    line.session.react("👏")
    line.session.lost(1006)
    line.peer = None
    line.connect()
    assert not any(isinstance(message, React) for message in sent_messages(line))
