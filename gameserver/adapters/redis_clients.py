"""The cold paths' way to the master that holds a shard, and what strict mode asks of a write there."""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import NoScriptError

from arena.redis_address import Place
from gameserver.adapters.redis_client import client, client_of, reaching
from gameserver.adapters.redis_endpoint import Endpoint
from gameserver.adapters.redis_layout import Finder
from gameserver.adapters.redis_scripts import Script
from gameserver.ports import StoreUnavailable
from protocol.ids import ShardId

WAIT_MS: Final = 1_000
"""How long a claim, a healing or a founding waits for its replicas."""


class Clients:
    """A client of redis-py for each master: one, or those of a cluster."""

    def __init__(self, finder: Finder) -> None:
        self._finder = finder
        address = finder.address
        self._server = None if address.kind != "server" else (client(address.url), client(address.url, blocking=True))
        self._masters: dict[Place, tuple[Redis, Redis]] = {}  # at most as many as there are servers

    async def close(self) -> None:
        """Close all connections."""
        pairs = [*self._masters.values(), *([self._server] if self._server else [])]
        for pair in pairs:
            for one in pair:
                await one.aclose()

    @asynccontextmanager
    async def at(self, shard: ShardId, what: str) -> AsyncIterator[Redis]:
        """Give the client of the shard's master. After ``StoreUnavailable`` it is asked anew who that is."""
        with self.reaching(what):
            layout = await self._finder.known()
            yield self._of(layout.endpoints[layout.number_of(shard)])[0]

    @contextmanager
    def reaching(self, what: str) -> Iterator[None]:
        """Make ``StoreUnavailable`` of what means "not now"; the masters are asked for anew then."""
        try:
            with reaching(what):
                yield
        except StoreUnavailable:
            self._finder.forget()
            raise

    def _of(self, endpoint: Endpoint) -> tuple[Redis, Redis]:
        """Return the client for commands, and the one for reads that may wait."""
        if self._server is not None:
            return self._server
        place, address = (endpoint.host, endpoint.port), self._finder.address
        if place not in self._masters:
            self._masters[place] = client_of(address, place), client_of(address, place, blocking=True)
        return self._masters[place]

    async def waiting(self) -> Redis | None:
        """Return a client whose reads may wait, for all shards at once; None for a cluster: a read has one slot there.

        Raises ``StoreUnavailable``.
        """
        if self._finder.address.kind == "cluster":
            return None
        return self._of((await self._finder.known()).endpoints[0])[1]

    async def by_master(self, shards: Sequence[ShardId]) -> list[tuple[Redis, list[ShardId]]]:
        """Return the shards of each master with its client. Raises ``StoreUnavailable``."""
        layout = await self._finder.known()
        apart: dict[int, list[ShardId]] = {}
        for shard in shards:
            apart.setdefault(layout.number_of(shard), []).append(shard)
        return [(self._of(layout.endpoints[number])[0], part) for number, part in apart.items()]

    async def masters(self) -> list[Redis]:
        """Return a client of each master, by who has what now. Raises ``StoreUnavailable``."""
        return [self._of(endpoint)[0] for endpoint in (await self._finder.find()).endpoints]


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
