"""Logins (sessions) and their refresh tokens.

A refresh token is used once. ``rotate`` locks the login's row, so that use, reuse and ending never interleave.
Only SHA-256 hashes are kept; a successor is HMAC-SHA256(token, salt), so the same one can be told again within the
grace to who still holds the token, and to nobody else.
"""

import enum
import hashlib
import hmac
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import timedelta
from typing import Final, Literal
from uuid import UUID

from msgspec import Struct

from httpapi.store.database import Connection

GRACE: Final = timedelta(seconds=10)
IDLE: Final = timedelta(days=7)
LIFE: Final = timedelta(days=30)
GUEST_IDLE: Final = timedelta(days=30)
GUEST_LIFE: Final = timedelta(days=180)
"""A guest who loses the session loses everything; an account only types a password again."""

EndReason = Literal["logout", "reuse", "password", "upgrade", "disabled"]


class RefreshFault(enum.StrEnum):
    """Why a refresh token was refused."""

    UNKNOWN = "unknown"
    ENDED = "ended"
    EXPIRED = "expired"
    CSRF = "csrf"
    REUSED = "reused"  # the login was ended because of it


class Login(Struct, frozen=True):
    """A login with a refresh token to hand out. ``lives_s`` is how long the token may be kept unused."""

    id: str
    user: str
    client: Literal["browser", "bot"]
    refresh_token: str
    csrf: str | None
    lives_s: int


class Refused(Struct, frozen=True):
    """A refresh token that is not accepted; ``login`` where one is known."""

    fault: RefreshFault
    login: str | None = None


def digest(token: str) -> bytes:
    """Return what is stored of a token."""
    return hashlib.sha256(token.encode("ascii")).digest()


def _text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def _successor(token: str, salt: bytes) -> str:
    return _text(hmac.digest(urlsafe_b64decode(token + "="), salt, "sha256"))


def _spans(kind: str) -> tuple[timedelta, timedelta]:
    return (GUEST_IDLE, GUEST_LIFE) if kind == "guest" else (IDLE, LIFE)


async def start(connection: Connection, *, user: UUID, kind: str, client: Literal["browser", "bot"]) -> Login:
    """Insert a login with its first refresh token."""
    token = _text(secrets.token_bytes(32))
    csrf = _text(secrets.token_bytes(32)) if client == "browser" else None
    login = UUID(bytes=secrets.token_bytes(16), version=4)
    idle, life = _spans(kind)
    # $1 login, $2 user, $3 client, $4 csrf, $5 life, $6 token hash, $7 idle
    await connection.execute(
        """
        WITH l AS (
            INSERT INTO logins (id, user_id, client, csrf, expires_at) VALUES ($1, $2, $3, $4, now() + $5) RETURNING id
        )
        INSERT INTO refresh_tokens (hash, login_id, expires_at) SELECT $6, id, now() + least($7, $5) FROM l
        """,
        login,
        user,
        client,
        csrf,
        life,
        digest(token),
        idle,
    )
    return Login(str(login), str(user), client, token, csrf, int(min(idle, life).total_seconds()))


async def rotate(connection: Connection, token: str, *, used_by: bytes, csrf: str | None) -> Login | Refused:
    """Exchange a refresh token for its successor. Must run in a transaction, which is to be kept on ``Refused`` too.

    ``used_by`` identifies the client (32 bytes); ``csrf`` is the header of a browser, None for a bot's body.
    """
    row = await connection.fetchrow(
        """
        SELECT l.id, l.user_id, l.client, l.csrf, l.expires_at AS life_end, u.kind,
               l.ended_at IS NOT NULL OR u.disabled_at IS NOT NULL AS ended,
               l.expires_at <= now() OR t.expires_at <= now() AS expired, now() AS now,
               t.used_at, t.used_by, t.salt
        FROM refresh_tokens t JOIN logins l ON l.id = t.login_id JOIN users u ON u.id = l.user_id
        WHERE t.hash = $1 FOR UPDATE OF l, t
        """,
        digest(token),
    )
    if row is None:
        return Refused(RefreshFault.UNKNOWN)
    login = str(row["id"])
    if row["ended"]:
        return Refused(RefreshFault.ENDED, login)
    if (row["csrf"] is None) != (csrf is None) or not hmac.compare_digest(
        (row["csrf"] or "").encode(), (csrf or "").encode()
    ):
        return Refused(RefreshFault.CSRF, login)
    if row["used_at"] is not None:
        salt = row["salt"]
        next_token = _successor(token, salt)
        in_grace = row["now"] - row["used_at"] <= GRACE and hmac.compare_digest(row["used_by"], used_by)
        if not in_grace or not await _unused(connection, digest(next_token)):
            await end(connection, row["id"], "reuse")
            return Refused(RefreshFault.REUSED, login)
    elif row["expired"]:
        return Refused(RefreshFault.EXPIRED, login)
    else:
        salt = secrets.token_bytes(32)
        next_token = _successor(token, salt)
        await _hand_on(
            connection, row["id"], token, successor=next_token, salt=salt, used_by=used_by, idle=_spans(row["kind"])[0]
        )
    lives = min(_spans(row["kind"])[0], row["life_end"] - row["now"])
    return Login(login, str(row["user_id"]), row["client"], next_token, row["csrf"], int(lives.total_seconds()))


async def _hand_on(
    connection: Connection, login: UUID, token: str, *, successor: str, salt: bytes, used_by: bytes, idle: timedelta
) -> None:
    # $1 token hash, $2 used by, $3 salt, $4 successor's hash, $5 login, $6 idle
    await connection.execute(
        """
        WITH used AS (UPDATE refresh_tokens SET used_at = now(), used_by = $2, salt = $3 WHERE hash = $1)
        INSERT INTO refresh_tokens (hash, login_id, parent, expires_at)
        SELECT $4, id, $1, least(now() + $6, expires_at) FROM logins WHERE id = $5
        """,
        digest(token),
        used_by,
        salt,
        digest(successor),
        login,
        idle,
    )


async def _unused(connection: Connection, hashed: bytes) -> bool:
    found = await connection.fetchval(
        "SELECT used_at IS NULL AND expires_at > now() FROM refresh_tokens WHERE hash = $1", hashed
    )
    return bool(found)


async def find(connection: Connection, token: str) -> tuple[UUID, str | None] | None:
    """Return (login, csrf) of a refresh token whose login has not ended."""
    row = await connection.fetchrow(
        """
        SELECT l.id, l.csrf FROM refresh_tokens t JOIN logins l ON l.id = t.login_id
        WHERE t.hash = $1 AND l.ended_at IS NULL
        """,
        digest(token),
    )
    return None if row is None else (row["id"], row["csrf"])


async def end(connection: Connection, login: UUID, reason: EndReason) -> bool:
    """End a login; False when it had ended."""
    done = await connection.fetchval(
        "UPDATE logins SET ended_at = now(), end_reason = $2 WHERE id = $1 AND ended_at IS NULL RETURNING true",
        login,
        reason,
    )
    return bool(done)


async def end_all(connection: Connection, user: UUID, reason: EndReason, *, but: UUID | None = None) -> list[str]:
    """End every login of a user, but perhaps one; return their ids."""
    rows = await connection.fetch(
        """
        UPDATE logins SET ended_at = now(), end_reason = $2
        WHERE user_id = $1 AND ended_at IS NULL AND id IS DISTINCT FROM $3 RETURNING id
        """,
        user,
        reason,
        but,
    )
    return [str(row["id"]) for row in rows]


async def prune(connection: Connection, *, at_most: int) -> int:
    """Delete logins that ended or expired more than a month ago, with their tokens; return how many."""
    rows = await connection.fetch(
        """
        DELETE FROM logins WHERE id IN (
            SELECT id FROM logins WHERE expires_at < now() - interval '30 days'
               OR ended_at < now() - interval '30 days' LIMIT $1
        ) RETURNING id
        """,
        at_most,
    )
    return len(rows)
