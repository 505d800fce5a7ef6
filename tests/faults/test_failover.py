"""A master dies in the middle of a match, with a replica to take over: real nodes, API and worker, real fail-overs."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

import pytest

from protocol import keys
from protocol.client import StartMatch
from protocol.ids import RoomCode, ShardId, shard_of
from protocol.modes.trivia import TriviaSkip
from tests.support.cluster import QUICK, running_cluster
from tests.support.players import Crowd, Player, seated, signed_in
from tests.support.recorded import failures, the_match_of
from tests.support.redis_group import ClusterServer, DataServer, clustered, watched

PLAYERS: Final = 6
QUESTIONS: Final = 3
KILLED_IN: Final = 1
SETTINGS: Final = {"questions": QUESTIONS, "seconds": 20, "reveal_seconds": 2}


class Stand(NamedTuple):
    """Where the match is played."""

    environment: dict[str, str]
    servers: list[DataServer]


@contextmanager
def strict_behind_sentinels() -> Iterator[Stand]:
    with watched(replicas=2, settings=("min-replicas-to-write 1",)) as group:
        yield Stand({"REDIS_URL": group.url, "ARENA_COMMIT_REPLICAS": "1"}, group.data)


@contextmanager
def on_a_cluster(cache_url: str) -> Iterator[Stand]:
    with clustered(replicas=3) as group:
        servers: list[ClusterServer] = group.servers
        yield Stand({"REDIS_URL": group.url, "REDIS_CACHE_URL": cache_url}, list(servers))


@pytest.mark.parametrize("where", ["strict, behind sentinels", "on a cluster"])
async def test_a_match_outlives_the_master_of_its_shard(where: str, redis_url: str, fresh_database_url: str) -> None:
    with (
        strict_behind_sentinels() if where.startswith("strict") else on_a_cluster(redis_url) as stand,
        running_cluster("", fresh_database_url, environment=stand.environment) as cluster,
    ):
        crowd = Crowd()
        players = await signed_in(cluster.api_url, [f"Player {n}" for n in range(PLAYERS)], crowd)
        host = players[0]
        code = await host.api.create_room("trivia", SETTINGS)
        async with seated(code, crowd, players):
            host.submit(StartMatch)
            for question in range(QUESTIONS):
                await played(crowd, players, question, stand.servers if question == KILLED_IN else [], code)
                host.submit(TriviaSkip)
                host.submit(TriviaSkip)
            await crowd.until(
                lambda: all(one.phase == "results" and one.view == host.view for one in players),
                lambda: f"views differ: {[one.name for one in players if one.view != host.view]}",
            )
            for player in players:
                assert (player.ended, player.double, player.ran_back, player.lost) == (None, [], [], 0)
                assert player.turned == []
        match = await the_match_of(fresh_database_url, code)
        books = [(one.session.seat, number, text) for one in players for number, text in one.acknowledged.items()]
        assert sorted(match.answers) == sorted(books)
        assert len(books) == PLAYERS * QUESTIONS
        assert await failures(fresh_database_url) == []


def master_of(code: RoomCode, servers: list[DataServer]) -> DataServer:
    """Return the master that holds the room's shard."""
    head = keys.head(ShardId(shard_of(code, int(QUICK["ARENA_SHARDS"]))))
    for server in servers:
        if server.ask("ROLE")[0] == b"master":
            with server.client() as client:
                held = client.execute_command("KEYS", head)
            if held:
                return server
    raise AssertionError("nobody holds the shard")


def give(players: list[Player], question: int) -> None:
    for place, player in enumerate(players):
        player.answer(question, place)


def counted(players: list[Player], question: int) -> bool:
    return all(question in player.acknowledged for player in players)


async def played(crowd: Crowd, players: list[Player], question: int, servers: list[DataServer], code: str) -> None:
    """Half of them answer, the master of these servers is killed, the others answer; all answers count."""
    first, second = players[: PLAYERS // 2], players[PLAYERS // 2 :]
    await crowd.until(
        lambda: all(one.sees(question, "open") for one in players), lambda: f"question {question} does not open"
    )
    give(first, question)
    await crowd.until(lambda: counted(first, question), lambda: "nothing is acknowledged")
    if servers:
        await asyncio.to_thread(master_of(RoomCode(code), servers).kill)
    give(second, question)
    await crowd.until(lambda: counted(second, question), lambda: f"question {question}: not everything counts")
    assert counted(first, question)
    await crowd.until(lambda: all(one.at(question, "reveal") for one in players), lambda: "no reveal")
