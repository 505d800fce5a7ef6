"""The commit connections of a node: a lane to each master, opened, lost and opened again together (COMMIT.md §3).

Whatever breaks, the shell is told one thing: the store is lost. It then asks for fresh connections and sends again
whatever was not confirmed. A master that cannot be reached meanwhile (a fail-over in a cluster) does not keep the
others waiting: what is sent for its shards goes nowhere, and when a master is back, the store is said to be lost once
more, so that everything is sent again.
"""

import asyncio
import random
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from arena import metrics
from arena.tasks import end
from gameserver.adapters.redis_endpoint import Endpoint
from gameserver.adapters.redis_lane import Hears, Lane, Request, open_lane
from gameserver.adapters.redis_layout import Finder, Layout
from gameserver.ports import CommitOutcome, CommitReply, ReplySink, StoreUnavailable
from protocol.ids import ShardId

MOVED: Final = "masters changed"
_PAUSE_S: Final = 0.02
_PAUSE_MAX_S: Final = 0.5
_GOOD_S: Final = 1.0
"""A connection that held for so long was a good one: the next loss is a new trouble, not the same."""

_LOOK_S: Final = 0.1
"""How often a master that is away is looked for, about."""

_WATCH_S: Final = 0.5
"""How often sentinels are asked whether the master still is the master, about."""

_lost = metrics.counter("arena_store_lost", "Commit connections that broke, by reason", ("reason",))
_refused = metrics.counter("arena_commit_refused", "Commits and renewals not answered OK, by outcome", ("outcome",))
_away = metrics.gauge("arena_masters_away", "Masters of a cluster that cannot be reached, as this node sees it")
_REASONS: Final = 32
"""Distinct reasons told apart in the metric; the server's words are few, a broken one's might not be."""

log = structlog.get_logger("commits")


class Commits:
    """All lanes of one node. ``fault`` is called at the fault points (tests only)."""

    def __init__(self, finder: Finder, *, replicas: int, fault: Callable[[str], None], deadline_s: float) -> None:
        self._finder = finder
        self._apart = finder.address.kind == "cluster"
        self._replicas = replicas
        self._fault = fault
        self._deadline_s = deadline_s
        self._sink: ReplySink | None = None
        self._layout: Layout | None = None
        self._lanes: tuple[Lane | None, ...] = ()
        self._numbers: dict[ShardId, int | None] = {}
        self._opening: asyncio.Task[None] | None = None
        self._looking: asyncio.Task[None] | None = None
        self._opened_at = 0.0
        self._pause_s = 0.0
        self._hold_s = 0.0
        self._reasons: set[str] = set()
        self.lost_reason = ""  # of the last loss

    async def close(self) -> None:
        """Close all connections; the sink hears nothing any more."""
        await end([task for task in (self._opening, self._looking) if task is not None])
        self._drop_all()

    def open(self, sink: ReplySink) -> None:
        """Say where answers go; ``reconnect`` opens the first connections."""
        self._sink = sink

    # ---- sending ---------------------------------------------------------------------------------------

    def send(self, requests: Sequence[Request], lease_ms: int) -> None:
        """Write all requests, in one write to each master. Raises ``StoreUnavailable`` while there is no connection."""
        lanes = self._lanes
        if not lanes:
            raise StoreUnavailable("no commit connection")
        self._fault("before_commit")
        if self._apart:
            self._send_apart(requests, lease_ms)
        else:
            lanes[0].write(requests, lease_ms)  # type: ignore[union-attr]  # without a lane there would be no lanes
        self._fault("in_flight")

    def _send_apart(self, requests: Sequence[Request], lease_ms: int) -> None:
        apart: dict[int, list[Request]] = {}
        for request in requests:
            number = self._number_of(request.shard)
            if number is not None:
                apart.setdefault(number, []).append(request)
        for number, part in apart.items():
            lane = self._lanes[number]
            if lane is not None:
                lane.write(part, lease_ms)

    def _number_of(self, shard: ShardId) -> int | None:
        if shard not in self._numbers:
            assert self._layout is not None, "lanes come with their layout"
            try:
                self._numbers[shard] = self._layout.number_of(shard)
            except StoreUnavailable:
                self._numbers[shard] = None
        return self._numbers[shard]

    # ---- losing and coming back ------------------------------------------------------------------------

    async def reconnect(self) -> None:
        """Open fresh connections; those that stand are dropped first (their unanswered are in doubt)."""
        if self._opening is None:
            if any(lane is not None and lane.waiting for lane in self._lanes):
                self._lose("reconnect")
            self._drop_all()
            self._opening = asyncio.create_task(self._open(), name="commit-connections")
            self._opening.add_done_callback(self._opened)
        await asyncio.shield(self._opening)

    def _opened(self, task: asyncio.Task[None]) -> None:
        self._opening = None
        if not task.cancelled():
            task.exception()  # seen: whoever awaits reconnect gets it; nobody may be left to

    async def _open(self) -> None:
        hold_s, self._hold_s = self._hold_s, 0.0
        if hold_s:
            await asyncio.sleep(hold_s * random.uniform(0.5, 1.5))  # noqa: S311 - jitter, not a secret
        layout = await self._finder.find()
        lanes, failed = await self._open_lanes(layout.endpoints)
        if len(failed) == len(lanes):
            raise failed[0]
        self._layout, self._lanes, self._numbers = layout, tuple(lanes), {}
        self._opened_at = asyncio.get_running_loop().time()
        _away.set(len(failed))
        away = bool(failed) or not layout.whole
        if away:
            log.warning("masters_away", masters=len(failed), reason=str(failed[0]) if failed else "slots nobody serves")
        if away or self._finder.address.kind == "sentinel":
            self._looking = asyncio.create_task(self._look(layout, _LOOK_S if away else _WATCH_S), name="look")

    async def _open_lanes(self, endpoints: Sequence[Endpoint]) -> tuple[list[Lane | None], list[StoreUnavailable]]:
        lanes: list[Lane | None] = [None] * len(endpoints)
        failed: list[StoreUnavailable] = []
        hears = Hears(self._answered, self._broken)

        async def open_one(number: int) -> None:
            try:
                lanes[number] = await open_lane(
                    endpoints[number], hears, replicas=self._replicas, deadline_s=self._deadline_s
                )
            except StoreUnavailable as error:
                failed.append(error)

        try:
            async with asyncio.TaskGroup() as tasks:
                for number in range(len(endpoints)):
                    tasks.create_task(open_one(number), name="open-lane")
        except BaseException:  # a cancellation, too: no socket may stay open; raised again
            _drop(lanes)
            raise
        for number, lane in enumerate(lanes):
            if lane is not None and not lane.alive:  # it broke while the others were still being opened
                lanes[number] = None
                failed.append(StoreUnavailable("commit connection: closed at once"))
        return lanes, failed

    async def _look(self, layout: Layout, every_s: float) -> None:
        """Wait until a master that was away can be reached, or another has taken its place.

        A master deposed by its sentinels does not know it at once: what it confirms until then will be lost.
        """
        away = [layout.endpoints[number] for number, lane in enumerate(self._lanes) if lane is None]
        while True:
            await asyncio.sleep(every_s * random.uniform(0.5, 1.5))  # noqa: S311 - jitter, not a secret
            try:
                found = await self._finder.find()
            except StoreUnavailable:
                continue
            missed = [one for one in found.endpoints if one in away or one not in layout.endpoints]
            if any([await _can_be_reached(one) for one in missed]) or (not missed and found != layout):
                self._looking = None
                self._lose(MOVED)
                return

    def _drop_all(self) -> None:
        lanes, self._lanes = self._lanes, ()
        _drop(lanes)
        if self._looking is not None:
            self._looking.cancel()
            self._looking = None

    # ---- what comes back -------------------------------------------------------------------------------

    def _answered(self, request: Request, reply: CommitReply) -> None:
        if reply.outcome is not CommitOutcome.OK:
            _refused.labels(reply.outcome.value).inc()
        assert self._sink is not None, "open comes before send"
        self._sink.committed(request, reply)

    def _broken(self, lane: Lane, reason: str) -> None:
        if any(one is lane for one in self._lanes):
            self._lose(reason)

    def _lose(self, reason: str) -> None:
        """All lanes are given up: what was sent for any of them is sent again."""
        now = asyncio.get_running_loop().time()
        if now - self._opened_at > _GOOD_S:
            self._pause_s = 0.0
        if reason not in (MOVED, "reconnect"):
            self._hold_s = self._pause_s
            self._pause_s = min(max(_PAUSE_S, 2 * self._pause_s), _PAUSE_MAX_S)
        self._drop_all()
        self.lost_reason = reason
        if len(self._reasons) < _REASONS:
            self._reasons.add(reason)
        _lost.labels(reason if reason in self._reasons else "other").inc()
        assert self._sink is not None, "open comes before send"
        self._sink.store_lost()


async def _can_be_reached(endpoint: Endpoint) -> bool:
    try:
        (await endpoint.connect()).close()
    except StoreUnavailable:
        return False
    return True


def _drop(lanes: Sequence[Lane | None]) -> None:
    for lane in lanes:
        if lane is not None:
            lane.drop()
