"""What a Redis must be set to so that the promise holds (COMMIT.md §9), looked up on one master."""

from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import ResponseError

LAG_S_MAX: Final = 10
"""``min-replicas-max-lag`` beyond this lets a master go on that its replicas have left."""


async def find_faults(redis: Redis, *, replicas: int) -> list[str]:
    """Return what voids the promise, each with what to do; ``replicas`` as in ``ARENA_COMMIT_REPLICAS``.

    Raises what redis-py raises when the server cannot be asked.
    """
    memory: Any = await redis.info("memory")
    persistence: Any = await redis.info("persistence")
    faults = []
    policy = memory.get("maxmemory_policy")
    if policy != "noeviction":
        faults.append(f"maxmemory-policy is {policy}: Redis may throw games away; set it to noeviction")
    if not persistence.get("aof_enabled"):
        faults.append("appendonly is off: a restart of Redis forgets all games; set appendonly yes")
    if replicas:
        faults += await _replica_faults(redis, replicas)
    return faults


async def _replica_faults(redis: Redis, replicas: int) -> list[str]:
    try:
        told: Any = await redis.config_get("min-replicas-to-write", "min-replicas-max-lag")
    except ResponseError:
        return ["min-replicas-to-write cannot be read (CONFIG GET is not allowed)"]
    least = int(told.get("min-replicas-to-write", told.get(b"min-replicas-to-write", 0)))
    lag = int(told.get("min-replicas-max-lag", told.get(b"min-replicas-max-lag", LAG_S_MAX)))
    if least < replicas:
        return [
            f"min-replicas-to-write is {least}: a master cut off from its replicas would take writes that are lost; "
            f"set it to {replicas} (ARENA_COMMIT_REPLICAS) on every server that may become master"
        ]
    if not 0 < lag <= LAG_S_MAX:
        return [f"min-replicas-max-lag is {lag} s: set it to between 1 and {LAG_S_MAX}"]
    return []


async def count_replicas(redis: Redis) -> int:
    """Return how many replicas follow: past their first full sync, and heard of since.

    One that still loads its first copy is "online" for the master but has acknowledged nothing: it does not count.
    """
    told: Any = await redis.info("replication")
    found = 0
    for number in range(int(told.get("connected_slaves", 0))):
        replica = told.get(f"slave{number}")
        if isinstance(replica, dict) and replica.get("state") == "online" and int(replica.get("offset", 0)) > 0:
            found += int(replica.get("lag", LAG_S_MAX + 1)) <= LAG_S_MAX
    return found
