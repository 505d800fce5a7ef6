"""The session keeps SPEC whatever the line does: cut anywhere, moved to other owners, stopped and started."""

import itertools
from collections import deque
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from clients.python import events
from clients.python.clock import BURST, stands_still
from clients.python.orders import WAITING_MAX, TooManyOrders
from clients.python.session import BAD_TICKETS_MAX, Phase, Plan, Session, Way
from protocol import client, server
from protocol.client import ClientMessage, Command, Hello, Kick, React, ResyncAsk
from protocol.codec import decode_client, encode_server
from protocol.errors import CLOSE_RULES, Advice, CloseCode, ErrorCode, ProtocolError
from protocol.limits import UNANSWERED_COMMANDS_MAX
from protocol.modes.trivia import TriviaAnswer
from protocol.types import WireFormat
from tests.clients.fake_room import BAD_MARK, SEAT, SECRET, FakePeer, FakeRoom


def new_session(**options: Any) -> Session:
    return Session(draw=lambda low, high: high, **options)


class Line:
    """A session, a room and a line between them that delivers what it is told to."""

    def __init__(self, wire: WireFormat = WireFormat.MSGPACK) -> None:
        self.room = FakeRoom(wire)
        self.session = new_session(wire=wire)
        self.now = 50_000
        self.peer: FakePeer | None = None
        self.sent: deque[bytes] = deque()  # by the client, not yet delivered
        self.seen: list[events.Event] = []

    def connect(self) -> None:
        assert self.peer is None
        self.peer = FakePeer(self.room, ticket=self.session.way is Way.TICKET)
        self.session.opened()

    def pump(self) -> None:
        self.sent.extend(self.session.data_to_send())

    def up(self, count: int = 1 << 30) -> None:
        """Deliver to the server."""
        self.pump()
        while self.sent and count > 0 and self.peer is not None:
            self.peer.take(self.sent.popleft())
            count -= 1

    def down(self, count: int = 1 << 30) -> None:
        """Deliver to the client."""
        while self.peer is not None and self.peer.outgoing and count > 0:
            self.seen += self.session.received(self.peer.outgoing.popleft(), self.now)
            self.pump()
            count -= 1
            if not self.peer.outgoing and self.peer.closed is not None:
                self.cut(self.peer.closed)

    def cut(self, code: int = 1006) -> Plan:
        """The connection ends; what was on its way is gone."""
        assert self.peer is not None
        if self.peer in self.room.peers:
            self.room.peers.remove(self.peer)
        self.peer = None
        self.sent.clear()
        return self.session.lost(code)

    def settle(self) -> None:
        """Deliver until nothing is on its way."""
        for _ in range(1000):
            self.pump()
            if not self.sent and (self.peer is None or not self.peer.outgoing):
                return
            self.up()
            self.down()
        raise AssertionError("the two never come to rest")

    def answer(self, mark: int) -> int:
        return self.session.submit(TriviaAnswer, question=0, option=0, reaction_ms=mark)


class Connections(RuleBasedStateMachine):
    """Random play over a line that breaks anywhere."""

    @initialize()
    def begin(self) -> None:
        self.line = Line()
        self.line.connect()
        self.marks: list[int] = []  # of answers, in the order given
        self.kicks: list[int] = []

    @rule()
    def answer(self) -> None:
        mark = len(self.marks) + len(self.kicks) + 1
        self.marks.append(mark)
        self.line.answer(mark)

    @rule()
    def host_command(self) -> None:
        mark = len(self.marks) + len(self.kicks) + 1
        self.kicks.append(mark)
        self.line.session.submit(Kick, seat=mark)

    @rule(count=st.integers(1, 4))
    def deliver_up(self, count: int) -> None:
        self.line.up(count)

    @rule(count=st.integers(1, 4))
    def deliver_down(self, count: int) -> None:
        self.line.down(count)

    @rule()
    def room_changes(self) -> None:
        self.line.room.change(title=f"at {self.line.room.clock}")

    @rule(still=st.booleans())
    def clock_stops_or_runs(self, still: bool) -> None:
        self.line.room.stand_still(still)

    @rule(ms=st.integers(1, 20_000))
    def time_passes(self, ms: int) -> None:
        self.line.now += ms
        self.line.room.clock += ms
        self.line.session.tick(self.line.now)

    @precondition(lambda self: self.line.peer is not None)
    @rule()
    def cut(self) -> None:
        plan = self.line.cut()
        assert plan.way is (Way.RESUME if self.line.session.seat else Way.TICKET)

    @rule()
    def another_owner(self) -> None:
        self.line.room.move()
        if self.line.peer is not None:
            self.line.cut(CloseCode.MOVED)

    @precondition(lambda self: self.line.peer is None)
    @rule()
    def come_back(self) -> None:
        self.line.connect()

    @invariant()
    def at_most_sixteen_are_unanswered(self) -> None:
        assert self.line.session.orders.unanswered <= UNANSWERED_COMMANDS_MAX

    @invariant()
    def an_id_means_one_command(self) -> None:
        by_id: dict[int, Command] = {}
        for command in self.line.room.received:
            assert by_id.setdefault(command.id, command) == command

    def teardown(self) -> None:
        """In the end everything heals, and nothing was lost, doubled or reordered."""
        line = self.line
        line.room.stand_still(False)
        if line.peer is None:
            line.connect()
        for _ in range(40):
            line.settle()
            line.now += 2_000
            line.session.tick(line.now)
        assert line.session.phase is Phase.LIVE
        assert line.session.view == line.room.view
        assert line.session.private == line.room.private
        assert (line.session.mirror.epoch, line.session.mirror.n) == (line.room.epoch, line.room.n)
        assert line.session.orders.unanswered == line.session.orders.waiting == 0
        applied = line.room.applied
        assert len(set(applied)) == len(applied), "a command counted twice"
        codes = {event.order: event.code for event in line.seen if isinstance(event, events.Turned)}
        turned = set(codes)
        accepted = {event.order for event in line.seen if isinstance(event, events.Accepted)}
        given = sorted(self.marks + self.kicks)
        assert turned | accepted == set(given), "a command was never answered"
        assert not turned & accepted
        assert set(applied) == accepted, "what was acknowledged is what counts"
        for mark, code in codes.items():
            # Stale: refused FROZEN on a line that broke, while a host command behind it counted.
            overtaken = code == ErrorCode.STALE and any(kick > mark for kick in self.kicks)
            assert overtaken or (code == ErrorCode.INVALID and mark % BAD_MARK == 0)
        held = {event.order for event in line.seen if isinstance(event, events.Held)}
        # One that met a standstill comes behind those that were on their way with it.
        answers = [mark for mark in applied if mark in set(self.marks) - held]
        assert answers == sorted(answers), "answers count in the order given"
        assert list(line.session.orders.accepted) == list(line.room.ids)


Connections.TestCase.settings = settings(max_examples=80, stateful_step_count=60, deadline=None)
TestConnections = Connections.TestCase


# ---- greeting ------------------------------------------------------------------------------------------


def hello_of(line: Line) -> Hello:
    line.pump()
    message = decode_client(line.sent[0], line.room.wire)
    assert isinstance(message, Hello)
    return message


def live_line(wire: WireFormat = WireFormat.MSGPACK) -> Line:
    line = Line(wire)
    line.connect()
    line.settle()
    return line


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
        client="arena-python", seat=SEAT, secret=SECRET, at=client.ResumePoint(epoch=3, n=line.room.n)
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


def tell(line: Line, message: server.ServerMessage) -> list[events.Event]:
    told = line.session.received(encode_server(message, line.room.wire), line.now)
    line.pump()
    return told


def sent_messages(line: Line) -> list[ClientMessage]:
    line.pump()
    return [decode_client(payload, line.room.wire) for payload in line.sent]


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


# ---- commands --------------------------------------------------------------------------------------------


def test_ids_count_up_by_one_from_next_id() -> None:
    line = live_line()
    for mark in (1, 2, 3):
        line.answer(mark)
    line.settle()
    first = line.room.next_id
    assert line.room.ids == [first, first + 1, first + 2]


def test_the_seventeenth_waits_for_an_answer() -> None:
    line = live_line()
    for mark in range(1, 21):
        line.answer(mark * BAD_MARK + 1)
    line.pump()
    assert len([message for message in sent_messages(line) if isinstance(message, Command)]) == 16
    line.settle()
    assert len(line.room.applied) == 20


def test_nothing_is_sent_before_welcome() -> None:
    line = Line()
    line.answer(1)
    line.connect()
    assert [type(message) for message in sent_messages(line)] == [Hello]
    line.settle()
    assert line.room.applied == [1]


def test_unanswered_commands_go_again_under_their_ids_before_new_ones() -> None:
    line = live_line()
    for mark in (1, 2, 3):
        line.answer(mark)
    line.pump()
    first = decode_client(line.sent[0])
    line.up(2)  # two of three arrive; no answer does
    line.cut()
    line.answer(4)
    line.connect()
    line.settle()
    assert isinstance(first, Command)
    assert line.room.applied == [1, 2, 3, 4]
    assert line.room.ids[:3] == [first.id, first.id + 1, first.id + 2]
    assert line.room.ids[3] == line.room.next_id


def test_frozen_ones_are_kept_in_order_and_sent_when_the_room_runs() -> None:
    line = live_line()
    line.room.stopped = True  # stands still, and has not told yet
    line.answer(1)
    line.answer(2)
    line.settle()
    assert {type(event) for event in line.seen} >= {events.Held}
    line.answer(3)
    line.pump()
    assert not line.sent, "nothing new while frozen"
    line.room.stand_still(True)
    line.settle()
    assert stands_still(line.session.view)
    kick = line.session.submit(Kick, seat=50)
    line.settle()
    assert line.room.applied == [50], "what a standing room takes goes at once"
    line.room.stand_still(False)
    line.settle()
    assert line.room.applied == [50, 1, 2, 3]
    assert events.Accepted(kick, line.room.ids[0]) in line.seen


def test_frozen_without_a_change_of_view_is_tried_again_after_a_second() -> None:
    line = live_line()
    line.room.stopped = True
    line.answer(1)
    line.settle()
    line.room.stopped = False
    due = line.session.due()
    assert due is not None
    for at in (line.now + 999, line.now + 1000):
        assert line.room.applied == []
        line.session.tick(at)
        line.settle()
    assert line.room.applied == [1]


def test_a_refusal_is_final() -> None:
    line = live_line()
    order = line.answer(BAD_MARK)
    line.settle()
    (turned,) = [event for event in line.seen if isinstance(event, events.Turned)]
    assert (turned.order, turned.code) == (order, ErrorCode.INVALID)
    assert list(line.session.orders.refused) == [(turned.command_id, "invalid")]


def test_answers_to_what_was_never_sent_are_passed_over() -> None:
    line = live_line()
    assert tell(line, server.Ack(ids=[999])) == []
    assert tell(line, server.Refused(id=999, code="stale")) == []


def test_orders_are_bounded() -> None:
    session = new_session()
    for mark in range(WAITING_MAX):
        session.submit(Kick, seat=mark + 1)
    with pytest.raises(TooManyOrders):
        session.submit(Kick, seat=1)


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
