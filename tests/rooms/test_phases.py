"""The table of phases is the whole truth: what it does not hold is refused, and nothing changes."""

from collections.abc import Callable

import pytest

from gameserver.games.mode import Rejected
from gameserver.rooms import inputs
from gameserver.rooms.phases import TRANSITIONS, Phase, Turn, after
from protocol import client
from protocol.errors import ErrorCode
from tests.support.rooms import Table


def lobby() -> Table:
    return Table(people=3)


def waiting() -> Table:
    at = lobby()
    at.do(1, client.StartMatch)
    return at


def counting() -> Table:
    at = waiting()
    at.deliver()
    return at


def match() -> Table:
    at = counting()
    at.run_to("open")
    return at


def results() -> Table:
    at = match()
    at.do(1, client.EndMatch)
    return at


def closed() -> Table:
    at = results()
    at.put(inputs.Close(reason=""))
    return at


PLACES: dict[str, Callable[[], Table]] = {
    "lobby": lobby,
    "waiting for content": waiting,
    "countdown": counting,
    "match": match,
    "results": results,
    "closed": closed,
}

Do = Callable[[Table], object]
TURNS: dict[Turn, Do] = {
    Turn.START: lambda at: at.send(1, client.StartMatch),
    Turn.REMATCH: lambda at: at.send(1, client.Rematch),
    Turn.CANCEL: lambda at: at.send(1, client.CancelStart),
    Turn.END: lambda at: at.send(1, client.EndMatch),
    Turn.VOID: lambda at: at.put(inputs.Void(reason="")),
    Turn.LOBBY: lambda at: at.send(1, client.BackToLobby),
    Turn.CLOSE: lambda at: at.put(inputs.Close(reason="")),
}
"""Turns somebody asks for. The others follow from time and content, tested where they belong."""


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("turn", TURNS)
def test_a_turn_is_taken_as_the_table_says_or_refused_with_nothing_changed(place: str, turn: Turn) -> None:
    at = PLACES[place]()
    phase, before = at.room.phase, at.room.dump()
    TURNS[turn](at)
    if turn in TRANSITIONS[phase]:
        assert at.room.phase is TRANSITIONS[phase][turn]
    else:
        assert at.room.dump() == before


@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize("turn", Turn)
def test_after_knows_the_table_and_nothing_else(phase: Phase, turn: Turn) -> None:
    if turn in TRANSITIONS[phase]:
        assert after(phase, turn) is TRANSITIONS[phase][turn]
        return
    with pytest.raises(Rejected) as refusal:
        after(phase, turn)
    assert refusal.value.code is ErrorCode.WRONG_PHASE


def test_every_phase_can_be_reached_and_every_open_one_left() -> None:
    reached = {Phase.LOBBY, *(phase for turns in TRANSITIONS.values() for phase in turns.values())}
    assert reached == set(Phase)
    assert [phase for phase, turns in TRANSITIONS.items() if not turns] == [Phase.CLOSED]
    assert all(Turn.CLOSE in turns for turns in TRANSITIONS.values() if turns)


INPUTS: dict[str, Do] = {
    "a newcomer": lambda at: at.join(9),
    "a return": lambda at: at.back(2),
    "a drop": lambda at: at.drop(2),
    "a stranger's drop": lambda at: at.drop(99),
    "content nobody wants": lambda at: at.put(inputs.Content(request="?", items=[])),
    "a record nobody waits for": lambda at: at.put(inputs.Recorded(match="?")),
    "a measurement": lambda at: at.put(inputs.Measure(lead_ms=120, window_ms=80)),
    "a measurement known": lambda at: at.put(inputs.Measure(lead_ms=300, window_ms=250)),
    "an adoption": lambda at: at.put(inputs.Adopt(epoch=3)),
    "a regrouping": lambda at: at.put(inputs.Regroup(awaiting=True)),
    "a count-in": lambda at: at.put(inputs.Regroup(awaiting=False)),
    "a ban": lambda at: at.put(inputs.Moderate(user="user-2", action="ban")),
    "a creation": lambda at: at.put(at.journal[0][1]),
    "ready": lambda at: at.send(2, client.SetReady, ready=True),
    "sitting out": lambda at: at.send(2, client.SetPlaying, playing=False),
    "settings": lambda at: at.send(1, client.SetSettings, settings={"questions": 5}),
    "a pause": lambda at: at.send(1, client.Pause),
    "an unpause": lambda at: at.send(1, client.Unpause),
    "a kick": lambda at: at.send(1, client.Kick, seat=2),
    "a lock": lambda at: at.send(1, client.Lock, locked=True),
    "a hand-over": lambda at: at.send(1, client.HandOver, seat=2),
    "a co-host": lambda at: at.send(1, client.SetCoHost, seat=2, cohost=True),
    "a leave": lambda at: at.send(2, client.Leave),
    "a stranger's command": lambda at: at.send(99, client.Leave),
    "an answer": lambda at: at.send(2, client.SetReady, ready=True, id=1),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("given", INPUTS)
def test_whatever_enters_wherever_is_taken_in_whole_or_changes_nothing(place: str, given: str) -> None:
    at = PLACES[place]()
    before = at.room.dump()
    kept = len(at.journal)
    INPUTS[given](at)
    accepted = len(at.journal) > kept
    assert accepted or at.room.dump() == before
    # A closed room takes nothing in at all.
    assert not (accepted and place == "closed")
