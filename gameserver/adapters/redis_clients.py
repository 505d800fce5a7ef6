"""The cold paths' way to the master that holds a shard, and what strict mode asks of a write there."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import NoScriptError

from arena.redis_address import Place
from gameserver.adapters.redis_client import client, client_of, reaching
from gameserver.adapters.redis_layout import Finder, Layout
from gameserver.adapters.redis_scripts import Script
from gameserver.ports import StoreUnavailable
from protocol.ids import ShardId

WAIT_MS: Final = 1_000
"""How long a claim, a healing or a founding waits for its replicas."""


class Clients:
    """One client of redis-py for a server or for what sentinels call the master; one for each master of a cluster."""

    def __init__(self, finder: Finder) -> None:
        self._finder = finder
        address = finder.address
        self._one: Redis | None = None if address.kind == "cluster" else client(address.url)
        self._blocking: Redis | None = None if address.kind == "cluster" else client(address.url, blocking=True)
        self._layout: Layout | None = None
        self._asking = asyncio.Lock()
        self._masters: dict[Place, Redis] = {}  # at most as many as there are nodes in the cluster

    async def close(self) -> None:
        """Close all connections."""
        for one in (self._one, self._blocking, *self._masters.values()):
            if one is not None:
                await one.aclose()

    @property
    def blocking(self) -> Redis | None:
        """A client whose reads may wait, for many shards at once; None for a cluster, where a read has one slot."""
        return self._blocking

    @asynccontextmanager
    async def at(self, shard: ShardId, what: str) -> AsyncIterator[Redis]:
        """Give the client of the shard's master. After ``StoreUnavailable`` it is asked anew who that is."""
        try:
            with reaching(what):
                yield await self._master_of(shard) if self._one is None else self._one
        except StoreUnavailable:
            self._layout = None
            raise

    async def _master_of(self, shard: ShardId) -> Redis:
        layout = await self._known()
        endpoint = layout.endpoints[layout.number_of(shard)]
        return self._client_of((endpoint.host, endpoint.port))

    async def _known(self) -> Layout:
        async with self._asking:
            if self._layout is None:
                self._layout = await self._finder.find()
            return self._layout

    def _client_of(self, place: Place) -> Redis:
        found = self._masters.get(place)
        if found is None:
            found = self._masters[place] = client_of(self._finder.address, place)
        return found

    async def by_master(self, shards: Sequence[ShardId]) -> list[tuple[Redis, list[ShardId]]]:
        """Return the shards of each master with its client. Raises ``StoreUnavailable``."""
        if self._one is not None:
            return [(self._one, list(shards))]
        layout = await self._known()
        apart: dict[int, list[ShardId]] = {}
        for shard in shards:
            apart.setdefault(layout.number_of(shard), []).append(shard)
        found = layout.endpoints
        return [(self._client_of((found[at].host, found[at].port)), part) for at, part in apart.items()]

    async def masters(self) -> list[Redis]:
        """Return a client of each master, by who has what now. Raises ``StoreUnavailable``."""
        if self._one is not None:
            return [self._one]
        self._layout = None
        return [self._client_of((one.host, one.port)) for one in (await self._known()).endpoints]

    def forget(self) -> None:
        """Who has what is asked anew before the next command."""
        self._layout = None


async def run_replicated(
    redis: Redis,
    script: Script,
    keys: tuple[str, ...],
    *args: str | bytes | int,
    replicas: int,
    done: Callable[[Any], bool],
) -> Any:
    """Run a script; what it did (``done``) counts only when so many replicas have it, too.

    Raises:
        StoreUnavailable: too few have it. It may come to count later: repeat it, or look.
    """
    if not replicas:
        return await script.run(redis, keys, *args)
    for form in (("EVALSHA", script.sha), ("EVAL", script.text)):
        async with redis.pipeline(transaction=False) as pipe:  # on one connection: WAIT speaks of its writes only
            execute: Any = pipe.execute_command
            execute(*form, len(keys), *keys, *args)
            execute("WAIT", replicas, WAIT_MS)
            answer, count = await pipe.execute(raise_on_error=False)
        if not isinstance(answer, NoScriptError):
            break
    for one in (answer, count):
        if isinstance(one, Exception):
            raise one
    if done(answer) and count < replicas:
        raise StoreUnavailable(f"{script.name}: {count} of {replicas} replicas have it")
    return answer
