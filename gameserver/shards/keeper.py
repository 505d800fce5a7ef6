"""Which shards this node owns: heartbeats, claims, recovery, hand-over, and what to do when the store is lost.

Safety never rests here: the store's check of the nonce refuses whatever this gets wrong (COMMIT.md §6). This only
decides who tries when.
"""

import asyncio
import contextlib
import random
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence

import structlog
from msgspec import Struct

from gameserver.ports import (
    ClaimOutcome,
    Clocks,
    Commit,
    CommitReply,
    Directory,
    Head,
    NodeCard,
    Renewal,
    ShardStore,
    StoreUnavailable,
)
from gameserver.shards import errands, inbox, placement, recovery
from gameserver.shards.faults import RoomFaults
from gameserver.shards.metrics import ShardMetrics
from gameserver.shards.pipe import Verdict
from gameserver.shards.shard import Shard
from protocol.errors import CloseCode
from protocol.ids import InstanceId, Nonce, ShardId

log = structlog.get_logger("keeper")


class KeeperSettings(Struct, frozen=True, kw_only=True):
    """Times in milliseconds; their relations are checked by ``arena.settings``."""

    name: str
    instance: InstanceId
    shards: int
    lease_ms: int = 2000
    renew_ms: int = 600
    beat_ms: int = 400
    claim_ms: int = 200
    stagger_ms: int = 300
    found_grace_ms: int = 4000
    errands_ms: int = 250
    claims_at_once: int = 8


class Keeper:
    """Owns shards on behalf of one node, and answers for them to the store."""

    def __init__(
        self,
        settings: KeeperSettings,
        *,
        store: ShardStore,
        directory: Directory,
        clocks: Clocks,
        metrics: ShardMetrics,
        faults: RoomFaults,
        connections: Callable[[], int],
        fault_point: Callable[[str], None],
    ) -> None:
        self._settings = settings
        self._store = store
        self._directory = directory
        self._clocks = clocks
        self._metrics = metrics
        self._faults = faults
        self._connections = connections
        self._fault_point = fault_point
        self.shards: dict[ShardId, Shard] = {}
        self.cards: Sequence[NodeCard] = ()
        self.draining = False
        self._address = self._control = ""
        self._since_ms = 0
        self._free_since: dict[ShardId, float] = {}
        self._held_until: dict[ShardId, float] = {}
        self._missing_since: dict[ShardId, float] = {}
        self._claiming: set[ShardId] = set()
        self._inbox_read: dict[ShardId, str] = {}
        self._lost = asyncio.Event()
        self._moved_at = 0.0
        self._nudged = asyncio.Event()

    def announce(self, address: str, control: str) -> None:
        """Say where this node listens (``host:port``); its heartbeats tell it from now on."""
        self._address, self._control = address, control

    # ---- for the edge and the ticker ----------------------------------------------------------------

    def owned(self, shard_id: ShardId) -> Shard | None:
        """Return the shard when this node owns it."""
        return self.shards.get(shard_id)

    def pulse(self, group: Sequence[ShardId], now_ms: float) -> None:
        """Tick a group of shards and send what they need in one write."""
        requests: list[Commit | Renewal] = []
        for shard_id in group:
            shard = self.shards.get(shard_id)
            if shard is None:
                continue
            commit = shard.tick(now_ms)
            if commit is not None:
                requests.append(commit)
            else:
                renewal = shard.renewal(self._settings.renew_ms)
                if renewal is not None:
                    requests.append(renewal)
        if requests:
            self._send(requests)

    def _send(self, requests: Sequence[Commit | Renewal]) -> None:
        try:
            self._store.send(requests, lease_ms=self._settings.lease_ms)
        except StoreUnavailable:
            self.store_lost()

    # ---- the store's answers (ReplySink) --------------------------------------------------------------

    def committed(self, request: Commit | Renewal, reply: CommitReply) -> None:
        """Take an answer; drop the shard when it is no longer ours."""
        shard = self.shards.get(request.shard)
        if shard is None or shard.nonce != request.nonce:
            return
        verdict = shard.answered(request, reply)
        if verdict is Verdict.CONFIRMED:
            return
        if verdict is Verdict.RESEND:
            log.warning("commit_gap", shard=shard.id, seq=request.seq, head=reply.seq)
            self.store_lost()
        elif verdict is Verdict.FENCED:
            self._metrics.fenced.inc()
            log.warning("shard_fenced", shard=shard.id, epoch=shard.epoch, by=reply.epoch)
            self._drop(shard, CloseCode.MOVED)
        else:
            self._metrics.diverged.inc()
            log.error("store_lost_history", shard=shard.id, outcome=str(reply.outcome), head=reply.seq, seq=shard.seq)
            self._drop(shard, CloseCode.INTERNAL)

    def store_lost(self) -> None:
        """Nothing sent before will be answered any more: stand still until everything is sent again."""
        if not self._lost.is_set():
            self._metrics.in_doubt.inc()
            log.warning("store_in_doubt")
        for shard in self.shards.values():
            shard.pipe.in_doubt = True
        self._lost.set()

    def _drop(self, shard: Shard, code: CloseCode, after_ms: int = 0) -> None:
        if self.shards.get(shard.id) is shard:
            del self.shards[shard.id]
        self._inbox_read.pop(shard.id, None)
        self._metrics.shards.set(len(self.shards))
        shard.drop(code, "", after_ms)

    # ---- loops -----------------------------------------------------------------------------------------

    def open(self) -> None:
        """Say where the store's answers go. The first connection is opened as any later one: ``connected`` ends it."""
        self._store.open_commits(self)
        self._lost.set()

    async def run(self) -> None:
        """Run until cancelled. Every loop outlives a lost store."""
        self.open()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._every(self._settings.beat_ms, self.beat), name="beat")
            tasks.create_task(self._every(self._settings.claim_ms, self.claim_free), name="claim")
            tasks.create_task(self._every(20, self._errands), name="errands")
            tasks.create_task(self._every(20, self._read_inbox), name="inbox")
            tasks.create_task(self._come_back(), name="reconnect")

    async def _every(self, period_ms: int, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await work()
            except StoreUnavailable as error:
                log.info("store_unavailable", work=getattr(work, "__name__", "?"), error=str(error))
            await asyncio.sleep(period_ms / 1000)

    async def _come_back(self) -> None:
        """After a loss: a fresh connection, then every unconfirmed record again, in order."""
        pause = 0.02
        while True:
            await self._lost.wait()
            try:
                await self._store.reconnect()
            except StoreUnavailable:
                await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - jitter, not a secret
                pause = min(pause * 2, 0.5)
                continue
            pause = 0.02
            self.connected()

    def connected(self) -> None:
        """A fresh connection stands: send every unconfirmed record again, in order."""
        self._lost.clear()
        again: list[Commit | Renewal] = []
        for shard in self.shards.values():
            again.extend(shard.resent())
        if again:
            self._send(again)

    async def beat(self) -> None:
        """Tell everybody that this node lives, and learn who else does."""
        settings = self._settings
        card = NodeCard(
            name=settings.name,
            instance=settings.instance,
            address=self._address,
            control=self._control,
            since_ms=self._since_ms,
            beat_ms=0,
            shards=sorted(self.shards),
            connections=self._connections(),
            rooms=sum(len(shard.rooms) for shard in self.shards.values()),
            draining=self.draining,
        )
        cards = await self._directory.beat(card)
        self.cards = placement.fresh(cards, dead_ms=4 * settings.beat_ms)
        mine = next((seen for seen in cards if seen.instance == settings.instance), None)
        if mine is not None and not self._since_ms:
            self._since_ms = mine.beat_ms

    # ---- claiming --------------------------------------------------------------------------------------

    async def claim_free(self) -> None:
        """Claim shards that are free and ours to claim; let go of one that another should have."""
        if self.draining or not self.cards:
            return
        now = self._clocks.monotonic_ms()
        held = {shard for card in self.cards if card.instance != self._settings.instance for shard in card.shards}
        wanted: list[tuple[int, ShardId]] = []
        for number in range(self._settings.shards):
            shard_id = ShardId(number)
            if shard_id in self.shards or shard_id in self._claiming:
                continue
            if number in held or self._held_until.get(shard_id, 0.0) > now:
                self._free_since.pop(shard_id, None)
                continue
            rank = placement.rank_of(self._settings.instance, shard_id, self.cards)
            since = self._free_since.setdefault(shard_id, now)
            if rank is not None and now - since >= rank * self._settings.stagger_ms:
                wanted.append((rank, shard_id))
        for start in range(0, len(wanted), self._settings.claims_at_once):
            part = sorted(wanted)[start : start + self._settings.claims_at_once]
            await asyncio.gather(*(self._claim(shard_id) for _, shard_id in part))
        await self._let_go()

    async def _claim(self, shard_id: ShardId) -> None:
        settings = self._settings
        nonce = Nonce(secrets.token_hex(16))
        self._claiming.add(shard_id)
        try:
            claim = await self._store.claim(
                shard_id, instance=settings.instance, nonce=nonce, lease_ms=settings.lease_ms
            )
            if claim.outcome is ClaimOutcome.MISSING:
                now = self._clocks.monotonic_ms()
                since = self._missing_since.setdefault(shard_id, now)
                if now - since < settings.found_grace_ms:
                    return
                claim = await self._store.found(
                    shard_id,
                    instance=settings.instance,
                    nonce=nonce,
                    lease_ms=settings.lease_ms,
                    genesis=secrets.token_hex(8),
                )
            self._missing_since.pop(shard_id, None)
            if claim.outcome is ClaimOutcome.HELD:
                self._held_until[shard_id] = self._clocks.monotonic_ms() + claim.ms_left
                self._free_since.pop(shard_id, None)
            elif claim.outcome is ClaimOutcome.CLAIMED:
                assert claim.head is not None
                await self._adopt(shard_id, nonce, claim.head)
        except StoreUnavailable as error:
            log.info("claim_failed", shard=shard_id, error=str(error))
        finally:
            self._claiming.discard(shard_id)

    async def _adopt(self, shard_id: ShardId, nonce: Nonce, head: Head) -> None:
        try:
            await self._store.drop_beyond(shard_id, head.genesis, nonce=nonce, seq=head.seq)
            records = await recovery.read_records(self._store, shard_id, head)
        except recovery.JournalBroken as error:
            log.error("journal_broken", shard=shard_id, error=str(error))
            self._held_until[shard_id] = self._clocks.monotonic_ms() + 10 * self._settings.lease_ms
            return
        recovered = recovery.gather(records)
        shard = Shard(
            shard_id,
            epoch=head.epoch,
            nonce=nonce,
            genesis=head.genesis,
            seq=head.seq,
            digest=head.digests.get(head.seq, b""),
            clock=max(head.clock, recovered.clock),
            lease_ms=self._settings.lease_ms,
            clocks=self._clocks,
            metrics=self._metrics,
            faults=self._faults,
            fault_point=self._fault_point,
            nudge=self._nudged.set,
        )
        rooms = recovery.fill(shard, recovered, self._faults)
        shard.pipe.in_doubt = self._lost.is_set()
        self.shards[shard_id] = shard
        self._inbox_read[shard_id] = "0"
        self._free_since.pop(shard_id, None)
        self._metrics.adopted.inc()
        self._metrics.shards.set(len(self.shards))
        log.info("shard_adopted", shard=shard_id, epoch=head.epoch, seq=head.seq, rooms=rooms)

    # ---- giving up -------------------------------------------------------------------------------------

    async def _let_go(self) -> None:
        """Hand one shard to a node that ranks higher, if that node has lived long enough."""
        now = self._clocks.monotonic_ms()
        if now - self._moved_at < self._settings.claim_ms:
            return
        newest = max(card.beat_ms for card in self.cards)
        for shard in list(self.shards.values()):
            best = placement.ranked(shard.id, self.cards)[0]
            if best.instance == self._settings.instance or newest - best.since_ms < 5_000:
                continue
            if any(not live.room.between_questions for live in shard.running):
                continue
            self._moved_at = now
            self._held_until[shard.id] = now + 10 * self._settings.claim_ms
            await self.hand_over(shard)
            return

    async def hand_over(self, shard: Shard) -> None:
        """Give a shard up cleanly: commit everything, checkpoint, release, tell its members to move."""
        shard.closing = True
        for _ in range(100):
            if not shard.pipe.unconfirmed and shard.finished:
                break
            await asyncio.sleep(0.01)
        try:
            await self._store.release(shard.id, nonce=shard.nonce)
        except StoreUnavailable as error:
            log.warning("release_failed", shard=shard.id, error=str(error))
        self._drop(shard, CloseCode.MOVED)
        log.info("shard_handed_over", shard=shard.id, epoch=shard.epoch)

    async def drain(self) -> None:
        """Hand every shard over; afterwards this node owns nothing and claims nothing."""
        self.draining = True
        try:
            await self.beat()
        except StoreUnavailable as error:
            log.warning("drain_not_announced", error=str(error))
        await asyncio.gather(*(self.hand_over(shard) for shard in list(self.shards.values())))
        try:
            await self._directory.leave(self._settings.instance)
        except StoreUnavailable as error:
            log.warning("leave_not_announced", error=str(error))

    # ---- errands ---------------------------------------------------------------------------------------

    async def _errands(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._settings.errands_ms / 1000):
                await self._nudged.wait()
        self._nudged.clear()
        await self.run_errands()

    async def run_errands(self) -> None:
        """Ask, publish, measure and trim once. Raises ``StoreUnavailable``."""
        await errands.run(self.shards.values(), self._store, self._directory, node=self._settings.name)

    async def _read_inbox(self) -> None:
        await self.read_inbox(block_ms=200)

    async def read_inbox(self, *, block_ms: int) -> None:
        """Take what waits in the inboxes of owned shards. Raises ``StoreUnavailable``."""
        after: Mapping[ShardId, str] = dict(self._inbox_read)
        if not after:
            return
        found = await self._store.read_inbox(after, block_ms=block_ms)
        for shard_id, entries in found.items():
            shard = self.shards.get(shard_id)
            if shard is None:
                continue
            for entry in entries:
                if not inbox.take(shard, entry):
                    break
                self._inbox_read[shard_id] = entry.entry
