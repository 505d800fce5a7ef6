"""What a node does about what it learns of the others: who died, who released what, who should be left to heal."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

import structlog

from gameserver.ports import Look, NodeCard
from protocol.ids import InstanceId, ShardId

if TYPE_CHECKING:
    from gameserver.shards.keeper import Keeper

DEAD_MAX: Final = 256
HEAL_MS: Final = 1_000
BEATS_OF_THE_LIVING: Final = 3
"""Of one that died there is the last heartbeat, and perhaps one that was on its way."""

log = structlog.get_logger("neighbours")


def _nothing() -> None:
    """Nobody can stop a node that was put together without a process around it."""


class Alone:
    """``Peers`` of a node that has none, or no secret to speak to them: the lease decides everything."""

    def see(self, cards: Sequence[NodeCard]) -> None:
        """There is nobody to connect to."""

    def ready(self, cards: Sequence[NodeCard]) -> bool:
        """Nothing to wait for."""
        del cards
        return True

    async def holds(self, shards: Sequence[ShardId]) -> Mapping[ShardId, tuple[int, int]]:
        """Nobody answers."""
        del shards
        return {}

    def freed(self, shards: Sequence[ShardId]) -> None:
        """Nobody hears it."""


class Neighbours:
    """The others as this node's keeper thinks of them."""

    def __init__(self, keeper: "Keeper") -> None:
        self._keeper = keeper
        # Instances whose process is known to have ended → the heartbeats seen of them since.
        self.dead: dict[InstanceId, set[int]] = {}
        self._buried: set[InstanceId] = set()
        self._left_until: dict[ShardId, float] = {}
        self.drain_asked: Callable[[], None] = _nothing

    # ---- Neighbour --------------------------------------------------------------------------------------

    def node_died(self, instance: InstanceId) -> None:
        """The process of that instance has ended: its shards are to be stolen, now."""
        if instance in self.dead:
            return
        self.dead[instance] = set()
        while len(self.dead) > DEAD_MAX:
            del self.dead[next(iter(self.dead))]
        log.warning("node_died", instance=instance)
        self._keeper.claiming.look_again()

    def node_lives(self, instance: InstanceId) -> None:
        """It was spoken to: it had been suspected wrongly."""
        self.dead.pop(instance, None)

    def seen(self, cards: Sequence[NodeCard]) -> None:
        """Who goes on beating lives: two nodes that suspect each other wrongly would steal from each other for ever."""
        for card in cards:
            beats = self.dead.get(InstanceId(card.instance))
            if beats is not None:
                beats.add(card.beat_ms)
                if len(beats) >= BEATS_OF_THE_LIVING:
                    log.warning("node_lives", instance=card.instance)
                    self.node_lives(InstanceId(card.instance))

    def shards_freed(self, shards: Sequence[ShardId]) -> None:
        """Another node has just released these: whoever ranks first takes them now."""
        self._keeper.claiming.freed(shards)

    def holding(self) -> Mapping[ShardId, tuple[int, int]]:
        """Return the shards held here: epoch, and seq of the last confirmed record."""
        return {shard.id: (shard.epoch, shard.pipe.confirmed_seq) for shard in self._keeper.shards.values()}

    def asked_to_drain(self) -> None:
        """An operator wants this node to hand everything over and stop."""
        self.drain_asked()

    async def bury(self) -> None:
        """Take the cards of the dead away: doors shall not look for rooms there. One that lives brings its own back."""
        self._buried &= self.dead.keys()
        for card in self._keeper.cards:
            instance = InstanceId(card.instance)
            if instance in self.dead and instance not in self._buried:
                self._buried.add(instance)
                await self._keeper.directory.leave(instance)

    # ---- healing is left to who can (COMMIT.md §6) --------------------------------------------------------

    def left_to_heal(self, shard_id: ShardId, look: Look | None, held: tuple[int, int] | None) -> bool:
        """Whether a peer remembers more of the shard than the store has, and still has time to give it back."""
        stands = (look.head.epoch, look.head.seq) if look is not None else (0, -1)
        if held is None or held <= stands:
            self._left_until.pop(shard_id, None)
            return False
        now = self._keeper.clocks.monotonic_ms()
        until = self._left_until.get(shard_id)
        if until is None:
            until = self._left_until[shard_id] = now + self._keeper.settings.lease_ms + HEAL_MS
            log.warning("left_to_heal", shard=shard_id, peer=held, store=stands)
        return now < until
