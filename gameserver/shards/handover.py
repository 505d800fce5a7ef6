"""Giving shards up by plan: to a node that ranks higher, or all of them before this node stops (COMMIT.md §6)."""

import asyncio
from typing import TYPE_CHECKING, Final

import structlog

from gameserver.ports import StoreUnavailable
from gameserver.shards import placement
from gameserver.shards.shard import Shard
from protocol.errors import CloseCode
from protocol.ids import ShardId

if TYPE_CHECKING:
    from gameserver.shards.keeper import Keeper

MOVE_ANYWAY_MS: Final = 30_000
RELEASE_S: Final = 1.0
log = structlog.get_logger("handover")


class HandOver:
    """Lets go of shards."""

    def __init__(self, keeper: "Keeper") -> None:
        self._keeper = keeper
        self._settings = keeper.settings
        self._moved_at = 0.0
        self._owed_since: dict[ShardId, float] = {}  # shards that another should have, and since when

    async def let_go(self) -> None:
        """Hand one shard to a node that ranks higher and has lived long enough.

        Between questions where that comes within 30 s (the players then need no count-in), else anyway.
        """
        keeper = self._keeper
        now = keeper.clocks.monotonic_ms()
        if now - self._moved_at < self._settings.claim_ms:
            return
        living = keeper.living()
        newest = max((card.beat_ms for card in living), default=0)
        owed = {}
        for shard in keeper.shards.values():
            best = next(iter(placement.ranked(shard.id, living)), None)
            if best is None or best.instance == self._settings.instance:
                continue
            if newest - best.since_ms >= self._settings.settled_ms:
                owed[shard.id] = self._owed_since.get(shard.id, now)
        self._owed_since = owed
        for shard_id, since in owed.items():
            shard = keeper.shards[shard_id]
            playing = any(not live.room.between_questions for live in shard.running)
            if shard.pipe.mending or (playing and now - since < MOVE_ANYWAY_MS):
                continue
            self._moved_at = now
            keeper.claiming.not_before(shard.id, now + 10 * self._settings.claim_ms)
            await self.hand_over(shard)
            return

    async def hand_over(self, shard: Shard) -> None:
        """Give a shard up cleanly: commit everything, checkpoint, release, tell its members to move.

        A shard whose last records are not confirmed within a second (the store is away, or lost something) is not
        released: its successor takes it when the lease has run out, and replays whatever stands in the journal.
        """
        keeper = self._keeper
        shard.closing = True
        for _ in range(100):
            if shard.dropped:
                return
            if shard.finished and not shard.pipe.unconfirmed and not shard.pipe.mending:
                await self._release(shard)
                break
            await asyncio.sleep(0.01)
        else:
            log.warning(
                "not_released",
                shard=shard.id,
                unconfirmed=len(shard.pipe.unconfirmed),
                finished=shard.finished,
                mending=shard.pipe.mending,
                in_doubt=shard.pipe.in_doubt,
            )
        keeper.drop(shard, CloseCode.MOVED)
        log.info("shard_handed_over", shard=shard.id, epoch=shard.epoch)

    async def _release(self, shard: Shard) -> None:
        try:
            async with asyncio.timeout(RELEASE_S):
                await self._keeper.store.release(shard.id, nonce=shard.nonce)
        except (StoreUnavailable, TimeoutError) as error:
            log.warning("release_failed", shard=shard.id, error=str(error))
            return
        self._keeper.peers.freed([shard.id])

    async def drain(self) -> None:
        """Hand every shard over; afterwards this node owns nothing and claims nothing."""
        keeper = self._keeper
        keeper.draining = True
        try:
            await keeper.beat()
        except StoreUnavailable as error:
            log.warning("drain_not_announced", error=str(error))
        await asyncio.gather(*(self.hand_over(shard) for shard in list(keeper.shards.values())))
        keeper.left = True
        try:
            await keeper.directory.leave(self._settings.instance)
        except StoreUnavailable as error:
            log.warning("leave_not_announced", error=str(error))
