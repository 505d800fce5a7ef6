"""The two cookies of a browser's session. ``Secure`` only over https: in a LAN people play over plain http."""

from typing import Final

from httpapi.store.logins import Login

REFRESH: Final = "arena_refresh"
CSRF: Final = "arena_csrf"
CSRF_HEADER: Final = "x-csrf-token"
REFRESH_PATH: Final = "/api/auth"


def _cookie(name: str, value: str, *, path: str, lives_s: int, secure: bool, script: bool) -> str:
    parts = [f"{name}={value}", f"Path={path}", f"Max-Age={lives_s}", "SameSite=Strict"]
    if not script:
        parts.append("HttpOnly")
    if secure:
        parts.append("Secure")
    return "; ".join(parts)


def _pair(refresh: str, csrf: str, *, lives_s: int, secure: bool) -> list[str]:
    return [
        _cookie(REFRESH, refresh, path=REFRESH_PATH, lives_s=lives_s, secure=secure, script=False),
        _cookie(CSRF, csrf, path="/", lives_s=lives_s, secure=secure, script=True),
    ]


def keep(login: Login, *, secure: bool) -> list[str]:
    """Return the Set-Cookie values that keep a browser's login."""
    assert login.csrf is not None
    return _pair(login.refresh_token, login.csrf, lives_s=login.lives_s, secure=secure)


def forget(*, secure: bool) -> list[str]:
    """Return the Set-Cookie values that make a browser forget its login."""
    return _pair("", "", lives_s=0, secure=secure)
