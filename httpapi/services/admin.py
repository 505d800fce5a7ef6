"""Roles: given and taken by the operator, written to the audit log."""

from typing import Final
from uuid import UUID

from httpapi.services.names import username_key
from httpapi.store import audit, logins, users
from httpapi.store.database import Database

ROLES: Final = ("admin", "moderator", "editor")


class UnknownUserError(Exception):
    """There is no account of that user name."""


async def change_role(database: Database, username: str, role: str, *, grant: bool) -> tuple[list[str], list[str]]:
    """Give or take a role; return (roles now, logins ended). Taking one ends the sessions that still claim it.

    Raises:
        UnknownUserError, DatabaseUnavailable.
    """
    if not username.isprintable():  # half characters, which a shell may pass on, are in no name
        raise UnknownUserError(username)
    async with database.transaction() as connection:
        changed = await users.change_role(connection, username_key(username), role, grant=grant)
        if changed is None:
            raise UnknownUserError(username)
        user, roles = changed
        ended = [] if grant else await logins.end_all(connection, UUID(user), "disabled")
        await audit.write(
            connection,
            actor=None,
            action="role_granted" if grant else "role_revoked",
            subject=user,
            detail={"role": role, "username": username},
        )
    return roles, ended
