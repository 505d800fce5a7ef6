"""Who somebody is: guests, accounts, sessions, passwords.

A session is a login (``sid``) with rotating refresh tokens; access tokens are short and are not looked up. Failures
take as long as successes, and never say which half was wrong.
"""

import hashlib
import re
import secrets
from typing import Final, Literal, NamedTuple
from uuid import UUID

from redis.exceptions import RedisError

from arena import logs, metrics
from arena.keys import SigningKeys
from arena.tokens import ACCESS_SECONDS, AccessClaims, sign_access
from httpapi.bodies import GuestBody, LoginBody, PasswordBody, RegisterBody, Session
from httpapi.problem import Code, Problem, invalid
from httpapi.services.names import BadName, clean_username, username_key
from httpapi.services.passwords import Passwords, check_strength
from httpapi.services.revocation import Revocation
from httpapi.services.users import Users, avatar_for, cleaned_name, me
from httpapi.store import logins, users
from httpapi.store.database import Connection, Database
from httpapi.store.logins import Login, RefreshFault, Refused

TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{43}")

SESSIONS: Final = metrics.counter("arena_sessions_started", "Sessions started", ["how"])
REFRESHED: Final = metrics.counter("arena_refreshes", "Refresh tokens exchanged or refused", ["outcome"])
NOT_SPREAD: Final = metrics.counter("arena_revocations_not_spread", "Ended sessions that Redis could not be told of")
_log = logs.get("auth")


class Granted(NamedTuple):
    """A session, and the login whose refresh token (and CSRF token) is to be handed out; None: it stays as it is."""

    session: Session
    login: Login | None


def client_mark(address: str, agent: str) -> bytes:
    """Return what tells a client from another in the grace of a refresh: 32 bytes."""
    return hashlib.sha256(f"{address}\n{agent}".encode("utf-8", "replace")).digest()


def _new_id() -> UUID:
    return UUID(bytes=secrets.token_bytes(16), version=4)


class Auth:
    """The use-cases. Methods raise ``Problem`` and ``DatabaseUnavailable``."""

    def __init__(
        self, *, database: Database, keys: SigningKeys, passwords: Passwords, revocation: Revocation, users: Users
    ) -> None:
        self._database = database
        self._keys = keys
        self._passwords = passwords
        self._revocation = revocation
        self._users = users

    async def guest(self, body: GuestBody) -> Granted:
        """Make a guest."""
        name = cleaned_name(body.name)
        user_id = _new_id()
        async with self._database.transaction() as connection:
            user = await users.create_guest(
                connection, user=user_id, name=name, avatar=body.avatar or avatar_for(str(user_id))
            )
            login = await logins.start(connection, user=user_id, kind="guest", client=body.client)
        SESSIONS.labels("guest").inc()
        return await self._granted(user, login)

    async def register(self, body: RegisterBody, guest: AccessClaims | None) -> Granted:
        """Make an account; with a guest's token that guest becomes it, keeping id and everything."""
        if guest is not None and guest.kind == "account":
            raise Problem(Code.ALREADY_ACCOUNT)
        try:
            username = clean_username(body.username)
        except BadName as error:
            raise invalid("username", str(error)) from None
        name = None if body.name is None else cleaned_name(body.name)
        check_strength(body.password, username)
        key = username_key(username)
        async with self._database.connection() as connection:
            if await users.find_by_username(connection, key) is not None:
                raise Problem(Code.USERNAME_TAKEN)
        password_hash = await self._passwords.hash(body.password)
        try:
            async with self._database.transaction() as connection:
                if guest is not None:
                    user, ended = await self._upgrade(connection, guest, body, (username, key, password_hash, name))
                else:
                    ended = []
                    user_id = _new_id()
                    user = await users.create_account(
                        connection,
                        user=user_id,
                        username=username,
                        key=key,
                        password_hash=password_hash,
                        name=name or username,
                        avatar=body.avatar or avatar_for(str(user_id)),
                    )
                login = await logins.start(connection, user=UUID(user.id), kind="account", client=body.client)
        except users.UsernameTakenError:
            raise Problem(Code.USERNAME_TAKEN) from None
        await self._spread(ended)
        SESSIONS.labels("register" if guest is None else "upgrade").inc()
        return await self._granted(user, login)

    async def _upgrade(
        self, connection: Connection, guest: AccessClaims, body: RegisterBody, made: tuple[str, str, str, str | None]
    ) -> tuple[users.User, list[str]]:
        username, key, password_hash, name = made
        user = await users.upgrade_guest(
            connection,
            user=UUID(guest.sub),
            username=username,
            key=key,
            password_hash=password_hash,
            name=name,
            avatar=body.avatar,
        )
        if user is None:
            raise Problem(Code.ALREADY_ACCOUNT)
        return user, await logins.end_all(connection, UUID(guest.sub), "upgrade")

    async def login(self, body: LoginBody) -> Granted:
        """Sign in."""
        async with self._database.connection() as connection:
            found = await users.find_by_username(connection, username_key(body.username))
        user, encoded = found if found is not None else (None, None)
        if not await self._passwords.verify(body.password, encoded) or user is None or encoded is None:
            raise Problem(Code.BAD_CREDENTIALS)
        if user.disabled:
            raise Problem(Code.FORBIDDEN, "this account was closed")
        fresh = await self._passwords.hash(body.password) if self._passwords.outdated(encoded) else None
        async with self._database.transaction() as connection:
            if fresh is not None:
                await users.set_password(connection, UUID(user.id), fresh, instead_of=encoded)
            await users.note_login(connection, UUID(user.id))
            login = await logins.start(connection, user=UUID(user.id), kind="account", client=body.client)
        SESSIONS.labels("login").inc()
        return await self._granted(user, login)

    async def refresh(self, token: str, *, csrf: str | None, client: bytes) -> Granted:
        """Exchange a refresh token. ``csrf`` is a browser's header; None for a token from the body."""
        if not TOKEN.fullmatch(token):
            raise Problem(Code.REFRESH_REFUSED, RefreshFault.UNKNOWN)
        async with self._database.transaction() as connection:
            outcome = await logins.rotate(connection, token, used_by=client, csrf=csrf)
            user = None if isinstance(outcome, Refused) else await users.find(connection, UUID(outcome.user))
        if isinstance(outcome, Refused):
            REFRESHED.labels(outcome.fault).inc()
            if outcome.fault is RefreshFault.REUSED and outcome.login is not None:
                _log.warning("refresh_token_reused", login=outcome.login)
                await self._spread([outcome.login])
            raise Problem(Code.CSRF if outcome.fault is RefreshFault.CSRF else Code.REFRESH_REFUSED, outcome.fault)
        assert user is not None
        REFRESHED.labels("ok").inc()
        return await self._granted(user, outcome)

    async def logout(self, claims: AccessClaims | None, token: str | None, *, csrf: str | None) -> None:
        """End the session of the access token, else of the refresh token. Ending what has ended is fine."""
        async with self._database.transaction() as connection:
            login = None if claims is None else UUID(claims.sid)
            if login is None and token is not None and TOKEN.fullmatch(token):
                found = await logins.find(connection, token)
                if (
                    found is not None
                    and found[1] is not None
                    and not secrets.compare_digest(found[1].encode(), (csrf or "").encode())
                ):
                    raise Problem(Code.CSRF)
                login = None if found is None else found[0]
            if login is not None:
                await logins.end(connection, login, "logout")
        if login is not None:
            await self._spread([str(login)])

    async def change_password(self, claims: AccessClaims, body: PasswordBody) -> Granted:
        """Change the password; every other session of the account ends, this one goes on."""
        user_id = UUID(claims.sub)
        async with self._database.connection() as connection:
            found = await users.password_of(connection, user_id)
        if found is None:
            raise Problem(Code.NOT_ACCOUNT)
        username, encoded = found
        if not await self._passwords.verify(body.old, encoded):
            raise Problem(Code.BAD_CREDENTIALS, "the old password is wrong")
        check_strength(body.new, username)
        fresh = await self._passwords.hash(body.new)
        async with self._database.transaction() as connection:
            if not await users.set_password(connection, user_id, fresh, instead_of=encoded):
                raise Problem(Code.BAD_CREDENTIALS, "the password was changed in the meantime")
            ended = await logins.end_all(connection, user_id, "password", but=UUID(claims.sid))
            user = await users.find(connection, user_id)
        await self._spread(ended)
        assert user is not None
        return Granted(await self._session(user, claims.sid, claims.client), None)

    async def _granted(self, user: users.User, login: Login) -> Granted:
        session = await self._session(user, login.id, login.client, login)
        return Granted(session, login)

    async def _session(
        self, user: users.User, sid: str, client: Literal["browser", "bot"], login: Login | None = None
    ) -> Session:
        shown = me(user)
        await self._users.keep_copy(shown)
        access = sign_access(
            self._keys, user=user.id, session=sid, name=user.name, kind=user.kind, client=client, roles=user.roles
        )
        bot_token = login.refresh_token if login is not None and client == "bot" else None
        return Session(
            user=shown,
            access_token=access,
            expires_in=ACCESS_SECONDS,
            refresh_token=bot_token,
            csrf_token=None if login is None else login.csrf,
        )

    async def _spread(self, sessions: list[str]) -> None:
        try:
            await self._revocation.revoke(sessions)
        except (RedisError, OSError, TimeoutError):
            NOT_SPREAD.inc(len(sessions))  # their access tokens run out within 15 minutes; refresh tokens are dead
            _log.warning("revocation_not_spread", sessions=len(sessions))
