"""Commits and renewals as RESP bytes, and what the server answers: no I/O here.

The greater part of a request is the same from tick to tick (script, keys, nonce, epoch): it is built once a claim.
"""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from gameserver.adapters.redis_scripts import COMMIT, RENEW
from gameserver.ports import Commit, CommitOutcome, CommitReply, Renewal
from protocol import keys
from protocol.ids import ShardId

_COMMIT_ARGS: Final = 3 + 5 + 10  # EVALSHA sha numkeys, keys, fixed arguments
_RENEW_ARGS: Final = 3 + 2 + 7
_OUTCOMES: Final = {outcome.value.encode(): outcome for outcome in CommitOutcome}


def command(*parts: str | bytes) -> bytes:
    """Return one RESP command."""
    return b"*%d\r\n" % len(parts) + _bulks(parts)


def _bulks(parts: Sequence[str | bytes]) -> bytes:
    raw = [part.encode() if isinstance(part, str) else part for part in parts]
    return b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in raw)


class _Constant(Struct, frozen=True):
    """What all requests of one claim share."""

    nonce: str
    epoch: int
    genesis: str
    lease_ms: int
    commit: bytes
    renew: bytes


class RequestWriter:
    """Turns requests into bytes; remembers each shard's constant part (as many as there are shards)."""

    def __init__(self) -> None:
        self._constants: dict[ShardId, _Constant] = {}

    def pack(self, requests: Sequence[Commit | Renewal], lease_ms: int) -> bytes:
        """Return all requests as one piece of bytes."""
        parts: list[bytes] = []
        for request in requests:
            constant = self._constants.get(request.shard)
            if (
                constant is None
                or constant.epoch != request.epoch
                or constant.nonce != request.nonce
                or constant.genesis != request.genesis
                or constant.lease_ms != lease_ms
            ):
                constant = self._constants[request.shard] = _constant(request, lease_ms)
            if isinstance(request, Commit):
                _pack_commit(parts, request, constant.commit)
            else:
                seq, clock, digest = b"%d" % request.seq, b"%d" % request.clock, request.digest
                parts.append(constant.renew)
                parts.append(
                    b"$%d\r\n%b\r\n$%d\r\n%b\r\n$%d\r\n%b\r\n" % (len(seq), seq, len(digest), digest, len(clock), clock)
                )
        return b"".join(parts)


def _constant(request: Commit | Renewal, lease_ms: int) -> _Constant:
    shard, genesis = request.shard, request.genesis
    owned = (keys.head(shard), keys.owner(shard))
    streams = (keys.journal(shard, genesis), keys.results(shard), keys.inbox(shard))
    claim = (request.nonce, str(request.epoch), genesis, str(lease_ms))
    return _Constant(
        request.nonce,
        request.epoch,
        genesis,
        lease_ms,
        b"\r\n" + _bulks(("EVALSHA", COMMIT.sha, "5", *owned, *streams, *claim)),
        b"*%d\r\n" % _RENEW_ARGS + _bulks(("EVALSHA", RENEW.sha, "2", *owned, *claim)),
    )


def _pack_commit(parts: list[bytes], request: Commit, constant: bytes) -> None:
    results, consumed = request.results, request.consumed
    seq, clock, record = b"%d" % request.seq, b"%d" % request.clock, request.record
    previous, digest = request.previous, request.digest
    parts += (
        b"*%d" % (_COMMIT_ARGS + len(results) + len(consumed)),
        constant,
        b"$%d\r\n%b\r\n$%d\r\n%b\r\n$%d\r\n%b\r\n$%d\r\n%b\r\n$%d\r\n"
        % (len(seq), seq, len(previous), previous, len(digest), digest, len(clock), clock, len(record)),
        record,
    )
    if not results and not consumed:
        parts.append(b"\r\n$1\r\n0\r\n")
        return
    parts.append(b"\r\n")
    parts.append(_bulks((str(len(results)), *results, *consumed)))


def read_reply(request: Commit | Renewal, raw: object) -> CommitReply:
    """Return what the scripts' answer means. Raises ``ValueError`` for what no script of ours answers."""
    if raw == 1:
        return CommitReply(CommitOutcome.OK, request.seq, request.epoch, request.digest)
    return refusal_of(raw)


def refusal_of(raw: object) -> CommitReply:
    """Return what a script refused with. Raises ``ValueError`` for what no script of ours answers."""
    if not isinstance(raw, list) or len(raw) != 4 or raw[0] not in _OUTCOMES:
        raise ValueError("not an answer to a commit")
    return CommitReply(_OUTCOMES[raw[0]], int(raw[1]), int(raw[2]), raw[3])
