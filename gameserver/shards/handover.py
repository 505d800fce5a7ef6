"""Giving shards up by plan: to a node that ranks higher, or all of them before this node stops (COMMIT.md §6)."""

import asyncio
from typing import TYPE_CHECKING

import structlog

from gameserver.ports import StoreUnavailable
from gameserver.shards import placement
from gameserver.shards.shard import Shard
from protocol.errors import CloseCode

if TYPE_CHECKING:
    from gameserver.shards.keeper import Keeper

log = structlog.get_logger("handover")


class HandOver:
    """Lets go of shards."""

    def __init__(self, keeper: "Keeper") -> None:
        self._keeper = keeper
        self._settings = keeper.settings
        self._moved_at = 0.0

    async def let_go(self) -> None:
        """Hand one shard to a node that ranks higher, if that node has lived long enough."""
        keeper = self._keeper
        now = keeper.clocks.monotonic_ms()
        if now - self._moved_at < self._settings.claim_ms:
            return
        newest = max(card.beat_ms for card in keeper.cards)
        for shard in list(keeper.shards.values()):
            best = placement.ranked(shard.id, keeper.cards)[0]
            if best.instance == self._settings.instance or newest - best.since_ms < 5_000:
                continue
            if any(not live.room.between_questions for live in shard.running):
                continue
            self._moved_at = now
            keeper.claiming.not_before(shard.id, now + 10 * self._settings.claim_ms)
            await self.hand_over(shard)
            return

    async def hand_over(self, shard: Shard) -> None:
        """Give a shard up cleanly: commit everything, checkpoint, release, tell its members to move."""
        keeper = self._keeper
        shard.closing = True
        for _ in range(100):
            if not shard.pipe.unconfirmed and shard.finished:
                break
            await asyncio.sleep(0.01)
        try:
            await keeper.store.release(shard.id, nonce=shard.nonce)
        except StoreUnavailable as error:
            log.warning("release_failed", shard=shard.id, error=str(error))
        keeper.drop(shard, CloseCode.MOVED)
        log.info("shard_handed_over", shard=shard.id, epoch=shard.epoch)

    async def drain(self) -> None:
        """Hand every shard over; afterwards this node owns nothing and claims nothing."""
        keeper = self._keeper
        keeper.draining = True
        try:
            await keeper.beat()
        except StoreUnavailable as error:
            log.warning("drain_not_announced", error=str(error))
        await asyncio.gather(*(self.hand_over(shard) for shard in list(keeper.shards.values())))
        try:
            await keeper.directory.leave(self._settings.instance)
        except StoreUnavailable as error:
            log.warning("leave_not_announced", error=str(error))
