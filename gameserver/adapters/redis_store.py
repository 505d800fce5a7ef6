"""``ShardStore`` on Redis or Valkey: commits on a connection of their own, everything else through redis-py."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from arena.redis_safety import count_replicas, find_faults
from arena.tasks import heed_cancellation
from gameserver.adapters import redis_scripts as scripts
from gameserver.adapters.redis_clients import Clients, run_replicated
from gameserver.adapters.redis_commits import Commits
from gameserver.adapters.redis_layout import Finder
from gameserver.adapters.redis_link import DEADLINE_S
from gameserver.adapters.redis_loss import healing_args, refounding_args
from gameserver.adapters.redis_wire import refusal_of
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
    Look,
    Refounding,
    Renewal,
    ReplySink,
    StoreUnavailable,
)
from protocol import keys
from protocol.ids import InstanceId, Nonce, ShardId

INBOX_PIECE: Final = 256
"""Messages of one shard returned at once."""

_HEAD: Final = ("epoch", "nonce", "seq", "digests", "clock", "genesis", "claimed", "instance")
_EFFECTS: Final = (b"claimed", b"duplicate")
_BLOCK_SLACK_S: Final = 1.0
_ABANDONED_MS: Final = 24 * 60 * 60 * 1000  # pieces that no re-founding took

_POLL_S: Final = 0.02
"""How often a cluster's inboxes are looked at: a read that waits can have one slot, and so one shard, only."""


class RedisShardStore:
    """One node's way to the shards. ``fault`` is called at the fault points (tests only).

    ``replicas``: a write counts when so many replicas have it, too (``ARENA_COMMIT_REPLICAS``).
    """

    def __init__(
        self,
        url: str,
        *,
        replicas: int = 0,
        fault: Callable[[str], None] = lambda name: None,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        finder = Finder(url)
        self._clients = Clients(finder)
        self._replicas = replicas
        self._commits = Commits(finder, replicas=replicas, fault=fault, deadline_s=deadline_s)

    async def close(self) -> None:
        """Close all connections; the sink hears nothing any more."""
        await self._commits.close()
        await self._clients.close()

    # ---- commits ---------------------------------------------------------------------------------------

    @property
    def lost_reason(self) -> str:
        """Why the commit connections were lost last."""
        return self._commits.lost_reason

    def open_commits(self, sink: ReplySink) -> None:
        """Say where answers go; ``reconnect`` opens the first connection."""
        self._commits.open(sink)

    def send(self, requests: Sequence[Commit | Renewal], *, lease_ms: int) -> None:
        """Write all requests, in one write to each master. Raises ``StoreUnavailable`` while there is no connection."""
        self._commits.send(requests, lease_ms)

    async def reconnect(self) -> None:
        """Open fresh commit connections; those that stand are dropped first (their unanswered are in doubt)."""
        await self._commits.reconnect()

    # ---- ownership -------------------------------------------------------------------------------------

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
        steal = "" if steal_epoch is None else str(steal_epoch)
        raw = await self._write("claim", scripts.CLAIM, shard, _owned(shard), instance, nonce, lease_ms, steal)
        return _claim(raw)

    async def look(self, shard: ShardId) -> Look | None:
        """Return how the shard stands; None when it has no head."""
        async with self._clients.at(shard, "look") as redis:
            raw: Any = await redis.hmget(keys.head(shard), *_HEAD)
        return None if raw[0] is None else Look(_head(raw), InstanceId((raw[7] or b"").decode()))

    async def found(self, shard: ShardId, *, instance: InstanceId, nonce: Nonce, lease_ms: int, genesis: str) -> Claim:
        """Create the head of a shard that has none; RACED if one is there."""
        raw = await self._write("found", scripts.FOUND, shard, _owned(shard), instance, nonce, lease_ms, genesis)
        return _claim(raw)

    async def heal(self, healing: Healing, *, lease_ms: int) -> CommitReply:
        """Append what the store lost."""
        shard, last = healing.shard, healing.seq + len(healing.commits)
        streams = (keys.journal(shard, healing.genesis), keys.results(shard), keys.inbox(shard))
        args = healing_args(healing, lease_ms)
        raw = await self._write("heal", scripts.HEAL, shard, (*_owned(shard), *streams), *args)
        if raw == 1:
            digest = healing.commits[-1].digest if healing.commits else healing.digest
            return CommitReply(CommitOutcome.OK, last, healing.epoch, digest)
        return refusal_of(raw)

    async def write_pieces(self, shard: ShardId, genesis: str, pieces: Sequence[JournalEntry]) -> None:
        """Write records into a journal that no head knows yet; all in one write."""
        journal = keys.journal(shard, genesis)
        async with self._clients.at(shard, "write_pieces") as redis, redis.pipeline(transaction=False) as pipe:
            for piece in pieces:
                pipe.xadd(journal, {keys.MESSAGE: piece.record}, id=f"{piece.epoch}-{piece.seq}")
            pipe.pexpire(journal, _ABANDONED_MS)
            await pipe.execute()

    async def refound(self, refounding: Refounding, *, lease_ms: int) -> Claim:
        """Make the pieces the shard's journal."""
        shard = refounding.shard
        names = (*_owned(shard), keys.journal(shard, refounding.genesis))
        raw = await self._write("refound", scripts.REFOUND, shard, names, *refounding_args(refounding, lease_ms))
        return _claim(raw)

    async def _write(
        self, what: str, script: scripts.Script, shard: ShardId, names: tuple[str, ...], *args: str | bytes | int
    ) -> Any:
        """Run a script whose effect waits for replicas as commits do."""
        async with self._clients.at(shard, what) as redis:
            return await run_replicated(redis, script, names, *args, replicas=self._replicas, done=_took_effect)

    async def release(self, shard: ShardId, *, nonce: Nonce) -> bool:
        """Give the shard up; False when it was no longer ours."""
        async with self._clients.at(shard, "release") as redis:
            return bool(await scripts.RELEASE.run(redis, _owned(shard), nonce))

    # ---- journal ---------------------------------------------------------------------------------------

    async def journal_bounds(self, shard: ShardId, genesis: str) -> tuple[int, int]:
        """Return how many records and about how many bytes the journal holds."""
        journal = keys.journal(shard, genesis)
        async with self._clients.at(shard, "journal_bounds") as redis, redis.pipeline(transaction=False) as pipe:
            pipe.xlen(journal)
            pipe.memory_usage(journal, samples=5)
            count, size = await pipe.execute()
        return int(count), int(size or 0)

    async def read_journal(self, shard: ShardId, genesis: str, *, after_seq: int, count: int) -> Sequence[JournalEntry]:
        """Return up to ``count`` records with seq > after_seq, in order."""
        async with self._clients.at(shard, "read_journal") as redis:
            raw = await scripts.READ_JOURNAL.run(redis, (keys.journal(shard, genesis),), after_seq, count)
        return [_journal_entry(entry) for entry in raw]

    async def drop_beyond(self, shard: ShardId, genesis: str, *, nonce: Nonce, seq: int) -> int:
        """Delete records beyond ``seq``; returns how many (0 when the nonce is not the head's)."""
        async with self._clients.at(shard, "drop_beyond") as redis:
            return int(await scripts.DROP_BEYOND.run(redis, _journaled(shard, genesis), nonce, genesis, seq))

    async def trim(self, shard: ShardId, genesis: str, *, nonce: Nonce, before_seq: int) -> int:
        """Delete records with seq < before_seq; returns how many (0 when the nonce is not the head's)."""
        async with self._clients.at(shard, "trim") as redis:
            return int(await scripts.TRIM.run(redis, _journaled(shard, genesis), nonce, genesis, before_seq))

    # ---- messages --------------------------------------------------------------------------------------

    async def read_inbox(
        self, after: Mapping[ShardId, str], *, block_ms: int
    ) -> Mapping[ShardId, Sequence[InboxEntry]]:
        """Return inbox messages after the given ids, waiting up to ``block_ms`` for the first."""
        if not after:
            return {}
        with self._clients.reaching("read_inbox"):
            async with asyncio.timeout(max(block_ms, 0) / 1000 + _BLOCK_SLACK_S):
                waiting = await self._clients.waiting()
                if waiting is not None:
                    streams: dict[Any, Any] = {keys.inbox(shard): entry for shard, entry in after.items()}
                    block = block_ms if block_ms > 0 else None
                    return _inboxes(await waiting.xread(streams, count=INBOX_PIECE, block=block), after)
            until = asyncio.get_running_loop().time() + max(block_ms, 0) / 1000
            while True:
                heed_cancellation()  # redis-py may have lost it
                async with asyncio.timeout(_BLOCK_SLACK_S):
                    raw = await self._read_apart(after)
                if raw or asyncio.get_running_loop().time() >= until:
                    return _inboxes(raw, after)
                await asyncio.sleep(_POLL_S)

    async def _read_apart(self, after: Mapping[ShardId, str]) -> list[Any]:
        """Read the inboxes of each master in one write."""
        raw: list[Any] = []
        for redis, shards in await self._clients.by_master(list(after)):
            async with redis.pipeline(transaction=False) as pipe:
                for shard in shards:
                    pipe.xread({keys.inbox(shard): after[shard]}, count=INBOX_PIECE)
                for found in await pipe.execute():
                    raw += found
        return raw

    async def request(self, shard: ShardId, messages: Sequence[bytes]) -> None:
        """Append to the shard's requests."""
        async with self._clients.at(shard, "request") as redis, redis.pipeline(transaction=False) as pipe:
            for message in messages:
                pipe.xadd(keys.requests(shard), {keys.MESSAGE: message}, maxlen=keys.REQUESTS_MAX, approximate=False)
            await pipe.execute()

    async def check_safety(self) -> Sequence[str]:
        """Return what about the server's configuration voids the promise (COMMIT.md §9)."""
        problems: list[str] = []
        with self._clients.reaching("check_safety"):
            for redis in await self._clients.masters():
                found = await find_faults(redis, replicas=self._replicas)
                problems += [fault for fault in found if fault not in problems]
                if self._replicas and not found:
                    following = await count_replicas(redis)
                    if following < self._replicas:
                        raise StoreUnavailable(f"{following} of {self._replicas} replicas follow their master")
        return problems


def _took_effect(raw: Any) -> bool:
    return bool(raw == 1 or (isinstance(raw, list) and raw[0] in _EFFECTS))


def _inboxes(raw: Any, after: Mapping[ShardId, str]) -> dict[ShardId, list[InboxEntry]]:
    shards = {keys.inbox(shard).encode(): shard for shard in after}
    return {
        shards[key]: [InboxEntry(entry.decode(), fields[keys.MESSAGE.encode()]) for entry, fields in entries]
        for key, entries in raw
    }


def _owned(shard: ShardId) -> tuple[str, ...]:
    return keys.head(shard), keys.owner(shard)


def _journaled(shard: ShardId, genesis: str) -> tuple[str, ...]:
    return keys.head(shard), keys.journal(shard, genesis)


def _claim(raw: list[bytes]) -> Claim:
    outcome = ClaimOutcome(raw[0].decode())
    if outcome is ClaimOutcome.HELD:
        return Claim(outcome, ms_left=int(raw[1]))
    if outcome is not ClaimOutcome.CLAIMED:
        return Claim(outcome)
    return Claim(outcome, _head(raw[1:]))


def _head(raw: Sequence[bytes]) -> Head:
    """Return the head from its fields in the order of ``_HEAD``."""
    seq = int(raw[2])
    return Head(
        epoch=int(raw[0]),
        nonce=raw[1].decode(),
        seq=seq,
        digests=_digests(raw[3], seq),
        clock=int(raw[4]),
        genesis=raw[5].decode(),
        claimed=int(raw[6]),
    )


def _digests(packed: bytes, seq: int) -> dict[int, bytes]:
    """Return digests by seq: newest first, each behind a byte that says its length (lua/common.lua)."""
    digests: dict[int, bytes] = {}
    at = 0
    while at < len(packed):
        end = at + 1 + packed[at]
        digests[seq] = packed[at + 1 : end]
        at, seq = end, seq - 1
    return digests


def _journal_entry(entry: tuple[bytes, list[bytes]]) -> JournalEntry:
    epoch, _, seq = entry[0].partition(b"-")
    return JournalEntry(int(epoch), int(seq), entry[1][1])
