"""Rate limits in Redis: fixed windows, declared as data beside the routes they guard.

A classroom shares one address, so most rules count failures only (DESIGN §8). Without Redis nothing is refused:
the limiter fails open and counts it.
"""

import enum
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from msgspec import Struct
from redis.asyncio import Redis
from redis.exceptions import RedisError

from arena import metrics
from protocol import keys

_TAKE: Final = """
local count = redis.call('INCRBY', KEYS[1], ARGV[1])
if redis.call('PTTL', KEYS[1]) < 0 then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return {count, redis.call('PTTL', KEYS[1])}
"""

FAILED_OPEN: Final = metrics.counter("arena_rate_limit_failed_open", "Rate limits not checked because Redis was away")
REFUSED: Final = metrics.counter("arena_rate_limit_refused", "Requests refused by a rate limit", ["rule"])


class Counts(enum.StrEnum):
    """What a rule counts."""

    ALL = "all"
    FAILURES = "failures"


class Rule(Struct, frozen=True):
    """At most ``limit`` in ``window_s`` seconds."""

    name: str
    limit: int
    window_s: int
    counts: Counts


class Standing(NamedTuple):
    """Where somebody stands with a rule; ``reset_s`` is when the window ends."""

    rule: Rule
    used: int
    reset_s: int

    @property
    def exceeded(self) -> bool:
        """Whether this request is too much: for failures, whether as many as allowed were made already."""
        return self.used >= self.rule.limit if self.rule.counts is Counts.FAILURES else self.used > self.rule.limit

    @property
    def remaining(self) -> int:
        """How many are left."""
        return max(0, self.rule.limit - self.used)


class Rates:
    """Counts per rule and per whoever is meant. Never raises."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def enter(self, wanted: Sequence[tuple[Rule, str]]) -> list[Standing]:
        """Count one for each rule over all requests, look up the others; return all standings (none: Redis is away)."""
        try:
            async with self._redis.pipeline(transaction=False) as pipe:
                for rule, who in wanted:
                    _count(pipe, rule, who, 1 if rule.counts is Counts.ALL else 0)
                answers = await pipe.execute()
        except (RedisError, OSError, TimeoutError):
            FAILED_OPEN.inc()
            return []
        standings = [
            Standing(rule, int(count), max(1, -(-int(ttl) // 1000)))
            for (rule, _who), (count, ttl) in zip(wanted, answers, strict=True)
        ]
        for standing in standings:
            if standing.exceeded:
                REFUSED.labels(standing.rule.name).inc()
        return standings

    async def failed(self, wanted: Sequence[tuple[Rule, str]]) -> None:
        """Count a failure for each rule."""
        try:
            async with self._redis.pipeline(transaction=False) as pipe:
                for rule, who in wanted:
                    _count(pipe, rule, who, 1)
                await pipe.execute()
        except (RedisError, OSError, TimeoutError):
            FAILED_OPEN.inc()


def _count(pipe: Any, rule: Rule, who: str, by: int) -> None:
    pipe.eval(_TAKE, 1, keys.rate_limit(who, rule.name), by, rule.window_s * 1000)
