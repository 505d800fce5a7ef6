"""Who is host, and who is next."""

from typing import Any

import pytest

from gameserver.rooms import inputs
from gameserver.rooms.limits import HOST_GONE_MS
from protocol import client
from protocol.errors import ErrorCode
from tests.support.rooms import Table, refused


def host(at: Table) -> int | None:
    """Return the host's seat, having checked that seat and view agree."""
    seats = [int(number) for number, seat in at.view["seats"].items() if seat["role"] == "host"]
    assert at.view["host"] == at.room.host_seat
    assert seats == ([at.room.host_seat] if at.room.host_seat is not None else [])
    return at.room.host_seat


def test_the_creator_is_host_also_when_others_come_first() -> None:
    at = Table()
    at.join(2)
    at.join(3)
    assert host(at) is None
    at.wait(HOST_GONE_MS - 1)
    at.join(1)
    assert host(at) == 3


def test_the_first_to_come_is_host_when_the_creator_stays_away() -> None:
    at = Table()
    at.wait(10_000)
    at.join(2)
    at.join(3)
    at.wait(HOST_GONE_MS - 10_000)
    assert host(at) == 1
    at.join(1)
    assert host(at) == 1, "who comes too late is a player"


def test_whoever_comes_after_the_creators_time_is_host_at_once() -> None:
    at = Table()
    at.wait(HOST_GONE_MS)
    assert host(at) is None
    at.join(5)
    assert host(at) == 1


def test_a_host_who_is_away_for_half_a_minute_is_followed_by_the_next_in_line() -> None:
    at = Table(people=3)
    at.drop(1)
    at.wait(HOST_GONE_MS - 1)
    assert host(at) == 1
    at.wait(1)
    assert host(at) == 2
    at.back(1)
    assert host(at) == 2


def test_a_host_who_comes_back_in_time_stays_host() -> None:
    at = Table(people=3)
    at.drop(1)
    at.wait(HOST_GONE_MS - 1)
    at.back(1)
    at.wait(HOST_GONE_MS)
    assert host(at) == 1


def test_co_hosts_come_first_and_only_who_is_there() -> None:
    at = Table(people=5)
    at.do(1, client.SetCoHost, seat=3, cohost=True)
    at.do(1, client.SetCoHost, seat=4, cohost=True)
    at.drop(3)
    at.drop(1)
    at.wait(HOST_GONE_MS)
    assert host(at) == 4


def test_with_nobody_there_the_first_to_come_back_is_host() -> None:
    at = Table(people=3)
    for seat in (1, 2, 3):
        at.drop(seat)
    at.wait(HOST_GONE_MS)
    assert host(at) is None
    at.back(3)
    assert host(at) == 3
    at.back(1)
    assert host(at) == 3


def test_a_host_who_leaves_is_followed_at_once() -> None:
    at = Table(people=3)
    at.do(1, client.Leave)
    assert host(at) == 2


def test_a_host_hands_over_to_somebody_who_is_there() -> None:
    at = Table(people=3)
    at.drop(3)
    refused(at.send(1, client.HandOver, seat=3), ErrorCode.INVALID)
    refused(at.send(1, client.HandOver, seat=1), ErrorCode.INVALID)
    refused(at.send(1, client.HandOver, seat=9), ErrorCode.NOT_FOUND)
    at.do(1, client.HandOver, seat=2)
    assert host(at) == 2
    refused(at.send(1, client.HandOver, seat=2), ErrorCode.NOT_ALLOWED)


def test_a_host_names_and_unnames_co_hosts_but_not_itself() -> None:
    at = Table(people=3)
    at.do(1, client.SetCoHost, seat=2, cohost=True)
    assert at.view["seats"]["2"]["role"] == "cohost"
    at.do(2, client.Lock, locked=True)
    at.do(1, client.SetCoHost, seat=2, cohost=False)
    refused(at.send(2, client.Lock, locked=False), ErrorCode.NOT_ALLOWED)
    refused(at.send(1, client.SetCoHost, seat=1, cohost=True), ErrorCode.INVALID)


HOST_ONLY = [
    (client.SetSettings, {"settings": {"questions": 3}}),
    (client.StartMatch, {}),
    (client.CancelStart, {}),
    (client.BackToLobby, {}),
    (client.EndMatch, {}),
    (client.Rematch, {}),
    (client.Kick, {"seat": 3}),
    (client.Lock, {"locked": True}),
    (client.HandOver, {"seat": 3}),
    (client.SetCoHost, {"seat": 3, "cohost": True}),
    (client.Pause, {}),
    (client.Unpause, {}),
]


@pytest.mark.parametrize(("kind", "fields"), HOST_ONLY, ids=lambda value: getattr(value, "__name__", ""))
def test_a_player_may_not_do_what_hosts_do(kind: type[client.Command], fields: dict[str, Any]) -> None:
    at = Table(people=3)
    refused(at.send(2, kind, **fields), ErrorCode.NOT_ALLOWED)


def test_the_hosts_time_runs_while_the_room_is_paused() -> None:
    at = Table(people=3)
    at.start()
    at.do(1, client.Pause)
    at.drop(1)
    at.wait(HOST_GONE_MS)
    assert host(at) == 2
    at.do(2, client.Unpause)


def test_the_hosts_time_starts_only_after_a_regrouping() -> None:
    at = Table(people=3)
    at.put(inputs.Adopt(epoch=1))
    at.back(2)
    at.wait(5_000)
    assert at.room.state.regrouping is None
    at.wait(HOST_GONE_MS - 1)
    assert host(at) == 1
    at.wait(1)
    assert host(at) == 2


def test_the_creators_time_goes_on_after_a_regrouping() -> None:
    at = Table()
    at.join(2)
    at.wait(29_000)
    at.put(inputs.Adopt(epoch=1))
    at.wait(2_000)
    assert host(at) is None
    at.back(1)
    assert host(at) is None
    at.wait(HOST_GONE_MS)
    assert host(at) == 1
