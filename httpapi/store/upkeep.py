"""What is swept out of PostgreSQL, a bounded batch at a time."""

from typing import Final

from httpapi.store.questions import Link

BATCH: Final = 500
_SWEEP_LOCK: Final = 7_283_118_220_413


async def is_ours(link: Link) -> bool:
    """Return whether no other worker sweeps now; held until the transaction ends. It only saves work."""
    return bool(await link.fetchval("SELECT pg_try_advisory_xact_lock($1)", _SWEEP_LOCK))


async def delete_expired_logins(link: Link) -> int:
    """Delete logins that ran out a day ago, and their refresh tokens with them; return how many."""
    deleted: int = await link.fetchval(
        """
        WITH old AS (
          SELECT id FROM logins WHERE expires_at < now() - interval '1 day'
          ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED
        ), gone AS (DELETE FROM logins USING old WHERE logins.id = old.id RETURNING 1)
        SELECT count(*) FROM gone
        """,
        BATCH,
    )
    return deleted


async def delete_expired_tokens(link: Link) -> int:
    """Delete refresh tokens that ran out a day ago (their login may go on under a newer one); return how many."""
    deleted: int = await link.fetchval(
        """
        WITH old AS (
          SELECT hash FROM refresh_tokens WHERE expires_at < now() - interval '1 day'
          LIMIT $1 FOR UPDATE SKIP LOCKED
        ), gone AS (DELETE FROM refresh_tokens t USING old WHERE t.hash = old.hash RETURNING 1)
        SELECT count(*) FROM gone
        """,
        BATCH,
    )
    return deleted


async def delete_old_guests(link: Link, *, days: int) -> int:
    """Delete guests who came so long ago, never finished a match and can sign in no more; return how many."""
    deleted: int = await link.fetchval(
        """
        WITH old AS (
          SELECT u.id FROM users u
          WHERE u.kind = 'guest' AND u.created_at < now() - make_interval(days => $2)
            AND coalesce(u.last_login_at, u.created_at) < now() - make_interval(days => $2)
            AND NOT EXISTS (SELECT FROM game_sessions s WHERE s.user_id = u.id)
            AND NOT EXISTS (
              SELECT FROM logins l WHERE l.user_id = u.id AND l.ended_at IS NULL AND l.expires_at > now())
          ORDER BY u.created_at LIMIT $1 FOR UPDATE OF u SKIP LOCKED
        ), gone AS (DELETE FROM users USING old WHERE users.id = old.id RETURNING 1)
        SELECT count(*) FROM gone
        """,
        BATCH,
        days,
    )
    return deleted
