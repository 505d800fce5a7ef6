"""The store of a simulation: a ``MemoryWorld`` that tells the oracle what really happened in it."""

from collections.abc import Callable
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from gameserver.adapters.memory_world import MemoryWorld
from gameserver.ports import Claim, ClaimOutcome, Commit, CommitReply, Healing, Refounding, Renewal
from protocol.ids import InstanceId, Nonce, ShardId

if TYPE_CHECKING:
    from tests.sim.oracle import Oracle


class Log:
    """Numbers everything that happens; a digest over it says whether two runs were the same."""

    def __init__(self, now: Callable[[], float], *, keep: bool) -> None:
        self._now = now
        self._digest = blake2b(digest_size=16)
        self.number = 0
        self.lines: list[str] | None = [] if keep else None

    def next(self, kind: str, *facts: object) -> int:
        """Note an event; return its number."""
        self.number += 1
        line = f"{self._now():.6f} {kind} {' '.join(map(str, facts))}"
        self._digest.update(line.encode())
        if self.lines is not None:
            self.lines.append(line)
        return self.number

    def digest(self) -> str:
        """Return the digest of everything noted so far."""
        return self._digest.hexdigest()


class SimWorld(MemoryWorld):
    """The store. While ``down`` it answers nobody."""

    oracle: "Oracle"

    def __init__(self, now_us: Callable[[], int], log: Log) -> None:
        super().__init__(now_us)
        self.log = log
        self.down = False
        self.skew_us = 0  # the store's own clock was set, or its successor's is another

    def claim(
        self, shard: ShardId, instance: InstanceId, nonce: Nonce, lease_ms: int, steal_epoch: int | None
    ) -> Claim:
        claim = super().claim(shard, instance, nonce, lease_ms, steal_epoch)
        if claim.outcome is ClaimOutcome.CLAIMED:
            self._claimed(shard, instance, nonce, claim)
        return claim

    def found(self, shard: ShardId, instance: InstanceId, nonce: Nonce, lease_ms: int, genesis: str) -> Claim:
        claim = super().found(shard, instance, nonce, lease_ms, genesis)
        if claim.outcome is ClaimOutcome.CLAIMED:
            self._claimed(shard, instance, nonce, claim, founded=True)
        return claim

    def _claimed(
        self, shard: ShardId, instance: InstanceId, nonce: Nonce, claim: Claim, *, founded: bool = False
    ) -> None:
        assert claim.head is not None
        self.log.next("claim", shard, instance, claim.head.epoch, claim.head.seq, claim.head.clock)
        self.oracle.claimed(shard, instance, nonce, claim.head, founded=founded)

    def commit_sent(self, request: Commit, lease_ms: int, sent_no: int) -> CommitReply:
        """Take a commit that was sent at the event ``sent_no``."""
        reply = self.commit(request, lease_ms)
        self.log.next("commit", request.shard, request.epoch, request.seq, reply.outcome, request.digest.hex())
        self.oracle.committed(request, reply, sent_no)
        return reply

    def renew(self, request: Renewal, lease_ms: int) -> CommitReply:
        reply = super().renew(request, lease_ms)
        self.log.next("renew", request.shard, request.epoch, reply.outcome, request.clock)
        self.oracle.renewed(request, reply)
        return reply

    def heal(self, healing: Healing, lease_ms: int) -> CommitReply:
        reply = super().heal(healing, lease_ms)
        self.log.next("heal", healing.shard, healing.epoch, reply.outcome, reply.seq)
        self.oracle.healed(healing, reply)
        return reply

    def refound(self, refounding: Refounding, lease_ms: int) -> Claim:
        claim = super().refound(refounding, lease_ms)
        self.log.next("refound", refounding.shard, claim.outcome)
        if claim.outcome is ClaimOutcome.CLAIMED:
            pieces = [entry.record for entry in self.journal(refounding.shard, refounding.genesis)]
            self.oracle.refounded(refounding, claim, pieces)
        return claim

    def release(self, shard: ShardId, nonce: Nonce) -> bool:
        done = super().release(shard, nonce)
        self.log.next("release", shard, done)
        if done:
            self.oracle.released(shard)
        return done

    def snapshot(self) -> Any:
        return super().snapshot(), self.oracle.remember()

    def fall_back(self, snapshot: Any) -> None:
        super().fall_back(snapshot[0])
        self.log.next("fall_back")
        self.oracle.fell_back(snapshot[1])

    def wipe(self) -> None:
        super().wipe()
        self.log.next("wipe")
        self.oracle.fell_back(None)
