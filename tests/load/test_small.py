"""The small size of the load: one full room with its crowd through the whole installation."""

import asyncio

from protocol.client import StartMatch
from protocol.modes.trivia import TriviaSkip
from tests.support.cluster import running_cluster
from tests.support.players import Crowd, Player, seated, signed_in
from tests.support.recorded import failures, the_match_of

PLAYERS = 100
WATCHERS = 200
QUESTIONS = 3


async def test_a_room_of_100_players_and_200_watchers_loses_nobody_and_no_answer(
    redis_url: str, fresh_database_url: str
) -> None:
    with running_cluster(redis_url, fresh_database_url) as cluster:
        await asyncio.to_thread(cluster.wait_settled)
        crowd = Crowd()
        names = [f"Player {n}" for n in range(PLAYERS)] + [f"Watcher {n}" for n in range(WATCHERS)]
        everybody = await signed_in(cluster.api_url, names, crowd)
        players, watchers = everybody[:PLAYERS], everybody[PLAYERS:]
        host = players[0]
        code = await host.api.create_room("trivia", {"questions": QUESTIONS, "seconds": 20, "reveal_seconds": 2})
        async with seated(code, crowd, players, watchers):
            host.submit(StartMatch)
            for question in range(QUESTIONS):
                await _play(crowd, everybody, players, question)
                if question < QUESTIONS - 1:
                    host.submit(TriviaSkip)  # the rest of the reveal
                    host.submit(TriviaSkip)  # the scoreboard
            await crowd.until(
                lambda: all(each.view == host.view and each.phase == "results" for each in everybody),
                lambda: f"views differ: {[each.name for each in everybody if each.view != host.view][:10]}",
            )
            recorded = (await the_match_of(fresh_database_url, code)).answers
            dropped = [each.name for each in everybody if (each.welcomed, each.away, each.ended) != (1, 0, None)]
            assert dropped == []
            assert [each.ran_back for each in everybody if each.ran_back] == []
        assert len(recorded) == PLAYERS * QUESTIONS
        assert sorted(recorded) == _acknowledged(players)
        assert await failures(fresh_database_url) == []


async def _play(crowd: Crowd, everybody: list[Player], players: list[Player], question: int) -> None:
    """Everybody answers as soon as the question is open; watchers see the reveal as players do."""
    await crowd.until(
        lambda: all(each.sees(question, "open") for each in players), lambda: f"question {question} does not open"
    )
    for place, player in enumerate(players):
        player.answer(question, place)
    await crowd.until(
        lambda: all(each.at(question, "reveal") for each in everybody), lambda: f"no reveal of question {question}"
    )
    assert [player.turned for player in players if player.turned] == []


def _acknowledged(players: list[Player]) -> list[tuple[int, int, str]]:
    return sorted(
        (player.session.seat or 0, question, text)
        for player in players
        for question, text in player.acknowledged.items()
    )
