"""What Redis does in our scripts, over plain dictionaries: the shared half of the in-memory adapters.

Every function here answers as its Lua namesake does, at once and whole; ``tests/contract`` holds the two together.
No threads, no real time: the clock is a function that is given.
"""

import copy
from bisect import bisect_left, insort
from collections.abc import Callable, Sequence
from typing import Any, Final

from msgspec import Struct

from gameserver.ports import (
    Claim,
    ClaimOutcome,
    Commit,
    CommitOutcome,
    CommitReply,
    Head,
    Healing,
    InboxEntry,
    JournalEntry,
    Refounding,
    Renewal,
)
from protocol import keys
from protocol.ids import InstanceId, Nonce, ShardId

DIGESTS_KEPT: Final = 8


class Owner(Struct):
    """Who holds a shard until when (store time, ms)."""

    instance: str
    until_ms: int


class Shard(Struct):
    """All that the store keeps of one shard."""

    head: Head | None = None
    instance: str = ""  # of the last claim: a commit takes an expired owner key again in its name
    owner: Owner | None = None
    journals: dict[str, list[JournalEntry]] = {}
    results: list[bytes] = []
    inbox: list[tuple[tuple[int, int], bytes]] = []
    inbox_last: tuple[int, int] = (0, 0)
    requests: list[bytes] = []


class MemoryWorld:
    """One store, shared by the nodes of a test or a simulation. ``now_us`` is the store's own time since 1970."""

    def __init__(self, now_us: Callable[[], int]) -> None:
        self.now_us = now_us
        self.shards: dict[ShardId, Shard] = {}
        self.nodes: dict[str, bytes] = {}
        self.cards: dict[str, tuple[bytes, int]] = {}  # code → card, store time (ms) of its end
        self.connections: dict[str, tuple[dict[str, int], int]] = {}  # code → by node, store time (ms) of its end
        self.public: dict[str, int] = {}
        self.tickets: dict[str, int] = {}
        self.revoked: dict[str, int] = {}
        self.unsafe: list[str] = []
        self.inbox_waiters: list[Callable[[ShardId], None]] = []

    def now_ms(self) -> int:
        """Return the store's time in milliseconds."""
        return self.now_us() // 1000

    def shard(self, shard: ShardId) -> Shard:
        """Return what is kept of a shard."""
        return self.shards.setdefault(shard, Shard())

    # ---- ownership -----------------------------------------------------------------------------------

    def owner_left_ms(self, kept: Shard) -> int | None:
        """Return how long the owner key stands yet; None when there is none."""
        if kept.owner is None:
            return None
        left = kept.owner.until_ms - self.now_ms()
        if left < 0:
            kept.owner = None
            return None
        return left

    def own(self, kept: Shard, instance: str, lease_ms: int) -> None:
        """Set the owner key."""
        kept.instance = instance
        kept.owner = Owner(instance, self.now_ms() + lease_ms)

    def claim(
        self, shard: ShardId, instance: InstanceId, nonce: Nonce, lease_ms: int, steal_epoch: int | None
    ) -> Claim:
        """claim.lua."""
        kept = self.shard(shard)
        head = kept.head
        mine = head is not None and head.nonce == nonce
        left = self.owner_left_ms(kept)
        if left is not None and steal_epoch is None and not mine:
            return Claim(ClaimOutcome.HELD, ms_left=max(left, 1))
        if head is None:
            return Claim(ClaimOutcome.MISSING)
        if steal_epoch is not None and head.epoch != steal_epoch and not mine:
            return Claim(ClaimOutcome.RACED)
        epoch = max(head.epoch + 1, self.now_us())
        kept.head = Head(epoch, nonce, head.seq, head.digests, head.clock, head.genesis, epoch)
        self.own(kept, instance, lease_ms)
        return Claim(ClaimOutcome.CLAIMED, kept.head)

    def found(self, shard: ShardId, instance: InstanceId, nonce: Nonce, lease_ms: int, genesis: str) -> Claim:
        """found.lua."""
        kept = self.shard(shard)
        if kept.head is not None:
            return Claim(ClaimOutcome.RACED)
        kept.head = Head(self.now_us(), nonce, 0, {0: b""}, 0, genesis, 0)
        self.own(kept, instance, lease_ms)
        return Claim(ClaimOutcome.CLAIMED, kept.head)

    def release(self, shard: ShardId, nonce: Nonce) -> bool:
        """release.lua."""
        kept = self.shard(shard)
        head = kept.head
        if head is None or head.nonce != nonce:
            return False
        kept.head = Head(head.epoch, "", head.seq, head.digests, head.clock, head.genesis, head.claimed)
        kept.owner = None
        return True

    # ---- commits -------------------------------------------------------------------------------------

    def _refused(self, request: Commit | Renewal, head: Head | None) -> CommitReply | None:
        """The checks that commit and renew share."""
        if head is None:
            return CommitReply(CommitOutcome.LOST)
        if head.genesis != request.genesis:
            return _answer(CommitOutcome.LOST, head)
        if head.nonce != request.nonce or head.epoch != request.epoch:
            behind = head.epoch < request.epoch
            return _answer(CommitOutcome.BEHIND if behind else CommitOutcome.FENCED, head)
        return None

    def commit(self, request: Commit, lease_ms: int) -> CommitReply:
        """commit.lua."""
        kept = self.shard(request.shard)
        head = kept.head
        refused = self._refused(request, head)
        if refused is not None:
            return refused
        assert head is not None
        if request.seq <= head.seq:
            if head.digests.get(request.seq) != request.digest:
                return _answer(CommitOutcome.FORK, head)
            self.own(kept, kept.instance, lease_ms)
            return _answer(CommitOutcome.DUPLICATE, head)
        if request.seq > head.seq + 1:
            return _answer(CommitOutcome.BEHIND, head)
        if head.digests.get(head.seq) != request.previous:
            return _answer(CommitOutcome.FORK, head)
        journal = kept.journals.setdefault(head.genesis, [])
        journal.append(JournalEntry(request.epoch, request.seq, request.record))
        kept.results.extend(request.results)
        if request.consumed:
            gone = {_entry_id(entry) for entry in request.consumed}
            kept.inbox = [waiting for waiting in kept.inbox if waiting[0] not in gone]
        self.own(kept, kept.instance, lease_ms)
        digests = {seq: d for seq, d in head.digests.items() if seq > request.seq - DIGESTS_KEPT}
        digests[request.seq] = request.digest
        clock = max(head.clock, request.clock)
        kept.head = Head(head.epoch, head.nonce, request.seq, digests, clock, head.genesis, head.claimed)
        return CommitReply(CommitOutcome.OK, request.seq, request.epoch, request.digest)

    def renew(self, request: Renewal, lease_ms: int) -> CommitReply:
        """renew.lua."""
        kept = self.shard(request.shard)
        head = kept.head
        refused = self._refused(request, head)
        if refused is not None:
            return refused
        assert head is not None
        if request.seq > head.seq:
            return _answer(CommitOutcome.BEHIND, head)
        if head.digests.get(request.seq) != request.digest:
            return _answer(CommitOutcome.FORK, head)
        self.own(kept, kept.instance, lease_ms)
        clock = max(head.clock, request.clock)
        kept.head = Head(head.epoch, head.nonce, head.seq, head.digests, clock, head.genesis, head.claimed)
        return CommitReply(CommitOutcome.OK, request.seq, request.epoch, request.digest)

    # ---- after a loss ------------------------------------------------------------------------------------

    def heal(self, healing: Healing, lease_ms: int) -> CommitReply:
        """heal.lua."""
        kept = self.shard(healing.shard)
        head = kept.head
        if head is None:
            return CommitReply(CommitOutcome.LOST)
        if head.genesis != healing.genesis:
            return _answer(CommitOutcome.LOST, head)
        if head.epoch > healing.epoch or (head.epoch == healing.epoch and head.nonce != healing.nonce):
            return _answer(CommitOutcome.FENCED, head)
        if head.seq < healing.seq:
            return _answer(CommitOutcome.BEHIND, head)
        known = {healing.seq: healing.digest} | {commit.seq: commit.digest for commit in healing.commits}
        if known.get(head.seq) != head.digests[head.seq]:
            return _answer(CommitOutcome.FORK, head)
        missing = [commit for commit in healing.commits if commit.seq > head.seq]
        journal = kept.journals.setdefault(head.genesis, [])
        journal.extend(JournalEntry(healing.epoch, commit.seq, commit.record) for commit in missing)
        kept.results.extend(result for commit in missing for result in commit.results)
        gone = {_entry_id(entry) for commit in healing.commits for entry in commit.consumed}
        kept.inbox = [waiting for waiting in kept.inbox if waiting[0] not in gone]
        digests = head.digests | {commit.seq: commit.digest for commit in missing}
        last = missing[-1].seq if missing else head.seq
        kept.head = Head(
            healing.epoch,
            healing.nonce,
            last,
            {seq: digest for seq, digest in digests.items() if seq > last - DIGESTS_KEPT},
            max(head.clock, healing.clock),
            head.genesis,
            max(head.claimed, healing.claimed),
        )
        self.own(kept, healing.instance, lease_ms)
        return CommitReply(CommitOutcome.OK, last, healing.epoch, kept.head.digests[last])

    def refound(self, refounding: Refounding, lease_ms: int) -> Claim:
        """refound.lua."""
        kept = self.shard(refounding.shard)
        head = kept.head
        if head is not None and head.claimed > refounding.claimed and head.nonce != refounding.nonce:
            return Claim(ClaimOutcome.RACED)
        if len(self.journal(refounding.shard, refounding.genesis)) != refounding.pieces:
            return Claim(ClaimOutcome.MISSING)
        epoch, clock = max(self.now_us(), refounding.epoch + 1), refounding.clock
        if head is not None:
            epoch, clock = max(epoch, head.epoch + 1), max(clock, head.clock)
        kept.head = Head(
            epoch,
            refounding.nonce,
            refounding.seq,
            dict(refounding.digests),
            clock,
            refounding.genesis,
            refounding.claimed or refounding.epoch,
        )
        self.own(kept, refounding.instance, lease_ms)
        return Claim(ClaimOutcome.CLAIMED, kept.head)

    # ---- journal -------------------------------------------------------------------------------------

    def journal(self, shard: ShardId, genesis: str) -> list[JournalEntry]:
        """Return a journal's records, oldest first."""
        return self.shard(shard).journals.get(genesis, [])

    def _writable(self, shard: ShardId, genesis: str, nonce: Nonce) -> bool:
        head = self.shard(shard).head
        return head is not None and head.nonce == nonce and head.genesis == genesis

    def drop_beyond(self, shard: ShardId, genesis: str, nonce: Nonce, seq: int) -> int:
        """drop_beyond.lua."""
        journal = self.journal(shard, genesis)
        if not self._writable(shard, genesis, nonce):
            return 0
        first = bisect_left(journal, seq + 1, key=_seq)
        dropped = len(journal) - first
        del journal[first:]
        return dropped

    def trim(self, shard: ShardId, genesis: str, nonce: Nonce, before_seq: int) -> int:
        """trim.lua."""
        journal = self.journal(shard, genesis)
        if not self._writable(shard, genesis, nonce):
            return 0
        first = bisect_left(journal, before_seq, key=_seq)
        del journal[:first]
        return first

    # ---- streams around a shard ------------------------------------------------------------------------

    def post(self, shard: ShardId, message: bytes) -> str:
        """Append to a shard's inbox as httpapi and worker do; return the entry's id."""
        kept = self.shard(shard)
        now = (self.now_ms(), 0)
        last = kept.inbox_last
        entry = now if now > last else (last[0], last[1] + 1)
        kept.inbox_last = entry
        insort(kept.inbox, (entry, message))
        for wake in list(self.inbox_waiters):
            wake(shard)
        return f"{entry[0]}-{entry[1]}"

    def inbox_after(self, shard: ShardId, after: str, count: int) -> Sequence[InboxEntry]:
        """Return up to ``count`` messages after a stream id."""
        start = _entry_id(after)
        found = [(entry, message) for entry, message in self.shard(shard).inbox if entry > start][:count]
        return [InboxEntry(f"{entry[0]}-{entry[1]}", message) for entry, message in found]

    def request(self, shard: ShardId, messages: Sequence[bytes]) -> None:
        """Append to a shard's requests; the oldest go beyond the limit."""
        requests = self.shard(shard).requests
        requests.extend(messages)
        del requests[: -keys.REQUESTS_MAX]

    # ---- what may befall a store -----------------------------------------------------------------------

    def stray(self, shard: ShardId, genesis: str, epoch: int, seq: int, record: bytes) -> None:
        """Put a record into a journal that no head knows of."""
        insort(self.shard(shard).journals.setdefault(genesis, []), JournalEntry(epoch, seq, record), key=_seq)

    def wipe(self) -> None:
        """Come back empty (FLUSHALL)."""
        for kept in (self.shards, self.nodes, self.cards, self.connections, self.public, self.tickets, self.revoked):
            kept.clear()

    def snapshot(self) -> Any:
        """Return the state of now, for ``fall_back``."""
        return copy.deepcopy((self.shards, self.nodes, self.cards, self.public, self.tickets, self.revoked))

    def fall_back(self, snapshot: Any) -> None:
        """Be as the store was at ``snapshot``: a replica that had not all of it became the master."""
        state = copy.deepcopy(snapshot)
        self.shards, self.nodes, self.cards, self.public, self.tickets, self.revoked = state


def _answer(outcome: CommitOutcome, head: Head) -> CommitReply:
    return CommitReply(outcome, head.seq, head.epoch, head.digests.get(head.seq, b""))


def _seq(entry: JournalEntry) -> int:
    return entry.seq


def _entry_id(text: str) -> tuple[int, int]:
    """Return a stream id as numbers; a missing second part is 0, as for Redis."""
    left, _, right = text.partition("-")
    return int(left), int(right or 0)
