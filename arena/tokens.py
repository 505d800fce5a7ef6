"""Signed tokens: access tokens (JWT, 15 minutes) and tickets (single use, 30 seconds).

The algorithm is fixed to EdDSA. The header may hold ``alg``, ``typ`` and ``kid`` and nothing else, the claims are
exactly those declared, so every trick that needs another field (``jku``, ``jwk``, ``crit``, ``b64``) ends at decoding.
"""

import enum
import re
import time
from typing import Final, Literal, TypeVar

import jwt.exceptions
import msgspec
from jwt.api_jws import PyJWS
from msgspec import Struct

from arena.keys import SigningKeys, VerifyKeys
from protocol.tickets import ISSUER, TICKET_SECONDS, TICKET_TYPE, TicketClaims

ACCESS_SECONDS: Final = 15 * 60
ACCESS_TYPE: Final = "at+jwt"
ACCESS_AUDIENCE: Final = "api"
LEEWAY_SECONDS: Final = 5
"""How far the clocks of two of our machines may differ."""

TOKEN_BYTES_MAX: Final = 16 * 1024
"""A ticket may carry 200 blocked ids."""

_LIFE_SECONDS: Final = {ACCESS_TYPE: ACCESS_SECONDS, TICKET_TYPE: TICKET_SECONDS}
_ALGORITHM: Final = "EdDSA"
_FORM: Final = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_JWS: Final = PyJWS(algorithms=[_ALGORITHM])


class TokenFault(enum.StrEnum):
    """What is wrong with a token."""

    MALFORMED = "malformed"
    WRONG_ALGORITHM = "wrong_algorithm"
    WRONG_TYPE = "wrong_type"
    UNKNOWN_KEY = "unknown_key"
    BAD_SIGNATURE = "bad_signature"
    WRONG_ISSUER = "wrong_issuer"
    WRONG_AUDIENCE = "wrong_audience"
    EXPIRED = "expired"
    NOT_YET = "not_yet"


class TokenError(Exception):
    """A token was refused. Carries the code, never the token."""

    def __init__(self, code: TokenFault) -> None:
        super().__init__(code)
        self.code = code

    def __str__(self) -> str:
        return f"token refused: {self.code}"


class AccessClaims(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an access token says. ``sid`` is the login (session) that may be revoked; times are Unix seconds."""

    iss: str
    aud: str
    sub: str  # UserId
    sid: str
    iat: int
    exp: int
    name: str
    kind: Literal["guest", "account"]
    client: Literal["browser", "bot"] = "browser"
    roles: list[str] = []


class _Header(Struct, forbid_unknown_fields=True):
    alg: str
    typ: str
    kid: str = ""


_C = TypeVar("_C", AccessClaims, TicketClaims)


def sign_access(
    keys: SigningKeys,
    *,
    user: str,
    session: str,
    name: str,
    kind: Literal["guest", "account"],
    client: Literal["browser", "bot"] = "browser",
    roles: list[str] | None = None,
    now: float | None = None,
) -> str:
    """Return an access token good for ``ACCESS_SECONDS``. ``now`` is Unix seconds (the clock's by default)."""
    issued = int(time.time() if now is None else now)
    claims = AccessClaims(
        iss=ISSUER,
        aud=ACCESS_AUDIENCE,
        sub=user,
        sid=session,
        iat=issued,
        exp=issued + ACCESS_SECONDS,
        name=name,
        kind=kind,
        client=client,
        roles=roles or [],
    )
    return _sign(keys, ACCESS_TYPE, claims)


def sign_ticket(keys: SigningKeys, claims: TicketClaims) -> str:
    """Return a ticket. ``new_ticket_times`` gives ``iat`` and ``exp``."""
    return _sign(keys, TICKET_TYPE, claims)


def new_ticket_times(now: float | None = None) -> tuple[int, int]:
    """Return (iat, exp) of a ticket made now (Unix seconds)."""
    issued = int(time.time() if now is None else now)
    return issued, issued + TICKET_SECONDS


def verify_access(keys: VerifyKeys, token: str, *, now: float | None = None) -> AccessClaims:
    """Return what a valid access token says.

    Raises:
        TokenError: the token is not one of ours, or not valid now.
    """
    claims = _verify(keys, token, ACCESS_TYPE, AccessClaims, now)
    if claims.aud != ACCESS_AUDIENCE:
        raise TokenError(TokenFault.WRONG_AUDIENCE)
    return claims


def verify_ticket(
    keys: VerifyKeys, token: str, *, audience: Literal["game", "lobby"], now: float | None = None
) -> TicketClaims:
    """Return what a valid ticket for that audience says. Its room and that it is used once are the caller's to check.

    Raises:
        TokenError: the ticket is not one of ours, or not valid now.
    """
    claims = _verify(keys, token, TICKET_TYPE, TicketClaims, now)
    if claims.aud != audience:
        raise TokenError(TokenFault.WRONG_AUDIENCE)
    return claims


def _sign(keys: SigningKeys, kind: str, claims: AccessClaims | TicketClaims) -> str:
    return _JWS.encode(
        msgspec.json.encode(claims), keys.private, algorithm=_ALGORITHM, headers={"typ": kind, "kid": keys.name}
    )


def _verify(keys: VerifyKeys, token: str, kind: str, claims_type: type[_C], now: float | None) -> _C:
    if len(token) > TOKEN_BYTES_MAX or not _FORM.fullmatch(token):
        raise TokenError(TokenFault.MALFORMED)
    header = _read_header(token)
    if header.alg != _ALGORITHM:
        raise TokenError(TokenFault.WRONG_ALGORITHM)
    if header.typ != kind:
        raise TokenError(TokenFault.WRONG_TYPE)
    key = keys.public.get(header.kid)
    if key is None:
        raise TokenError(TokenFault.UNKNOWN_KEY)
    try:
        payload = _JWS.decode(token, key, algorithms=[_ALGORITHM])
    except jwt.exceptions.InvalidSignatureError:
        raise TokenError(TokenFault.BAD_SIGNATURE) from None
    except jwt.exceptions.InvalidTokenError:
        raise TokenError(TokenFault.MALFORMED) from None
    try:
        claims = msgspec.json.decode(payload, type=claims_type)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise TokenError(TokenFault.MALFORMED) from None
    if claims.exp - claims.iat > _LIFE_SECONDS[kind]:  # we never sign such
        raise TokenError(TokenFault.MALFORMED)
    _check_times(claims, time.time() if now is None else now)
    return claims


def _check_times(claims: AccessClaims | TicketClaims, now: float) -> None:
    if claims.iss != ISSUER:
        raise TokenError(TokenFault.WRONG_ISSUER)
    if now >= claims.exp:
        raise TokenError(TokenFault.EXPIRED)
    if claims.iat > now + LEEWAY_SECONDS:
        raise TokenError(TokenFault.NOT_YET)


def _read_header(token: str) -> _Header:
    try:
        raw = jwt.utils.base64url_decode(token.partition(".")[0])
        return msgspec.json.decode(raw, type=_Header)
    except (ValueError, msgspec.DecodeError):  # ValueError: binascii's and Unicode's
        raise TokenError(TokenFault.MALFORMED) from None
