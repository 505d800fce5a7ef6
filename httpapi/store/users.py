"""Users and their profiles. SQL beside the function that runs it; ``connection`` may be in a transaction."""

from datetime import datetime
from typing import Final, Literal
from uuid import UUID

import asyncpg
from msgspec import Struct

from httpapi.store.database import Connection, Row

COLUMNS: Final = """
    u.id, u.kind, u.username, u.roles, u.created_at, u.disabled_at IS NOT NULL AS disabled, p.name, p.avatar
"""


class User(Struct, frozen=True):
    """A user with the profile."""

    id: str
    kind: Literal["guest", "account"]
    username: str | None
    roles: list[str]
    created_at: datetime
    disabled: bool
    name: str
    avatar: str


class UsernameTakenError(Exception):
    """Another account has that user name, or one that looks like it."""


def _user(row: Row) -> User:
    return User(
        id=str(row["id"]),
        kind=row["kind"],
        username=row["username"],
        roles=list(row["roles"]),
        created_at=row["created_at"],
        disabled=row["disabled"],
        name=row["name"],
        avatar=row["avatar"],
    )


async def create_guest(connection: Connection, *, user: UUID, name: str, avatar: str) -> User:
    """Insert a guest."""
    # $1 id, $2 name, $3 avatar
    row = await connection.fetchrow(
        f"""
        WITH u AS (INSERT INTO users (id, kind, last_login_at) VALUES ($1, 'guest', now()) RETURNING *),
             p AS (INSERT INTO user_profiles (user_id, name, avatar) VALUES ($1, $2, $3) RETURNING *)
        SELECT {COLUMNS} FROM u, p
        """,  # noqa: S608 - the columns are ours
        user,
        name,
        avatar,
    )
    assert row is not None
    return _user(row)


async def create_account(
    connection: Connection, *, user: UUID, username: str, key: str, password_hash: str, name: str, avatar: str
) -> User:
    """Insert an account. Raises ``UsernameTakenError``."""
    # $1 id, $2 username, $3 key, $4 hash, $5 name, $6 avatar
    try:
        row = await connection.fetchrow(
            f"""
            WITH u AS (
                INSERT INTO users (id, kind, username, username_key, password_hash, last_login_at)
                VALUES ($1, 'account', $2, $3, $4, now()) RETURNING *
            ), p AS (INSERT INTO user_profiles (user_id, name, avatar) VALUES ($1, $5, $6) RETURNING *)
            SELECT {COLUMNS} FROM u, p
            """,  # noqa: S608 - the columns are ours
            user,
            username,
            key,
            password_hash,
            name,
            avatar,
        )
    except asyncpg.UniqueViolationError as error:
        raise UsernameTakenError from error
    assert row is not None
    return _user(row)


async def upgrade_guest(
    connection: Connection,
    *,
    user: UUID,
    username: str,
    key: str,
    password_hash: str,
    name: str | None,
    avatar: str | None,
) -> User | None:
    """Make a guest an account with the same id; None when there is no such guest. Raises ``UsernameTakenError``."""
    # $1 id, $2 username, $3 key, $4 hash, $5 name or NULL, $6 avatar or NULL
    try:
        row = await connection.fetchrow(
            f"""
            WITH u AS (
                UPDATE users SET kind = 'account', username = $2, username_key = $3, password_hash = $4,
                                 updated_at = now(), last_login_at = now()
                WHERE id = $1 AND kind = 'guest' AND disabled_at IS NULL RETURNING *
            ), p AS (
                UPDATE user_profiles SET name = coalesce($5, name), avatar = coalesce($6, avatar), updated_at = now()
                WHERE user_id IN (SELECT id FROM u) RETURNING *
            )
            SELECT {COLUMNS} FROM u, p
            """,  # noqa: S608 - the columns are ours
            user,
            username,
            key,
            password_hash,
            name,
            avatar,
        )
    except asyncpg.UniqueViolationError as error:
        raise UsernameTakenError from error
    return None if row is None else _user(row)


async def find(connection: Connection, user: UUID) -> User | None:
    """Return the user."""
    row = await connection.fetchrow(
        f"SELECT {COLUMNS} FROM users u JOIN user_profiles p ON p.user_id = u.id WHERE u.id = $1",  # noqa: S608 - ours
        user,
    )
    return None if row is None else _user(row)


async def find_by_username(connection: Connection, key: str) -> tuple[User, str] | None:
    """Return the account and its password hash."""
    row = await connection.fetchrow(
        f"""
        SELECT {COLUMNS}, u.password_hash
        FROM users u JOIN user_profiles p ON p.user_id = u.id WHERE u.username_key = $1
        """,  # noqa: S608 - the columns are ours
        key,
    )
    return None if row is None else (_user(row), row["password_hash"])


async def password_of(connection: Connection, user: UUID) -> tuple[str, str] | None:
    """Return (username, password hash) of an account; None for guests and unknown ids."""
    row = await connection.fetchrow(
        "SELECT username, password_hash FROM users WHERE id = $1 AND kind = 'account' AND disabled_at IS NULL", user
    )
    return None if row is None else (row["username"], row["password_hash"])


async def set_password(connection: Connection, user: UUID, password_hash: str, *, instead_of: str) -> bool:
    """Replace the password hash; False when it was replaced by another in the meantime."""
    done = await connection.fetchval(
        "UPDATE users SET password_hash = $2, updated_at = now() WHERE id = $1 AND password_hash = $3 RETURNING true",
        user,
        password_hash,
        instead_of,
    )
    return bool(done)


async def note_login(connection: Connection, user: UUID) -> None:
    """Remember when the user last signed in."""
    await connection.execute("UPDATE users SET last_login_at = now() WHERE id = $1", user)


async def change_profile(connection: Connection, user: UUID, *, name: str | None, avatar: str | None) -> User | None:
    """Change what is not None; return the user."""
    # $1 id, $2 name or NULL, $3 avatar or NULL
    row = await connection.fetchrow(
        f"""
        WITH p AS (
            UPDATE user_profiles SET name = coalesce($2, name), avatar = coalesce($3, avatar), updated_at = now()
            WHERE user_id = $1 RETURNING *
        )
        SELECT {COLUMNS} FROM users u JOIN p ON p.user_id = u.id
        """,  # noqa: S608 - the columns are ours
        user,
        name,
        avatar,
    )
    return None if row is None else _user(row)


async def change_role(connection: Connection, key: str, role: str, *, grant: bool) -> tuple[str, list[str]] | None:
    """Grant or take a role; return (user id, roles), or None when there is no such account."""
    row = await connection.fetchrow(
        """
        UPDATE users SET updated_at = now(), roles = CASE
            WHEN $3 THEN (SELECT array_agg(DISTINCT r ORDER BY r) FROM unnest(array_append(roles, $2)) AS r)
            ELSE array_remove(roles, $2) END
        WHERE username_key = $1 RETURNING id, roles
        """,
        key,
        role,
        grant,
    )
    return None if row is None else (str(row["id"]), list(row["roles"]))


async def with_roles(connection: Connection) -> list[tuple[str, str, list[str]]]:
    """Return (id, username, roles) of every user with a role, by name."""
    rows = await connection.fetch(
        "SELECT id, username, roles FROM users WHERE roles <> '{}' ORDER BY username LIMIT 1000"
    )
    return [(str(row["id"]), row["username"] or "", list(row["roles"])) for row in rows]
