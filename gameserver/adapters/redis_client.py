"""Connections through redis-py: everything but commits. Nothing is retried by the library (COMMIT.md §3)."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

from arena import redis_masters
from arena.redis_address import Place, RedisAddress
from gameserver.ports import StoreUnavailable

ANSWER_S: Final = 2.0
"""How long an ordinary command may take; blocking reads have deadlines of their own."""

CONNECT_S: Final = 1.0

# fmt: off
PASSING: Final = frozenset((
    "READONLY", "LOADING", "CLUSTERDOWN", "TRYAGAIN", "MOVED", "ASK", "NOREPLICAS", "MISCONF", "OOM", "BUSY",
    "MASTERDOWN", "UNKILLABLE", "NOAUTH", "WRONGPASS", "NOPERM",
))
# fmt: on
"""Errors that say how the server is, not that the request was wrong: stand still and try again."""


def client(url: str, *, blocking: bool = False) -> Redis:
    """Return a client of its own pool; connects when first used. Raises ``ValueError`` for a cluster's URL."""
    return redis_masters.connect(url, **_options(blocking=blocking))


def client_of(address: RedisAddress, place: Place, *, blocking: bool = False) -> Redis:
    """Return a client of one master that sentinels or a cluster named."""
    return redis_masters.connect_place(address, place, **_options(blocking=blocking))


def _options(*, blocking: bool) -> dict[str, Any]:
    return {
        "protocol": 2,
        "retry": Retry(NoBackoff(), 0),
        "socket_timeout": None if blocking else ANSWER_S,
        "socket_connect_timeout": CONNECT_S,
        "health_check_interval": 0,
        "max_connections": 4 if blocking else 64,
    }


@contextmanager
def reaching(what: str) -> Iterator[None]:
    """Turn what means "not now" into ``StoreUnavailable``; a wrong request (our bug) passes."""
    try:
        yield
    except ResponseError as error:
        word = error.status_code or str(error).partition(" ")[0]
        if word not in PASSING:
            raise
        raise StoreUnavailable(f"{what}: {word}: {error}") from error
    except (RedisError, OSError, TimeoutError) as error:
        raise StoreUnavailable(f"{what}: {type(error).__name__}: {error}") from error
