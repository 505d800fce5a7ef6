"""Redis for this process: bounded pools with a time-out on everything.

``REDIS_CACHE_URL`` names one server, or sentinels that know the master. ``REDIS_URL`` may name a cluster, too: then a
command touches the keys of one shard only, and a pipeline in one step those of one shard.
"""

from typing import Any, Final

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import ConnectionError as RedisConnectionError

from arena import redis_masters
from arena.redis_address import is_cluster, parse
from arena.redis_cluster import Cluster
from httpapi.limits import REDIS_CONNECTIONS_MAX, REDIS_S_MAX

HEALTH_S: Final = 30
"""A connection that rested for so long is asked whether it lives before it is used."""


def connect(url: str) -> Redis:
    """Return a client; it connects at the first use. Commands raise ``redis.exceptions.RedisError``."""
    if is_cluster(url):
        return connect_cluster(url, connections=REDIS_CONNECTIONS_MAX, timeout_s=REDIS_S_MAX)
    return redis_masters.connect(url, **_options(REDIS_S_MAX))


def connect_waiting(url: str) -> Redis:
    """Return a client for pub/sub, which may wait for ever for a message. Raises ``ValueError`` for a cluster."""
    return redis_masters.connect(url, **_options(None))


def connect_cluster(url: str, *, connections: int, timeout_s: float) -> Redis:
    """Return a client of a cluster's shards; ``connections`` to each of its servers, at most."""
    return Cluster(
        parse(url), max_connections=connections, socket_timeout=timeout_s, socket_connect_timeout=REDIS_S_MAX
    )


def _options(timeout_s: float | None) -> dict[str, Any]:
    return {
        "pool_class": BlockingConnectionPool,
        "max_connections": REDIS_CONNECTIONS_MAX,
        "timeout": REDIS_S_MAX,
        "socket_timeout": timeout_s,
        "socket_connect_timeout": REDIS_S_MAX,
        "health_check_interval": HEALTH_S,
        # one more try on a connection that the server had closed meanwhile; a command that timed out is not repeated
        "retry": Retry(ExponentialBackoff(cap=0.1, base=0.02), 1, supported_errors=(RedisConnectionError,)),
    }
