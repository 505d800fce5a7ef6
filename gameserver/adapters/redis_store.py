"""``ShardStore`` on Redis or Valkey: commits on a connection of their own, everything else through redis-py."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from arena import metrics
from gameserver.adapters import redis_scripts as scripts
from gameserver.adapters.redis_client import client, reaching
from gameserver.adapters.redis_endpoint import Endpoint
from gameserver.adapters.redis_link import DEADLINE_S, CommitLink
from gameserver.adapters.redis_loss import healing_args, refounding_args
from gameserver.adapters.redis_wire import RequestWriter, refusal_of
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
_BLOCK_SLACK_S: Final = 1.0
_ABANDONED_MS: Final = 24 * 60 * 60 * 1000  # pieces that no re-founding took

_lost = metrics.counter("arena_store_lost", "Commit connections that broke, by reason", ("reason",))
_refused = metrics.counter("arena_commit_refused", "Commits and renewals not answered OK, by outcome", ("outcome",))
_REASONS: Final = 32
"""Distinct reasons told apart in the metric; the server's words are few, a broken one's might not be."""


class RedisShardStore:
    """One node's way to the shards. ``fault`` is called at the fault points (tests only)."""

    def __init__(
        self, url: str, *, fault: Callable[[str], None] = lambda name: None, deadline_s: float = DEADLINE_S
    ) -> None:
        self._endpoint = Endpoint.from_url(url)
        self._client = client(url)
        self._blocking = client(url, blocking=True)
        self._fault = fault
        self._deadline_s = deadline_s
        self._sink: ReplySink | None = None
        self._link: CommitLink | None = None
        self._opening: asyncio.Task[None] | None = None
        self._writer = RequestWriter()
        self._reasons: set[str] = set()
        self.lost_reason = ""  # of the last store_lost

    async def close(self) -> None:
        """Close all connections; the sink hears nothing any more."""
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.wait((self._opening,))
        if self._link is not None:
            self._link.drop()
            self._link = None
        await self._client.aclose()
        await self._blocking.aclose()

    # ---- commits ---------------------------------------------------------------------------------------

    def open_commits(self, sink: ReplySink) -> None:
        """Say where answers go; ``reconnect`` opens the first connection."""
        self._sink = sink

    def send(self, requests: Sequence[Commit | Renewal], *, lease_ms: int) -> None:
        """Write all requests in one write. Raises ``StoreUnavailable`` while there is no connection."""
        link = self._link
        if link is None:
            raise StoreUnavailable("no commit connection")
        data = self._writer.pack(requests, lease_ms)
        self._fault("before_commit")
        link.write(data, requests)
        self._fault("in_flight")

    async def reconnect(self) -> None:
        """Open a fresh commit connection; one that stands is dropped first (its unanswered are in doubt)."""
        if self._opening is None:
            self._opening = asyncio.create_task(self._open(), name="commit-connection")
            self._opening.add_done_callback(self._opened)
        await asyncio.shield(self._opening)

    def _opened(self, task: asyncio.Task[None]) -> None:
        self._opening = None
        if not task.cancelled():
            task.exception()  # seen: whoever awaits reconnect gets it; nobody may be left to

    async def _open(self) -> None:
        old = self._link
        if old is not None and old.waiting:
            old.fail("reconnect")
        elif old is not None:
            old.drop()
        self._link = None
        connected = await self._endpoint.connect()
        link = CommitLink(connected, answered=self._answered, broken=self._broken, deadline_s=self._deadline_s)
        try:
            await asyncio.get_running_loop().create_connection(lambda: link, sock=connected)
        except BaseException:
            connected.close()
            raise
        if not link.alive:
            raise StoreUnavailable("commit connection: closed at once")
        self._link = link

    def _answered(self, request: Commit | Renewal, reply: CommitReply) -> None:
        if reply.outcome is not CommitOutcome.OK:
            _refused.labels(reply.outcome.value).inc()
        assert self._sink is not None, "open_commits comes before send"
        self._sink.committed(request, reply)

    def _broken(self, link: CommitLink, reason: str) -> None:
        if link is self._link:
            self._link = None
        self.lost_reason = reason
        if len(self._reasons) < _REASONS:
            self._reasons.add(reason)
        _lost.labels(reason if reason in self._reasons else "other").inc()
        assert self._sink is not None, "open_commits comes before send"
        self._sink.store_lost()

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
        with reaching("claim"):
            raw = await scripts.CLAIM.run(self._client, _owned(shard), instance, nonce, lease_ms, steal)
        return _claim(raw)

    async def look(self, shard: ShardId) -> Look | None:
        """Return how the shard stands; None when it has no head."""
        with reaching("look"):
            raw: Any = await self._client.hmget(keys.head(shard), *_HEAD)
        return None if raw[0] is None else Look(_head(raw), InstanceId((raw[7] or b"").decode()))

    async def found(self, shard: ShardId, *, instance: InstanceId, nonce: Nonce, lease_ms: int, genesis: str) -> Claim:
        """Create the head of a shard that has none; RACED if one is there."""
        with reaching("found"):
            raw = await scripts.FOUND.run(self._client, _owned(shard), instance, nonce, lease_ms, genesis)
        return _claim(raw)

    async def heal(self, healing: Healing, *, lease_ms: int) -> CommitReply:
        """Append what the store lost."""
        shard, last = healing.shard, healing.seq + len(healing.commits)
        streams = (keys.journal(shard, healing.genesis), keys.results(shard), keys.inbox(shard))
        with reaching("heal"):
            raw = await scripts.HEAL.run(self._client, (*_owned(shard), *streams), *healing_args(healing, lease_ms))
        if raw == 1:
            digest = healing.commits[-1].digest if healing.commits else healing.digest
            return CommitReply(CommitOutcome.OK, last, healing.epoch, digest)
        return refusal_of(raw)

    async def write_pieces(self, shard: ShardId, genesis: str, pieces: Sequence[JournalEntry]) -> None:
        """Write records into a journal that no head knows yet; all in one write."""
        journal = keys.journal(shard, genesis)
        with reaching("write_pieces"):
            async with self._client.pipeline(transaction=False) as pipe:
                for piece in pieces:
                    pipe.xadd(journal, {keys.MESSAGE: piece.record}, id=f"{piece.epoch}-{piece.seq}")
                pipe.pexpire(journal, _ABANDONED_MS)
                await pipe.execute()

    async def refound(self, refounding: Refounding, *, lease_ms: int) -> Claim:
        """Make the pieces the shard's journal."""
        shard = refounding.shard
        names = (*_owned(shard), keys.journal(shard, refounding.genesis))
        with reaching("refound"):
            raw = await scripts.REFOUND.run(self._client, names, *refounding_args(refounding, lease_ms))
        return _claim(raw)

    async def release(self, shard: ShardId, *, nonce: Nonce) -> bool:
        """Give the shard up; False when it was no longer ours."""
        with reaching("release"):
            return bool(await scripts.RELEASE.run(self._client, _owned(shard), nonce))

    # ---- journal ---------------------------------------------------------------------------------------

    async def journal_bounds(self, shard: ShardId, genesis: str) -> tuple[int, int]:
        """Return how many records and about how many bytes the journal holds."""
        journal = keys.journal(shard, genesis)
        with reaching("journal_bounds"):
            async with self._client.pipeline(transaction=False) as pipe:
                pipe.xlen(journal)
                pipe.memory_usage(journal, samples=5)
                count, size = await pipe.execute()
        return int(count), int(size or 0)

    async def read_journal(self, shard: ShardId, genesis: str, *, after_seq: int, count: int) -> Sequence[JournalEntry]:
        """Return up to ``count`` records with seq > after_seq, in order."""
        with reaching("read_journal"):
            raw = await scripts.READ_JOURNAL.run(self._client, (keys.journal(shard, genesis),), after_seq, count)
        return [_journal_entry(entry) for entry in raw]

    async def drop_beyond(self, shard: ShardId, genesis: str, *, nonce: Nonce, seq: int) -> int:
        """Delete records beyond ``seq``; returns how many (0 when the nonce is not the head's)."""
        with reaching("drop_beyond"):
            return int(await scripts.DROP_BEYOND.run(self._client, _journaled(shard, genesis), nonce, genesis, seq))

    async def trim(self, shard: ShardId, genesis: str, *, nonce: Nonce, before_seq: int) -> int:
        """Delete records with seq < before_seq; returns how many (0 when the nonce is not the head's)."""
        with reaching("trim"):
            return int(await scripts.TRIM.run(self._client, _journaled(shard, genesis), nonce, genesis, before_seq))

    # ---- messages --------------------------------------------------------------------------------------

    async def read_inbox(
        self, after: Mapping[ShardId, str], *, block_ms: int
    ) -> Mapping[ShardId, Sequence[InboxEntry]]:
        """Return inbox messages after the given ids, waiting up to ``block_ms`` for the first."""
        if not after:
            return {}
        shards = {keys.inbox(shard).encode(): shard for shard in after}
        streams: dict[Any, Any] = {keys.inbox(shard): entry for shard, entry in after.items()}
        block = block_ms if block_ms > 0 else None
        with reaching("read_inbox"):
            async with asyncio.timeout(max(block_ms, 0) / 1000 + _BLOCK_SLACK_S):
                raw: Any = await self._blocking.xread(streams, count=INBOX_PIECE, block=block)
        return {
            shards[key]: [InboxEntry(entry.decode(), fields[keys.MESSAGE.encode()]) for entry, fields in entries]
            for key, entries in raw
        }

    async def request(self, shard: ShardId, messages: Sequence[bytes]) -> None:
        """Append to the shard's requests."""
        with reaching("request"):
            async with self._client.pipeline(transaction=False) as pipe:
                for message in messages:
                    pipe.xadd(
                        keys.requests(shard), {keys.MESSAGE: message}, maxlen=keys.REQUESTS_MAX, approximate=False
                    )
                await pipe.execute()

    async def check_safety(self) -> Sequence[str]:
        """Return what about the server's configuration voids the promise (COMMIT.md §9)."""
        with reaching("check_safety"):
            memory = await self._client.info("memory")
            persistence = await self._client.info("persistence")
        problems = []
        policy = memory.get("maxmemory_policy")
        if policy != "noeviction":
            problems.append(f"maxmemory-policy is {policy}: Redis may throw games away; set it to noeviction")
        if not persistence.get("aof_enabled"):
            problems.append("appendonly is off: a restart of Redis forgets all games; set appendonly yes")
        return problems


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
