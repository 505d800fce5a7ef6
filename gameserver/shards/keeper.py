"""The shards this node owns: heartbeats, what is sent for them, and what to do when the store is lost.

Safety never rests here: the store's check of the nonce refuses whatever this gets wrong (COMMIT.md §6). This only
decides who tries when.
"""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence

import structlog
from msgspec import Struct

from gameserver.ports import (
    Clocks,
    Commit,
    CommitReply,
    Directory,
    NodeCard,
    Peers,
    Renewal,
    ShardStore,
    StoreUnavailable,
)
from gameserver.shards import errands, inbox, placement
from gameserver.shards.claiming import Claiming
from gameserver.shards.faults import RoomFaults
from gameserver.shards.handover import HandOver
from gameserver.shards.losses import Losses
from gameserver.shards.metrics import ShardMetrics
from gameserver.shards.neighbours import Alone, Neighbours
from gameserver.shards.pipe import Verdict
from gameserver.shards.shard import Shard
from protocol.errors import CloseCode
from protocol.ids import InstanceId, ShardId

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
    settled_ms: int = 5_000  # a node younger than this is given nothing


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
        peers: Peers | None = None,
    ) -> None:
        self.settings = settings
        self.store = store
        self.directory = directory
        self.clocks = clocks
        self.metrics = metrics
        self.faults = faults
        self.fault_point = fault_point
        self.peers: Peers = peers or Alone()
        self._connections = connections
        self.shards: dict[ShardId, Shard] = {}
        self.cards: Sequence[NodeCard] = ()
        self.draining = False
        self.left = False  # drained: no heartbeat brings the card back
        self._address = self._control = ""
        self._since_ms = 0
        self._inbox_read: dict[ShardId, str] = {}
        self._lost = asyncio.Event()
        self._nudged = asyncio.Event()
        self._hurried = asyncio.Event()
        self.neighbours = Neighbours(self)
        self.claiming = Claiming(self)
        self.handing = HandOver(self)
        self.losses = Losses(
            instance=settings.instance,
            lease_ms=settings.lease_ms,
            store=store,
            clocks=clocks,
            metrics=metrics,
            ready=lambda: not self._lost.is_set(),
            mended=self._mended,
            lost=lambda shard: self.drop(shard, CloseCode.MOVED),
        )

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
                renewal = shard.renewal(self.settings.renew_ms)
                if renewal is not None:
                    requests.append(renewal)
        if requests:
            self._send(requests)

    def _send(self, requests: Sequence[Commit | Renewal]) -> None:
        try:
            self.store.send(requests, lease_ms=self.settings.lease_ms)
        except StoreUnavailable:
            self.store_lost()

    # ---- the store's answers (ReplySink) --------------------------------------------------------------

    def committed(self, request: Commit | Renewal, reply: CommitReply) -> None:
        """Take an answer; drop the shard when it is no longer ours."""
        shard = self.shards.get(request.shard)
        if shard is None or shard.nonce != request.nonce or shard.epoch != request.epoch:
            return
        verdict = shard.answered(request, reply)
        if verdict is Verdict.CONFIRMED or verdict is Verdict.VOID:
            return
        if verdict is Verdict.RESEND:
            log.warning("commit_gap", shard=shard.id, seq=request.seq, head=reply.seq)
            self.store_lost()
        elif verdict is Verdict.FENCED:
            self.metrics.fenced.inc()
            log.warning("shard_fenced", shard=shard.id, epoch=shard.epoch, by=reply.epoch)
            self.drop(shard, CloseCode.MOVED)
        else:
            self.losses.found(shard, verdict, reply)
            self.store_lost()

    def store_lost(self) -> None:
        """Nothing sent before will be answered any more: stand still until everything is sent again."""
        if not self._lost.is_set():
            self.metrics.in_doubt.inc()
            log.warning("store_in_doubt")
        for shard in self.shards.values():
            shard.pipe.in_doubt = True
        self._lost.set()

    # ---- loops -----------------------------------------------------------------------------------------

    def open(self) -> None:
        """Say where the store's answers go. The first connection is opened as any later one: ``connected`` ends it."""
        self.store.open_commits(self)
        self._lost.set()

    async def run(self) -> None:
        """Run until cancelled. Every loop outlives a lost store."""
        self.open()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._every(self.settings.beat_ms, self.beat), name="beat")
            tasks.create_task(self._every(self.settings.claim_ms, self.claim_free, self._hurried), name="claim")
            tasks.create_task(self._every(20, self._errands), name="errands")
            tasks.create_task(self._every(20, self._read_inbox), name="inbox")
            tasks.create_task(self._come_back(), name="reconnect")
            tasks.create_task(self.losses.run(), name="losses")

    async def _every(
        self, period_ms: int, work: Callable[[], Awaitable[None]], hurry: asyncio.Event | None = None
    ) -> None:
        while True:
            if hurry is not None:
                hurry.clear()
            try:
                await work()
            except StoreUnavailable as error:
                log.info("store_unavailable", work=getattr(work, "__name__", "?"), error=str(error))
            if hurry is None:
                await asyncio.sleep(period_ms / 1000)
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(period_ms / 1000):
                    await hurry.wait()

    async def _come_back(self) -> None:
        """After a loss: a fresh connection, then every unconfirmed record again, in order."""
        pause = 0.02
        while True:
            await self._lost.wait()
            try:
                await self.store.reconnect()
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
            if not shard.pipe.mending:
                again.extend(shard.resent())
        if again:
            self._send(again)
        if self.losses:
            self.losses.wake()

    async def beat(self) -> None:
        """Tell everybody that this node lives, and learn who else does."""
        if self.left:
            return
        settings = self.settings
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
        cards = await self.directory.beat(card)
        self.cards = placement.fresh(cards, dead_ms=4 * settings.beat_ms)
        self.neighbours.seen(self.cards)
        self.peers.see(self.living())
        mine = next((seen for seen in cards if seen.instance == settings.instance), None)
        if mine is not None and not self._since_ms:
            self._since_ms = mine.beat_ms

    def living(self) -> list[NodeCard]:
        """Return the cards of live nodes, without instances that are known to have died."""
        return [card for card in self.cards if card.instance not in self.neighbours.dead]

    def hurry(self) -> None:
        """Look for free shards now."""
        self._hurried.set()

    async def claim_free(self) -> None:
        """Claim shards that are free and ours to claim; let go of one that another should have."""
        if self.draining or not self.cards or not self.peers.ready(self.living()):
            return
        before = len(self.shards)
        try:
            await self.claiming.claim_free()
        finally:
            if len(self.shards) > before:
                await self.beat()  # doors find the rooms by it
        await self.neighbours.bury()
        await self.handing.let_go()

    async def drain(self) -> None:
        """Hand every shard over; afterwards this node owns nothing and claims nothing."""
        await self.handing.drain()

    # ---- what its parts do with shards -----------------------------------------------------------------

    def take(self, shard: Shard) -> None:
        """Run a shard that was claimed and recovered."""
        shard.pipe.in_doubt = self._lost.is_set()
        self.shards[shard.id] = shard
        self._inbox_read[shard.id] = "0"
        self.metrics.adopted.inc()
        self.metrics.shards.set(len(self.shards))

    def drop(self, shard: Shard, code: CloseCode, after_ms: int = 0) -> None:
        """Stop running a shard, and say to its members what to do."""
        if self.shards.get(shard.id) is shard:
            del self.shards[shard.id]
            self._inbox_read.pop(shard.id, None)
        self.metrics.shards.set(len(self.shards))
        shard.drop(code, "", after_ms)

    def _mended(self, shard: Shard) -> None:
        """The store has everything of the shard again: go on. Its inbox may have fallen back, too."""
        if shard.id in self._inbox_read:
            self._inbox_read[shard.id] = "0"
        if not self._lost.is_set():
            again = shard.resent()
            if again:
                self._send(again)

    # ---- errands ---------------------------------------------------------------------------------------

    def nudge(self) -> None:
        """Something to do for errands was confirmed: do it now."""
        self._nudged.set()

    async def _errands(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.settings.errands_ms / 1000):
                await self._nudged.wait()
        self._nudged.clear()
        await self.run_errands()

    async def run_errands(self) -> None:
        """Ask, publish, measure and trim once. Raises ``StoreUnavailable``."""
        await errands.run(self.shards.values(), self.store, self.directory, node=self.settings.name)

    async def _read_inbox(self) -> None:
        await self.read_inbox(block_ms=200)

    async def read_inbox(self, *, block_ms: int) -> None:
        """Take what waits in the inboxes of owned shards. Raises ``StoreUnavailable``."""
        after: Mapping[ShardId, str] = dict(self._inbox_read)
        if not after:
            return
        found = await self.store.read_inbox(after, block_ms=block_ms)
        for shard_id, entries in found.items():
            shard = self.shards.get(shard_id)
            if shard is None:
                continue
            for entry in entries:
                if not inbox.take(shard, entry):
                    break
                self._inbox_read[shard_id] = entry.entry
