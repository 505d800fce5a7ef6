"""A command counts once (law 7)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gameserver.rooms import inputs
from gameserver.rooms.limits import COMMAND_ID_LEAP_MAX
from protocol import client
from protocol.codec import encode_client
from protocol.errors import ErrorCode
from protocol.limits import COMMAND_ID_STEP, COMMAND_IDS_REMEMBERED
from tests.support.rooms import Table, refused


def lock(at: Table, id: int, locked: bool = True) -> object:
    """Send one command under this id."""
    return at.send(1, client.Lock, id=id, locked=locked)


def test_the_first_connection_begins_at_the_first_multiple() -> None:
    at = Table()
    reply = at.join(1)
    assert reply.next_id == COMMAND_ID_STEP == at.room.next_id(1)


@pytest.mark.parametrize(
    ("used", "next_id"),
    [([], 2_048), ([1_024], 2_048), ([1_024, 2_047], 2_048), ([2_048], 3_072), ([5_000], 5_120)],
)
def test_a_return_goes_on_at_the_next_free_multiple(used: list[int], next_id: int) -> None:
    at = Table(people=1)
    for id in used:
        lock(at, id)
    at.drop(1)
    assert at.back(1).next_id == next_id == at.room.next_id(1)


def test_a_connection_that_replaces_another_gets_ids_of_its_own() -> None:
    at = Table(people=1)
    first = at.room.next_id(1)
    assert at.back(1).next_id == first + COMMAND_ID_STEP
    assert at.join(1).next_id == first + 2 * COMMAND_ID_STEP


def test_an_accepted_command_sent_again_is_acknowledged_and_not_done_again() -> None:
    at = Table(people=1)
    lock(at, 1_024, True)
    lock(at, 1_025, False)
    before = at.room.dump()
    again = at.send(1, client.Lock, id=1_024, locked=True)
    assert again.repeated
    assert (again.code, again.command_id, again.seat) == (None, 1_024, 1)
    assert at.room.dump() == before
    assert at.view["locked"] is False


def test_an_id_below_the_highest_that_was_never_accepted_is_stale() -> None:
    at = Table(people=1)
    lock(at, 1_030)
    refused(at.send(1, client.Lock, id=1_029, locked=False), ErrorCode.STALE)


def test_only_the_last_64_are_remembered() -> None:
    at = Table(people=1)
    for id in range(1_024, 1_024 + COMMAND_IDS_REMEMBERED + 1):
        lock(at, id)
    refused(at.send(1, client.Lock, id=1_024, locked=False), ErrorCode.STALE)
    assert at.send(1, client.Lock, id=1_025, locked=False).repeated


def test_a_refused_command_leaves_its_id_free() -> None:
    at = Table(people=1)
    refused(at.send(1, client.Pause, id=1_024), ErrorCode.WRONG_PHASE)
    assert at.send(1, client.Lock, id=1_024, locked=True).code is None


def test_commands_unanswered_at_the_drop_count_under_their_old_ids_first() -> None:
    at = Table(people=1)
    at.drop(1)
    at.back(1)
    assert at.send(1, client.Lock, id=1_025, locked=True).code is None
    assert at.send(1, client.Lock, id=at.room.next_id(1), locked=False).code is None


def test_an_id_too_far_ahead_is_refused() -> None:
    at = Table(people=1)
    refused(at.send(1, client.Lock, id=1_024 + COMMAND_ID_LEAP_MAX + 1, locked=True), ErrorCode.INVALID)
    assert at.send(1, client.Lock, id=1_024 + COMMAND_ID_LEAP_MAX, locked=True).code is None


def test_a_seat_that_is_away_sends_nothing() -> None:
    at = Table(people=2)
    at.drop(1)
    refused(at.send(1, client.Lock, locked=True), ErrorCode.NOT_ALLOWED)


def test_a_raw_command_is_decoded_by_the_room_when_the_shell_did_not() -> None:
    at = Table(people=1)
    command = client.Lock(id=1_024, locked=True)
    reply = at.room.apply(inputs.CommandInput(seat=1, raw=encode_client(command)), at.at)
    assert (reply.command_id, reply.code) == (1_024, None)


@given(st.lists(st.tuples(st.integers(1_024, 1_060), st.booleans()), max_size=40))
def test_whatever_is_resent_in_whatever_order_each_id_counts_at_most_once(sent: list[tuple[int, bool]]) -> None:
    at = Table(people=1)
    accepted: list[int] = []
    for id, locked in sent:
        reply = at.send(1, client.Lock, id=id, locked=locked)
        if reply.code is None and not reply.repeated:
            assert not accepted or id > accepted[-1]
            accepted.append(id)
            assert at.view["locked"] is locked
        elif reply.repeated:
            assert id in accepted
        else:
            assert reply.code is ErrorCode.STALE
            assert id not in accepted
