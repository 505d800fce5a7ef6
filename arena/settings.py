"""Settings from the environment: every variable once, with its unit, default and bounds (``Settings.from_env``)."""

import difflib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from msgspec import Struct

from arena import redis_address, values
from arena.values import Network, SettingsError

__all__ = ["VARIABLES", "Settings", "SettingsError", "unknown_variables"]

_LEASE_MS: Final = 2_000


class Settings(Struct, frozen=True, kw_only=True):
    """What one process was told. Times are milliseconds, sizes bytes."""

    database_url: str = ""
    redis_url: str = ""
    redis_cache_url: str = ""
    commit_replicas: int = 0
    data: Path = Path(".arena")
    host: str = "0.0.0.0"  # noqa: S104 - phones in the room must reach it
    port: int = 8000
    node_name: str = "node-1"
    node_listen: tuple[str, int] = ("127.0.0.1", 0)
    shards: int = 64
    lease_ms: int = _LEASE_MS
    renew_ms: int = 600
    beat_ms: int = 400
    claim_ms: int = 200
    tick_hz: int = 20
    found_grace_ms: int = 4_000
    sockets: int = 20_000
    sockets_per_address: int = 2_000
    trusted_proxies: tuple[Network, ...] = ()
    door_secret: str = ""
    origins: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    allow_jwt_in_url: bool = False
    unsafe_redis: bool = False
    fault: str = ""
    log: str = "info"
    jwt_private: str = ""
    jwt_public: str = ""

    @classmethod
    def from_env(cls, environment: Mapping[str, str] | None = None) -> "Settings":
        """Read the environment (the process's own by default). Empty variables count as not set.

        Raises:
            SettingsError: one line that names the variable and says what to do.
        """
        source = os.environ if environment is None else environment
        told: dict[str, Any] = {}
        for field, variable in VARIABLES.items():
            text = source.get(variable.name, "").strip()
            if text:
                try:
                    told[field] = variable.read(text)
                except ValueError as error:
                    raise SettingsError(f"{variable.name} {error}.") from None
        if redis_address.is_cluster(told.get("redis_url", "")) and "redis_cache_url" not in told:
            raise SettingsError(
                "REDIS_CACHE_URL is not set, and REDIS_URL is a cluster, which holds the shards only: name a server of "
                "its own (redis://, unix:// or sentinel://) for everything else."
            )
        told.setdefault("redis_cache_url", told.get("redis_url", ""))
        if "found_grace_ms" not in told:
            told["found_grace_ms"] = max(2 * told.get("lease_ms", _LEASE_MS), 3_000)
        settings = cls(**told)
        settings.check_relations()
        return settings

    def check_relations(self) -> None:
        """Check what must hold between settings (COMMIT.md §4, §6).

        Raises:
            SettingsError: which two do not fit, and what to do.
        """
        rules = (
            # Frozen is half a lease after the last confirmation: a renewal must come well before.
            (3 * self.renew_ms <= self.lease_ms, "ARENA_RENEW_MS", "at most a third of ARENA_LEASE_MS"),
            (4 * self.beat_ms <= self.lease_ms, "ARENA_BEAT_MS", "at most a quarter of ARENA_LEASE_MS"),
            (self.claim_ms <= self.lease_ms, "ARENA_CLAIM_MS", "at most ARENA_LEASE_MS"),
            (self.found_grace_ms >= self.lease_ms, "ARENA_FOUND_GRACE_MS", "at least ARENA_LEASE_MS"),
        )
        for holds, name, must in rules:
            if not holds:
                raise SettingsError(f"{name} must be {must} ({self.lease_ms} ms): change one of the two.")

    def require_database(self) -> str:
        """Return DATABASE_URL; raises ``SettingsError`` when it is not set."""
        return _required("DATABASE_URL", self.database_url, "postgresql://user:password@host/arena")

    def require_redis(self) -> str:
        """Return REDIS_URL; raises ``SettingsError`` when it is not set."""
        return _required("REDIS_URL", self.redis_url, "redis://host:6379/0")


def _required(name: str, value: str, example: str) -> str:
    if not value:
        raise SettingsError(f"{name} is not set: set it (such as {example}), or start everything with `arena up`.")
    return value


class Variable(NamedTuple):
    """One environment variable: how it is read and what it means, for people."""

    name: str
    read: Callable[[str], Any]
    meaning: str


VARIABLES: Final[dict[str, Variable]] = {
    "database_url": Variable("DATABASE_URL", values.database_url, "PostgreSQL; unset: `arena up` runs its own"),
    "redis_url": Variable(
        "REDIS_URL",
        values.redis_url,
        "Redis or Valkey: redis://, sentinel:// or cluster://; unset: `arena up` runs its own",
    ),
    "redis_cache_url": Variable(
        "REDIS_CACHE_URL", values.redis_cache_url, "everything but the shards; default REDIS_URL, needed for a cluster"
    ),
    "commit_replicas": Variable(
        "ARENA_COMMIT_REPLICAS", values.number("replicas", 0, 5), "nothing is told before so many replicas have it"
    ),
    "data": Variable("ARENA_DATA", values.path, "folder of keys and embedded servers"),
    "host": Variable("ARENA_HOST", values.host, "address of the public port"),
    "port": Variable("ARENA_PORT", values.number("TCP port", 1, 65_535), "the public port"),
    "node_name": Variable("ARENA_NODE_NAME", values.name, "this node's name"),
    "node_listen": Variable("ARENA_NODE_LISTEN", values.host_and_port, "host:port of this node (port 0: any free)"),
    "shards": Variable("ARENA_SHARDS", values.number("shards", 1, 4_096), "the same on every process, for ever"),
    "lease_ms": Variable("ARENA_LEASE_MS", values.number("ms", 100, 60_000), "how long a shard is owned"),
    "renew_ms": Variable("ARENA_RENEW_MS", values.number("ms", 20, 20_000), "how often a lease is renewed"),
    "beat_ms": Variable("ARENA_BEAT_MS", values.number("ms", 20, 15_000), "how often a node says it lives"),
    "claim_ms": Variable("ARENA_CLAIM_MS", values.number("ms", 10, 10_000), "how often free shards are looked for"),
    "tick_hz": Variable("ARENA_TICK_HZ", values.number("ticks a second", 1, 60), "the beat of the rooms"),
    "found_grace_ms": Variable(
        "ARENA_FOUND_GRACE_MS", values.number("ms", 100, 120_000), "wait before founding a shard without memory"
    ),
    "sockets": Variable(
        "ARENA_SOCKETS", values.number("sockets", 1, 1_000_000), "open WebSockets a node, and at the public port"
    ),
    "sockets_per_address": Variable(
        "ARENA_SOCKETS_PER_ADDRESS", values.number("sockets", 1, 1_000_000), "open WebSockets an address (a school) has"
    ),
    "trusted_proxies": Variable("ARENA_TRUSTED_PROXIES", values.networks, "addresses or networks, by comma"),
    "door_secret": Variable("ARENA_DOOR_SECRET", values.secret, "shared by httpapi and nodes (32 characters or more)"),
    "origins": Variable("ARENA_ORIGINS", values.origins, "further origins browsers may come from, by comma"),
    "hosts": Variable("ARENA_HOSTS", values.hosts, "further Host names this server answers to, by comma"),
    "allow_jwt_in_url": Variable("ARENA_ALLOW_JWT_IN_URL", values.flag, "bots may connect with an access token"),
    "unsafe_redis": Variable("ARENA_UNSAFE_REDIS", values.flag, "start although Redis may lose what it confirmed"),
    "fault": Variable("ARENA_FAULT", values.name, "a fault point; for tests only"),
    "log": Variable("ARENA_LOG", values.one_of("debug", "info", "warning", "error"), "what is logged"),
    "jwt_private": Variable("ARENA_JWT_PRIVATE", values.pem("PRIVATE KEY"), "Ed25519 key that signs (PEM)"),
    "jwt_public": Variable("ARENA_JWT_PUBLIC", values.pem("PUBLIC KEY"), "Ed25519 keys that verify (PEM)"),
}


def unknown_variables(environment: Mapping[str, str]) -> list[str]:
    """Return one line for each ARENA_ variable that means nothing (a misspelling, most likely)."""
    known = [variable.name for variable in VARIABLES.values()]
    lines = []
    for name in sorted(environment):
        if name.startswith("ARENA_") and name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            lines.append(f"{name} is not a setting" + (f": did you mean {close[0]}?" if close else "."))
    return lines
