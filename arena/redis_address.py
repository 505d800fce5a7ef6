"""What ``REDIS_URL`` may say: one server, the master that sentinels name, or a cluster.

- ``redis://[user:password@]host:port[/db]`` or ``unix://[user:password@]/path[?db=0]``: one server.
- ``sentinel://[user:password@]host:port,host:port/service[?db=0&sentinel_user=…&sentinel_password=…]``: the sentinels,
  and the name by which they know the master. User and password are the data servers'; sentinels have their own.
- ``cluster://[user:password@]host:port,host:port``: some nodes of a Redis Cluster; the others are found through them.

In user, password and service, what has a meaning in URLs is written as ``%40`` and the like.
"""

from collections.abc import Sequence
from typing import Final, Literal
from urllib.parse import parse_qsl, unquote, urlsplit

from msgspec import Struct

Place = tuple[str, int]

SENTINEL_PORT: Final = 26_379
SERVER_PORT: Final = 6_379
_SEEDS_MAX: Final = 32
_OPTIONS: Final = ("db", "sentinel_user", "sentinel_password")


class RedisAddress(Struct, frozen=True, kw_only=True):
    """Where Redis is. ``url`` is the whole text, for one server; ``places`` are sentinels or nodes of a cluster."""

    kind: Literal["server", "sentinel", "cluster"]
    url: str
    places: tuple[Place, ...] = ()
    service: str = ""
    database: int = 0
    username: str = ""
    password: str = ""
    sentinel_username: str = ""
    sentinel_password: str = ""


def parse(text: str) -> RedisAddress:
    """Read the URL. Raises ``ValueError`` with what it must be."""
    scheme = text.partition("://")[0]
    if scheme == "sentinel":
        return _sentinel(text)
    if scheme == "cluster":
        return _cluster(text)
    try:
        parts = urlsplit(text)
        reached = (parts.scheme in ("redis", "rediss") and parts.hostname) or (parts.scheme == "unix" and parts.path)
        _ = parts.port  # reading it checks it
    except ValueError:
        reached = False
    if not reached:
        raise ValueError(
            "must be a URL such as redis://:password@host:6379/0, unix:///path, "
            "sentinel://host:26379,host:26379/service or cluster://host:6379,host:6379"
        )
    return RedisAddress(kind="server", url=text)


def is_cluster(text: str) -> bool:
    """Return whether the URL (read before) names a cluster."""
    return text.startswith("cluster://")


def _sentinel(text: str) -> RedisAddress:
    must = "must be such as sentinel://:password@host:26379,host:26379/service?db=0"
    parts = urlsplit(text)
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    service = unquote(parts.path.strip("/"))
    unknown = sorted(set(options) - set(_OPTIONS))
    if unknown:
        raise ValueError(f"has the option {unknown[0]}, which means nothing: {' and '.join(_OPTIONS)} do")
    if not service or "/" in service:
        raise ValueError(f"{must}: the service is the name by which the sentinels know the master")
    database = options.get("db", "0")
    if not database.isdecimal() or not database.isascii():
        raise ValueError(f"{must}: db is a number")
    username, password, places = _netloc(parts.netloc, SENTINEL_PORT, must)
    return RedisAddress(
        kind="sentinel",
        url=text,
        places=places,
        service=service,
        database=int(database),
        username=username,
        password=password,
        sentinel_username=options.get("sentinel_user", ""),
        sentinel_password=options.get("sentinel_password", ""),
    )


def _cluster(text: str) -> RedisAddress:
    must = "must be such as cluster://:password@host:6379,host:6379"
    parts = urlsplit(text)
    if parts.path.strip("/") not in ("", "0") or parts.query:
        raise ValueError(f"{must}: a cluster has one database and no options")
    username, password, places = _netloc(parts.netloc, SERVER_PORT, must)
    return RedisAddress(kind="cluster", url=text, places=places, username=username, password=password)


def _netloc(netloc: str, port: int, must: str) -> tuple[str, str, tuple[Place, ...]]:
    """Return user, password and places."""
    people, _, hosts = netloc.rpartition("@")
    username, _, password = people.partition(":")
    places = tuple(_place(item, port, must) for item in hosts.split(","))
    if len(places) > _SEEDS_MAX:
        raise ValueError(f"{must}: at most {_SEEDS_MAX} places; the others are found through them")
    return unquote(username), unquote(password), places


def _place(item: str, port: int, must: str) -> Place:
    try:
        parts = urlsplit(f"//{item}")
        host, told = parts.hostname, parts.port
    except ValueError:
        host, told = None, None
    if not host or parts.path or parts.query:
        raise ValueError(f"{must}: {item!r} is no host:port")
    return host, told or port


def shown(places: Sequence[Place]) -> str:
    """Return places for people."""
    return ",".join(f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in places)
