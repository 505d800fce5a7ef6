"""A cluster's client for those who speak of one shard at a time: the API and the worker.

Each command goes to the master of its key's slot, over an ordinary client of that master. redis-py's own cluster client
is not used: an error on one connection makes it close those of everybody, so that many waiting reads keep breaking
each other after a fail-over; some of its troubles are no ``RedisError``; and its transactions run a thread with an
event loop of its own for each command, whose connections no other loop can use.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.client import Pipeline
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.crc import key_slot
from redis.exceptions import AskError, ClusterDownError, MasterDownError, ReadOnlyError, RedisError, TryAgainError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from arena.redis_address import Place, RedisAddress
from arena.redis_asking import NobodyKnowsError, SlotRange, read_slots

Key = str | bytes

# fmt: off
_MOVED: Final = (
    AskError, ClusterDownError, MasterDownError, ReadOnlyError, TryAgainError, RedisConnectionError, RedisTimeoutError
)
# fmt: on
"""After these (MOVED is an ASK to redis-py) it is asked anew who has which slots."""


class Cluster(Redis):
    """Commands with one key, or with keys of one slot; nothing is repeated and nothing redirected."""

    def __init__(self, address: RedisAddress, **options: Any) -> None:
        told = {
            "username": address.username or None,
            "password": address.password or None,
            "protocol": 2,
            "retry": Retry(NoBackoff(), 0),
            **options,
        }
        host, port = address.places[0]
        super().__init__(connection_pool=ConnectionPool(host=host, port=port, **told))  # only its callbacks are used
        self._address = address
        self._told = told
        self._ranges: list[SlotRange] = []
        self._asking = asyncio.Lock()
        self._masters: dict[Place, Redis] = {}  # at most as many as there are servers

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        """Send a command to the master of its key's slot; one without a key to any master. Raises ``RedisError``."""
        key = _key_of(args)
        master = (await self.masters())[0] if key is None else await self.master_of(key)
        try:
            return await master.execute_command(*args, **options)  # type: ignore[no-untyped-call]  # redis-py's
        except _MOVED:
            self.look_again()
            raise

    def pipeline(self, transaction: bool = True, shard_hint: Any = None) -> "OneSlot":
        """Return a pipeline whose commands' keys are all of one slot."""
        return OneSlot(self, transaction=transaction)

    async def master_of(self, *keys: Key) -> Redis:
        """Return a client of the master that has these keys' slot. Raises ``RedisError``."""
        slots = {key_slot(key.encode() if isinstance(key, str) else key) for key in keys}
        assert len(slots) == 1, "these keys are not of one slot"
        slot = slots.pop()
        for first, last, place in await self._known():
            if first <= slot <= last:
                return self._client_of(place)
        self.look_again()
        raise RedisConnectionError(f"CLUSTERDOWN: nobody serves slot {slot}")

    async def masters(self) -> list[Redis]:
        """Return a client of each master. Raises ``RedisError``."""
        return [self._client_of(place) for place in sorted({place for _, _, place in await self._known()})]

    def look_again(self) -> None:
        """Who has which slots is read anew before the next command."""
        self._ranges = []

    async def _known(self) -> Sequence[SlotRange]:
        async with self._asking:
            if not self._ranges:
                try:
                    self._ranges = await read_slots(self._address, list(self._masters))
                except NobodyKnowsError as error:
                    raise RedisConnectionError(str(error)) from error
            return self._ranges

    def _client_of(self, place: Place) -> Redis:
        if place not in self._masters:
            pool: Any = ConnectionPool(host=place[0], port=place[1], **self._told)
            self._masters[place] = Redis.from_pool(pool)
        return self._masters[place]

    async def aclose(self, close_connection_pool: bool | None = None) -> None:
        """Close all connections."""
        for master in self._masters.values():
            await master.aclose()
        await super().aclose(close_connection_pool=True)


def _key_of(args: Sequence[Any]) -> Key | None:
    """Return the first key: the first argument, or what stands behind STREAMS. (Scripts are not sent through here.)"""
    if len(args) < 2:
        return None
    key = args[1]
    if args[0] in ("XREAD", "XREADGROUP"):
        key = next(args[at + 1] for at, word in enumerate(args) if word in ("STREAMS", b"STREAMS"))
    return key if isinstance(key, str | bytes) else str(key)


class OneSlot(Pipeline):
    """A pipeline to one master, as one step (MULTI … EXEC) or not."""

    def __init__(self, cluster: Cluster, *, transaction: bool) -> None:
        super().__init__(cluster.connection_pool, cluster.response_callbacks, transaction=transaction, shard_hint=None)
        self._cluster = cluster

    async def execute(self, raise_on_error: bool = True) -> list[Any]:
        """Run all commands. Raises ``RedisError``."""
        keys = [key for command in self.command_stack if (key := _key_of(command[0])) is not None]
        if not keys:
            return []
        self.connection_pool = (await self._cluster.master_of(*keys)).connection_pool
        try:
            return list(await super().execute(raise_on_error))
        except RedisError as error:
            if isinstance(error, _MOVED):
                self._cluster.look_again()
            raise
