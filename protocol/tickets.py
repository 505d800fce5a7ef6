"""Ticket claims: a signed, single-use, 30-second permission to open one connection. ``arena`` signs."""

from typing import Final, Literal

from msgspec import Struct

TICKET_SECONDS: Final = 30
TICKET_TYPE: Final = "ticket+jwt"
ISSUER: Final = "svidnet-arena"


class TicketClaims(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a ticket says. ``aud`` is ``game`` (with ``room``) or ``lobby``."""

    iss: str
    aud: Literal["game", "lobby"]
    sub: str  # UserId
    jti: str
    iat: int
    exp: int
    name: str
    kind: Literal["guest", "account", "bot"]
    role: Literal["player", "watcher", "screen"] = "player"
    room: str = ""
    avatar: str = ""
    muted: bool = False
    shadow_muted: bool = False
    blocked: list[str] = []
