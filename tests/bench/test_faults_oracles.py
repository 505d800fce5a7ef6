"""The oracles of ``bench faults`` can fail: each is shown what must not be."""

import json
import time
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest

from bench.faults.books import Books
from bench.faults.crowd import Awaited
from bench.faults.inject import Done
from bench.faults.outcome import quantiles, spread
from bench.faults.plan import KINDS, POINTS, Plan, chosen, fault
from bench.faults.run import Run
from bench.faults.seat import Seat, Sent
from bench.faults.told import Book, Broken, Stood
from protocol import server

QUESTION = "6a8c0b3e-0000-4000-8000-000000000001"


class Place:
    """A room that keeps what its seat tells."""

    code = "BCDF23"

    def __init__(self) -> None:
        self.lines: list[Any] = []
        self.reveal: float | None = None

    def tell(self, line: Any) -> None:
        self.lines.append(line)

    def answered(self, wanted_at: float, now: float, *, accepted: bool) -> None:
        del wanted_at, now, accepted

    def told_clock(self, epoch: int, clock: int) -> None:
        del epoch, clock

    def revealed_at(self, match: int, question: int) -> float | None:
        del match, question
        return self.reveal

    def saw(self, seat: Seat) -> None:
        del seat

    @property
    def broken(self) -> list[str]:
        return [line.what for line in self.lines if isinstance(line, Broken)]


def seat_in(place: Place) -> Seat:
    return Seat(place, "http://127.0.0.1:1", "Ada", Random(1))


def delta(epoch: int, n: int) -> server.Delta:
    return server.Delta(e=epoch, f=n - 1, n=n, c=n)


def test_frames_of_an_older_epoch_are_seen() -> None:
    for late in (
        delta(4, 9),
        server.PrivateDelta(e=4, n=9),
        server.ClockTell(c=1, s=1, e=4),
        server.Resync(epoch=4, n=9, clock=1, view={}),
    ):
        place = Place()
        seat = seat_in(place)
        for frame in (delta(4, 8), delta(5, 1), late):
            seat._watch(frame)
        assert "older epoch" in place.broken, late


def test_a_whole_view_that_forgets_what_was_told_is_seen() -> None:
    place = Place()
    seat = seat_in(place)
    for frame in (delta(5, 7), server.Resync(epoch=5, n=7, clock=1, view={})):
        seat._watch(frame)
    assert place.broken == []
    seat._watch(server.Resync(epoch=5, n=6, clock=1, view={}))
    assert place.broken == ["a told version is gone"]


def test_an_answer_taken_after_a_told_reveal_is_seen() -> None:
    place = Place()
    seat = seat_in(place)
    now = time.monotonic()
    place.reveal = now
    seat._taken(Sent(now - 0.1, 1, 0, "before"), now + 1)
    assert place.broken == []
    seat._taken(Sent(now + 0.1, 1, 0, "after"), now + 1)
    assert place.broken == ["taken after a told reveal"]


@pytest.mark.parametrize(
    ("stood_ms", "held"),
    [(899, False), (900, True), (1_000, True), (1_250, True), (1_300, False), (5_000, False)],
)
def test_a_clock_that_ran_without_an_owner_is_seen(stood_ms: int, held: bool) -> None:
    """Killed at 10 s of the machine, with the shard clock 9 s behind it: its clock was 1,000 ms, or a tick more."""
    run = Run(Plan(), lambda _line: None)
    killed = Awaited(10.0, {("BCDF23", 1): 10.5}, {("BCDF23", 1): 13.5})
    stood = Stood("BCDF23", 1, before_ms=900, stood_ms=stood_ms, offset_ms=0, lead_ms=-9_000, at=10.5)
    run.crowd = SimpleNamespace(stood=[stood])  # type: ignore[assignment]  # all that is looked at
    run._look_at_clocks(Done("node-1", 10.0, awaited=[killed]))
    assert [one.what for one in run.violations] == ([] if held else ["clock ran without an owner"])


def test_what_players_are_told_of_a_clock_that_stands() -> None:
    place = Place()
    seat = seat_in(place)
    for asked, told in ((1_000, 400), (2_000, 1_300), (3_000, 2_350)):
        seat._watch(server.ClockTell(c=asked, s=told, e=5))
    assert seat._lead == -700


# ---- books ---------------------------------------------------------------------------------------------


def book(**changed: Any) -> Book:
    told: dict[str, Any] = {
        "code": "BCDF23",
        "number": 1,
        "match": "m",
        "counted": {"1": {"0": "Oslo"}},
        "tried": {"1": {"0": ["Oslo"]}},
        "accepted": 1,
        "rows": {"1": [500, 1, 1]},
        "told": {},
        "at": 0.0,
    }
    return Book(**(told | changed))


def compared(told: Book, options: list[int], **changed: Any) -> tuple[list[str], Books]:
    """Compare with a recorded match in which seat 1 has these options for question 0."""
    books = Books(None)  # type: ignore[arg-type]  # no store is asked
    row: Any = {
        "content": json.dumps([{"id": QUESTION, "options": ["Oslo", "Bergen"]}]),
        "code": "BCDF23",
        "number": 1,
        "abandoned": False,
    } | changed
    sessions: Any = [{"seat": 1, "score": 500, "correct": 1, "answered": 1}]
    answers: Any = [{"seat": 1, "number": 0, "question_id": QUESTION, "option": option} for option in options]
    books._compare(told, row, sessions, answers)
    return [one.what for one in books.found], books


def test_books_that_agree() -> None:
    found, books = compared(book(), [0])
    assert found == []
    assert (books.sums.matches, books.sums.answers) == (1, 1)


@pytest.mark.parametrize(
    ("told", "options", "changed", "what"),
    [
        (book(), [], {}, "answer lost"),
        (book(), [1], {}, "answer lost"),
        (book(), [0, 0], {}, "counted twice"),
        (book(counted={}), [0], {}, "counted without word"),
        (book(rows={"1": [400, 1, 1]}), [0], {}, "result differs"),
        (book(), [0], {"abandoned": True}, "result differs"),
        (book(), [0], {"number": 2}, "result differs"),
    ],
)
def test_what_does_not_agree_is_found(told: Book, options: list[int], changed: dict[str, Any], what: str) -> None:
    assert what in compared(told, options, **changed)[0]


# ---- the plan ------------------------------------------------------------------------------------------


def test_a_fault_depends_on_seed_and_number_only() -> None:
    first = [fault(Plan(seed=3), number) for number in range(40)]
    again = [fault(Plan(seed=3, rooms=5), number) for number in range(20, 40)]
    assert [(one.kind, one.pause_s) for one in first[20:]] == [(one.kind, one.pause_s) for one in again]
    assert {one.kind for one in first} > set(POINTS)


def test_kinds_are_chosen_by_name() -> None:
    assert chosen("flush, kill,flush") == ("flush", "kill")
    assert set(chosen("")) < set(KINDS)
    with pytest.raises(ValueError, match="kil"):
        chosen("kil")


def test_percentiles() -> None:
    assert spread([]) == {"p50": None, "p99": None, "max": None}
    assert spread([3.0, 1.0, 2.0]) == {"p50": 2.0, "p99": 3.0, "max": 3.0}
    assert quantiles({0: 98, 4: 1, 9: 1}, 10) == {"p50": 10, "p99": 50, "max": 100}
