"""Which node should own which shard (COMMIT.md §6): rendezvous hashing over the live nodes."""

import hashlib
from collections.abc import Sequence
from functools import lru_cache

from gameserver.ports import NodeCard
from protocol.ids import InstanceId, ShardId


@lru_cache(maxsize=65_536)
def weight(name: str, shard: int) -> int:
    """Return how much a node of that name should have the shard: the greatest has it."""
    return int.from_bytes(hashlib.blake2b(f"{name}/{shard}".encode(), digest_size=8).digest(), "big")


def ranked(shard: ShardId, nodes: Sequence[NodeCard]) -> list[NodeCard]:
    """Return the nodes that may own the shard, the best first. Draining nodes have no weight.

    Nodes are hashed by name, so that one that restarts gets its shards back.
    """
    able = [card for card in nodes if not card.draining]
    return sorted(able, key=lambda card: (-weight(card.name, shard), card.instance))


def rank_of(instance: InstanceId, shard: ShardId, nodes: Sequence[NodeCard]) -> int | None:
    """Return the node's place for the shard, 0 the best; None when it may not own it."""
    for place, card in enumerate(ranked(shard, nodes)):
        if card.instance == instance:
            return place
    return None


def fresh(cards: Sequence[NodeCard], *, dead_ms: int) -> list[NodeCard]:
    """Return the cards of nodes that have beaten within ``dead_ms``, by the newest heartbeat seen."""
    newest = max((card.beat_ms for card in cards), default=0)
    return [card for card in cards if newest - card.beat_ms <= dead_ms]
