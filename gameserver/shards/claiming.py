"""Taking shards over: who tries when, what is read, and how an owned shard begins (COMMIT.md §6).

Safety never rests here: the store's check of the nonce refuses whatever this gets wrong.
"""

import asyncio
import secrets
from typing import TYPE_CHECKING

import structlog

from gameserver.ports import ClaimOutcome, Head, StoreUnavailable
from gameserver.shards import placement, recovery
from gameserver.shards.shard import Shard
from protocol.ids import Nonce, ShardId

if TYPE_CHECKING:
    from gameserver.shards.keeper import Keeper

log = structlog.get_logger("claiming")


class Claiming:
    """Looks for shards that are free and ours to claim."""

    def __init__(self, keeper: "Keeper") -> None:
        self._keeper = keeper
        self._settings = keeper.settings
        self._free_since: dict[ShardId, float] = {}
        self._held_until: dict[ShardId, float] = {}
        self._missing_since: dict[ShardId, float] = {}
        self._claiming: set[ShardId] = set()

    def not_before(self, shard_id: ShardId, at_ms: float) -> None:
        """Do not try this shard before ``at_ms`` (monotonic)."""
        self._held_until[shard_id] = at_ms
        self._free_since.pop(shard_id, None)

    async def claim_free(self) -> None:
        """Claim shards that are free and ours to claim."""
        keeper, settings = self._keeper, self._settings
        now = keeper.clocks.monotonic_ms()
        held = {shard for card in keeper.cards if card.instance != settings.instance for shard in card.shards}
        wanted: list[tuple[int, ShardId]] = []
        for number in range(settings.shards):
            shard_id = ShardId(number)
            if shard_id in keeper.shards or shard_id in self._claiming:
                continue
            if number in held or self._held_until.get(shard_id, 0.0) > now:
                self._free_since.pop(shard_id, None)
                continue
            rank = placement.rank_of(settings.instance, shard_id, keeper.cards)
            since = self._free_since.setdefault(shard_id, now)
            if rank is not None and now - since >= rank * settings.stagger_ms:
                wanted.append((rank, shard_id))
        for start in range(0, len(wanted), settings.claims_at_once):
            part = sorted(wanted)[start : start + settings.claims_at_once]
            await asyncio.gather(*(self._claim(shard_id) for _, shard_id in part))

    async def _claim(self, shard_id: ShardId) -> None:
        keeper, settings = self._keeper, self._settings
        nonce = Nonce(secrets.token_hex(16))
        self._claiming.add(shard_id)
        try:
            claim = await keeper.store.claim(
                shard_id, instance=settings.instance, nonce=nonce, lease_ms=settings.lease_ms
            )
            if claim.outcome is ClaimOutcome.MISSING:
                now = keeper.clocks.monotonic_ms()
                since = self._missing_since.setdefault(shard_id, now)
                if now - since < settings.found_grace_ms:
                    return
                claim = await keeper.store.found(
                    shard_id,
                    instance=settings.instance,
                    nonce=nonce,
                    lease_ms=settings.lease_ms,
                    genesis=secrets.token_hex(8),
                )
            self._missing_since.pop(shard_id, None)
            if claim.outcome is ClaimOutcome.HELD:
                self.not_before(shard_id, keeper.clocks.monotonic_ms() + claim.ms_left)
            elif claim.outcome is ClaimOutcome.CLAIMED:
                assert claim.head is not None
                await self._adopt(shard_id, nonce, claim.head)
        except StoreUnavailable as error:
            log.info("claim_failed", shard=shard_id, error=str(error))
        finally:
            self._claiming.discard(shard_id)

    async def _adopt(self, shard_id: ShardId, nonce: Nonce, head: Head) -> None:
        keeper = self._keeper
        try:
            await keeper.store.drop_beyond(shard_id, head.genesis, nonce=nonce, seq=head.seq)
            records = await recovery.read_records(keeper.store, shard_id, head)
        except recovery.JournalBroken as error:
            log.error("journal_broken", shard=shard_id, error=str(error))
            self.not_before(shard_id, keeper.clocks.monotonic_ms() + 10 * self._settings.lease_ms)
            return
        recovered = recovery.gather(records)
        shard = Shard(
            shard_id,
            head=head,
            nonce=nonce,
            clock=max(head.clock, recovered.clock),
            lease_ms=self._settings.lease_ms,
            clocks=keeper.clocks,
            metrics=keeper.metrics,
            faults=keeper.faults,
            fault_point=keeper.fault_point,
            nudge=keeper.nudge,
        )
        rooms = recovery.fill(shard, recovered, keeper.faults)
        self._free_since.pop(shard_id, None)
        keeper.take(shard)
        log.info("shard_adopted", shard=shard_id, epoch=head.epoch, seq=head.seq, rooms=rooms)
