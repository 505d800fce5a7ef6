"""From a start to a recorded result."""

import pytest

from gameserver.games.mode import Rejected
from gameserver.rooms import inputs
from gameserver.rooms.limits import CONTENT_WAIT_MS, COUNTDOWN_MS, UNRECORDED_MAX
from gameserver.rooms.room import Room
from protocol import client
from protocol.bus import ContentRequest, MatchResult
from protocol.errors import ErrorCode
from tests.support.rooms import CREATED_AT, ENTROPY, Table, questions, refused


def create(**changes: object) -> inputs.Create:
    fields = {"code": "BCDFGH", "host": "u", "mode": "trivia", "settings": {}, "public": True, "entropy": ENTROPY}
    return inputs.Create(**{**fields, **changes})  # type: ignore[arg-type] # a table of fields


# ---- settings ----


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"questions": 2}, "$.questions"),
        ({"questions": "many"}, "$.questions"),
        ({"seconds": 121}, "$.seconds"),
        ({"difficulty": "absurd"}, "$.difficulty"),
        ({"categories": ["x" * 49]}, "$.categories[0]"),
        ({"colour": "blue"}, "colour"),
    ],
)
def test_settings_outside_their_limits_are_refused_by_name(settings: dict[str, object], named: str) -> None:
    at = Table(people=1)
    before = at.room.dump()
    reply = at.send(1, client.SetSettings, settings=settings)
    refused(reply, ErrorCode.INVALID)
    assert named in reply.detail
    assert at.room.dump() == before
    with pytest.raises(Rejected):
        Room.create(create(settings=settings), 0)


def test_a_mode_nobody_knows_is_refused() -> None:
    at = Table(people=1)
    refused(at.send(1, client.SetSettings, settings={}, mode="chess"), ErrorCode.INVALID)
    with pytest.raises(Rejected):
        Room.create(create(mode="chess"), 0)


def test_settings_are_shown_whole() -> None:
    at = Table(people=1)
    at.do(1, client.SetSettings, settings={"questions": 7}, mode="trivia")
    assert at.view["settings"]["questions"] == 7
    assert at.view["settings"]["seconds"] == 20


@pytest.mark.parametrize("place", ["countdown", "match"])
def test_settings_stand_once_a_match_is_under_way(place: str) -> None:
    at = Table(people=2)
    at.do(1, client.StartMatch)
    if place == "match":
        at.deliver()
        at.run_to("match")
    refused(at.send(1, client.SetSettings, settings={}), ErrorCode.WRONG_PHASE)


# ---- starting ----


def test_a_start_asks_for_content_then_counts_down() -> None:
    at = Table(people=2, questions=5, categories=["art"], difficulty="easy")
    at.do(1, client.StartMatch)
    assert at.phase == "countdown"
    assert at.view["waiting_for"] == "content"
    assert "until" not in at.view
    request = at.content_request()
    assert request is not None
    assert request.spec["count"] == 5
    assert request.spec["categories"] == ["art"]
    assert request.users == ["user-1", "user-2"]
    at.deliver()
    assert "waiting_for" not in at.view
    assert at.view["until"] == at.now + COUNTDOWN_MS
    at.wait(COUNTDOWN_MS - 1)
    assert at.phase == "countdown"
    at.wait(1)
    assert at.phase == "match"


def test_what_a_room_waits_for_is_the_same_however_often_it_is_asked() -> None:
    at = Table(people=2)
    at.do(1, client.StartMatch)
    assert at.room.pending() == at.room.pending() == Room.load(at.room.dump()).pending()
    at.deliver()
    assert at.room.pending() == ()
    at.run_to("match")
    at.do(1, client.EndMatch)
    assert at.room.pending() == at.room.pending() == Room.load(at.room.dump()).pending()


def test_each_start_asks_under_an_id_of_its_own() -> None:
    at = Table(people=2)
    at.do(1, client.StartMatch)
    first = at.content_request()
    at.do(1, client.CancelStart)
    assert at.room.pending() == ()
    at.do(1, client.StartMatch)
    second = at.content_request()
    assert first is not None
    assert second is not None
    assert first.id != second.id
    refused(at.put(inputs.Content(request=first.id, items=questions(3))), ErrorCode.NOT_FOUND)
    assert at.view["waiting_for"] == "content"


def test_too_few_to_play() -> None:
    at = Table(people=2)
    at.drop(2)
    refused(at.send(1, client.StartMatch), ErrorCode.NOT_ENOUGH_PLAYERS)
    at.back(2)
    at.do(2, client.SetPlaying, playing=False)
    refused(at.send(1, client.StartMatch), ErrorCode.NOT_ENOUGH_PLAYERS)


def test_content_that_does_not_serve_takes_the_room_back_to_its_lobby_and_says_why() -> None:
    for items in ([], questions(2), [{"nonsense": 1}] * 3):
        at = Table(people=2)
        at.do(1, client.StartMatch)
        at.deliver(items)
        assert (at.phase, at.view["notice"]) == ("lobby", "no_content")
        at.do(1, client.StartMatch)
        assert "notice" not in at.view


def test_content_that_does_not_come_is_given_up() -> None:
    at = Table(people=2)
    at.do(1, client.StartMatch)
    at.wait(CONTENT_WAIT_MS - 1)
    assert at.phase == "countdown"
    at.wait(1)
    assert (at.phase, at.view["notice"]) == ("lobby", "content_late")
    assert at.room.pending() == ()


def test_a_match_does_not_begin_without_enough_players() -> None:
    at = Table(people=2)
    at.do(1, client.StartMatch)
    at.deliver()
    at.do(2, client.Leave)
    at.wait(COUNTDOWN_MS)
    assert (at.phase, at.view["notice"]) == ("lobby", "not_enough_players")


def test_who_drops_in_the_countdown_is_in_the_match_and_who_comes_in_it_too() -> None:
    at = Table(people=3)
    at.drop(3)
    at.do(1, client.StartMatch)
    at.deliver()
    at.drop(2)
    at.join(4)
    at.run_to("match")
    assert sorted(at.game["scores"]) == ["1", "2", "4"], "seat 3 was away before the start"


def test_a_host_who_only_hosts_is_not_in_the_match() -> None:
    at = Table(people=3)
    at.do(1, client.SetPlaying, playing=False)
    at.start()
    assert sorted(at.game["scores"]) == ["2", "3"]


# ---- the end ----


def test_the_result_says_who_played_what_and_when() -> None:
    at = Table(people=2)
    at.wait(60_000)
    at.start()
    started = at.now
    at.run_to("results")
    result = at.results()[0]
    assert isinstance(result, MatchResult)
    assert (result.code, result.mode, result.number) == ("BCDFGH", "trivia", 1)
    assert (result.started_ms, result.ended_ms) == (started, at.now)
    assert result.started_at == CREATED_AT + 63
    assert (result.rated, result.abandoned) == (True, False)
    assert [(player.seat, player.user, player.name) for player in result.players] == [
        (1, "user-1", "Name 1"),
        (2, "user-2", "Name 2"),
    ]
    assert at.view["results"]["match"] == result.id
    assert "game" not in at.view


def test_a_match_ended_before_its_time_is_abandoned_and_not_rated() -> None:
    at = Table(people=2)
    at.start()
    at.do(1, client.EndMatch)
    result = at.results()[0]
    assert (result.abandoned, result.rated) == (True, False)
    assert at.view["results"]["abandoned"] is True


def test_a_result_waits_until_it_is_recorded() -> None:
    at = Table(people=2)
    at.start()
    at.do(1, client.EndMatch)
    result = at.results()[0]
    at.do(1, client.BackToLobby)
    assert at.results() == [result]
    at.put(inputs.Recorded(match=result.id))
    assert at.results() == []
    refused(at.put(inputs.Recorded(match=result.id)), ErrorCode.NOT_FOUND)


def test_a_rematch_is_another_match_with_the_same_settings() -> None:
    at = Table(people=2)
    at.start()
    at.do(1, client.EndMatch)
    at.do(1, client.Rematch)
    assert "results" not in at.view
    at.deliver()
    at.run_to("match")
    assert at.view["number"] == 2
    at.do(1, client.EndMatch)
    first, second = at.results()
    assert first.id != second.id
    assert first.seed != second.seed
    assert first.settings == second.settings


def test_too_many_unrecorded_results_keep_another_match_from_starting() -> None:
    at = Table(people=2)
    for _ in range(UNRECORDED_MAX):
        at.start()
        at.do(1, client.EndMatch)
        at.do(1, client.BackToLobby)
    refused(at.send(1, client.StartMatch), ErrorCode.BUSY)
    at.put(inputs.Recorded(match=at.results()[0].id))
    at.do(1, client.StartMatch)


def test_a_voided_match_leaves_no_result_and_says_so() -> None:
    at = Table(people=2)
    at.start()
    at.do(1, client.Pause)
    at.put(inputs.Void(reason="rules changed"))
    assert (at.phase, at.view["notice"]) == ("lobby", "match_voided")
    assert at.room.pending() == ()
    assert not at.room.standing_still
    assert at.room.rules_version() is None


def test_a_mode_command_without_a_match_is_refused() -> None:
    at = Table(people=2)
    with pytest.raises(KeyError):
        at.answer(1, 0)
    from protocol.modes.trivia import TriviaSkip

    refused(at.send(1, TriviaSkip), ErrorCode.WRONG_PHASE)


def test_rules_and_match_are_told_while_one_runs() -> None:
    at = Table(people=2)
    assert (at.room.rules_version(), at.room.running_match) == (None, None)
    at.start()
    assert at.room.rules_version() == ("trivia", 1)
    running = at.room.running_match
    at.run_to("results")
    assert at.results()[0].id == running


def test_effects_are_bus_messages_with_ids() -> None:
    at = Table(people=2)
    at.start()
    at.do(1, client.EndMatch)
    at.do(1, client.Rematch)
    assert [type(effect) for effect in at.room.pending()] == [MatchResult, ContentRequest]
