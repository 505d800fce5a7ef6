"""/api/auth: guests, accounts, sessions, passwords."""

from typing import Final

from httpapi import cookies
from httpapi.bodies import GuestBody, LoginBody, PasswordBody, RefreshBody, RegisterBody, Session
from httpapi.endpoint import Access, Call, Endpoint, Limited, Reply, by_address, by_user
from httpapi.problem import Code, Problem
from httpapi.services.auth import Granted, client_mark
from httpapi.services.names import username_key
from httpapi.services.rates import Counts, Rule

PASSWORD_FAILURES: Final = Rule("password", 20, 60, Counts.FAILURES)
ACCOUNT_FAILURES: Final = Rule("password_of_account", 5, 60, Counts.FAILURES)
REGISTER_FAILURES: Final = Rule("register", 20, 60, Counts.FAILURES)
REFRESH_FAILURES: Final = Rule("refresh", 300, 60, Counts.FAILURES)
GUESTS: Final = Rule("guests", 6_000, 60, Counts.ALL)
"""A bound on rows, not on people: a hall of 2,000 behind one address joins within seconds."""


def by_account(call: Call) -> str:
    """Count for one account as tried from one address: nobody is locked out by a stranger elsewhere."""
    return f"{by_address(call)}:{username_key(call.body(LoginBody).username)[:96]}"


def _handed_out(call: Call, granted: Granted) -> Reply:
    login = granted.login
    kept = [] if login is None or login.client == "bot" else cookies.keep(login, secure=call.secure)
    return Reply(granted.session, cookies=kept)


async def guest(call: Call) -> Reply:
    """Make a guest."""
    return _handed_out(call, await call.services.auth.guest(call.body(GuestBody)))


async def register(call: Call) -> Reply:
    """Make an account, or a guest into one."""
    return _handed_out(call, await call.services.auth.register(call.body(RegisterBody), call.claims))


async def login(call: Call) -> Reply:
    """Sign in."""
    return _handed_out(call, await call.services.auth.login(call.body(LoginBody)))


def _refresh_token(call: Call) -> tuple[str | None, str | None]:
    """Return (token, CSRF header): from the body without, from the cookie with one (empty when it was not sent)."""
    told = call.body(RefreshBody).refresh_token
    if told is not None:
        return told, None
    return call.request.cookies.get(cookies.REFRESH), call.request.headers.get(cookies.CSRF_HEADER, "")


async def refresh(call: Call) -> Reply:
    """Exchange the refresh token for a new one and a new access token."""
    token, csrf = _refresh_token(call)
    if not token:
        raise Problem(Code.UNAUTHENTICATED, "no refresh token: neither in the body nor as a cookie")
    mark = client_mark(call.address, call.request.headers.get("user-agent", ""))
    return _handed_out(call, await call.services.auth.refresh(token, csrf=csrf, client=mark))


async def logout(call: Call) -> Reply:
    """End the session."""
    token, csrf = _refresh_token(call)
    await call.services.auth.logout(call.claims, token, csrf=csrf)
    return Reply(cookies=cookies.forget(secure=call.secure))


async def password(call: Call) -> Reply:
    """Change the password."""
    return _handed_out(call, await call.services.auth.change_password(call.user, call.body(PasswordBody)))


_BAD_PASSWORD: Final = frozenset({Code.BAD_CREDENTIALS})

ENDPOINTS: Final = [
    Endpoint(
        method="POST",
        path="/api/auth/guest",
        handler=guest,
        summary="Play as a guest",
        body=GuestBody,
        response=Session,
        errors=[Code.RATE_LIMITED],
        access=Access.ANYONE,
        limits=[Limited(GUESTS)],
    ),
    Endpoint(
        method="POST",
        path="/api/auth/register",
        handler=register,
        summary="Make an account; with a guest's token the guest becomes it and loses nothing",
        body=RegisterBody,
        response=Session,
        errors=[Code.USERNAME_TAKEN, Code.ALREADY_ACCOUNT, Code.PASSWORD_WEAK, Code.RATE_LIMITED],
        access=Access.MAYBE,
        limits=[Limited(REGISTER_FAILURES, failures=frozenset({Code.USERNAME_TAKEN}))],
    ),
    Endpoint(
        method="POST",
        path="/api/auth/login",
        handler=login,
        summary="Sign in",
        body=LoginBody,
        response=Session,
        errors=[Code.BAD_CREDENTIALS, Code.FORBIDDEN, Code.RATE_LIMITED],
        access=Access.ANYONE,
        limits=[
            Limited(PASSWORD_FAILURES, failures=_BAD_PASSWORD),
            Limited(ACCOUNT_FAILURES, by_account, _BAD_PASSWORD),
        ],
    ),
    Endpoint(
        method="POST",
        path="/api/auth/refresh",
        handler=refresh,
        summary="Exchange the refresh token (body, or cookie with X-CSRF-Token)",
        body=RefreshBody,
        body_optional=True,
        response=Session,
        errors=[Code.UNAUTHENTICATED, Code.REFRESH_REFUSED, Code.CSRF, Code.RATE_LIMITED],
        access=Access.ANYONE,
        limits=[Limited(REFRESH_FAILURES, failures=frozenset({Code.REFRESH_REFUSED, Code.CSRF}))],
    ),
    Endpoint(
        method="POST",
        path="/api/auth/logout",
        handler=logout,
        summary="End the session of the access token, or of the refresh token",
        body=RefreshBody,
        body_optional=True,
        response=None,
        errors=[Code.CSRF],
        access=Access.MAYBE,
    ),
    Endpoint(
        method="POST",
        path="/api/auth/password",
        handler=password,
        summary="Change the password; every other session ends",
        body=PasswordBody,
        response=Session,
        errors=[Code.BAD_CREDENTIALS, Code.NOT_ACCOUNT, Code.PASSWORD_WEAK, Code.RATE_LIMITED],
        limits=[Limited(PASSWORD_FAILURES, by_user, _BAD_PASSWORD)],
    ),
]
