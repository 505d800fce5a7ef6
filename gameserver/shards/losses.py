"""What to do when the store lost something of an owned shard (COMMIT.md §2, §3): heal it, or found it again.

A store that fell back gets the records it lost from the owner's memory. One that fell back further than the owner
remembers, that came back empty, or that holds another history gets the whole shard anew. Until then the shard stands
still; the store decides whether its owner still is the rightful one, and who is not drops everything untold.
"""

import asyncio
import random
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

import structlog
from msgspec import Struct

from gameserver.ports import (
    ClaimOutcome,
    Clocks,
    CommitOutcome,
    CommitReply,
    Healing,
    Refounding,
    ShardStore,
    StoreUnavailable,
)
from gameserver.shards import limits
from gameserver.shards.metrics import ShardMetrics
from gameserver.shards.pipe import Verdict
from gameserver.shards.refound import Rewriting
from gameserver.shards.shard import Shard
from protocol.ids import InstanceId, ShardId

ANSWER_S: Final = 5.0
"""How long one call may take: a piece of 1 MiB over a slow line."""

PAUSE_S: Final = 0.05
PAUSE_MAX_S: Final = 1.0
_Answer = TypeVar("_Answer")
log = structlog.get_logger("losses")


class _Loss(Struct):
    """One shard that waits to be given back."""

    shard: Shard
    verdict: Verdict
    seq: int  # where the store's head stood
    written: tuple[Rewriting, Refounding] | None = None  # all pieces stand: only the head is to be flipped


class Losses:
    """The shards of one node whose history the store lost."""

    def __init__(
        self,
        *,
        instance: InstanceId,
        lease_ms: int,
        store: ShardStore,
        clocks: Clocks,
        metrics: ShardMetrics,
        ready: Callable[[], bool],
        mended: Callable[[Shard], None],
        lost: Callable[[Shard], None],
    ) -> None:
        """``ready``: whether the connection of commits is a fresh one, so that nothing old can be answered on it.

        ``mended``: the shard may go on. ``lost``: another node owns it.
        """
        self._instance = instance
        self._lease_ms = lease_ms
        self._store = store
        self._clocks = clocks
        self._metrics = metrics
        self._ready = ready
        self._mended = mended
        self._lost = lost
        self._waiting: dict[ShardId, _Loss] = {}
        self._wake = asyncio.Event()

    def __len__(self) -> int:
        return len(self._waiting)

    def found(self, shard: Shard, verdict: Verdict, reply: CommitReply) -> None:
        """The store's answer shows that it lost something: the shard stands still from now on."""
        shard.pipe.mending = True
        self._metrics.diverged.inc()
        log.error("store_lost_history", shard=shard.id, outcome=str(reply.outcome), head=reply.seq, seq=shard.seq)
        self._waiting[shard.id] = _Loss(shard, verdict, reply.seq)
        self._wake.set()

    def wake(self) -> None:
        """The connection is fresh, or the store may be reachable again: try now."""
        self._wake.set()

    async def run(self) -> None:
        """Give back what was lost, for ever; with jitter while the store cannot be reached."""
        pause = PAUSE_S
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                await self.mend()
                pause = PAUSE_S
            except StoreUnavailable as error:
                log.info("store_unavailable", work="mend", error=str(error))
                await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - jitter, not a secret
                pause = min(pause * 2, PAUSE_MAX_S)
                self._wake.set()

    async def mend(self) -> None:
        """Try once for every shard that waits. Raises ``StoreUnavailable`` when one has to wait longer."""
        if not self._ready():
            return
        allowed = asyncio.Semaphore(limits.MENDS_AT_ONCE)
        losses = list(self._waiting.values())
        outcomes = await asyncio.gather(*(self._attempt(loss, allowed) for loss in losses))
        for trouble in outcomes:
            if trouble is not None:
                raise trouble

    async def _attempt(self, loss: _Loss, allowed: asyncio.Semaphore) -> StoreUnavailable | None:
        async with allowed:
            try:
                await self._mend(loss)
            except StoreUnavailable as error:
                return error
        if self._waiting.get(loss.shard.id) is loss:
            del self._waiting[loss.shard.id]
        return None

    async def _mend(self, loss: _Loss) -> None:
        shard = loss.shard
        if shard.dropped:
            return
        if loss.verdict is Verdict.HEAL and not await self._heal(loss):
            loss.verdict = Verdict.REFOUND
        if loss.verdict is Verdict.REFOUND and not shard.dropped:
            await self._refound(loss)
        if not shard.dropped:
            shard.pipe.mending = False
            self._mended(shard)

    async def _heal(self, loss: _Loss) -> bool:
        """Give the lost tail back; False when only founding anew helps."""
        shard = loss.shard
        seq, digest, commits = shard.pipe.lost_beyond(loss.seq)
        healing = Healing(
            shard=shard.id,
            genesis=shard.genesis,
            nonce=shard.nonce,
            epoch=shard.epoch,
            instance=self._instance,
            claimed=shard.claimed,
            clock=shard.pipe.confirmed_clock,
            seq=seq,
            digest=digest,
            commits=commits,
        )
        sent_ms = self._clocks.boot_ms()
        reply = await _within(self._store.heal(healing, lease_ms=self._lease_ms))
        if shard.dropped:
            return True
        if reply.outcome is CommitOutcome.FENCED:
            self._give_up(shard, reply.epoch)
            return True
        if reply.outcome not in (CommitOutcome.OK, CommitOutcome.DUPLICATE):
            log.warning("not_healed", shard=shard.id, outcome=str(reply.outcome), head=reply.seq, kept_from=seq)
            return False
        shard.lease.mended(sent_ms, anew=False)
        for live in shard.rooms.values():
            live.told_may_be_lost()
        self._metrics.healed.inc()
        log.warning("shard_healed", shard=shard.id, fell_back_to=loss.seq, records=len(commits))
        return True

    async def _refound(self, loss: _Loss) -> None:
        """Write the whole shard into a journal of its own, then make that the journal."""
        shard = loss.shard
        if loss.written is None:
            # A record that may have been written cannot be written again: each attempt has a journal of its own.
            rewriting = Rewriting(shard)
            for piece in rewriting.pieces():
                await _within(self._store.write_pieces(shard.id, rewriting.genesis, [piece]))
                if shard.dropped:
                    return
            loss.written = (rewriting, rewriting.refounding(self._instance))
        rewriting, refounding = loss.written
        sent_ms = self._clocks.boot_ms()
        claim = await _within(self._store.refound(refounding, lease_ms=self._lease_ms))
        if shard.dropped:
            return
        if claim.outcome is ClaimOutcome.MISSING:
            loss.written = None
            raise StoreUnavailable("pieces of a re-founding were lost")
        if claim.head is None:
            self._give_up(shard, 0)
            return
        before = shard.epoch
        rewriting.take_effect(claim.head, sent_ms)
        self._metrics.refounded.inc()
        log.warning(
            "shard_refounded", shard=shard.id, before=before, epoch=shard.epoch, rooms=len(shard.rooms), seq=shard.seq
        )

    def _give_up(self, shard: Shard, by: int) -> None:
        self._metrics.fenced.inc()
        log.warning("shard_fenced", shard=shard.id, epoch=shard.epoch, by=by)
        self._lost(shard)


async def _within(call: Coroutine[Any, Any, _Answer]) -> _Answer:
    try:
        async with asyncio.timeout(ANSWER_S):
            return await call
    except TimeoutError as error:
        raise StoreUnavailable("no answer in time") from error
