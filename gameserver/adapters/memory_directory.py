"""``Directory`` in memory, over a ``MemoryWorld``."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from gameserver.adapters.cards import LISTED_MAX, pack, sort_out, stamped
from gameserver.adapters.memory_world import MemoryWorld
from gameserver.ports import NodeCard, StoreUnavailable
from protocol import keys
from protocol.ids import InstanceId, RoomCode


class MemoryDirectory:
    """A node's view of the directory. While ``unavailable``, everything raises ``StoreUnavailable``."""

    def __init__(self, world: MemoryWorld) -> None:
        self.world = world
        self.unavailable = False

    def _reach(self) -> None:
        if self.unavailable:
            raise StoreUnavailable("unavailable")

    async def beat(self, card: NodeCard) -> Sequence[NodeCard]:
        """Store the heartbeat and return all live cards, ours included."""
        self._reach()
        now = self.world.now_ms()
        self.world.nodes[card.instance] = pack(stamped(card, now))
        cards, dead = sort_out(self.world.nodes, now)
        for instance in dead:
            del self.world.nodes[instance]
        return cards

    async def leave(self, instance: InstanceId) -> None:
        """Take the node's card away."""
        self._reach()
        self.world.nodes.pop(instance, None)

    async def put_cards(self, cards: Mapping[str, bytes | None], public: Mapping[str, bool]) -> None:
        """Write or delete room cards and list the public ones."""
        self._reach()
        world, now = self.world, self.world.now_ms()
        for code, card in cards.items():
            if card is None:
                world.cards.pop(code, None)
            else:
                world.cards[code] = (card, now + keys.ROOM_CARD_TTL_S * 1000)
            if card is not None and public.get(code, False):
                world.public[code] = now // 1000
            else:
                world.public.pop(code, None)
        oldest = now // 1000 - keys.ROOM_CARD_TTL_S
        world.public = {code: written for code, written in world.public.items() if written > oldest}

    async def put_connections(self, node: str, counts: Mapping[RoomCode, int]) -> None:
        """Write how many connections of each room this node holds."""
        self._reach()
        until = self.world.now_ms() + keys.WS_CONNECTIONS_TTL_S * 1000
        for code, count in counts.items():
            held, _ = self.world.connections.get(code, ({}, 0))
            held = {**held, node: count} if count else {name: n for name, n in held.items() if name != node}
            if held:
                self.world.connections[code] = (held, until)
            else:
                self.world.connections.pop(code, None)

    async def list_public(self) -> Sequence[dict[str, Any]]:
        """Return the cards of public rooms, the last changed first, at most ``LISTED_MAX``."""
        self._reach()
        newest = sorted(self.world.public, key=lambda code: (self.world.public[code], code), reverse=True)[:LISTED_MAX]
        return [msgspec.json.decode(self.world.cards[code][0]) for code in newest if code in self.world.cards]

    async def use_ticket(self, jti: str) -> bool:
        """Mark a ticket used; False when it was already."""
        self._reach()
        now = self.world.now_ms()
        if self.world.tickets.get(jti, now) > now:
            return False
        self.world.tickets[jti] = now + keys.TICKET_TTL_S * 1000
        return True

    async def read_revoked(self) -> Sequence[str]:
        """Return the ids of revoked sessions and users."""
        self._reach()
        now = self.world.now_ms() // 1000
        return [who for who, until in self.world.revoked.items() if until > now]
