"""What nodes hear of each other: ``gameserver.ports.Peers`` over simulated control connections."""

import asyncio
from collections.abc import Mapping, Sequence
from random import Random
from typing import TYPE_CHECKING, Final

from gameserver.ports import NodeCard
from protocol.ids import InstanceId, ShardId
from tests.sim.loop import State

if TYPE_CHECKING:
    from tests.sim.node import SimNode

ASK_S: Final = 0.2


class SimPeers:
    """One node's connections to the others. ``everybody`` is shared and grows."""

    def __init__(self, me: "SimNode", everybody: "list[SimNode]", random: Random) -> None:
        self._me = me
        self._everybody = everybody
        self._random = random

    def _others(self) -> "list[SimNode]":
        return [node for node in self._everybody if node is not self._me and node.process.state is not State.DEAD]

    def _way(self) -> float:
        return self._random.uniform(0.0005, 0.01)

    def see(self, cards: Sequence[NodeCard]) -> None:
        """Connections are there already."""

    def ready(self, cards: Sequence[NodeCard]) -> bool:
        return True

    async def holds(self, shards: Sequence[ShardId]) -> Mapping[ShardId, tuple[int, int]]:
        found: dict[ShardId, tuple[int, int]] = {}
        others = self._others()
        left = [len(others)]
        loop = self._me.process.loop
        done: asyncio.Future[None] = loop.create_future()

        def answer(held: Mapping[ShardId, tuple[int, int]]) -> None:
            for shard in shards:
                if shard in held:
                    found[shard] = max(found.get(shard, (0, 0)), held[shard])
            left[0] -= 1
            if not left[0] and not done.done():
                done.set_result(None)

        def ask(node: "SimNode") -> None:
            held = node.keeper.neighbours.holding()
            self._me.process.call(self._way(), answer, held)

        for node in others:
            node.process.call(self._way(), ask, node)
        if others:
            await asyncio.wait((done,), timeout=ASK_S)
        return dict(found)

    def freed(self, shards: Sequence[ShardId]) -> None:
        for node in self._others():
            node.process.call(self._way(), node.keeper.neighbours.shards_freed, list(shards))


def tell_death(dead: InstanceId, everybody: "Sequence[SimNode]", random: Random) -> None:
    """Its connections ended: the others notice, one after another."""
    for node in everybody:
        if node.instance != dead and node.process.state is not State.DEAD:
            node.process.call(random.uniform(0.001, 0.15), node.keeper.neighbours.node_died, dead)
