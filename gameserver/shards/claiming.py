"""Taking shards over: who tries when, what is read, and how an owned shard begins (COMMIT.md §6).

Safety never rests here: the store's check of the nonce refuses whatever this gets wrong.
"""

import asyncio
import secrets
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import structlog

from gameserver.ports import ClaimOutcome, Head, Look, StoreUnavailable
from gameserver.shards import placement, recovery
from gameserver.shards.shard import Shard
from protocol.ids import Nonce, ShardId

if TYPE_CHECKING:
    from gameserver.shards.keeper import Keeper

ASK_MAX: Final = 1_024
"""Shards that peers are asked about at once; others have to wait for the next look."""

log = structlog.get_logger("claiming")


class Claiming:
    """Looks for shards that are free and ours to claim."""

    def __init__(self, keeper: "Keeper") -> None:
        self._keeper = keeper
        self._settings = keeper.settings
        self._free_since: dict[ShardId, float] = {}
        self._held_until: dict[ShardId, float] = {}
        self._missing_since: dict[ShardId, float] = {}
        self._freed_at: dict[ShardId, float] = {}
        self._claiming: set[ShardId] = set()
        self._nonces: dict[ShardId, Nonce] = {}  # of shards that do not run here yet
        self._broken: dict[ShardId, int] = {}  # how often their journal could not be read

    def not_before(self, shard_id: ShardId, at_ms: float) -> None:
        """Do not try this shard before ``at_ms`` (monotonic)."""
        self._held_until[shard_id] = at_ms
        self._free_since.pop(shard_id, None)

    def look_again(self) -> None:
        """A node died: whatever was believed to be held may be free."""
        self._held_until.clear()
        self._keeper.hurry()

    def freed(self, shards: Sequence[ShardId]) -> None:
        """These were released just now, whatever the cards say."""
        now = self._keeper.clocks.monotonic_ms()
        for shard_id in shards:
            self._held_until.pop(shard_id, None)
            self._free_since.setdefault(shard_id, now)
            self._freed_at[shard_id] = now
        self._keeper.hurry()

    async def claim_free(self) -> None:
        """Claim shards that are free and ours to claim, the best-ranked first."""
        keeper, settings = self._keeper, self._settings
        wanted = self._wanted()
        if not wanted:
            return
        shards = [shard_id for _, shard_id in sorted(wanted)[:ASK_MAX]]
        held = await keeper.peers.holds(shards)
        for start in range(0, len(shards), settings.claims_at_once):
            part = shards[start : start + settings.claims_at_once]
            await asyncio.gather(*(self._try(shard_id, held.get(shard_id)) for shard_id in part))

    def _wanted(self) -> list[tuple[int, ShardId]]:
        """Return the shards that nobody is known to hold and whose turn it is for us, with our rank."""
        keeper, settings = self._keeper, self._settings
        now = keeper.clocks.monotonic_ms()
        living = keeper.living()
        held = {shard for card in living if card.instance != settings.instance for shard in card.shards}
        # A card is as old as its node's last heartbeat: what was released since is told apart.
        self._freed_at = {shard: at for shard, at in self._freed_at.items() if now - at < 2 * settings.beat_ms}
        wanted: list[tuple[int, ShardId]] = []
        for number in range(settings.shards):
            shard_id = ShardId(number)
            if shard_id in keeper.shards or shard_id in self._claiming:
                continue
            believed = number in held and shard_id not in self._freed_at
            if believed or self._held_until.get(shard_id, 0.0) > now:
                self._free_since.pop(shard_id, None)
                continue
            rank = placement.rank_of(settings.instance, shard_id, living)
            since = self._free_since.setdefault(shard_id, now)
            if rank is not None and now - since >= rank * settings.stagger_ms:
                wanted.append((rank, shard_id))
        return wanted

    async def _try(self, shard_id: ShardId, held: tuple[int, int] | None) -> None:
        """Claim one shard, unless a peer remembers more of it than the store. ``held``: a peer's (epoch, seq)."""
        keeper = self._keeper
        self._claiming.add(shard_id)
        try:
            look = await keeper.store.look(shard_id)
            if keeper.neighbours.left_to_heal(shard_id, look, held):
                return
            await self._claim(shard_id, look)
        except StoreUnavailable as error:
            log.info("claim_failed", shard=shard_id, error=str(error))
        finally:
            self._claiming.discard(shard_id)

    async def _claim(self, shard_id: ShardId, look: Look | None) -> None:
        keeper, settings = self._keeper, self._settings
        # The same until the shard runs here: a claim whose answer, or whose journal, got lost is not held against us.
        nonce = self._nonces.setdefault(shard_id, Nonce(secrets.token_hex(16)))
        # Only from the epoch that was seen, and only from an instance known to be dead: never from its successor.
        steal = None
        if look is not None and look.head.nonce and look.instance in keeper.neighbours.dead:
            steal = look.head.epoch
        asked_ms = keeper.clocks.boot_ms()
        claim = await keeper.store.claim(
            shard_id, instance=settings.instance, nonce=nonce, lease_ms=settings.lease_ms, steal_epoch=steal
        )
        now = keeper.clocks.monotonic_ms()
        if claim.outcome is ClaimOutcome.MISSING:
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
            # Not for the whole lease: it may be released long before, and not everybody hears of that.
            self.not_before(shard_id, now + min(claim.ms_left, 2 * settings.claim_ms))
        elif claim.outcome is ClaimOutcome.CLAIMED:
            assert claim.head is not None
            if steal is not None:
                log.warning("shard_stolen", shard=shard_id, epoch=claim.head.epoch, dead=look.instance if look else "")
            await self._adopt(shard_id, nonce, claim.head, asked_ms)

    def _broke(self, shard_id: ShardId, error: str) -> None:
        """Look at the shard again soon, then ever later.

        A journal that does not fit its head may be one of a store that fell back between the two looks: then the next
        claim is told another head. One that is broken stays so, and needs a person.
        """
        times = self._broken[shard_id] = self._broken.get(shard_id, 0) + 1
        settings = self._settings
        wait_ms = min(2**times * settings.claim_ms, 10 * settings.lease_ms)
        log.error("journal_broken", shard=shard_id, error=error, times=times, again_ms=wait_ms)
        self.not_before(shard_id, self._keeper.clocks.monotonic_ms() + wait_ms)

    async def _adopt(self, shard_id: ShardId, nonce: Nonce, head: Head, asked_ms: float) -> None:
        """Rebuild a shard that was claimed, asked for at ``asked_ms`` (boot clock): its lease runs from then."""
        keeper = self._keeper
        try:
            await keeper.store.drop_beyond(shard_id, head.genesis, nonce=nonce, seq=head.seq)
            records = await recovery.read_records(keeper.store, shard_id, head)
        except recovery.JournalBroken as error:
            self._broke(shard_id, str(error))
            return
        self._broken.pop(shard_id, None)
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
        shard.lease.began(asked_ms)
        rooms = recovery.fill(shard, recovered, keeper.faults)
        self._free_since.pop(shard_id, None)
        del self._nonces[shard_id]
        keeper.take(shard)
        log.info("shard_adopted", shard=shard_id, epoch=head.epoch, seq=head.seq, rooms=rooms)
