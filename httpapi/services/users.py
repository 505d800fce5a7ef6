"""Users as other parts see them: who I am, what I am called. A copy in Redis serves while PostgreSQL is away."""

import hashlib
from typing import Final
from uuid import UUID

import msgspec
import orjson
from redis.asyncio import Redis
from redis.exceptions import RedisError

from arena import metrics
from arena.tokens import AccessClaims
from httpapi.bodies import Me, ProfileBody
from httpapi.problem import Code, Problem, invalid
from httpapi.services.names import BadName, clean_name
from httpapi.store import users as store
from httpapi.store.database import Database, DatabaseUnavailable
from protocol import keys
from protocol.ids import UserId

ME_TTL_S: Final = 24 * 3600
PALETTES: Final = 8

FROM_COPY: Final = metrics.counter("arena_me_from_copy", "Profiles told from Redis because PostgreSQL was away")


def me(user: store.User) -> Me:
    """Return what a user sees of itself."""
    return Me(
        id=user.id,
        name=user.name,
        avatar=user.avatar,
        kind=user.kind,
        roles=user.roles,
        created_at=user.created_at,
        username=user.username,
    )


def avatar_for(user: str) -> str:
    """Return the avatar of a user who chose none."""
    digest = hashlib.sha256(user.encode()).hexdigest()
    return f"{digest[:6]}:{int(digest[6:8], 16) % PALETTES}"


def cleaned_name(name: str) -> str:
    """Return the display name as kept. Raises ``Problem`` INVALID."""
    try:
        return clean_name(name)
    except BadName as error:
        raise invalid("name", str(error)) from None


class Users:
    """Profiles, with their copies in Redis."""

    def __init__(self, database: Database, redis: Redis) -> None:
        self._database = database
        self._redis = redis

    async def get(self, claims: AccessClaims) -> Me:
        """Return the user. Raises ``Problem`` UNAUTHENTICATED (gone) or DATABASE_UNAVAILABLE (and no copy)."""
        try:
            async with self._database.connection() as connection:
                user = await store.find(connection, UUID(claims.sub))
        except DatabaseUnavailable:
            copy = await self.copy(claims.sub)
            if copy is None:
                raise Problem(Code.DATABASE_UNAVAILABLE) from None
            FROM_COPY.inc()
            return copy
        if user is None or user.disabled:
            raise Problem(Code.UNAUTHENTICATED, "there is no such user any more")
        found = me(user)
        await self.keep_copy(found)
        return found

    async def change(self, claims: AccessClaims, change: ProfileBody) -> Me:
        """Change name or avatar; return the user. Raises ``Problem``, ``DatabaseUnavailable``."""
        name = None if change.name is None else cleaned_name(change.name)
        async with self._database.transaction() as connection:
            user = await store.change_profile(connection, UUID(claims.sub), name=name, avatar=change.avatar)
        if user is None:
            raise Problem(Code.UNAUTHENTICATED, "there is no such user any more")
        found = me(user)
        await self.keep_copy(found)
        return found

    async def keep_copy(self, user: Me) -> None:
        """Write the copy; without Redis there is none."""
        try:
            packed = orjson.dumps(user, default=msgspec.to_builtins)
            await self._redis.set(keys.user_copy(UserId(user.id)), packed, ex=ME_TTL_S)
        except (RedisError, OSError, TimeoutError):
            return

    async def copy(self, user: str) -> Me | None:
        """Return the copy, if there is one and Redis answers."""
        try:
            packed = await self._redis.get(keys.user_copy(UserId(user)))
        except (RedisError, OSError, TimeoutError):
            return None
        try:
            return None if packed is None else msgspec.json.decode(packed, type=Me)
        except msgspec.DecodeError:
            return None  # written by another version
