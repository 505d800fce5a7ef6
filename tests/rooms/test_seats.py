"""Seats: coming, coming back, dropping, leaving, being removed; and who is let in."""

import hashlib

import pytest

from gameserver.games.mode import Audience, Role
from gameserver.rooms import inputs
from protocol import client
from protocol.errors import CloseCode, ErrorCode
from protocol.limits import SEATS_MAX
from tests.support.rooms import Table, refused


def test_seats_are_numbered_in_order_of_arrival_and_never_again() -> None:
    at = Table(people=3)
    at.do(2, client.Leave)
    assert at.join(4).seat == 4
    assert at.join(2).seat == 5
    assert sorted(at.view["seats"]) == ["1", "3", "4", "5"]


def test_a_user_has_one_seat_and_gets_it_back() -> None:
    at = Table(people=2)
    at.drop(2)
    assert at.view["seats"]["2"]["here"] is False
    reply = at.join(2, name="New Name")
    assert reply.seat == 2
    assert at.view["seats"]["2"] == {
        "name": "New Name",
        "avatar": "a2:1",
        "kind": "guest",
        "role": "player",
        "playing": True,
        "here": True,
        "ready": False,
    }
    assert at.room.seat_of_user("user-2") == 2
    assert at.room.seat_of_user("user-3") is None


def test_a_ticket_replaces_the_resume_secret() -> None:
    at = Table(people=1)
    assert at.room.secret_hash(1) == hashlib.sha256(b"1").digest()
    at.put(inputs.Join("user-1", "Name 1", "guest", "a1:1", secret_hash=b"another"))
    assert at.room.secret_hash(1) == b"another"
    assert at.room.secret_hash(9) is None


def test_a_seat_that_nobody_has_cannot_come_back_nor_drop() -> None:
    at = Table(people=1)
    refused(at.back(9), ErrorCode.NOT_FOUND)
    refused(at.drop(9), ErrorCode.NOT_FOUND)
    at.drop(1)
    refused(at.drop(1), ErrorCode.ALREADY_DONE)


def test_a_locked_room_takes_nobody_new_but_those_who_have_a_seat() -> None:
    at = Table(people=2)
    at.do(1, client.Lock, locked=True)
    assert at.view["locked"] is True
    refused(at.join(3), ErrorCode.LOCKED)
    assert at.join(2).seat == 2
    at.do(1, client.Lock, locked=False)
    assert at.join(3).seat == 3


def test_who_is_kicked_loses_the_seat_and_may_not_come_back() -> None:
    at = Table(people=3)
    reply = at.do(1, client.Kick, seat=3)
    assert (reply.kicked, reply.close) == ((3,), CloseCode.KICKED)
    assert "3" not in at.view["seats"]
    refused(at.join(3), ErrorCode.BANNED)


def test_who_leaves_is_closed_normally_and_may_come_again() -> None:
    at = Table(people=3)
    reply = at.do(3, client.Leave)
    assert (reply.kicked, reply.close) == ((3,), CloseCode.NORMAL)
    assert at.join(3).seat == 4


@pytest.mark.parametrize(
    ("who", "whom", "code"),
    [
        (1, 1, ErrorCode.INVALID),
        (1, 9, ErrorCode.NOT_FOUND),
        (3, 2, ErrorCode.NOT_ALLOWED),  # a player
        (2, 1, ErrorCode.NOT_ALLOWED),  # a co-host the host
        (2, 4, ErrorCode.NOT_ALLOWED),  # a co-host a co-host
        (2, 3, None),  # a co-host a player
        (1, 2, None),  # the host a co-host
    ],
)
def test_who_may_kick_whom(who: int, whom: int, code: ErrorCode | None) -> None:
    at = Table(people=4)
    at.do(1, client.SetCoHost, seat=2, cohost=True)
    at.do(1, client.SetCoHost, seat=4, cohost=True)
    assert at.send(who, client.Kick, seat=whom).code is code


def test_a_full_room_gives_up_the_seat_that_is_away_longest() -> None:
    at = Table(people=SEATS_MAX)
    refused(at.join(SEATS_MAX + 1), ErrorCode.FULL)
    at.drop(7)
    at.wait(1)
    at.drop(5)
    assert at.join(SEATS_MAX + 1).seat == SEATS_MAX + 1
    assert at.room.seat_of_user("user-7") is None
    assert at.room.seat_of_user("user-5") == 5


def test_a_full_room_never_gives_up_the_host_nor_a_seat_of_the_match() -> None:
    at = Table(people=SEATS_MAX)
    at.start()
    at.drop(1)
    at.drop(7)
    refused(at.join(SEATS_MAX + 1), ErrorCode.FULL)


def test_who_left_a_match_does_not_come_into_it_twice() -> None:
    at = Table(people=3)
    at.start()
    at.do(3, client.Leave)
    at.join(3)
    at.run_to("results")
    assert [player.user for player in at.results()[0].players].count("user-3") == 1


def test_the_room_ends_a_match_that_everybody_left() -> None:
    at = Table(people=3)
    at.do(1, client.SetPlaying, playing=False)
    at.start()
    at.do(2, client.Leave)
    assert at.phase == "match"
    at.do(3, client.Leave)
    assert at.phase == "results"
    assert at.results()[0].abandoned


def test_playing_or_only_hosting() -> None:
    at = Table(people=4)
    assert at.room.audience_of(1) is Audience.PLAYERS
    before = at.room.audiences_changed
    at.do(1, client.SetPlaying, playing=False)
    assert at.room.audiences_changed > before
    assert at.room.audience_of(1) is Audience.HOST
    at.do(2, client.SetPlaying, playing=False)
    assert at.room.audience_of(2) is Audience.PLAYERS, "a player who sits out is no host"
    at.start()
    refused(at.send(1, client.SetPlaying, playing=True), ErrorCode.WRONG_PHASE)


def test_ready_is_shown_and_forgotten_when_the_match_begins() -> None:
    at = Table(people=2)
    at.do(2, client.SetReady, ready=True)
    assert at.view["seats"]["2"]["ready"] is True
    at.start()
    assert at.view["seats"]["2"]["ready"] is False
    refused(at.send(2, client.SetReady, ready=True), ErrorCode.WRONG_PHASE)


def test_moderation_mutes_bans_and_refuses_what_it_does_not_know() -> None:
    at = Table(people=3)
    at.put(inputs.Moderate(user="user-2", action="mute"))
    assert at.room.state.seats[2].muted is True
    at.put(inputs.Moderate(user="user-2", action="unmute"))
    assert at.room.state.seats[2].muted is False
    assert at.put(inputs.Moderate(user="user-3", action="ban")).kicked == (3,)
    refused(at.join(3), ErrorCode.BANNED)
    assert at.put(inputs.Moderate(user="user-9", action="ban")).kicked == ()
    refused(at.join(9), ErrorCode.BANNED)
    refused(at.put(inputs.Moderate(user="user-8", action="mute")), ErrorCode.NOT_FOUND)
    refused(at.put(inputs.Moderate(user="user-2", action="promote")), ErrorCode.INVALID)


def test_a_room_without_anybody_closes_by_itself() -> None:
    at = Table(people=2)
    at.drop(1)
    at.wait(5_000)
    at.drop(2)
    at.wait(15 * 60_000 - 1)
    assert not at.room.closed
    at.wait(1)
    assert at.room.closed
    assert at.room.next_deadline() is None


def test_a_room_nobody_ever_came_to_closes_too() -> None:
    at = Table()
    at.wait(15 * 60_000)
    assert at.room.closed


def test_an_empty_room_stays_while_a_result_is_not_recorded() -> None:
    at = Table(people=2)
    at.start()
    at.do(1, client.EndMatch)
    at.drop(1)
    at.drop(2)
    at.wait(60 * 60_000)
    assert not at.room.closed
    at.put(inputs.Recorded(match=at.results()[0].id))
    at.wait(0)
    assert at.room.closed


def test_who_comes_keeps_the_room_open() -> None:
    at = Table(people=1)
    at.drop(1)
    at.wait(14 * 60_000)
    at.back(1)
    at.wait(60 * 60_000)
    assert not at.room.closed


def test_a_closed_room_takes_nothing_but_word_of_its_results() -> None:
    at = Table(people=2)
    at.start()
    reply = at.put(inputs.Close(reason="enough"))
    assert (reply.kicked, reply.close) == ((1, 2), CloseCode.ROOM_CLOSED)
    refused(at.join(3), ErrorCode.WRONG_PHASE)
    refused(at.send(1, client.StartMatch), ErrorCode.WRONG_PHASE)
    refused(at.put(inputs.Close(reason="again")), ErrorCode.WRONG_PHASE)
    assert at.results()[0].abandoned
    at.put(inputs.Recorded(match=at.results()[0].id))
    assert at.room.pending() == ()


def test_an_idle_room_waits_for_nothing() -> None:
    at = Table(people=2)
    assert at.room.next_deadline() is None


def test_what_the_shell_asks_of_a_seat() -> None:
    at = Table(people=2)
    assert at.room.role_of(1) is Role.HOST
    assert list(at.room.connected) == [1, 2]
    assert at.room.connected_count == 2
    card = at.room.card()
    assert (card.players, card.seats_max, card.host_name, card.state) == (2, 500, "Name 1", "open")
