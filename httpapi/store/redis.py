"""Redis for this process: bounded pools with a time-out on everything."""

from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import ConnectionError as RedisConnectionError

from httpapi.limits import REDIS_CONNECTIONS_MAX, REDIS_S_MAX


def connect(url: str) -> Redis:
    """Return a client; it connects at the first use. Commands raise ``redis.exceptions.RedisError``."""
    return Redis.from_pool(_pool(url, REDIS_S_MAX))


def connect_waiting(url: str) -> Redis:
    """Return a client for pub/sub, which may wait for ever for a message."""
    return Redis.from_pool(_pool(url, None))


def _pool(url: str, timeout_s: float | None) -> Any:
    return BlockingConnectionPool.from_url(
        url,
        max_connections=REDIS_CONNECTIONS_MAX,
        timeout=REDIS_S_MAX,
        socket_timeout=timeout_s,
        socket_connect_timeout=REDIS_S_MAX,
        health_check_interval=30,
        # one more try on a connection that the server had closed meanwhile; a command that timed out is not repeated
        retry=Retry(ExponentialBackoff(cap=0.1, base=0.02), 1, supported_errors=(RedisConnectionError,)),
    )
