"""Which master holds which shard: asked anew whenever one of them refused, left or did not answer."""

from collections.abc import Sequence

from msgspec import Struct, structs
from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot

from arena.redis_address import Place, RedisAddress, parse
from arena.redis_asking import find_master, read_slots
from gameserver.adapters.redis_endpoint import Endpoint
from gameserver.ports import StoreUnavailable
from protocol import keys
from protocol.ids import ShardId


class Layout(Struct, frozen=True):
    """The masters, and which of them holds a slot (``None``: one server holds everything)."""

    endpoints: tuple[Endpoint, ...]
    slots: tuple[tuple[int, int, int], ...] | None = None  # first, last, number of the endpoint

    @property
    def whole(self) -> bool:
        """Whether somebody serves each slot."""
        return self.slots is None or sum(last - first + 1 for first, last, _ in self.slots) == REDIS_CLUSTER_HASH_SLOTS

    def number_of(self, shard: ShardId) -> int:
        """Return the number of the endpoint that holds the shard. Raises ``StoreUnavailable``: nobody serves it."""
        if self.slots is None:
            return 0
        slot = slot_of(shard)
        for first, last, number in self.slots:
            if first <= slot <= last:
                return number
        raise StoreUnavailable(f"CLUSTERDOWN: nobody serves slot {slot} (shard {shard})")


def slot_of(shard: ShardId) -> int:
    """Return the slot of a shard's keys: they share one hash tag."""
    return int(key_slot(keys.head(shard).encode()))


class Finder:
    """Finds the layout by what ``REDIS_URL`` says. Commits and cold paths share it: they must speak to one master."""

    def __init__(self, url: str) -> None:
        self._address = parse(url)
        self._known: Sequence[Place] = ()  # nodes seen before: those of the URL may be gone by now
        self._current: Layout | None = None
        self._single = Endpoint.from_url(url) if self._address.kind == "server" else None

    @property
    def address(self) -> RedisAddress:
        """What the URL says."""
        return self._address

    def forget(self) -> None:
        """Something was refused, or did not answer: the layout is asked anew before it is used again."""
        self._current = None

    async def known(self) -> Layout:
        """Return the layout as it was last found. Raises ``StoreUnavailable``."""
        return self._current or await self.find()

    async def find(self) -> Layout:
        """Ask where the masters are now; ``known`` tells it from now on. Raises ``StoreUnavailable``."""
        self._current = await self._find()
        return self._current

    async def _find(self) -> Layout:
        if self._single is not None:
            return Layout((self._single,))
        try:
            if self._address.kind == "sentinel":
                return Layout((self._endpoint(await find_master(self._address)),))
            ranges = await read_slots(self._address, self._known)
        except OSError as error:
            raise StoreUnavailable(str(error)) from error
        masters = sorted({place for _, _, place in ranges})
        self._known = masters[:64]
        number = {place: index for index, place in enumerate(masters)}
        slots = tuple(sorted((first, last, number[place]) for first, last, place in ranges))
        return Layout(tuple(self._endpoint(place) for place in masters), slots)

    def _endpoint(self, place: Place) -> Endpoint:
        address = self._address
        plain = Endpoint(place[0], place[1], "", address.database, address.username, address.password)
        return structs.replace(plain, must_be_master=True)
