"""When the room clock stands still (law 11): pausing, regrouping, counting in."""

from typing import Any

import pytest

from gameserver.rooms import inputs
from gameserver.rooms.limits import COUNT_IN_MS, REGROUP_MS, REGROUP_REST_MS
from protocol import client
from protocol.errors import ErrorCode
from protocol.modes.trivia import TriviaAnswer
from tests.support.rooms import Table, refused


def opened(people: int = 3, **settings: Any) -> Table:
    """Return a table whose first question has been open for two seconds."""
    at = Table(people=people, **settings)
    at.start()
    at.run_to("open")
    at.wait(2_000)
    return at


def kind(at: Table) -> str | None:
    """Return why the clock stands still."""
    standstill = at.view.get("standstill")
    assert (standstill is not None) is at.room.standing_still is (at.view["clock"]["stopped"] is not None)
    return None if standstill is None else str(standstill["kind"])


def adopt(at: Table, *, planned: bool = False) -> None:
    """Let another node take the room over."""
    at.put(inputs.Adopt(epoch=2, planned=planned))


# ---- pausing ----


def test_a_pause_stops_the_clock_and_a_count_in_lets_it_run_from_there() -> None:
    at = opened()
    before = at.now
    at.do(1, client.Pause)
    assert kind(at) == "paused"
    at.wait(3_600_000)
    assert at.now == before
    at.do(1, client.Unpause)
    assert kind(at) == "count_in"
    assert at.view["standstill"]["until"] == at.at + COUNT_IN_MS
    at.wait(COUNT_IN_MS - 1)
    assert at.now == before
    at.wait(1)
    assert kind(at) is None
    at.wait(10)
    assert at.now == before + 10


def test_a_client_finds_the_room_clock_from_the_shard_clock() -> None:
    at = opened()
    for _ in range(2):
        clock = at.view["clock"]
        assert at.now == (clock["stopped"] if clock["stopped"] is not None else at.at - clock["offset"])
        at.do(1, client.Pause)
        at.wait(1_000)
        at.do(1, client.Unpause)
        at.wait(COUNT_IN_MS + 500)


def test_nobody_answers_while_the_room_stands_still_and_the_answer_counts_when_resent() -> None:
    at = opened()
    at.do(1, client.Pause)
    held = {"question": 0, "option": 0, "reaction_ms": 2_000}
    first = at.send(2, TriviaAnswer, **held)
    refused(first, ErrorCode.FROZEN)
    at.do(1, client.Unpause)
    refused(at.send(2, TriviaAnswer, id=first.command_id, **held), ErrorCode.FROZEN)
    at.wait(COUNT_IN_MS)
    assert at.send(2, TriviaAnswer, id=first.command_id, **held).code is None


def test_pausing_twice_and_unpausing_what_runs_are_refused() -> None:
    at = opened()
    refused(at.send(1, client.Unpause), ErrorCode.WRONG_PHASE)
    at.do(1, client.Pause)
    refused(at.send(1, client.Pause), ErrorCode.ALREADY_DONE)


def test_only_a_match_can_be_paused() -> None:
    at = Table(people=2)
    refused(at.send(1, client.Pause), ErrorCode.WRONG_PHASE)
    at.do(1, client.StartMatch)
    refused(at.send(1, client.Pause), ErrorCode.WRONG_PHASE)


def test_pausing_again_in_the_count_in_holds_the_clock() -> None:
    at = opened()
    before = at.now
    at.do(1, client.Pause)
    at.do(1, client.Unpause)
    at.wait(1_000)
    at.do(1, client.Pause)
    at.wait(60_000)
    assert (kind(at), at.now) == ("paused", before)


def test_a_match_ended_in_a_pause_lets_the_clock_run_again() -> None:
    at = opened()
    at.do(1, client.Pause)
    at.wait(1_000)
    at.do(1, client.EndMatch)
    assert kind(at) is None
    assert at.phase == "results"


# ---- regrouping ----


def test_after_a_change_of_owner_all_are_away_and_awaited() -> None:
    at = opened()
    at.drop(3)
    adopt(at)
    assert kind(at) == "regrouping"
    assert at.view["standstill"]["awaited"] == {"1": True, "2": True}
    assert not any(seat["here"] for seat in at.view["seats"].values())


def test_play_goes_on_with_a_count_in_once_all_are_back() -> None:
    at = opened()
    before = at.now
    adopt(at)
    for seat in (1, 2, 3):
        at.wait(300)
        assert kind(at) == "regrouping"
        at.back(seat)
    assert kind(at) == "count_in"
    at.wait(COUNT_IN_MS)
    assert (kind(at), at.now) == (None, before)


def test_five_seconds_after_the_first_the_others_are_waited_for_no_longer() -> None:
    at = opened()
    adopt(at)
    at.wait(10_000)
    at.back(2)
    assert at.view["standstill"]["until"] == at.at + REGROUP_REST_MS
    at.wait(REGROUP_REST_MS - 1)
    assert kind(at) == "regrouping"
    at.wait(1)
    assert kind(at) == "count_in"


def test_half_a_minute_is_the_most() -> None:
    at = opened()
    adopt(at)
    at.wait(28_000)
    at.back(2)
    assert at.view["standstill"]["until"] == at.at + 2_000
    at.wait(2_000)
    assert kind(at) == "count_in"


def test_with_nobody_back_it_goes_on_after_half_a_minute() -> None:
    at = opened()
    adopt(at)
    at.wait(REGROUP_MS - 1)
    assert kind(at) == "regrouping"
    at.wait(1)
    assert kind(at) == "count_in"


def test_a_newcomer_is_neither_awaited_nor_the_first_back() -> None:
    at = opened()
    adopt(at)
    at.wait(1_000)
    until = at.view["standstill"]["until"]
    at.join(9)
    assert at.view["standstill"]["until"] == until


def test_who_is_back_and_drops_again_is_not_awaited_again() -> None:
    at = opened()
    adopt(at)
    at.back(1)
    at.drop(1)
    at.back(2)
    at.back(3)
    assert kind(at) == "count_in"


def test_who_is_removed_is_awaited_no_longer() -> None:
    at = opened()
    adopt(at)
    at.back(1)
    at.back(2)
    at.do(1, client.Kick, seat=3)
    assert kind(at) == "count_in"


def test_a_second_death_keeps_those_still_awaited() -> None:
    at = opened()
    adopt(at)
    at.back(1)
    at.wait(1_000)
    adopt(at)
    assert at.view["standstill"]["awaited"] == {"1": True, "2": True, "3": True}
    at.wait(REGROUP_REST_MS)
    assert kind(at) == "regrouping", "its limits begin anew"
    for seat in (1, 2, 3):
        at.back(seat)
    assert kind(at) == "count_in"


def test_a_death_in_the_count_in_regroups_again() -> None:
    at = opened()
    before = at.now
    adopt(at)
    for seat in (1, 2, 3):
        at.back(seat)
    at.wait(1_000)
    adopt(at)
    assert kind(at) == "regrouping"
    for seat in (1, 2, 3):
        at.back(seat)
    at.wait(COUNT_IN_MS)
    assert (kind(at), at.now) == (None, before)


def test_a_paused_room_regroups_and_stays_paused() -> None:
    at = opened()
    at.do(1, client.Pause)
    adopt(at)
    assert kind(at) == "regrouping"
    for seat in (1, 2, 3):
        at.back(seat)
    assert kind(at) == "paused"


def test_a_host_may_unpause_while_the_room_regroups() -> None:
    at = opened()
    at.do(1, client.Pause)
    adopt(at)
    at.back(1)
    at.do(1, client.Unpause)
    assert kind(at) == "regrouping"
    at.back(2)
    at.back(3)
    assert kind(at) == "count_in"


def test_a_lobby_regroups_without_a_count_in() -> None:
    at = Table(people=2)
    adopt(at)
    at.back(1)
    at.back(2)
    assert kind(at) is None


def test_a_countdown_stands_still_while_the_room_regroups() -> None:
    at = Table(people=2)
    at.do(1, client.StartMatch)
    at.deliver()
    at.wait(1_000)
    adopt(at)
    at.wait(20_000)
    assert at.phase == "countdown"
    at.back(1)
    at.back(2)
    at.wait(1_999)
    assert at.phase == "countdown"
    at.wait(1)
    assert at.phase == "match"
    assert [row[0] for row in at.room._core.run.log.read_header().seats] == [1, 2]  # type: ignore[union-attr] # it runs


def test_a_room_without_anybody_has_nothing_to_regroup() -> None:
    at = Table(people=2)
    at.drop(1)
    at.drop(2)
    adopt(at)
    assert kind(at) is None


@pytest.mark.parametrize(
    ("stage", "after_ms", "count_in"),
    [("reveal", 1_000, False), ("reveal", 1_001, True), ("open", 500, True)],
    ids=["at once, between questions", "too slow", "within a question"],
)
def test_a_planned_hand_over_between_questions_needs_no_count_in(stage: str, after_ms: int, count_in: bool) -> None:
    at = opened()
    at.run_to(stage)
    adopt(at, planned=True)
    at.wait(after_ms)
    for seat in (1, 2, 3):
        at.back(seat)
    assert (kind(at) == "count_in") is count_in


def test_an_unplanned_change_of_owner_needs_a_count_in_also_between_questions() -> None:
    at = opened()
    at.run_to("reveal")
    adopt(at)
    for seat in (1, 2, 3):
        at.back(seat)
    assert kind(at) == "count_in"


def test_a_standstill_that_lost_no_connection_only_counts_in() -> None:
    at = opened()
    before = at.now
    at.put(inputs.Regroup(awaiting=False))
    assert kind(at) == "count_in"
    assert all(seat["here"] for seat in at.view["seats"].values())
    at.wait(COUNT_IN_MS)
    assert at.now == before
    refused(Table(people=2).put(inputs.Regroup(awaiting=False)), ErrorCode.WRONG_PHASE)


def test_a_standstill_that_lost_connections_regroups() -> None:
    at = opened()
    at.put(inputs.Regroup(awaiting=True))
    assert kind(at) == "regrouping"


def test_time_away_costs_nobody_a_second_of_the_question() -> None:
    at = opened(seconds=10)
    adopt(at)
    at.wait(29_000)
    for seat in (1, 2, 3):
        at.back(seat)
    at.wait(COUNT_IN_MS)
    at.wait(7_999)
    assert at.stage == "open"
    at.wait(1)
    assert at.stage == "closing"


def test_an_answer_given_before_and_resent_after_counts_once() -> None:
    at = opened()
    reply = at.answer(2, 1)
    adopt(at)
    for seat in (1, 2, 3):
        at.back(seat)
    again = at.send(2, TriviaAnswer, id=reply.command_id, question=0, option=1, reaction_ms=0)
    assert again.repeated
    assert again.code is None
