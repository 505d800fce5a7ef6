"""``python -m httpapi.admin``: gives roles to accounts, takes them, lists who has one. For the operator.

grant USER [ROLE]     give a role (default: admin); it counts from the account's next sign-in or refresh
revoke USER [ROLE]    take it; the account's sessions end at once
list                  who has which role
"""

import argparse
import asyncio
import sys
from collections.abc import Sequence

from redis.exceptions import RedisError

from arena.settings import Settings, SettingsError
from httpapi.services.admin import ROLES, UnknownUserError, change_role
from httpapi.services.revocation import Revocation
from httpapi.store import users
from httpapi.store.database import Database, DatabaseUnavailable
from httpapi.store.redis import connect, connect_waiting


def _arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="arena admin", description="Roles of accounts.")
    verbs = parser.add_subparsers(dest="verb", required=True)
    for verb, what in (("grant", "give a role"), ("revoke", "take a role")):
        one = verbs.add_parser(verb, help=what)
        one.add_argument("user", help="user name of an account")
        one.add_argument("role", nargs="?", default="admin", choices=ROLES)
    verbs.add_parser("list", help="who has which role")
    return parser.parse_args(argv)


async def _list(database: Database) -> list[str]:
    async with database.connection() as connection:
        found = await users.with_roles(connection)
    return [f"{username}\t{', '.join(roles)}" for _, username, roles in found] or ["nobody has a role"]


async def _spread(settings: Settings, ended: Sequence[str]) -> str:
    """Tell the running processes; return what to say when that failed."""
    url = settings.redis_cache_url or settings.redis_url
    if not ended:
        return ""
    if not url:
        return " (REDIS_URL is not set: access tokens given out before go on for up to 15 minutes)"
    cache, waiting = connect(url), connect_waiting(url)
    try:
        await Revocation(cache, waiting).revoke(ended)
    except (RedisError, OSError, TimeoutError):
        return " (Redis cannot be reached: access tokens given out before go on for up to 15 minutes)"
    finally:
        await cache.aclose()
        await waiting.aclose()
    return ""


async def run(settings: Settings, arguments: argparse.Namespace) -> list[str]:
    """Do it; return the lines to show. Raises ``SettingsError``, ``UnknownUserError``, ``DatabaseUnavailable``."""
    database = Database(settings.require_database(), pool_max=2)
    try:
        if arguments.verb == "list":
            return await _list(database)
        roles, ended = await change_role(database, arguments.user, arguments.role, grant=arguments.verb == "grant")
        return [f"{arguments.user}: {', '.join(roles) or 'no role'}{await _spread(settings, ended)}"]
    finally:
        await database.close()


def main(argv: Sequence[str] | None = None) -> int:
    """Run; return the exit code (1: no such account, 2: bad configuration)."""
    arguments = _arguments(sys.argv[1:] if argv is None else argv)
    try:
        lines = asyncio.run(run(Settings.from_env(), arguments))
    except SettingsError as error:
        sys.stderr.write(f"admin: {error}\n")
        return 2
    except DatabaseUnavailable:
        sys.stderr.write("admin: the database cannot be reached: check DATABASE_URL and the server.\n")
        return 2
    except UnknownUserError as error:
        sys.stderr.write(f"admin: there is no account {error.args[0]!r}; guests have no user name.\n")
        return 1
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
