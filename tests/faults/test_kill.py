"""kill -9 in the middle of a match of 50, at every fault point and between a told reveal and the next input.

One match, a kill in each of its first four questions: whoever takes over is killed in the next one. The oracle is what
the clients were told, each in its own book; the result in PostgreSQL is held against all books.
"""

import asyncio
from signal import SIGUSR1
from typing import Final, NamedTuple

import msgspec
from redis import Redis

from gameserver.rooms.inputs import CommandInput
from gameserver.rooms.record import unpack_input
from gameserver.shards.record import decode
from protocol import keys
from protocol.client import StartMatch
from protocol.codec import decode_client
from protocol.ids import RoomCode, ShardId, shard_of
from protocol.modes.trivia import TriviaAnswer, TriviaSkip
from protocol.types import WireFormat
from tests.support.cluster import QUICK, Cluster, Process, running_cluster
from tests.support.players import Crowd, Player, seated, signed_in
from tests.support.recorded import failures, the_match_of

PLAYERS: Final = 50
QUESTIONS: Final = 5
POINTS: Final = ("before_commit", "in_flight", "committed_not_told")
SILENT: Final = 1  # in the question whose reveal is told before the kill, this player has not answered
A_TICK_MS: Final = 250  # by at most this much the clock may grow in one tick
SETTINGS: Final = {"questions": QUESTIONS, "seconds": 5, "reveal_seconds": 2}


class Committed(NamedTuple):
    """What stands in Redis of a room's shard."""

    clock: int
    answers: frozenset[tuple[int, int]]  # seat, question: as the untrimmed part of the journal has them


class Arena:
    """The installation, the match, and who owns its room just now."""

    def __init__(self, cluster: Cluster, redis: Redis) -> None:
        self.cluster = cluster
        self.redis = redis
        self.crowd = Crowd()
        self.players: list[Player] = []
        self.code = RoomCode("")
        self.owner: Process
        self._nodes = 0

    @property
    def host(self) -> Player:
        return self.players[0]

    async def start_node(self, fault: str = "") -> Process:
        """Start a node under a new name (one that came back would be given its rooms again)."""
        self._nodes += 1
        environment = {"ARENA_FAULT": fault} if fault else {}
        return await asyncio.to_thread(self.cluster.start_node, f"node-{self._nodes}", **environment)

    async def gone(self, node: Process) -> None:
        """Wait until the process has ended."""
        assert await asyncio.to_thread(node.wait) == -9, node.tail()

    def committed(self) -> Committed:
        """Read head and journal."""
        shard = ShardId(shard_of(self.code, int(QUICK["ARENA_SHARDS"])))
        head: dict[bytes, bytes] = self.redis.hgetall(keys.head(shard))
        entries = self.redis.xrange(keys.journal(shard, head[b"genesis"].decode()))
        answers = set()
        for _, fields in entries:
            for code, packed in decode(fields[keys.MESSAGE.encode()]).inputs:
                given = unpack_input(packed)[1]
                if code != self.code or not isinstance(given, CommandInput):
                    continue
                command = decode_client(given.raw, WireFormat.MSGPACK)
                if isinstance(command, TriviaAnswer):
                    answers.add((given.seat, command.question))
        return Committed(int(head[b"clock"]), frozenset(answers))

    def acknowledged(self) -> frozenset[tuple[int, int]]:
        """Return seat and question of every answer that a player was told to count."""
        return frozenset((seat_of(player), question) for player in self.players for question in player.acknowledged)


def seat_of(player: Player) -> int:
    assert player.session.seat is not None
    return player.session.seat


async def test_a_match_of_50_outlives_a_kill_at_every_moment(redis_url: str, fresh_database_url: str) -> None:
    with (
        Redis.from_url(redis_url) as redis,
        running_cluster(redis_url, fresh_database_url, nodes=0, api=False) as cluster,
    ):
        redis.flushall()
        arena = Arena(cluster, redis)
        arena.owner = await arena.start_node(POINTS[0])
        await asyncio.to_thread(cluster.start_api)
        arena.players = await signed_in(cluster.api_url, [f"Player {n}" for n in range(PLAYERS)], arena.crowd)
        arena.code = RoomCode(await arena.host.api.create_room("trivia", SETTINGS))
        async with seated(arena.code, arena.crowd, arena.players):
            arena.host.submit(StartMatch)
            await killed_inside_a_tick(arena, 0, POINTS[1], spare=True)
            await killed_inside_a_tick(arena, 1, POINTS[2], spare=False)
            await killed_inside_a_tick(arena, 2, "", spare=True)
            await killed_after_a_told_reveal(arena, 3)
            await opened(arena, 4)
            answer(arena.players, 4)
            await revealed(arena, 4)
            await at_the_end(arena, fresh_database_url)


# ---- the four kills ----------------------------------------------------------------------------------------


async def killed_inside_a_tick(arena: Arena, question: int, next_fault: str, *, spare: bool) -> None:
    """Kill the owner inside a tick with answers in it; the next owner runs already (``spare``), or starts then."""
    crowd, players, victim = arena.crowd, arena.players, arena.owner
    before, meanwhile, after = players[:20], players[20:40], players[40:]
    await opened(arena, question)
    if spare:
        arena.owner = await arena.start_node(next_fault)
    answer(before, question)
    await crowd.until(lambda: counted(before, question), lambda: f"question {question}: answers are not acknowledged")
    point = POINTS[question]
    victim.signal(SIGUSR1)
    answer(meanwhile, question)
    await arena.gone(victim)
    committed = arena.committed()
    held = told_is_committed(arena, committed)
    sent = {(seat_of(player), question) for player in meanwhile}
    if point == "before_commit":
        assert sent - committed.answers, "every answer was committed: the node died too late"
    if point == "committed_not_told":
        assert committed.answers - arena.acknowledged(), "every committed answer was told: the node died too late"
    if not spare:
        arena.owner = await arena.start_node(next_fault)
    await went_on(arena, question, "open", held)
    answer(after, question)
    await revealed(arena, question)
    assert counted(players, question), f"{point}: an answer was lost"
    go_on(arena)


async def killed_after_a_told_reveal(arena: Arena, question: int) -> None:
    """Kill the owner when a reveal was told; who has not answered does so now, and must be refused."""
    await opened(arena, question)
    silent = arena.players[SILENT]
    answer([player for player in arena.players if player is not silent], question)
    await arena.crowd.until(lambda: silent.at(question, "reveal"), lambda: "no reveal is told")
    arena.owner.kill()
    held = told_is_committed(arena, arena.committed())
    silent.answer(question, 0)
    arena.owner = await arena.start_node()
    await went_on(arena, question, "reveal", held)
    await arena.crowd.until(lambda: bool(silent.turned), lambda: "the late answer was neither taken nor refused")
    assert question not in silent.acknowledged
    await revealed(arena, question)
    go_on(arena)


# ---- what is seen on the way -------------------------------------------------------------------------------


def go_on(arena: Arena) -> None:
    """Have the host skip the rest of the reveal, and the scoreboard."""
    arena.host.submit(TriviaSkip)
    arena.host.submit(TriviaSkip)


def answer(players: list[Player], question: int) -> None:
    for player in players:
        player.answer(question, seat_of(player))


def counted(players: list[Player], question: int) -> bool:
    return all(question in player.acknowledged for player in players)


async def opened(arena: Arena, question: int) -> None:
    await arena.crowd.until(
        lambda: all(player.sees(question, "open") for player in arena.players),
        lambda: f"question {question} does not open:\n{arena.owner.tail()}",
    )


async def revealed(arena: Arena, question: int) -> None:
    """Wait until everybody was told the reveal. Who has answered tries another option now (``at_the_end``: in vain)."""
    await arena.crowd.until(
        lambda: all(player.at(question, "reveal") for player in arena.players),
        lambda: f"question {question} is not revealed:\n{arena.owner.tail()}",
    )
    for player in arena.players[2:6]:
        player.answer(question, seat_of(player) + 1)


def told_is_committed(arena: Arena, committed: Committed) -> int:
    """Hold what was told against what is committed; return the room clock of the last commit."""
    assert arena.acknowledged() <= committed.answers, "an answer was acknowledged that is not committed"
    assert max(player.told_clock for player in arena.players) <= committed.clock, "a clock was told before its commit"
    return committed.clock - int(arena.host.view["clock"]["offset"])


async def went_on(arena: Arena, question: int, stage: str, held: int) -> None:
    """Wait until the room runs again, and see that its clock stood meanwhile."""
    thaws = [len(player.thaws) for player in arena.players]
    await arena.crowd.until(
        lambda: all(len(player.thaws) > n for player, n in zip(arena.players, thaws, strict=True)),
        lambda: f"the room does not go on:\n{arena.owner.tail()}",
    )
    for player in arena.players:
        thaw = player.thaws[-1]
        assert 0 <= thaw.stood_at - held <= A_TICK_MS, f"the room stood at {thaw.stood_at}, the last commit at {held}"
        assert 0 <= thaw.went_on_at - thaw.stood_at <= A_TICK_MS, "the room clock ran while the room stood"
        assert player.sees(question, stage), f"it goes on with {player.game}"


async def at_the_end(arena: Arena, database_url: str) -> None:
    """All see the same results, and the database has every acknowledged answer once, and no other."""
    host, players = arena.host, arena.players
    await arena.crowd.until(
        lambda: all(player.phase == "results" and player.view == host.view for player in players),
        lambda: f"views differ: {[player.name for player in players if player.view != host.view]}",
    )
    for player in players:
        assert player.late_taken == [], f"{player.name}: taken after a reveal that was told"
        assert player.double == []
        assert player.ran_back == []
        assert player.lost == 0
        assert all(sent.late for sent, _ in player.turned), f"{player.name}: refused in time: {player.turned}"
    match = await the_match_of(database_url, arena.code)
    books = [(seat_of(player), q, text) for player in players for q, text in player.acknowledged.items()]
    assert len(books) == PLAYERS * QUESTIONS - 1
    assert sorted(match.answers) == sorted(books)
    rows = {row["seat"]: (row["score"], row["correct"], row["answered"]) for row in host.view["results"]["rows"]}
    assert match.seats == msgspec.convert(rows, dict[int, tuple[int, int, int]])
    assert await failures(database_url) == []
