"""Several rooms on several nodes while nodes are killed, drained and stopped, and while Redis loses what it had.

One installation for the whole module. Every player keeps a book of what was acknowledged; each match that was played
is held against the books, in what the players see at its end and in what stands in PostgreSQL.
"""

import asyncio
import os
import statistics
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from signal import SIGCONT, SIGSTOP
from typing import Any, Final

import msgspec
import pytest
from redis import Redis

from arena.embedded.postgres import Postgres
from clients.python import events
from gameserver.shards import placement
from protocol import keys
from protocol.client import Chat, ClockAsk, ResyncAsk, SetReady, StartMatch
from protocol.errors import CloseCode
from protocol.ids import RoomCode, ShardId, shard_of
from protocol.modes.trivia import TriviaSkip
from protocol.server import Farewell, Welcome
from tests.support.cluster import Cluster, Process, new_database, running_cluster
from tests.support.players import Crowd, Player, seated
from tests.support.raw import BINARY, CLOSE, PING, Frame, RawClient
from tests.support.recorded import failures, the_match_of
from tests.support.services import REPOSITORY

SHARDS: Final = 16
LEASE_MS: Final = 2_000
NODES: Final = {
    "ARENA_SHARDS": str(SHARDS),
    "ARENA_LEASE_MS": str(LEASE_MS),
    "ARENA_RENEW_MS": "400",
    "ARENA_FOUND_GRACE_MS": str(LEASE_MS),
}
QUESTIONS: Final = 3
SETTINGS: Final = {"questions": QUESTIONS, "reveal_seconds": 2}
PLAYERS: Final = 4
KILLS: Final = 4


class TimedPlayer(Player):
    """Knows when it was last sent away or cut off, and when it got back into its room."""

    welcomed_at = 0.0
    away_at = 0.0

    def _handle(self, event: events.Event) -> None:
        if isinstance(event, events.Welcomed):
            self.welcomed_at = time.monotonic()
        elif isinstance(event, events.Away) and self.away_at <= self.welcomed_at:
            self.away_at = time.monotonic()
        super()._handle(event)


class Installation:
    """The cluster, its Redis, and its nodes by name."""

    def __init__(self, cluster: Cluster, redis: Redis, database_url: str) -> None:
        self.cluster = cluster
        self.redis = redis
        self.database_url = database_url
        self.nodes: dict[str, Process] = {}
        self.instances: dict[str, str] = {}  # name → instance
        self._number = 0

    async def add_node(self) -> str:
        """Start a node under a new name."""
        self._number += 1
        return await self.start(f"many-{self._number}")

    async def start(self, name: str) -> str:
        """Start a node of that name."""
        process = await asyncio.to_thread(self.cluster.start_node, name)
        self.nodes[name] = process
        self.instances[name] = next(
            msgspec.json.decode(line)["instance"] for line in process.lines if '"node_ready"' in line
        )
        return name

    def cards(self) -> dict[str, list[int]]:
        """Return which shards each live node's card tells, by name."""
        stored: Any = self.redis.hvals(keys.NODES)
        cards = [msgspec.json.decode(raw) for raw in stored]
        live = {self.instances[name] for name in self.nodes}
        return {card["name"]: card["shards"] for card in cards if card["instance"] in live}

    def owner(self, code: str) -> str:
        """Return the name of the node that claimed the room's shard last."""
        told = self.redis.hget(keys.head(shard(code)), "instance")
        assert isinstance(told, bytes)
        return next(name for name, instance in self.instances.items() if instance == told.decode())

    def epoch(self, code: str) -> int:
        told = self.redis.hget(keys.head(shard(code)), "epoch")
        assert isinstance(told, bytes)
        return int(told)

    async def until(self, holds: Callable[[], bool], why: Callable[[], str], seconds: float = 30.0) -> None:
        """Wait for something in Redis; nothing there can wake us."""
        until = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < until, why()
            await asyncio.sleep(0.02)

    async def settled(self) -> None:
        """Wait until every node has its share, and nothing will be moved any more."""
        share: dict[str, list[int]] = {name: [] for name in self.nodes}
        for number in range(SHARDS):
            share[max(self.nodes, key=lambda name, n=number: placement.weight(name, n))].append(number)
        await self.until(lambda: self.cards() == share, lambda: f"{self.cards()} instead of {share}")


def shard(code: str) -> ShardId:
    return shard_of(RoomCode(code), SHARDS)


@pytest.fixture(scope="module")
def whole(redis_url: str, postgres: Postgres) -> Iterator[Installation]:
    database_url = new_database(postgres.url, "many_nodes")
    with (
        Redis.from_url(redis_url) as redis,
        running_cluster(redis_url, database_url, nodes=0, api=False, worker=False) as cluster,
    ):
        redis.flushall()
        cluster.environment.update(NODES)
        cluster.import_bank()
        cluster.start_worker()
        yield Installation(cluster, redis, database_url)


class Room:
    """A room with its players, and the match they play."""

    def __init__(self, whole: Installation, code: str, players: list[TimedPlayer], crowd: Crowd) -> None:
        self.whole = whole
        self.code = code
        self.players = players
        self.crowd = crowd
        self.question = 0

    @property
    def host(self) -> TimedPlayer:
        return self.players[0]

    async def opened(self) -> None:
        """Wait until everybody sees the next question open, with the clock running."""
        await self.crowd.until(
            lambda: all(player.sees(self.question, "open") for player in self.players),
            lambda: f"{self.code}: question {self.question} does not open: {[p.game for p in self.players]}",
            60,
        )

    async def answered(self, players: list[TimedPlayer] | None = None) -> None:
        """Have these (all) answer the question, and wait for the acknowledgements."""
        chosen = self.players if players is None else players
        for player in chosen:
            if self.question not in player.acknowledged:
                player.answer(self.question, player.session.seat or 0)
        await self.crowd.until(
            lambda: all(self.question in player.acknowledged for player in chosen),
            lambda: f"{self.code}: answers to {self.question} are not acknowledged",
            60,
        )

    async def over(self) -> None:
        """Go on to the next question, or to the results."""
        await self.crowd.until(
            lambda: all(player.at(self.question, "reveal") for player in self.players),
            lambda: f"{self.code}: question {self.question} is not revealed",
            60,
        )
        self.host.submit(TriviaSkip)
        self.host.submit(TriviaSkip)
        self.question += 1

    async def back_since(self, moment: float) -> list[float]:
        """Wait until everybody was welcomed after that moment (monotonic); return how long it took each, in seconds."""
        await self.crowd.until(
            lambda: all(player.welcomed_at > moment for player in self.players),
            lambda: f"{self.code}: not everybody is back",
        )
        return [player.welcomed_at - moment for player in self.players]

    async def play(self) -> None:
        """Play the rest of the match."""
        while self.question < QUESTIONS:
            if not all(self.question in player.acknowledged for player in self.players):
                await self.opened()
                await self.answered()
            await self.over()
        await self.crowd.until(
            lambda: all(player.phase == "results" and player.view == self.host.view for player in self.players),
            lambda: f"{self.code}: views differ at the end",
            60,
        )

    async def hold_against_books(self) -> None:
        """Nothing acknowledged was lost, counted twice or told otherwise later; the match is recorded once."""
        for player in self.players:
            assert player.ended is None
            assert (player.double, player.late_taken, player.ran_back, player.lost) == ([], [], [], 0), player.name
        match = await the_match_of(self.whole.database_url, self.code)
        books = [(p.session.seat, q, text) for p in self.players for q, text in p.acknowledged.items()]
        assert len(books) == len(self.players) * QUESTIONS
        assert sorted(match.answers) == sorted(books)
        assert await failures(self.whole.database_url) == []


@asynccontextmanager
async def rooms(whole: Installation, count: int, seconds: int = 10) -> AsyncIterator[list[Room]]:
    """Give rooms with players in them whose matches have begun; a question is open for so many seconds."""
    async with AsyncExitStack() as stack:
        made = []
        for number in range(count):
            crowd = Crowd()
            players = [TimedPlayer(whole.cluster.api_url, f"P{number}-{n}", crowd) for n in range(PLAYERS)]
            await asyncio.gather(*(player.api.guest(player.name) for player in players))
            code = await players[0].api.create_room("trivia", {**SETTINGS, "seconds": seconds})
            made.append(Room(whole, code, players, crowd))
        for room in made:
            await stack.enter_async_context(seated(room.code, room.crowd, room.players))
            room.host.submit(StartMatch)
        await asyncio.gather(*(room.opened() for room in made))
        yield made


async def finish(made: list[Room]) -> None:
    await asyncio.gather(*(room.play() for room in made))
    for room in made:
        await room.hold_against_books()


# ---- the tests: each leaves two nodes running --------------------------------------------------------------


async def two_nodes(whole: Installation) -> None:
    while len(whole.nodes) < 2:
        await whole.add_node()
    if "api" not in whole.cluster.processes:
        await asyncio.to_thread(whole.cluster.start_api)
    await whole.settled()


@pytest.mark.timeout(150)
async def test_an_emptied_redis_is_founded_again_in_the_middle_of_matches(whole: Installation) -> None:
    await two_nodes(whole)
    async with rooms(whole, 5) as made:
        before = {room.code: whole.epoch(room.code) for room in made}
        for room in made:
            await room.answered(room.players[:2])
        whole.redis.flushall()
        began = time.monotonic()
        for room in made:
            await room.answered()
        print(f"FLUSHALL: {len(made)} rooms went on after at most {time.monotonic() - began:.2f} s")
        await finish(made)
        assert all(whole.epoch(room.code) > before[room.code] for room in made)
        assert not any(player.away for room in made for player in room.players), "nobody was disconnected"


@pytest.mark.timeout(150)
async def test_a_redis_that_lost_a_tail_is_healed_and_nothing_acknowledged_is_lost(whole: Installation) -> None:
    await two_nodes(whole)
    async with rooms(whole, 2) as made:
        room = made[0]
        number = shard(room.code)
        stands = whole.redis.hmget(keys.head(number), "epoch", "genesis")
        names = [keys.head(number), keys.owner(number), keys.journal(number, (stands[1] or b"").decode())]
        names += [keys.results(number), keys.inbox(number)]
        kept = {name: (whole.redis.dump(name), max(whole.redis.pttl(name), 0)) for name in names}
        await room.answered()
        with whole.redis.pipeline(transaction=True) as pipe:
            pipe.delete(*names)
            for name, (value, left) in kept.items():
                if value is not None:
                    pipe.restore(name, left, value)
            pipe.execute()
        await finish(made)
        assert whole.redis.hmget(keys.head(number), "epoch", "genesis") == stands, "healed, not founded again"
        assert not any(player.away for player in room.players), "nobody was disconnected"


@pytest.mark.timeout(150)
async def test_a_killed_process_is_replaced_long_before_its_lease_ends(whole: Installation) -> None:
    await two_nodes(whole)
    took: list[float] = []
    async with rooms(whole, 8, seconds=60) as made:
        for _ in range(KILLS):
            fresh = await whole.add_node()
            await asyncio.gather(*(room.opened() for room in made))
            by_owner: dict[str, list[Room]] = {}
            for room in made:
                by_owner.setdefault(whole.owner(room.code), []).append(room)
            victim = max(by_owner, key=lambda name: len(by_owner[name]))
            assert victim != fresh
            process = whole.nodes.pop(victim)
            killed_at = time.monotonic()
            process.child.kill()
            for room in by_owner[victim]:
                took += await room.back_since(killed_at)
            await asyncio.to_thread(process.wait)
        await finish(made)
    took.sort()
    p50, p99 = statistics.median(took), took[int(len(took) * 0.99)]
    print(f"kill -9 → Resync: p50 {p50:.3f} s, p99 {p99:.3f} s, max {took[-1]:.3f} s, {len(took)} seats, {KILLS} kills")
    assert p50 < LEASE_MS / 2000, "the lease was waited for"
    assert p99 < LEASE_MS / 1000 + 1, f"{took[-10:]}"


async def drained(whole: Installation, name: str, *, by_signal: bool) -> None:
    """Tell a node to stop: by SIGTERM, or as an operator does."""
    if by_signal:
        whole.cluster.processes[name].child.terminate()
        return
    command = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "gameserver",
        "--drain",
        name,
        cwd=REPOSITORY,
        env={**os.environ, **whole.cluster.environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await asyncio.wait_for(command.communicate(), 30)
    assert command.returncode == 0, said.decode()


@pytest.mark.timeout(150)
async def test_a_rolling_restart_costs_nobody_anything(whole: Installation) -> None:
    await two_nodes(whole)
    async with rooms(whole, 6) as made:
        pauses: list[float] = []
        playing = [asyncio.create_task(room.play()) for room in made]
        for name in list(whole.nodes):
            process = whole.nodes.pop(name)
            owned = [room for room in made if whole.owner(room.code) == name]
            began = time.monotonic()
            await drained(whole, name, by_signal=not pauses)
            assert await asyncio.to_thread(process.wait) == 0, process.tail()
            for room in owned:
                await room.back_since(began)
                pauses += [player.welcomed_at - player.away_at for player in room.players]
            await whole.start(name)
        await asyncio.gather(*playing)
        for room in made:
            await room.hold_against_books()
        pauses.sort()
        assert pauses[-1] < LEASE_MS / 1000, f"a lease was waited for: {pauses[-10:]}"
        print(
            f"drain: away → Resync: p50 {statistics.median(pauses):.3f} s, max {pauses[-1]:.3f} s, {len(pauses)} seats"
        )


@pytest.mark.timeout(150)
async def test_a_node_that_slept_through_its_lease_tells_nobody_anything(whole: Installation) -> None:
    await two_nodes(whole)
    async with rooms(whole, 3) as made, AsyncExitStack() as stack:
        asleep = whole.owner(made[0].code)
        process = whole.nodes[asleep]
        port = next(msgspec.json.decode(line)["port"] for line in process.lines if '"node_ready"' in line)
        observed = [room for room in made if whole.owner(room.code) == asleep]
        raw = []
        for room in observed:
            for role in ("player", "watcher"):  # the players have even numbers
                guest = Player(whole.cluster.api_url, role, Crowd())
                await guest.api.guest(role)
                ticket = await guest.api.join(room.code, role)
                raw.append(await RawClient.connect(port, ticket.path, ticket.token))
                stack.push_async_callback(raw[-1].close)
        for client in raw:
            await client.until(_is_welcomed)
        for room in observed:
            for player in room.players[:2]:
                player.answer(0, 0)
        process.signal(SIGSTOP)
        for client in raw:  # read when it wakes
            client.say(ClockAsk(c=1))
            client.say(ResyncAsk())
            client.say(Chat(text="still there?"))
        for client in raw[::2]:
            client.say(SetReady(id=1, ready=True))
        await whole.until(
            lambda: all(whole.owner(room.code) != asleep for room in observed),
            lambda: f"nobody took over from {asleep}",
        )
        told = [len(client.frames) for client in raw]
        process.signal(SIGCONT)
        for client in raw:
            await asyncio.wait_for(client.ended.wait(), 20)
        for client, before in zip(raw, told, strict=True):
            later = client.frames[before:]
            assert all(_says_nothing(frame) for frame in later), [frame.message for frame in later if frame.opcode == 2]
            assert later[-1].opcode == CLOSE
            assert int.from_bytes(later[-1].payload[:2], "big") in (CloseCode.MOVED, CloseCode.PING_TIMEOUT), later
        await finish(made)
        assert process.child.poll() is None


def _is_welcomed(frames: list[Frame]) -> bool:
    return any(frame.opcode == BINARY and isinstance(frame.message, Welcome) for frame in frames)


def _says_nothing(frame: Frame) -> bool:
    """Whether a frame tells nothing of any game: pings, the close, and the farewell before it."""
    return frame.opcode in (PING, CLOSE) or (frame.opcode == BINARY and isinstance(frame.message, Farewell))
