"""Which node owns a room: the nodes' cards, read from Redis at most each half second.

Whoever finds a card wrong (the node refused, a connection to it died at once) has the next one who asks read them
anew. A node that could not be reached is not used again until it has told a newer card.
"""

import asyncio
from collections.abc import Sequence
from typing import Final, Protocol

import msgspec
import redis.asyncio
from msgspec import Struct
from redis.exceptions import RedisError

from arena.tasks import end
from protocol import keys
from protocol.ids import RoomCode, shard_of

MAX_AGE_S: Final = 0.5
MIN_AGE_S: Final = 0.05  # even after a card turned out wrong
OLD_S: Final = 5.0  # cards may be this old while the store cannot be reached
READ_S: Final = 1.0
DEAD_AFTER_MS: Final = 1_600  # four heartbeats
UNREACHABLE_MAX: Final = 4_096


class NodeCard(Struct, frozen=True):
    """A live node as its heartbeat tells it; the part the door needs (fields it does not know are ignored)."""

    instance: str
    address: str
    beat_ms: int
    shards: list[int]
    control: str = ""
    connections: int = 0
    draining: bool = False


class NodesUnavailable(Exception):  # noqa: N818 - a state of the world, not a fault of the caller
    """The cards cannot be read just now."""


class Nodes(Protocol):
    """Where the cards are."""

    async def read(self) -> Sequence[NodeCard]:
        """Return the cards of live nodes. Raises ``NodesUnavailable``."""


class RedisNodes:
    """The cards in the hash ``arena:nodes``."""

    def __init__(self, client: redis.asyncio.Redis, *, dead_after_ms: int = DEAD_AFTER_MS) -> None:
        self._client = client
        self._dead_after_ms = dead_after_ms
        self._unpack = msgspec.json.Decoder(NodeCard).decode

    async def read(self) -> Sequence[NodeCard]:
        """Return the cards whose heartbeat is fresh by the store's clock. Raises ``NodesUnavailable``."""
        try:
            async with asyncio.timeout(READ_S):
                async with self._client.pipeline(transaction=False) as pipe:
                    pipe.hgetall(keys.NODES)
                    pipe.time()
                    stored, (seconds, micros) = await pipe.execute()
        except (RedisError, OSError, TimeoutError) as error:
            raise NodesUnavailable from error
        now_ms = seconds * 1000 + micros // 1000
        cards = []
        for raw in stored.values():
            try:
                card = self._unpack(raw)
            except msgspec.DecodeError:
                continue  # another version's card, or rubbish: as good as no node
            if now_ms - card.beat_ms <= self._dead_after_ms:
                cards.append(card)
        return cards


class OwnerCache:
    """The cards as last read. One reading at a time; everybody who asks meanwhile waits for it."""

    def __init__(self, nodes: Nodes, *, shards: int) -> None:
        self._nodes = nodes
        self._shards = shards
        self._cards: Sequence[NodeCard] = ()
        self._read_at = float("-inf")
        self._wrong = False
        self._reading: asyncio.Task[None] | None = None
        self._unreachable: dict[str, int] = {}  # instance → the heartbeat of the card that was tried

    async def owner(self, code: RoomCode) -> NodeCard | None:
        """Return the node that holds the room's shard; None: unknown or moving. Raises ``NodesUnavailable``."""
        await self._refresh()
        shard = shard_of(code, self._shards)
        holders = [card for card in self._cards if shard in card.shards and self._is_good(card)]
        return max(holders, key=lambda card: card.beat_ms, default=None)

    async def any_node(self) -> NodeCard | None:
        """Return a live node with few connections, for the lobby. Raises ``NodesUnavailable``."""
        await self._refresh()
        nodes = [card for card in self._cards if not card.draining and self._is_good(card)]
        return min(nodes, key=lambda card: card.connections, default=None)

    async def living(self) -> Sequence[NodeCard]:
        """Return the cards of live nodes. Raises ``NodesUnavailable``."""
        await self._refresh()
        return self._cards

    def shard(self, code: RoomCode) -> int:
        """Return the room's shard."""
        return shard_of(code, self._shards)

    async def close(self) -> None:
        """End a reading that goes on; nobody asks any more."""
        if self._reading is not None:
            await end([self._reading])

    def doubt(self) -> None:
        """A card seems to be wrong: read anew when somebody asks."""
        self._wrong = True

    def unreachable(self, card: NodeCard) -> None:
        """The node could not be reached: do not use it before it tells a newer card."""
        self._wrong = True
        self._unreachable[card.instance] = card.beat_ms
        if len(self._unreachable) > UNREACHABLE_MAX:
            del self._unreachable[next(iter(self._unreachable))]

    def _is_good(self, card: NodeCard) -> bool:
        return card.beat_ms > self._unreachable.get(card.instance, -1)

    async def _refresh(self) -> None:
        loop = asyncio.get_running_loop()
        age = loop.time() - self._read_at
        if age < (MIN_AGE_S if self._wrong else MAX_AGE_S):
            return
        if self._reading is None:
            self._reading = loop.create_task(self._read(), name="door-owners")
        # A visitor who goes away must not take the reading from the others.
        await asyncio.shield(self._reading)

    async def _read(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            self._cards = await self._nodes.read()
            self._read_at = loop.time()
            self._wrong = False
        except NodesUnavailable:
            if loop.time() - self._read_at > OLD_S:
                raise
        finally:
            self._reading = None
