"""Memory and Redis, step by step: whatever is asked in whatever order, both answer alike and hold the same after it."""

import asyncio
from collections.abc import Coroutine, Iterator
from typing import Any, TypeVar

import hypothesis.strategies as st
import pytest
import uvloop
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from gameserver.adapters.memory import MemoryShardStore
from gameserver.adapters.memory_world import MemoryWorld
from gameserver.adapters.redis_client import client
from gameserver.adapters.redis_store import RedisShardStore
from gameserver.ports import Claim, Commit, CommitReply, Head, Renewal
from protocol import keys
from tests.contract.beds import GENESIS, LEASE, SHARD, Node, digest_of, read_head

_T = TypeVar("_T")
NAMES = ("ann", "bob")
TAGS = st.sampled_from(["", "", "", "other"])
SELDOM = st.sampled_from([False] * 7 + [True])
WHO = st.sampled_from(["owner", "owner", "owner", "ann", "bob"])
_url = ""


class Pair:
    """One node of each store under the same name."""

    def __init__(self, name: str, world: MemoryWorld) -> None:
        self.memory = Node(name, MemoryShardStore(world))
        self.redis = Node(name, RedisShardStore(_url))


class BothStores(RuleBasedStateMachine):
    """The Redis answer comes first: its epochs are made from its time, which memory is then given."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = uvloop.new_event_loop()
        self.now_us = 0
        self.world = MemoryWorld(lambda: self.now_us)
        self.raw = client(_url)
        self.posted = 0
        self.saved: tuple[Any, Any] | None = None
        self.pairs: dict[str, Pair] = {}
        self.run(self._open())

    async def _open(self) -> None:
        await self.raw.flushall()
        for name in NAMES:
            pair = self.pairs[name] = Pair(name, self.world)
            await pair.memory.store.reconnect()
            await pair.redis.store.reconnect()

    def run(self, work: Coroutine[Any, Any, _T]) -> _T:
        return self.loop.run_until_complete(asyncio.wait_for(work, 10))

    def teardown(self) -> None:
        for pair in self.pairs.values():
            assert isinstance(pair.redis.store, RedisShardStore)
            self.run(pair.redis.store.close())
        self.run(self.raw.aclose())
        self.loop.close()

    # ---- what both must agree on -----------------------------------------------------------------------

    def same_head(self) -> Head | None:
        head = self.run(read_head(self.raw, SHARD))
        assert head == self.world.shard(SHARD).head
        return head

    def same_everything(self) -> None:
        self.same_head()
        store = self.pairs["ann"].redis.store
        assert self.run(store.read_journal(SHARD, GENESIS, after_seq=-1, count=10_000)) == self.world.journal(
            SHARD, GENESIS
        )
        kept = self.world.shard(SHARD)
        assert self._stream(keys.results(SHARD)) == kept.results
        assert self._stream(keys.inbox(SHARD)) == [message for _, message in kept.inbox]
        assert self.run(self.raw.exists(keys.owner(SHARD))) == (kept.owner is not None)
        if kept.owner is not None:
            assert self.run(self.raw.get(keys.owner(SHARD))) == kept.owner.instance.encode()

    def _stream(self, key: str) -> list[bytes]:
        entries: Any = self.run(self.raw.xrange(key))  # type: ignore[arg-type]  # redis-py's own union
        return [fields[keys.MESSAGE.encode()] for _, fields in entries]

    def same_claim(self, name: str, redis: Claim, memory: Claim) -> None:
        assert (redis.outcome, redis.head) == (memory.outcome, memory.head), name
        assert (redis.ms_left > 0) == (memory.ms_left > 0)

    def ask(self, name: str, *requests: Commit | Renewal) -> list[CommitReply]:
        pair = self.pairs[name]
        redis = self.run(pair.redis.ask(*requests))
        assert redis == self.run(pair.memory.ask(*requests))
        return redis

    # ---- rules -----------------------------------------------------------------------------------------

    @initialize(founded=st.sampled_from([True, True, True, False]), records=st.integers(0, 12))
    def begin(self, founded: bool, records: int) -> None:
        self.same_everything()
        if founded:
            self.found("ann")
            self.play("ann", records)

    def who(self, name: str) -> str:
        """Return the name meant: the owner's, as far as the head tells."""
        head = self.world.shard(SHARD).head
        if name != "owner":
            return name
        return "bob" if head is not None and head.nonce == "bob-nonce" else "ann"

    @rule(name=WHO)
    def found(self, name: str) -> None:
        pair = self.pairs[self.who(name)]
        redis = self.run(pair.redis.found())
        self.now_us = max(self.now_us, pair.redis.epoch)
        self.same_claim(name, redis, self.run(pair.memory.found()))
        self.same_everything()

    @rule(name=WHO, steal=st.sampled_from(["no", "right", "wrong"]))
    def claim(self, name: str, steal: str) -> None:
        head = self.same_head()
        epoch = {"no": None, "right": head.epoch if head else 7, "wrong": 7}[steal]
        pair = self.pairs[self.who(name)]
        redis = self.run(pair.redis.claim(steal=epoch))
        if redis.head is not None:
            self.now_us = redis.head.epoch
        self.same_claim(name, redis, self.run(pair.memory.claim(steal=epoch)))
        self.same_everything()

    @rule(name=WHO, seq_offset=st.sampled_from([-9, -8, -7, -1, 0, 1, 1, 2]), tag=TAGS, previous_tag=TAGS)
    def commit_one(self, name: str, seq_offset: int, tag: str, previous_tag: str) -> None:
        self._commit(name, [(seq_offset, tag, previous_tag)])

    @rule(
        name=WHO,
        steps=st.lists(st.tuples(st.sampled_from([-1, 0, 1, 1, 2, 3]), TAGS, TAGS), min_size=1, max_size=4),
        clock=st.integers(0, 2**40),
        results=st.lists(st.binary(max_size=9), max_size=3),
        consume=st.integers(0, 3),
    )
    def commit_some(
        self,
        name: str,
        steps: list[tuple[int, str, str]],
        clock: int,
        results: list[bytes],
        consume: int,
    ) -> None:
        inbox = [f"{left}-{right}" for (left, right), _ in self.world.shard(SHARD).inbox]
        self._commit(name, steps, clock=clock, results=results, consumed=inbox[:consume])

    def _commit(self, name: str, steps: list[tuple[int, str, str]], **changes: Any) -> None:
        """Commit at offsets from the head's seq; a tag other than "" names a timeline that is not the head's."""
        head = self.same_head()
        at = head.seq if head else 0
        known = dict(head.digests) if head else {}
        name = self.who(name)
        requests = []
        for offset, tag, previous_tag in steps:
            seq = max(at + offset, 1)
            digest = digest_of(seq, tag) if tag else known.get(seq, digest_of(seq))
            previous = digest_of(seq - 1, previous_tag) if previous_tag else known.get(seq - 1, digest_of(seq - 1))
            known.setdefault(seq, digest)
            requests.append(self.pairs[name].redis.commit(seq, digest=digest, previous=previous, **changes))
        self.ask(name, *requests)
        self.same_everything()

    @rule(name=WHO, records=st.integers(1, 12))
    def play(self, name: str, records: int) -> None:
        """Commit as an owner does, so that journals grow long."""
        name = self.who(name)
        for _ in range(records):
            head = self.same_head()
            at = head.seq if head else 0
            previous = head.digests[at] if head else b""
            self.ask(name, self.pairs[name].redis.commit(at + 1, previous=previous))
        self.same_everything()

    @rule(name=WHO, offset=st.integers(-9, 1), tag=TAGS, clock=st.integers(0, 2**40))
    def renew(self, name: str, offset: int, tag: str, clock: int) -> None:
        head = self.same_head()
        seq = max((head.seq if head else 0) + offset, 0)
        name = self.who(name)
        kept = head.digests.get(seq) if head else None
        digest = digest_of(seq, tag) if tag or kept is None else kept
        self.ask(name, self.pairs[name].redis.renewal(seq, digest=digest, clock=clock))
        self.same_everything()

    @rule(name=WHO, sure=SELDOM)
    def release(self, name: str, sure: bool) -> None:
        if not sure:
            return
        pair = self.pairs[self.who(name)]
        nonce = pair.redis.nonce
        assert self.run(pair.redis.store.release(SHARD, nonce=nonce)) == self.run(
            pair.memory.store.release(SHARD, nonce=nonce)
        )
        self.same_everything()

    @rule(name=WHO, offset=st.integers(-30, 3), cut=st.booleans())
    def shorten(self, name: str, offset: int, cut: bool) -> None:
        head = self.same_head()
        pair = self.pairs[self.who(name)]
        at = (head.seq if head else 0) + (max(offset, 0) if cut else offset)
        done = []
        for node in (pair.redis, pair.memory):
            if cut:
                done.append(self.run(node.store.drop_beyond(SHARD, GENESIS, nonce=pair.redis.nonce, seq=at)))
            else:
                done.append(self.run(node.store.trim(SHARD, GENESIS, nonce=pair.redis.nonce, before_seq=at)))
        assert done[0] == done[1]
        self.same_everything()

    @rule(after=st.integers(-1, 40), count=st.integers(1, 9))
    def read(self, after: int, count: int) -> None:
        pair = self.pairs["ann"]
        redis, memory = (
            self.run(node.store.read_journal(SHARD, GENESIS, after_seq=after, count=count))
            for node in (pair.redis, pair.memory)
        )
        assert redis == memory

    @rule(message=st.binary(max_size=9))
    def post(self, message: bytes) -> None:
        self.posted += 1
        self.run(self.raw.xadd(keys.inbox(SHARD), {keys.MESSAGE: message}, id=f"{self.posted}-0"))
        self.world.shard(SHARD).inbox.append(((self.posted, 0), message))

    @rule(after=st.integers(0, 9))
    def read_inbox(self, after: int) -> None:
        pair = self.pairs["bob"]
        redis, memory = (
            self.run(node.store.read_inbox({SHARD: f"{after}-0"}, block_ms=0)) for node in (pair.redis, pair.memory)
        )
        assert redis == memory

    @rule()
    def end_lease(self) -> None:
        self.run(self.raw.delete(keys.owner(SHARD)))
        self.world.shard(SHARD).owner = None

    @rule()
    def forget_scripts(self) -> None:
        self.run(self.raw.script_flush())
        for pair in self.pairs.values():
            self.run(pair.redis.store.reconnect())

    @rule()
    def save(self) -> None:
        self.saved = (self.run(self._dump()), self.world.snapshot())

    @precondition(lambda self: self.saved is not None)
    @rule()
    def fall_back(self) -> None:
        assert self.saved is not None
        dumped, memory = self.saved
        self.run(self._restore(dumped))
        self.world.fall_back(memory)
        self.posted += 1000  # stream ids never come twice
        self.same_everything()

    @rule(sure=SELDOM)
    def wipe(self, sure: bool) -> None:
        if sure:
            self.run(self.raw.flushall())
            self.world.wipe()
            self.same_everything()

    async def _dump(self) -> dict[bytes, tuple[bytes, int]]:
        names: Any = await self.raw.keys("*")
        return {name: (await self.raw.dump(name), max(await self.raw.pttl(name), 0)) for name in names}

    async def _restore(self, dumped: dict[bytes, tuple[bytes, int]]) -> None:
        await self.raw.flushdb()
        for name, (value, left) in dumped.items():
            await self.raw.restore(name, left, value)


@pytest.fixture
def _server(redis_url: str) -> Iterator[None]:
    global _url  # noqa: PLW0603 - hypothesis makes the machines itself and gives them no arguments
    _url = redis_url
    yield
    _url = ""


@pytest.mark.usefixtures("_server")
def test_memory_and_redis_are_one_store() -> None:
    assert LEASE >= 60_000, "no lease runs out by itself in the middle of a step"
    run_state_machine_as_test(
        BothStores,
        settings=settings(
            max_examples=40,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            database=None,
        ),
    )
