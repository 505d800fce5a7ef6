"""Clients of redis-py for every form of ``REDIS_URL`` (``arena.redis_address``), each with the caller's own limits."""

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


class SentinelConnection(Connection):
    """A connection to whichever server the sentinels call the master when it is opened.

    A server that turned out to be a replica is left at once: the next connection asks again.
    """

    def __init__(self, *, address: RedisAddress, **options: Any) -> None:
        super().__init__(**options)
        self._address = address

    async def _connect(self) -> None:
        try:
            self.host, self.port = await find_master(self._address)
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
