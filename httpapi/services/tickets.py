"""Tickets: signed, single-use permissions of 30 seconds to open one WebSocket."""

import secrets
from typing import Literal

from arena.keys import SigningKeys
from arena.tokens import AccessClaims, new_ticket_times, sign_ticket
from protocol.tickets import ISSUER, TicketClaims

Role = Literal["player", "watcher", "screen"]


class Tickets:
    """Signs tickets."""

    def __init__(self, keys: SigningKeys) -> None:
        self._keys = keys

    def for_room(self, claims: AccessClaims, code: str, role: Role, *, name: str, avatar: str) -> str:
        """Return a ticket to one room."""
        return self._sign(claims, "game", name=name, avatar=avatar, role=role, room=code)

    def for_lobby(self, claims: AccessClaims, *, name: str, avatar: str) -> str:
        """Return a ticket to the lobby."""
        return self._sign(claims, "lobby", name=name, avatar=avatar)

    def _sign(
        self,
        claims: AccessClaims,
        audience: Literal["game", "lobby"],
        *,
        name: str,
        avatar: str,
        role: Role = "player",
        room: str = "",
    ) -> str:
        issued, expires = new_ticket_times()
        ticket = TicketClaims(
            iss=ISSUER,
            aud=audience,
            sub=claims.sub,
            jti=secrets.token_hex(16),
            iat=issued,
            exp=expires,
            name=name,
            kind="bot" if claims.client == "bot" else claims.kind,
            role=role,
            room=room,
            avatar=avatar,
        )
        return sign_ticket(self._keys, ticket)
