"""The session greets, keeps the view and the clock as SPEC says."""

import itertools

import pytest

from clients.python import events
from clients.python.clock import BURST
from clients.python.session import Phase, Way
from protocol import client, server
from protocol.client import Hello, ResyncAsk
from protocol.codec import encode_server
from protocol.errors import ProtocolError
from protocol.types import WireFormat
from tests.clients.fake_room import SEAT, SECRET
from tests.clients.line import Line, hello_of, live_line, new_session, sent_messages, tell

# ---- greeting ------------------------------------------------------------------------------------------


def test_a_first_hello_has_no_seat() -> None:
    line = Line()
    line.session = new_session(client="tester 1", nonce=bytes(16))
    line.connect()
    assert hello_of(line) == Hello(client="tester 1", nonce=bytes(16))


def test_coming_back_names_seat_secret_and_version() -> None:
    line = live_line()
    line.room.change(title="x")
    line.settle()
    line.cut()
    line.connect()
    assert hello_of(line) == Hello(
        client="arena-python",
        seat=SEAT,
        secret=SECRET,
        at=client.ResumePoint(epoch=3, n=line.room.n, clock=line.room.clock),
    )


def test_what_was_missed_is_told_after_a_resume() -> None:
    line = live_line()
    line.cut()
    line.room.change(title="while away")
    line.connect()
    line.settle()
    assert line.session.view["title"] == "while away"
    assert line.seen[-1] != events.Resynced()
    assert events.Welcomed(resumed=True) in line.seen


def test_a_long_absence_gets_a_whole_view() -> None:
    line = live_line()
    line.cut()
    for turn in range(20):
        line.room.change(title=str(turn))
    line.connect()
    line.settle()
    assert line.session.view == line.room.view
    assert [event.resumed for event in line.seen if isinstance(event, events.Welcomed)] == [False, False]


def test_a_timeline_that_was_lost_is_not_held_against_the_server() -> None:
    line = live_line()
    line.room.change(title="later undone")
    line.settle()
    line.cut()
    line.room.view = {key: value for key, value in line.room.view.items() if key != "title"}
    line.room.epoch, line.room.n = 2, 0
    line.room.history.clear()
    line.connect()
    line.settle()
    assert line.session.view == line.room.view
    assert line.session.mirror.epoch == 2


def test_a_stream_of_another_audience_is_not_gone_on_from() -> None:
    line = live_line()
    line.cut()
    line.session.audience = "host"
    line.connect()
    line.settle()
    assert events.Gap() in line.seen
    assert line.session.view == line.room.view
    assert line.seen[-1] == events.Resynced() or events.Resynced() in line.seen


def test_another_seat_loses_what_was_on_its_way() -> None:
    line = live_line()
    order = line.answer(1)
    line.pump()
    line.cut()
    line.session.seat = 3
    line.session._way = Way.TICKET
    line.connect()
    line.settle()
    assert events.Lost(order) in line.seen
    assert line.room.applied == []


@pytest.mark.parametrize("wire", list(WireFormat))
def test_a_session_in_each_format(wire: WireFormat) -> None:
    line = live_line(wire)
    order = line.answer(1)
    line.session.chat("hi")
    line.session.react("👏")
    line.settle()
    assert events.Accepted(order, line.room.ids[0]) in line.seen
    assert events.Said(SEAT, "Ada", "hi") in line.seen
    assert events.Reacted({"👏": 1}) in line.seen
    assert line.session.private == {"last": 1}


def test_chat_and_reactions_without_a_connection_are_dropped() -> None:
    session = new_session()
    session.chat("hi")
    session.react("👏")
    assert session.data_to_send() == []


# ---- views -----------------------------------------------------------------------------------------------


def test_a_gap_asks_once_and_passes_deltas_over_until_the_whole_view() -> None:
    line = live_line()
    line.sent.clear()
    assert tell(line, server.Delta(e=3, f=5, n=6, c=1, s={"x": 1})) == [events.Gap()]
    assert tell(line, server.Delta(e=3, f=6, n=7, c=1, s={"x": 2})) == []
    assert tell(line, server.PrivateDelta(e=3, n=7, s={"x": 2})) == []
    assert sent_messages(line) == [ResyncAsk()]
    assert tell(line, server.Resync(epoch=3, n=7, clock=9, view={"x": 2})) == [events.Resynced()]
    assert tell(line, server.Delta(e=3, f=7, n=8, c=1, s={"x": 3}))
    assert line.session.view == {"x": 3}


@pytest.mark.parametrize(
    "delta",
    [server.Delta(e=2, f=0, n=1, c=1, s={"x": 1}), server.Delta(e=3, f=0, n=0, c=1), server.PrivateDelta(e=2, n=1)],
    ids=["older epoch", "older version", "private of another epoch"],
)
def test_what_is_old_is_passed_over(delta: server.ServerMessage) -> None:
    line = live_line()
    before = line.session.view
    assert tell(line, delta) == []
    assert line.session.view is before


@pytest.mark.parametrize(
    "delta",
    [server.Delta(e=3, f=0, n=1, c=1, u=["nowhere"]), server.PrivateDelta(e=3, n=1, u=["nowhere"])],
    ids=["shared", "private"],
)
def test_a_delta_that_leads_nowhere_is_a_gap(delta: server.ServerMessage) -> None:
    line = live_line()
    assert tell(line, delta) == [events.Gap()]


def test_a_resync_of_another_epoch_starts_the_clock_anew() -> None:
    line = live_line()
    line.session.tick(line.now)
    line.settle()
    assert line.session.clock.error(line.now) is not None
    tell(line, server.Resync(epoch=9, n=1, clock=77, view={}))
    assert line.session.clock.error(line.now) is None
    assert line.session.clock.shard(line.now) == 77


def test_what_is_not_known_is_passed_over() -> None:
    line = live_line()
    assert line.session.received(b"\x81\xa1t\xa9of-future", line.now) == []
    assert tell(line, server.Notice(code="c", text="t")) == [events.Noticed("c", "t")]


def test_the_lobby_has_no_welcome() -> None:
    session = new_session()
    session.opened()
    assert session.received(encode_server(server.LobbyRooms(rooms=[])), 0) == [events.Lobby([])]
    assert session.phase is Phase.LIVE


@pytest.mark.parametrize(
    "message",
    [
        server.Delta(e=1, f=0, n=1, c=1),
        server.Ack(ids=[1]),
        server.Welcome("BCDF23", "player", "players", 1, 5, 0, {}, resumed=True),
    ],
    ids=["delta first", "ack first", "resumed from nothing"],
)
def test_a_server_that_breaks_the_protocol(message: server.ServerMessage) -> None:
    session = new_session()
    session.opened()
    with pytest.raises(ProtocolError):
        session.received(encode_server(message), 0)


def test_a_second_welcome_is_a_breach() -> None:
    line = live_line()
    with pytest.raises(ProtocolError):
        tell(line, server.Welcome("BCDF23", "player", "players", 3, 0, 0, {}))
    with pytest.raises(ProtocolError):
        line.session.received(b"\xc1", 0)


# ---- the clock -------------------------------------------------------------------------------------------


def test_the_clock_is_asked_for_in_a_burst_and_then_now_and_then() -> None:
    line = live_line()
    asked: list[int] = []
    while len(asked) < BURST + 2:
        due = line.session.due()
        assert due is not None
        line.room.clock += max(0, due - line.now)
        line.now = max(line.now, due)
        line.session.tick(line.now)
        if any(isinstance(message, client.ClockAsk) for message in sent_messages(line)):
            asked.append(line.now)
        line.settle()
    gaps = [later - earlier for earlier, later in itertools.pairwise(asked)]
    assert gaps == [100] * (BURST - 1) + [10_000] * 2
    assert line.session.clock.shard(line.now) == line.room.clock


def test_a_session_without_a_connection_has_nothing_due() -> None:
    session = new_session()
    session.tick(0)
    assert session.due() is None
    assert session.data_to_send() == []
