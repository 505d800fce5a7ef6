"""A room takes any mode: one without content, with views that differ by audience, for three at most."""

import pytest

from gameserver.games.mode import Audience
from gameserver.games.registry import MODES
from gameserver.rooms import inputs
from gameserver.rooms.room import Room
from protocol import client
from protocol.client import Command
from protocol.errors import ErrorCode
from protocol.modes.trivia import TriviaSkip
from tests.support.coin import Call, Coin
from tests.support.rooms import Table, refused


@pytest.fixture(autouse=True)
def _coin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MODES, Coin.id, Coin())


def coin_table(people: int) -> Table:
    at = Table(people=people)
    at.do(1, client.SetSettings, settings={"seconds": 5}, mode="coin")
    return at


def put(at: Table, seat: int, command: Command) -> ErrorCode | None:
    """Put a command in that the codec does not know."""
    return at.room.apply(inputs.CommandInput(seat=seat, raw=b"raw"), at.at, command).code


def test_without_content_the_countdown_begins_at_once() -> None:
    at = coin_table(2)
    at.do(1, client.StartMatch)
    assert "waiting_for" not in at.view
    assert at.room.pending() == ()
    at.run_to("match")
    assert at.room.mode == "coin"
    assert at.room.rules_version() == ("coin", 1)
    assert at.room.append_only == frozenset({"game/calls"})
    assert not at.room.between_questions
    assert put(at, 2, Call(id=5_000, heads=True)) is None
    assert at.room.private_view(2) == {"heads": True}
    at.run_to("results")
    assert at.results()[0].content == []


def test_audiences_that_see_differently_have_views_of_their_own() -> None:
    at = coin_table(2)
    at.do(1, client.StartMatch)
    at.run_to("match")
    put(at, 2, Call(id=5_000, heads=True))
    assert at.room.view(Audience.SCREEN)["game"]["called"] == 1
    assert "called" not in at.room.view(Audience.PLAYERS)["game"]
    assert at.room.view(Audience.SCREEN)["seats"] is at.room.view(Audience.PLAYERS)["seats"]


def test_more_seats_than_the_mode_can_take() -> None:
    at = Table(people=4)
    at.do(1, client.SetSettings, settings={}, mode="coin")
    refused(at.send(1, client.StartMatch), ErrorCode.FULL)
    refused(at.join(9), ErrorCode.FULL)
    at.do(4, client.SetPlaying, playing=False)
    at.do(1, client.StartMatch)


def test_a_mode_without_late_join_keeps_newcomers_out_of_the_match() -> None:
    at = coin_table(2)
    at.do(1, client.StartMatch)
    at.run_to("match")
    at.join(3)
    assert at.room.private_view(3) is None
    at.run_to("results")
    assert [row["seat"] for row in at.view["results"]["rows"]] in ([1, 2], [2, 1])


def test_a_match_of_another_mode_is_stored_and_loaded() -> None:
    at = coin_table(2)
    at.do(1, client.StartMatch)
    at.run_to("match")
    assert Room.load(at.room.dump()).dump() == at.room.dump()


def test_a_command_of_another_mode_is_refused() -> None:
    at = Table(people=2)
    assert at.room.between_questions
    at.start()
    assert put(at, 1, Call(id=5_000, heads=True)) is ErrorCode.WRONG_PHASE
    assert put(at, 1, TriviaSkip(id=5_000)) is ErrorCode.WRONG_PHASE


def test_a_command_that_is_neither_the_rooms_nor_a_modes_is_refused() -> None:
    class Odd(Command, frozen=True, tag="odd"):
        """Not known to anybody."""

    at = Table(people=1)
    assert put(at, 1, Odd(id=5_000)) is ErrorCode.INVALID
