"""``ShardStore`` in memory: one node's connection to a ``MemoryWorld``, with handles for tests and the simulator.

Answers reach the sink through ``call_soon``, in the order sent, never from inside ``send``. Waiting uses the running
loop's timers only, so under a virtual-time loop everything is deterministic.

Handles: ``hold`` / ``let_go`` (answers wait), ``break_next`` (the connection breaks around a write: before the append,
after it, or with some of the answers lost), ``lose`` (it breaks now), ``unavailable`` (nothing can be reached).
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from gameserver.adapters.memory_world import MemoryWorld
from gameserver.ports import (
    Claim,
    Commit,
    CommitReply,
    Healing,
    InboxEntry,
    JournalEntry,
    Look,
    Refounding,
    Renewal,
    ReplySink,
    StoreUnavailable,
)
from protocol.ids import InstanceId, Nonce, ShardId

INBOX_PIECE: Final = 256
"""Messages of one shard returned at once."""


class MemoryShardStore:
    """A node's view of a ``MemoryWorld``."""

    def __init__(self, world: MemoryWorld, *, fault: Callable[[str], None] = lambda name: None) -> None:
        self.world = world
        self.connected = False
        self.lost = 0  # how many times store_lost was told
        self._fault = fault
        self._sink: ReplySink | None = None
        self._answers: deque[tuple[Commit | Renewal, CommitReply]] = deque()
        self._scheduled = False
        self._held = False
        self._breaks: tuple[int, int] | None = None
        self._breaking = False  # the last write broke: store_lost follows the answers that still came
        self._unavailable = False

    # ---- handles ---------------------------------------------------------------------------------------

    @property
    def unavailable(self) -> bool:
        """While true, everything raises ``StoreUnavailable`` and a standing connection is lost."""
        return self._unavailable

    @unavailable.setter
    def unavailable(self, value: bool) -> None:
        self._unavailable = value
        if value and self.connected:
            self.lose()

    def hold(self) -> None:
        """Keep answers back from now on (writes still happen)."""
        self._held = True

    def let_go(self, count: int | None = None) -> None:
        """Deliver held answers: the first ``count`` of them, or all and stop holding."""
        if count is None:
            self._held = False
            self._schedule()
            return
        for _ in range(min(count, len(self._answers))):
            self._answer_one()

    @property
    def held(self) -> int:
        """How many answers wait."""
        return len(self._answers)

    def break_next(self, *, applied: int | None = None, answered: int = 0) -> None:
        """Break the connection around the next write.

        Its first ``applied`` requests reach the store (None: all), its first ``answered`` are answered, then
        ``store_lost`` is told. So (0, 0) fails before the append, (None, 0) after it.
        """
        self._breaks = (1 << 30 if applied is None else applied, answered)

    def lose(self) -> None:
        """Break the connection now: answers not yet told are lost."""
        self._answers.clear()
        self._breaking = True
        self._schedule(even_held=True)

    # ---- commits ---------------------------------------------------------------------------------------

    def open_commits(self, sink: ReplySink) -> None:
        """Say where answers go."""
        self._sink = sink

    async def reconnect(self) -> None:
        """Open a fresh commit connection; one that stands is dropped first."""
        if self.connected and self._answers:
            self._answers.clear()
            self._tell_lost()
        self._reach()
        self._breaking = False
        self.connected = True

    def send(self, requests: Sequence[Commit | Renewal], *, lease_ms: int) -> None:
        """Apply all requests in order; answers follow through the sink."""
        if not self.connected or self._breaking:
            raise StoreUnavailable("no commit connection")
        self._reach()
        self._fault("before_commit")
        applied, answered = self._breaks or (len(requests), len(requests))
        for n, request in enumerate(requests[:applied]):
            if isinstance(request, Commit):
                reply = self.world.commit(request, lease_ms)
            else:
                reply = self.world.renew(request, lease_ms)
            if n < answered:
                self._answers.append((request, reply))
        if self._breaks is not None:
            self._breaks = None
            self._breaking = True
        self._fault("in_flight")
        self._schedule()

    def _schedule(self, *, even_held: bool = False) -> None:
        if not self._scheduled and (even_held or not self._held):
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._deliver)

    def _deliver(self) -> None:
        self._scheduled = False
        while self._answers and not self._held:
            self._answer_one()
        if self._breaking and not self._answers:
            self._tell_lost()

    def _answer_one(self) -> None:
        assert self._sink is not None, "open_commits comes before send"
        request, reply = self._answers.popleft()
        self._sink.committed(request, reply)

    def _tell_lost(self) -> None:
        assert self._sink is not None, "open_commits comes before send"
        self.connected = False
        self._breaking = False
        self.lost += 1
        self._sink.store_lost()

    def _reach(self) -> None:
        if self._unavailable:
            raise StoreUnavailable("unavailable")

    # ---- everything else -------------------------------------------------------------------------------

    async def claim(
        self,
        shard: ShardId,
        *,
        instance: InstanceId,
        nonce: Nonce,
        lease_ms: int,
        steal_epoch: int | None = None,
    ) -> Claim:
        """Take the shard if nobody holds it, or steal it from ``steal_epoch``."""
        self._reach()
        return self.world.claim(shard, instance, nonce, lease_ms, steal_epoch)

    async def look(self, shard: ShardId) -> Look | None:
        """Return how the shard stands; None when it has no head."""
        self._reach()
        kept = self.world.shard(shard)
        return None if kept.head is None else Look(kept.head, InstanceId(kept.instance))

    async def found(self, shard: ShardId, *, instance: InstanceId, nonce: Nonce, lease_ms: int, genesis: str) -> Claim:
        """Create the head of a shard that has none; RACED if one is there."""
        self._reach()
        return self.world.found(shard, instance, nonce, lease_ms, genesis)

    async def heal(self, healing: Healing, *, lease_ms: int) -> CommitReply:
        """Append what the store lost."""
        self._reach()
        return self.world.heal(healing, lease_ms)

    async def write_pieces(self, shard: ShardId, genesis: str, pieces: Sequence[JournalEntry]) -> None:
        """Write records into a journal that no head knows yet."""
        self._reach()
        for piece in pieces:
            self.world.stray(shard, genesis, piece.epoch, piece.seq, piece.record)

    async def refound(self, refounding: Refounding, *, lease_ms: int) -> Claim:
        """Make the pieces the shard's journal."""
        self._reach()
        return self.world.refound(refounding, lease_ms)

    async def release(self, shard: ShardId, *, nonce: Nonce) -> bool:
        """Give the shard up; False when it was no longer ours."""
        self._reach()
        return self.world.release(shard, nonce)

    async def journal_bounds(self, shard: ShardId, genesis: str) -> tuple[int, int]:
        """Return how many records and how many bytes the journal holds."""
        self._reach()
        journal = self.world.journal(shard, genesis)
        return len(journal), sum(len(entry.record) for entry in journal)

    async def read_journal(self, shard: ShardId, genesis: str, *, after_seq: int, count: int) -> Sequence[JournalEntry]:
        """Return up to ``count`` records with seq > after_seq, in order."""
        self._reach()
        return [entry for entry in self.world.journal(shard, genesis) if entry.seq > after_seq][:count]

    async def drop_beyond(self, shard: ShardId, genesis: str, *, nonce: Nonce, seq: int) -> int:
        """Delete records beyond ``seq``; returns how many (0 when the nonce is not the head's)."""
        self._reach()
        return self.world.drop_beyond(shard, genesis, nonce, seq)

    async def trim(self, shard: ShardId, genesis: str, *, nonce: Nonce, before_seq: int) -> int:
        """Delete records with seq < before_seq; returns how many (0 when the nonce is not the head's)."""
        self._reach()
        return self.world.trim(shard, genesis, nonce, before_seq)

    async def read_inbox(
        self, after: Mapping[ShardId, str], *, block_ms: int
    ) -> Mapping[ShardId, Sequence[InboxEntry]]:
        """Return inbox messages after the given ids, waiting up to ``block_ms`` for the first."""
        self._reach()
        found = self._inbox(after)
        if found or block_ms <= 0 or not after:
            return found
        arrived: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def wake(shard: ShardId) -> None:
            if shard in after and not arrived.done():
                arrived.set_result(None)

        self.world.inbox_waiters.append(wake)
        try:
            await asyncio.wait((arrived,), timeout=block_ms / 1000)
        finally:
            self.world.inbox_waiters.remove(wake)
        self._reach()
        return self._inbox(after)

    def _inbox(self, after: Mapping[ShardId, str]) -> Mapping[ShardId, Sequence[InboxEntry]]:
        found = {shard: self.world.inbox_after(shard, entry, INBOX_PIECE) for shard, entry in after.items()}
        return {shard: entries for shard, entries in found.items() if entries}

    async def request(self, shard: ShardId, messages: Sequence[bytes]) -> None:
        """Append to the shard's requests."""
        self._reach()
        self.world.request(shard, messages)

    async def check_safety(self) -> Sequence[str]:
        """Return what the world was told to find unsafe."""
        self._reach()
        return list(self.world.unsafe)
