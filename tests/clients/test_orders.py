"""Commands: ids, at most sixteen, resending, standing still (SPEC §7)."""

import pytest

from clients.python import events
from clients.python.clock import stands_still
from clients.python.orders import WAITING_MAX, TooManyOrders
from protocol import server
from protocol.client import Command, Hello, Kick
from protocol.codec import decode_client
from protocol.errors import ErrorCode
from tests.clients.fake_room import BAD_MARK
from tests.clients.line import Line, live_line, new_session, sent_messages, tell

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
