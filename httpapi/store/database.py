"""PostgreSQL for this process: one pool, a time-out on everything, one error when it cannot serve.

The pool opens at the first use after the database is back: a process starts and lives without it.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any, Final, TypeAlias

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from httpapi.limits import DATABASE_POOL_MAX, DATABASE_S_MAX

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]"
"""Text, because these classes take parameters in their stubs only."""

Row = asyncpg.Record

RETRY_AFTER_S: Final = 1.0

_AWAY: Final = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,  # shut down, cancelled by statement_timeout, still starting
    asyncpg.LockNotAvailableError,
    asyncpg.DeadlockDetectedError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.UndefinedTableError,  # not migrated yet
)


class DatabaseUnavailable(Exception):  # noqa: N818 - named for what callers see, not for whose fault it is
    """PostgreSQL cannot serve now: away, starting, overloaded or too slow. Trying later may work."""


@contextlib.contextmanager
def _away_is_unavailable() -> Iterator[None]:
    try:
        yield
    except _AWAY as error:
        raise DatabaseUnavailable(type(error).__name__) from error


class Database:
    """A pool of connections. Every method may raise ``DatabaseUnavailable``; SQL mistakes escape as they are."""

    def __init__(self, url: str, *, pool_max: int = DATABASE_POOL_MAX, timeout_s: float = DATABASE_S_MAX) -> None:
        self._url = url
        self._pool_max = pool_max
        self._timeout_s = timeout_s
        self._pool: asyncpg.Pool | None = None
        self._opening = asyncio.Lock()
        self._failed_at = float("-inf")

    async def _opened(self) -> asyncpg.Pool:
        if self._pool is not None:
            return self._pool
        async with self._opening:
            if self._pool is not None:
                return self._pool
            if time.monotonic() - self._failed_at < RETRY_AFTER_S:
                raise DatabaseUnavailable("failed a moment ago")
            try:
                self._pool = await asyncpg.create_pool(
                    self._url,
                    min_size=0,  # no task of the pool's own that goes on trying while PostgreSQL is away
                    init_size=1,
                    max_size=self._pool_max,
                    timeout=self._timeout_s,
                    command_timeout=self._timeout_s,
                    max_inactive_connection_lifetime=60,
                    server_settings={
                        "application_name": "svidnet-arena",
                        "timezone": "UTC",
                        "statement_timeout": str(int(self._timeout_s * 1000)),
                        "lock_timeout": str(int(self._timeout_s * 1000)),
                        "idle_in_transaction_session_timeout": str(int(self._timeout_s * 2000)),
                    },
                )
            except _AWAY:
                self._failed_at = time.monotonic()
                raise
            return self._pool

    @contextlib.asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """Lend a connection."""
        with _away_is_unavailable():
            pool = await self._opened()
            async with pool.acquire(timeout=self._timeout_s) as connection:
                yield connection

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """Lend a connection in a transaction: committed at the end, undone by any exception."""
        async with self.connection() as connection, connection.transaction():
            yield connection

    async def fetch(self, sql: str, *arguments: Any) -> list[Row]:
        """Return all rows."""
        async with self.connection() as connection:
            return await connection.fetch(sql, *arguments)

    async def fetchrow(self, sql: str, *arguments: Any) -> Row | None:
        """Return the first row, or None."""
        async with self.connection() as connection:
            return await connection.fetchrow(sql, *arguments)

    async def fetchval(self, sql: str, *arguments: Any) -> Any:
        """Return the first column of the first row, or None."""
        async with self.connection() as connection:
            return await connection.fetchval(sql, *arguments)

    async def execute(self, sql: str, *arguments: Any) -> str:
        """Run a statement; return its command tag."""
        async with self.connection() as connection:
            return await connection.execute(sql, *arguments)

    async def close(self) -> None:
        """Close the pool; what does not end in time is cut."""
        pool, self._pool = self._pool, None
        if pool is None:
            return
        try:
            await asyncio.wait_for(pool.close(), self._timeout_s)
        except TimeoutError:
            pool.terminate()
