"""Arguments of the scripts that mend a loss: heal and re-found (COMMIT.md §2)."""

from gameserver.ports import Healing, Refounding
from protocol import keys


def healing_args(healing: Healing, lease_ms: int) -> list[str | bytes | int]:
    """Return heal.lua's arguments."""
    args: list[str | bytes | int] = [healing.nonce, healing.epoch, healing.genesis, lease_ms]
    args += [healing.instance, healing.claimed, healing.clock, healing.seq, healing.digest, len(healing.commits)]
    for commit in healing.commits:
        args += [commit.seq, commit.digest, commit.record]
        args += [len(commit.results), *commit.results, len(commit.consumed), *commit.consumed]
    return args


def refounding_args(refounding: Refounding, lease_ms: int) -> list[str | bytes | int]:
    """Return refound.lua's arguments."""
    newest_first = sorted(refounding.digests, reverse=True)
    assert newest_first == list(range(refounding.seq, refounding.seq - len(newest_first), -1)), "a gap in the digests"
    digests = b"".join(bytes((len(refounding.digests[seq]),)) + refounding.digests[seq] for seq in newest_first)
    args: list[str | bytes | int] = [refounding.nonce, refounding.instance, lease_ms]
    args += [refounding.genesis, refounding.claimed, refounding.seq, refounding.clock, refounding.pieces, digests]
    return [*args, keys.journal(refounding.shard, ""), refounding.epoch]
