"""A cluster's client for those who speak of one shard at a time: the API and the worker.

redis-py's own has two faults that are mended here. Some of its troubles are no ``RedisError``; and its transactions
run a thread with an event loop of its own for each command, whose connections no other loop can use.
"""

from collections.abc import Sequence
from typing import Any, cast

from redis.asyncio import ConnectionPool, RedisCluster
from redis.asyncio.client import Pipeline
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.crc import key_slot
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisClusterException, RedisError

from arena.redis_address import RedisAddress


class Cluster(RedisCluster):
    """Sends each command to the master of its key's slot; nothing is repeated but what was redirected."""

    def __init__(self, address: RedisAddress, **options: Any) -> None:
        told = {
            "username": address.username or None,
            "password": address.password or None,
            "protocol": 2,
            "retry": Retry(NoBackoff(), 0),
            **options,
        }
        self._told = told
        self._pools: dict[tuple[str, int], ConnectionPool] = {}  # at most as many as there are masters
        super().__init__(
            startup_nodes=[ClusterNode(host, port) for host, port in address.places],
            require_full_coverage=False,
            **told,
        )

    async def initialize(self, *arguments: Any, **options: Any) -> "Cluster":
        """Read who has which slots, unless that is known."""
        try:
            await super().initialize(*arguments, **options)
        except RedisClusterException as error:
            raise RedisConnectionError(str(error)) from error
        return self

    async def execute_command(self, *arguments: Any, **options: Any) -> Any:
        """Send a command to the master of its slot."""
        try:
            return await super().execute_command(*arguments, **options)
        except RedisClusterException as error:
            raise RedisConnectionError(str(error)) from error

    def pipeline(self, transaction: Any = None, shard_hint: Any = None) -> Any:
        """Return a pipeline: to all masters, or, as a transaction, to the one that has the keys (all of one slot)."""
        return OneSlot(self) if transaction else super().pipeline(shard_hint=shard_hint)

    async def pool_of(self, keys: Sequence[str | bytes]) -> ConnectionPool:
        """Return connections to the master of these keys. Raises ``RedisError``."""
        slots = {key_slot(key.encode() if isinstance(key, str) else key) for key in keys}
        assert len(slots) == 1, "a transaction has the keys of one slot"
        await self.initialize()
        try:
            node = self.nodes_manager.get_node_from_slot(slots.pop())
        except RedisClusterException as error:
            raise RedisConnectionError(str(error)) from error
        place = (str(node.host), int(node.port))
        if place not in self._pools:
            self._pools[place] = ConnectionPool(host=place[0], port=place[1], **self._told)
        return self._pools[place]

    async def look_again(self) -> None:
        """Who has which slots is read anew before the next command."""
        await super().aclose()

    async def aclose(self) -> None:
        """Close all connections."""
        for pool in self._pools.values():
            await pool.disconnect()
        await super().aclose()


class OneSlot(Pipeline):
    """MULTI … EXEC at one master. Each command's first argument is its key; answers are as the server gave them."""

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(cast(ConnectionPool, None), {}, transaction=True, shard_hint=None)
        self._cluster = cluster

    async def execute(self, raise_on_error: bool = True) -> list[Any]:
        """Run all commands in one step. Raises ``RedisError``."""
        if not self.command_stack:
            return []
        self.connection_pool = await self._cluster.pool_of([command[0][1] for command in self.command_stack])
        try:
            return list(await super().execute(raise_on_error))
        except RedisError:
            await self._cluster.look_again()
            raise
