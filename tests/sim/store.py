"""A node's links to the store: latency, lost requests, lost answers, broken connections, from the seed.

The store itself is a ``MemoryWorld``. A request reaches it as bytes do: after the node that sent it was paused or
killed, too, and after its connection was given up for lost.
"""

import asyncio
import inspect
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any, Final, TypeVar

from msgspec import Struct

from gameserver.adapters.memory import MemoryShardStore
from gameserver.adapters.memory_directory import MemoryDirectory
from gameserver.ports import (
    Commit,
    CommitReply,
    InboxEntry,
    Renewal,
    StoreUnavailable,
)
from protocol.ids import ShardId
from tests.sim.loop import Process, VirtualLoop
from tests.sim.world import SimWorld

DEADLINE_S: Final = 0.25
CALL_DEADLINE_S: Final = 1.0
INBOX_PIECE: Final = 256
T = TypeVar("T")


class Weather(Struct):
    """How bad a node's link to the store is now; probabilities for each write or call."""

    low_ms: float = 0.3
    high_ms: float = 3.0
    slow: float = 0.0  # of being much slower …
    slow_ms: float = 600.0  # … up to this
    lose_request: float = 0.0  # the connection breaks before the store has it
    lose_answer: float = 0.0  # … after it
    cut: bool = False  # nothing passes


class _Link:
    """One commit connection."""

    def __init__(self) -> None:
        self.alive = True
        self.reaches = self.answers = True  # False: what is written now never arrives
        self.there = 0.0  # when the last bytes arrived at the store …
        self.back = 0.0  # … and the last answer at the node
        self.waiting: deque[tuple[float, Commit | Renewal]] = deque()  # since when (loop time)


class _Write(Struct):
    """Requests on their way to the store."""

    requests: list[Commit | Renewal]
    answered: int  # how many answers will leave it
    lease_ms: int
    sent_no: int  # the event of sending …
    boot_ms: float  # … and when that was by the node's clock


_OWNING: Final = frozenset({"claim", "found", "heal", "refound"})
_OWN: Final = frozenset({"reconnect", "read_inbox"})


class SimShardStore(MemoryShardStore):
    """``ShardStore`` over a weather-beaten link: whatever it is asked goes there and back, commits in order."""

    world: SimWorld

    def __init__(
        self,
        world: SimWorld,
        *,
        process: Process,
        outside: Process,
        random: Random,
        boot_ms: Callable[[], float],
        fault: Callable[[str], None],
    ) -> None:
        super().__init__(world, fault=fault)
        self.weather = Weather()
        self._process = process
        self._outside = outside  # the context in which the store does its work
        self._loop: VirtualLoop = process.loop
        self._random = random
        self._boot_ms = boot_ms
        self._link: _Link | None = None

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if name.startswith("_") or name in _OWN or not inspect.iscoroutinefunction(found):
            return found

        async def there_and_back(*arguments: Any, **named: Any) -> Any:
            asked_ms = self._boot_ms()
            result = await self._call(lambda: _now(found(*arguments, **named)))
            if name in _OWNING and result.outcome in ("claimed", "ok"):
                shard = arguments[0] if name in ("claim", "found") else arguments[0].shard
                self.world.oracle.asked(self._process.name, int(shard), asked_ms)
            return result

        return there_and_back

    def _delay(self) -> float:
        weather, random = self.weather, self._random
        ms = random.uniform(weather.low_ms, weather.high_ms)
        if weather.slow and random.random() < weather.slow:
            ms += random.uniform(0.0, weather.slow_ms)
        return ms / 1000

    # ---- commits ---------------------------------------------------------------------------------------

    async def reconnect(self) -> None:
        link, self._link = self._link, None
        if link is not None and link.alive:
            link.alive = False
            if link.waiting:
                self._tell_lost()
        await self._call(lambda: None)
        self._link = _Link()

    def send(self, requests: Sequence[Commit | Renewal], *, lease_ms: int) -> None:
        link = self._link
        if link is None or not link.alive:
            raise StoreUnavailable("no commit connection")
        self._fault("before_commit")
        now = self._loop.time()
        boot = self._boot_ms()
        for request in requests:
            link.waiting.append((now, request))
        if len(link.waiting) == len(requests):
            self._process.call(DEADLINE_S, self._deadline, link)
        sent_no = self.world.log.next("send")
        weather, random = self.weather, self._random
        write = _Write(list(requests), len(requests), lease_ms, sent_no, boot)
        reaches = link.reaches and not weather.cut
        if weather.cut:
            link.reaches = link.answers = False  # until the deadline finds out
        elif random.random() < weather.lose_request:
            write.requests = write.requests[: random.randrange(len(requests))]
            link.reaches = link.answers = False
            self._process.call(self._delay(), self._break, link)
        elif random.random() < weather.lose_answer:
            write.answered = random.randrange(len(requests))
            self._process.call(self._delay() + self._delay(), self._break, link)
        link.there = max(link.there + 1e-6, now + self._delay())
        if write.requests and reaches:
            self._outside.call(link.there - now, self._arrive, link, write)
        self._fault("in_flight")

    def _arrive(self, link: _Link, write: _Write) -> None:
        """The bytes are at the store; whether the node lives still does not matter."""
        if self.world.down:
            self._process.call(self._delay(), self._break, link)
            return
        answers: list[tuple[Commit | Renewal, CommitReply]] = []
        for request in write.requests:
            if isinstance(request, Commit):
                reply = self.world.commit_sent(request, write.lease_ms, write.sent_no)
            else:
                reply = self.world.renew(request, write.lease_ms)
            answers.append((request, reply))
        now = self._loop.time()
        link.back = max(link.back + 1e-6, now + self._delay())
        if link.answers and not self.weather.cut:
            self._process.call(link.back - now, self._answer, link, answers[: write.answered], write.boot_ms)
        link.answers = link.answers and not self.weather.cut and write.answered >= len(answers)

    def _answer(self, link: _Link, answers: list[tuple[Commit | Renewal, CommitReply]], boot: float) -> None:
        assert self._sink is not None
        for request, reply in answers:
            if not link.alive:
                return
            since, expected = link.waiting.popleft()
            assert expected is request, "answers come in order"
            del since
            self.world.oracle.answered(self._process.name, request, reply, boot)
            self._sink.committed(request, reply)

    def _deadline(self, link: _Link) -> None:
        if not link.alive or not link.waiting:
            return
        left = link.waiting[0][0] + DEADLINE_S - self._loop.time()
        if left <= 0:
            self._break(link)
        else:
            self._process.call(left, self._deadline, link)

    def _break(self, link: _Link) -> None:
        if link.alive:
            link.alive = False
            if link is self._link:
                self._link = None
                self._tell_lost()

    def lose(self) -> None:
        """The connection breaks now (called in the node's context)."""
        if self._link is not None:
            self._break(self._link)

    def _tell_lost(self) -> None:
        assert self._sink is not None
        self._sink.store_lost()

    # ---- everything else -------------------------------------------------------------------------------

    async def _call(self, work: Callable[[], T]) -> T:
        """Let the store do something: a request there, an answer back, either of which may be lost."""
        weather, random, loop = self.weather, self._random, self._loop
        answer: asyncio.Future[Any] = loop.create_future()
        lost = weather.cut or random.random() < weather.lose_request
        mute = random.random() < weather.lose_answer
        back = self._delay()

        def at_store() -> None:
            try:
                if self.world.down:
                    raise StoreUnavailable("down")
                result = work()
            except StoreUnavailable as error:
                self._outside.call(back, _settle, answer, None, error)
                return
            if not mute:
                self._outside.call(back, _settle, answer, result, None)

        if not lost:
            self._outside.call(self._delay(), at_store)
        try:
            async with asyncio.timeout(CALL_DEADLINE_S):
                result: T = await answer
                return result
        except TimeoutError:
            raise StoreUnavailable("no answer") from None

    async def read_inbox(
        self, after: Mapping[ShardId, str], *, block_ms: int
    ) -> Mapping[ShardId, Sequence[InboxEntry]]:
        after = dict(after)

        def look() -> dict[ShardId, Sequence[InboxEntry]]:
            found = {shard: self.world.inbox_after(shard, entry, INBOX_PIECE) for shard, entry in after.items()}
            return {shard: entries for shard, entries in found.items() if entries}

        found = await self._call(look)
        if found or block_ms <= 0 or not after:
            return found
        arrived: asyncio.Future[None] = self._loop.create_future()

        def wake(shard: ShardId) -> None:
            if shard in after and not arrived.done():
                arrived.set_result(None)

        waiters = self.world.inbox_waiters
        waiters.append(wake)
        try:
            await asyncio.wait((arrived,), timeout=block_ms / 1000)
        finally:
            waiters.remove(wake)
        return await self._call(look)


def _settle(answer: asyncio.Future[Any], result: Any, error: StoreUnavailable | None) -> None:
    if answer.done():
        return
    if error is not None:
        answer.set_exception(error)
    else:
        answer.set_result(result)


class SimDirectory(MemoryDirectory):
    """``Directory`` over the same weather as the node's store."""

    def __init__(self, store: SimShardStore) -> None:
        super().__init__(store.world)
        self._store = store

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if name.startswith("_") or not inspect.iscoroutinefunction(found):
            return found
        store = self._store

        async def there_and_back(*arguments: Any, **named: Any) -> Any:
            if name == "put_cards":
                store.world.oracle.cards_told(dict(arguments[0]))
            return await store._call(lambda: _now(found(*arguments, **named)))

        return there_and_back


def _now(work: Any) -> Any:
    """Run a coroutine that never waits."""
    try:
        work.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("the in-memory directory waits for nothing")
