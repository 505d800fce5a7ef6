"""The rules of trivia, one at a time, at a table of people."""

from typing import Any

import msgspec
import pytest

from gameserver.games.mode import Audience
from gameserver.games.trivia.state import (
    AWAY_GRACE_MS,
    READY_MS,
    STAGES,
    Happening,
    Stage,
)
from gameserver.rooms import inputs
from protocol import client
from protocol.errors import ErrorCode
from protocol.modes.trivia import TriviaAnswer, TriviaPrivate, TriviaSkip, TriviaView
from tests.support.rooms import Table, questions, refused

SECONDS_20 = 20_000
WINDOW = 250
LEAD = 300


def table(people: int = 3, **settings: Any) -> Table:
    """Return a table whose match has begun: its first question is announced."""
    made = Table(people=people, **settings)
    made.start()
    return made


def opened(people: int = 3, **settings: Any) -> Table:
    """Return a table whose first question is open."""
    made = table(people, **settings)
    made.run_to("open")
    return made


# ---- the stages and their times ----


def test_a_match_goes_through_its_stages_in_order() -> None:
    at = opened()
    stages: list[str] = []
    for _ in range(40):
        if at.phase == "results":
            break
        if not stages or stages[-1] != at.stage:
            stages.append(at.stage)
        due = at.room.next_deadline()
        assert due is not None
        at.wait(due - at.at)
    one = ["open", "closing", "reveal", "scores"]
    assert stages == [*one, "ready", *one, "ready", *one[:3]]


@pytest.mark.parametrize("stage", list(Stage))
@pytest.mark.parametrize("happening", list(Happening))
def test_every_stage_and_happening_is_in_the_table_or_impossible(stage: Stage, happening: Happening) -> None:
    impossible = {
        Stage.ANNOUNCED: {Happening.ALL_ANSWERED, Happening.SKIP, Happening.LAST},
        Stage.TOLD: {Happening.ALL_ANSWERED, Happening.SKIP, Happening.LAST},
        Stage.OPEN: {Happening.SKIP, Happening.LAST},
        Stage.CLOSING: {Happening.ALL_ANSWERED, Happening.SKIP, Happening.LAST},
        Stage.REVEAL: {Happening.ALL_ANSWERED},
        Stage.SCORES: {Happening.ALL_ANSWERED, Happening.LAST},
        Stage.OVER: set(Happening),
    }
    assert (happening in STAGES[stage]) is (happening not in impossible[stage])


def test_a_question_is_announced_at_least_two_and_a_half_seconds_ahead() -> None:
    at = table()
    assert at.stage == "ready"
    assert at.game["question"]["opens_at"] - at.now == READY_MS >= 2_500
    assert at.game["until"] == at.game["question"]["opens_at"]


def test_the_text_is_told_only_the_lead_before_the_question_opens() -> None:
    at = table()
    opens_at = at.game["question"]["opens_at"]
    at.wait(opens_at - LEAD - 1 - at.now)
    assert "text" not in at.game["question"]
    assert "options" not in at.game["question"]
    at.wait(1)
    assert at.game["question"]["text"].startswith("question")
    assert at.stage == "ready"
    at.wait(LEAD)
    assert at.stage == "open"


@pytest.mark.parametrize(("measured", "lead"), [(1, 100), (150, 150), (9_999, 300)])
def test_the_lead_is_what_was_measured_within_its_bounds(measured: int, lead: int) -> None:
    at = Table(people=2)
    at.put(inputs.Measure(lead_ms=measured, window_ms=100))
    at.start()
    opens_at = at.game["question"]["opens_at"]
    at.wait(opens_at - lead - 1 - at.now)
    assert "text" not in at.game["question"]
    at.wait(1)
    assert "text" in at.game["question"]


@pytest.mark.parametrize(("measured", "window"), [(0, 40), (111, 111), (9_999, 250)])
def test_late_arrivals_count_for_the_window_measured_within_its_bounds(measured: int, window: int) -> None:
    at = Table(people=2)
    at.put(inputs.Measure(lead_ms=100, window_ms=measured))
    at.start()
    at.run_to("closing")
    assert at.game["until"] - at.game["question"]["closes_at"] == window


def test_a_longer_lead_measured_after_the_announcement_waits_for_the_next_question() -> None:
    at = Table(people=2)
    at.put(inputs.Measure(lead_ms=100, window_ms=100))
    at.start()
    opens_at = at.game["question"]["opens_at"]
    at.wait(opens_at - 150 - at.now)
    at.put(inputs.Measure(lead_ms=300, window_ms=100))
    due = at.room.next_deadline()
    assert due is not None
    assert due - at.at == 50, "no deadline lies in the past"


def test_a_measurement_after_the_text_is_in_force_from_the_next_question() -> None:
    at = opened()
    at.put(inputs.Measure(lead_ms=100, window_ms=40))
    at.run_to("closing")
    assert at.game["until"] - at.game["question"]["closes_at"] == WINDOW
    at.run_to("ready")
    at.run_to("closing")
    assert at.game["until"] - at.game["question"]["closes_at"] == 40


# ---- answers ----


def test_an_answer_is_seen_by_all_but_not_what_it_was() -> None:
    at = opened()
    at.answer(2, at.right())
    assert at.game["answered"] == {"2": True}
    assert "reveal" not in at.game
    assert at.game["scores"]["2"] == {"score": 0, "rank": 1, "moved": 0, "gained": 0, "streak": 0}


def test_only_the_seat_itself_sees_its_answer() -> None:
    at = opened()
    at.answer(2, 3)
    assert at.room.private_view(2) == {"answer": 3}
    assert at.room.private_view(1) is None


@pytest.mark.parametrize(
    ("ms_after_open", "reaction", "cap", "credited"),
    [
        (1_000, 1_000, 50, 1_000),  # claims what arrived
        (1_000, 950, 50, 950),
        (1_000, 900, 50, 950),  # clipped at the cap
        (1_000, 0, 120, 880),
        (1_000, 0, 5_000, 880),  # no cap beyond 120 ms
        (1_000, 0, 0, 1_000),
        (1_000, 2_000, 50, 1_000),  # claims to be slower than it arrived: no credit
        (1_000, 2**53 - 1, 120, 1_000),
        (50, 0, 120, 0),
    ],
)
def test_credited_time_is_the_arrival_less_a_capped_credit(
    ms_after_open: int, reaction: int, cap: int, credited: int
) -> None:
    at = opened()
    at.wait(ms_after_open)
    at.answer(1, at.right(), reaction_ms=reaction, cap=cap)
    at.run_to("reveal")
    assert at.game["scores"]["1"]["score"] == 1_000 * (2 * SECONDS_20 - credited) // (2 * SECONDS_20)


def test_an_answer_given_in_time_counts_when_it_arrives_within_the_window() -> None:
    at = opened()
    at.run_to("closing")
    at.wait(100)
    assert at.answer(1, at.right(), reaction_ms=SECONDS_20 - 10, cap=120).code is None
    at.run_to("reveal")
    assert at.game["scores"]["1"]["score"] == 500


@pytest.mark.parametrize(
    ("ms_after_close", "reaction", "cap", "counts"),
    [
        (0, SECONDS_20, 0, True),  # credited time may be exactly the close
        (1, SECONDS_20 + 1, 120, False),
        (1, SECONDS_20, 0, False),  # no credit, and a millisecond late
        (120, 0, 120, True),
        (121, 0, 120, False),
        (WINDOW - 1, 0, 120, False),
    ],
)
def test_an_answer_counts_when_its_credited_time_is_within_the_close(
    ms_after_close: int, reaction: int, cap: int, counts: bool
) -> None:
    at = opened()
    at.wait(SECONDS_20 + ms_after_close)
    reply = at.answer(1, 0, reaction_ms=reaction, cap=cap)
    assert (reply.code is None) is counts
    if not counts:
        refused(reply, ErrorCode.TOO_LATE)


def test_nothing_counts_from_the_end_of_the_window_on() -> None:
    at = opened()
    at.wait(SECONDS_20 + WINDOW)
    assert at.stage == "reveal"
    refused(at.answer(1, 0, reaction_ms=0, cap=120), ErrorCode.TOO_LATE)


@pytest.mark.parametrize("stage", ["ready", "reveal", "scores"])
def test_an_answer_outside_the_open_question_is_refused(stage: str) -> None:
    at = table()
    at.run_to(stage)
    refused(at.answer(1, 0), ErrorCode.TOO_EARLY if stage == "ready" else ErrorCode.TOO_LATE)


@pytest.mark.parametrize(
    ("question", "option", "code"),
    [(1, 0, ErrorCode.TOO_EARLY), (0, 4, ErrorCode.INVALID), (0, 5, ErrorCode.INVALID)],
)
def test_an_answer_must_name_the_current_question_and_an_option_of_it(
    question: int, option: int, code: ErrorCode
) -> None:
    at = opened()
    refused(at.send(1, TriviaAnswer, question=question, option=option, reaction_ms=0), code)


def test_an_answer_to_an_earlier_question_is_too_late() -> None:
    at = opened()
    at.run_to("scores")
    at.run_to("open")
    refused(at.send(1, TriviaAnswer, question=0, option=0, reaction_ms=0), ErrorCode.TOO_LATE)


def test_an_answer_stands_unless_the_settings_let_it_change() -> None:
    at = opened()
    at.answer(1, 0)
    refused(at.answer(1, 1), ErrorCode.ALREADY_DONE)
    assert at.room.private_view(1) == {"answer": 0}


def test_a_changed_answer_counts_with_its_own_time_and_the_same_again_keeps_its_time() -> None:
    at = opened(change_answers=True)
    at.wait(1_000)
    at.answer(1, at.right())
    at.answer(2, at.wrong())
    at.wait(9_000)
    at.answer(1, at.right())
    at.answer(2, at.right())
    at.run_to("reveal")
    assert at.game["scores"]["1"]["score"] == 975
    assert at.game["scores"]["2"]["score"] == 750


def test_who_does_not_play_cannot_answer() -> None:
    at = Table(people=4)
    at.do(1, client.SetPlaying, playing=False)
    at.start()
    at.run_to("open")
    refused(at.answer(1, 0), ErrorCode.NOT_ALLOWED)
    assert at.room.audience_of(1) is Audience.HOST
    assert "1" not in at.game["scores"]


# ---- going on ----


def test_the_reveal_comes_at_once_when_all_connected_have_answered() -> None:
    at = opened()
    for seat in (1, 2):
        at.answer(seat, 0)
        assert at.stage == "open"
    at.answer(3, 0)
    assert at.stage == "reveal"


def test_without_auto_advance_the_clock_decides() -> None:
    at = opened(auto_advance=False)
    for seat in (1, 2, 3):
        at.answer(seat, 0)
    assert at.stage == "open"


def test_while_answers_may_change_the_clock_decides() -> None:
    at = opened(change_answers=True)
    for seat in (1, 2, 3):
        at.answer(seat, 0)
    assert at.stage == "open"


def test_a_seat_that_was_away_when_the_question_opened_is_not_waited_for() -> None:
    at = table()
    at.drop(3)
    at.run_to("reveal")  # the first question's time: longer than anybody is waited for
    at.run_to("ready")
    at.run_to("open")
    at.answer(1, 0)
    at.answer(2, 0)
    assert at.stage == "reveal"


def test_a_seat_that_drops_is_waited_for_a_while() -> None:
    at = opened(seconds=60)
    at.answer(1, 0)
    at.answer(2, 0)
    at.drop(3)
    at.wait(AWAY_GRACE_MS - 1)
    assert at.stage == "open"
    at.wait(1)
    assert at.stage == "reveal"


def test_a_seat_that_comes_back_in_time_may_answer_still() -> None:
    at = opened(seconds=60)
    at.answer(1, 0)
    at.answer(2, 0)
    at.drop(3)
    at.wait(8_000)
    at.back(3)
    at.wait(20_000)
    assert at.stage == "open"
    assert at.answer(3, 0).code is None
    assert at.stage == "reveal"


def test_a_seat_that_comes_back_late_is_waited_for_again() -> None:
    at = opened(people=3, seconds=60)
    at.drop(3)
    at.wait(AWAY_GRACE_MS + 1)
    at.back(3)
    at.answer(1, 0)
    at.answer(2, 0)
    assert at.stage == "open"
    at.answer(3, 0)
    assert at.stage == "reveal"


def test_the_question_goes_on_when_the_last_one_awaited_leaves() -> None:
    at = opened()
    at.answer(1, 0)
    at.answer(2, 0)
    at.do(3, client.Leave)
    assert at.stage == "reveal"


def test_with_nobody_there_the_clock_decides() -> None:
    at = opened(people=2, seconds=60)
    at.drop(1)
    at.drop(2)
    at.wait(50_000)
    assert at.stage == "open"


def test_a_host_goes_on_from_reveal_and_scores_and_from_nowhere_else() -> None:
    at = opened()
    refused(at.send(1, TriviaSkip), ErrorCode.WRONG_PHASE)
    at.run_to("reveal")
    refused(at.send(2, TriviaSkip), ErrorCode.NOT_ALLOWED)
    at.do(1, TriviaSkip)
    assert at.stage == "scores"
    at.do(1, TriviaSkip)
    assert at.stage == "ready"
    refused(at.send(1, TriviaSkip), ErrorCode.WRONG_PHASE)


def test_after_the_last_reveal_the_match_is_over() -> None:
    at = opened()
    for _ in range(2):
        at.run_to("reveal")
        at.run_to("open")
    at.run_to("reveal")
    at.do(1, TriviaSkip)
    assert at.phase == "results"


# ---- scores ----


def test_the_reveal_tells_the_right_option_the_counts_and_the_fastest() -> None:
    at = opened(people=4)
    right, wrong = at.right(), at.wrong()
    at.wait(500)
    at.answer(3, right)
    at.wait(500)
    at.answer(1, right)
    at.answer(2, wrong)
    at.run_to("reveal")
    counts = [0, 0, 0, 0]
    counts[right], counts[wrong] = 2, 1
    shown = at.game["reveal"]
    assert (shown["right"], shown["counts"], shown["fastest"]) == (right, counts, 3)
    assert shown["explanation"].startswith("because")
    assert at.room.private_view(2) == {"answer": wrong, "correct": False, "points": 0}
    assert at.room.private_view(4) == {"correct": False, "points": 0}


def test_equal_scores_share_a_rank_and_the_next_one_is_skipped() -> None:
    at = opened(people=4, scoring="flat")
    for seat in (1, 3):
        at.answer(seat, at.right())
    at.run_to("reveal")
    assert [at.game["scores"][str(seat)]["rank"] for seat in (1, 2, 3, 4)] == [1, 3, 1, 3]


def test_places_gained_and_lost_are_told_from_the_second_question_on() -> None:
    at = opened(people=2, scoring="flat", streaks=False)
    at.answer(1, at.right())
    at.answer(2, at.wrong())
    assert [at.game["scores"][seat]["moved"] for seat in "12"] == [0, 0]
    at.run_to("open")
    at.answer(1, at.wrong())
    at.answer(2, at.right())
    assert [at.game["scores"][seat]["rank"] for seat in "12"] == [1, 1]
    assert [at.game["scores"][seat]["moved"] for seat in "12"] == [0, 1]


def test_a_streak_earns_a_growing_bonus_and_breaks_with_a_wrong_or_missing_answer() -> None:
    at = opened(people=2, scoring="flat", questions=5)
    gained = []
    for correct in (True, True, True, False, True):
        at.answer(1, at.right() if correct else at.wrong())
        at.answer(2, 0)
        gained.append((at.game["scores"]["1"]["gained"], at.game["scores"]["1"]["streak"]))
        at.run_to("open", "results")
    assert gained == [(1_000, 1), (1_100, 2), (1_200, 3), (0, 0), (1_000, 1)]


def test_without_streaks_there_is_no_bonus() -> None:
    at = opened(people=2, scoring="flat", streaks=False)
    for _ in range(2):
        at.answer(1, at.right())
        at.answer(2, at.wrong())
        assert at.game["scores"]["1"]["gained"] == 1_000
        at.run_to("open")


def test_a_late_comer_plays_from_the_next_question_with_nothing() -> None:
    at = opened()
    for seat in (1, 2, 3):
        at.answer(seat, at.right())
    at.run_to("ready")
    at.run_to("open")
    at.join(4)
    assert at.game["scores"]["4"]["score"] == 0
    refused(at.answer(4, 0), ErrorCode.NOT_ALLOWED)
    for seat in (1, 2, 3):
        at.answer(seat, at.right())
    assert at.stage == "reveal", "a late-comer is not waited for"
    assert at.room.private_view(4) is None
    at.run_to("open")
    assert at.answer(4, at.right()).code is None
    at.run_to("reveal")
    assert at.game["scores"]["4"]["score"] > 0
    assert at.game["scores"]["4"]["moved"] == 0


def test_who_comes_before_the_text_is_told_plays_that_question() -> None:
    at = table()
    at.join(4)
    at.run_to("open")
    assert at.answer(4, 0).code is None


def test_without_late_join_a_newcomer_only_watches() -> None:
    at = opened(late_join=False)
    at.join(4)
    at.run_to("results")
    assert [row["seat"] for row in at.view["results"]["rows"]] == [1, 2, 3]


def test_who_leaves_keeps_a_row_and_is_told_from_who_finished() -> None:
    at = opened(people=3)
    at.answer(3, at.right())
    at.do(3, client.Leave)
    at.run_to("results")
    assert "3" not in at.view["seats"]
    rows = at.view["results"]["rows"]
    assert [row["seat"] for row in rows] == [3, 1, 2]
    assert rows[0]["name"] == "Name 3"
    assert {player.seat: player.finished for player in at.results()[0].players} == {1: True, 2: True, 3: False}


def test_the_outcome_has_each_answer_as_the_content_names_its_options() -> None:
    at = opened(people=2)
    chosen: dict[str, str] = {}
    while at.phase == "match":
        at.wait(1_234)
        at.answer(1, 2)
        chosen[at.game["question"]["text"]] = at.game["question"]["options"][2]
        at.run_to("open", "results")
    facts = at.results()[0].players[0].facts or at.results()[0].players[1].facts
    items = {item["id"]: item for item in at.items}
    assert [fact["number"] for fact in facts] == [0, 1, 2]
    for fact in facts:
        item = items[fact["question"]]
        assert item["options"][fact["option"]] == chosen[item["text"]]
        assert fact["correct"] is (fact["option"] == item["right"])
        assert fact["ms"] == 1_234
        assert (fact["points"] > 0) is fact["correct"]


def test_views_are_what_the_protocol_declares() -> None:
    at = table()
    while at.phase == "match":
        msgspec.convert(at.game, TriviaView)
        private = at.room.private_view(2)
        if private is not None:
            msgspec.convert(private, TriviaPrivate)
        if at.stage == "open":
            at.answer(2, 1)
        due = at.room.next_deadline()
        assert due is not None
        at.wait(due - at.at)


def test_a_room_of_500_plays_an_answer_without_looking_at_every_seat() -> None:
    at = Table(people=500)
    at.items = questions(10)
    at.start()
    at.run_to("open")
    for seat in range(1, 500):
        at.answer(seat, seat % 4)
    assert at.stage == "open"
    at.answer(500, 0)
    assert at.stage == "reveal"
    assert sum(at.game["reveal"]["counts"]) == 500
