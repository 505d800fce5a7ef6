"""Clients of redis-py for every form of ``REDIS_URL`` (``arena.redis_address``), each with the caller's own limits."""

import asyncio
from typing import Any, Final

from redis.asyncio import Connection, ConnectionPool, Redis
from redis.asyncio.connection import parse_url
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ReadOnlyError

from arena.redis_address import Place, RedisAddress, parse
from arena.redis_asking import NobodyKnowsError, find_master, read_slots

NOT_A_CLUSTER: Final = (
    "cluster:// holds the shards only: set REDIS_CACHE_URL to a server of its own (redis://, unix:// or sentinel://) "
    "for everything else"
)


ASK_AGAIN_S: Final = 0.5
"""How old the sentinels' word may be when a connection is used: a deposed master that lives tells nobody."""

_told_last: dict[RedisAddress, tuple[float, Place]] = {}  # at most as many as there are URLs in the settings


async def _master_of(address: RedisAddress, *, now: float, most_s: float) -> Place:
    """Return the master, by a word that is at most so old. Raises ``NobodyKnowsError``."""
    told_at, place = _told_last.get(address, (0.0, ("", 0)))
    if not place[0] or now - told_at > most_s:
        place = await find_master(address)
        _told_last[address] = (now, place)
    return place


class SentinelConnection(Connection):
    """A connection to whichever server the sentinels call the master; a server that is none any more is left."""

    def __init__(self, *, address: RedisAddress, **options: Any) -> None:
        super().__init__(**options)
        self._address = address

    async def connect(self) -> None:
        """Be connected to the master. The pool asks for this each time it lends the connection."""
        if self.is_connected:
            try:
                now = asyncio.get_running_loop().time()
                master = await _master_of(self._address, now=now, most_s=ASK_AGAIN_S)
            except NobodyKnowsError:
                master = (self.host, self.port)  # without sentinels there is no fail-over either
            if master != (self.host, self.port):
                await self.disconnect()
        await super().connect()  # type: ignore[no-untyped-call]  # the same

    async def _connect(self) -> None:
        try:
            now = asyncio.get_running_loop().time()
            self.host, self.port = await _master_of(self._address, now=now, most_s=0.0)
        except NobodyKnowsError as error:
            raise RedisConnectionError(str(error)) from error
        await super()._connect()  # type: ignore[no-untyped-call]  # redis-py left it without types

    async def read_response(self, *arguments: Any, **options: Any) -> Any:
        """Read as ever; leave a server that is no master any more."""
        try:
            return await super().read_response(*arguments, **options)
        except ReadOnlyError:
            await self.disconnect()
            raise


def connect(url: str, *, pool_class: Any = ConnectionPool, **options: Any) -> Redis:
    """Return a client with a pool of its own; it connects when it is first used.

    Raises:
        ValueError: the URL is none, or names a cluster (``NOT_A_CLUSTER``).
    """
    address = parse(url)
    if address.kind == "cluster":
        raise ValueError(NOT_A_CLUSTER)
    return _client(pool_class, {**_told(address), **options})


def connect_place(address: RedisAddress, place: Place, *, pool_class: Any = ConnectionPool, **options: Any) -> Redis:
    """Return a client of one master that sentinels or a cluster named."""
    told = {"host": place[0], "port": place[1], "db": address.database}
    who = {"username": address.username or None, "password": address.password or None}
    return _client(pool_class, {**told, **who, **options})


async def connect_masters(url: str, **options: Any) -> list[Redis]:
    """Return a client of each master: one, or those that serve slots of a cluster now.

    Raises:
        ValueError: the URL is none.
        OSError: no node of the cluster can be asked.
    """
    address = parse(url)
    if address.kind != "cluster":
        return [connect(url, **options)]
    places = sorted({place for _, _, place in await read_slots(address)})
    return [connect_place(address, place, **options) for place in places]


def _client(pool_class: Any, options: dict[str, Any]) -> Redis:
    client: Redis = Redis.from_pool(pool_class(**options))
    return client


def _told(address: RedisAddress) -> dict[str, Any]:
    if address.kind == "server":
        return dict(parse_url(address.url))
    return {
        "connection_class": SentinelConnection,
        "address": address,
        "db": address.database,
        "username": address.username or None,
        "password": address.password or None,
    }
