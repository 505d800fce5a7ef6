"""Rooms, seen from HTTP: making one, listing, reading, tickets to join. Game state is never held here."""

import binascii
import secrets
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Final
from uuid import UUID, uuid4

import msgspec
from redis.asyncio import Redis

from arena.tokens import AccessClaims
from httpapi.bodies import Joined, LobbyTicket, Me, RoomBody, RoomMade, Rooms
from httpapi.limits import PAGE_MAX
from httpapi.problem import Code, Problem, invalid
from httpapi.services.chronicle import Came, Chronicle
from httpapi.services.modes import checked_settings, players_max
from httpapi.services.names import BadName, clean_title
from httpapi.services.tickets import Role, Tickets
from httpapi.services.users import avatar_for
from httpapi.store import cards
from httpapi.store.cards import Place
from httpapi.store.rooms import NewRoom
from protocol.bus import CreateRoom, RoomCard
from protocol.ids import ROOM_ALPHABET, ROOM_CODE_LENGTH, RoomCode, UserId, normalise_room_code, shard_of
from protocol.limits import WATCHERS_MAX

TRIES: Final = 8
"""Free codes are tried; of 244 million, eight in a row are never taken by chance."""


def new_code() -> RoomCode:
    """Return a random room code."""
    return RoomCode("".join(secrets.choice(ROOM_ALPHABET) for _ in range(ROOM_CODE_LENGTH)))


def parse_code(text: str) -> RoomCode:
    """Return the code meant. Raises ``Problem`` ROOM_NOT_FOUND: what cannot be a code names no room."""
    code = normalise_room_code(text)
    if code is None:
        raise Problem(Code.ROOM_NOT_FOUND, f"a code has {ROOM_CODE_LENGTH} of the characters {ROOM_ALPHABET}")
    return code


def pack_cursor(place: Place | None) -> str | None:
    """Return the cursor of the next page."""
    if place is None:
        return None
    return urlsafe_b64encode(f"{place.score!r}:{place.code}".encode()).decode().rstrip("=")


def parse_cursor(text: str | None) -> Place | None:
    """Return where a page begins. Raises ``Problem`` INVALID for a cursor that is not one of ours."""
    if text is None:
        return None
    try:
        score, _, code = urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode("ascii").partition(":")
        place = Place(float(score), code)
    except (ValueError, binascii.Error):
        raise invalid("cursor", "not one of ours") from None
    if not 0 <= place.score < 2**53 or normalise_room_code(code) != code:
        raise invalid("cursor", "not one of ours")
    return place


class RoomDesk:
    """Makes rooms and hands out tickets. Methods raise ``Problem`` and ``redis.exceptions.RedisError``."""

    def __init__(
        self, *, redis: Redis, cache: Redis, tickets: Tickets, chronicle: Chronicle, shards: int, lease_ms: int
    ) -> None:
        self._redis = redis
        self._cache = cache
        self._tickets = tickets
        self._chronicle = chronicle
        self._shards = shards
        self._alive_ms = 2 * lease_ms

    async def create(self, claims: AccessClaims, body: RoomBody) -> RoomMade:
        """Ask a shard for a room; join answers ROOM_STARTING until it is open."""
        settings = checked_settings(body.mode, body.settings)
        try:
            title = clean_title(body.title)
        except BadName as error:
            raise invalid("title", str(error)) from None
        if not await self.live_nodes():
            raise Problem(Code.STORE_UNAVAILABLE, "no game server is running")
        now = int(time.time())
        code = await self._take_code(claims, body, title, settings, now)
        message = CreateRoom(
            id=uuid4().hex,
            code=code,
            host=claims.sub,
            mode=body.mode,
            settings=settings,
            public=body.public,
            entropy=secrets.token_bytes(32),
            title=title,
            created_at=now,
        )
        sent = False
        try:
            sent = await cards.send(self._redis, shard_of(code, self._shards), message)
        finally:
            if not sent:
                await cards.give_code_back(self._cache, code)
        if not sent:
            raise Problem(Code.BUSY, "too many rooms are waiting to be opened")
        self._chronicle.add(NewRoom(uuid4(), code, body.mode, UUID(claims.sub), title, body.public, settings, now))
        return RoomMade(code=code)

    async def _take_code(
        self, claims: AccessClaims, body: RoomBody, title: str, settings: dict[str, object], now: int
    ) -> RoomCode:
        for _ in range(TRIES):
            code = new_code()
            card = RoomCard(
                code=code,
                state="creating",
                mode=body.mode,
                title=title,
                public=body.public,
                locked=False,
                phase="lobby",
                players=0,
                seats_max=players_max(body.mode),
                watchers=0,
                host_name=claims.name,
                settings=settings,
                created_at=now,
            )
            if await cards.take_code(self._cache, card):
                return code
        raise Problem(Code.BUSY, "no free code was found")

    async def list_public(self, cursor: str | None) -> Rooms:
        """Return a page of public rooms, the last changed first."""
        found, following = await cards.public(self._cache, parse_cursor(cursor), PAGE_MAX)
        return Rooms(rooms=found, next=pack_cursor(following))

    async def read(self, text: str) -> RoomCard:
        """Return a room's card."""
        card = await cards.read(self._cache, parse_code(text))
        if card is None:
            raise Problem(Code.ROOM_NOT_FOUND)
        return card

    async def join(self, claims: AccessClaims, text: str, role: Role) -> Joined:
        """Return a ticket. Who was given a player's before gets one even when it is locked or full."""
        code = parse_code(text)
        known = await cards.read_for(self._cache, code, UserId(claims.sub))
        if known.card is None:
            raise Problem(Code.ROOM_NOT_FOUND)
        _check_open(known.card, role, came_before=known.came_before)
        name, avatar = _shown(claims, known.user_copy)
        ticket = self._tickets.for_room(claims, code, role, name=name, avatar=avatar)
        if role == "player" and not known.came_before:
            await cards.note_came(self._cache, code, UserId(claims.sub))
        self._chronicle.add(Came(code, UUID(claims.sub), role))
        return Joined(ticket=ticket, url=f"/ws/game/{code}", room=known.card)

    def lobby(self, claims: AccessClaims, copy: Me | None) -> LobbyTicket:
        """Return a ticket to the lobby."""
        name, avatar = (claims.name, avatar_for(claims.sub)) if copy is None else (copy.name, copy.avatar)
        return LobbyTicket(ticket=self._tickets.for_lobby(claims, name=name, avatar=avatar), url="/ws/lobby")

    async def live_nodes(self) -> int:
        """Return how many nodes are alive and take rooms."""
        return len(await cards.live_nodes(self._cache, within_ms=self._alive_ms))


def _check_open(card: RoomCard, role: Role, *, came_before: bool) -> None:
    if card.state == "creating":
        raise Problem(Code.ROOM_STARTING)
    if card.state != "open":
        raise Problem(Code.ROOM_CLOSED)
    if role == "player":
        if card.locked and not came_before:
            raise Problem(Code.ROOM_LOCKED)
        if card.players >= card.seats_max and not came_before:
            raise Problem(Code.ROOM_FULL)
    elif card.watchers >= WATCHERS_MAX:
        raise Problem(Code.ROOM_FULL, "no more watchers fit")


def _shown(claims: AccessClaims, user_copy: bytes | None) -> tuple[str, str]:
    """Return name and avatar: the copy is newer than the access token; without one the token must do."""
    try:
        copy = None if user_copy is None else msgspec.json.decode(user_copy, type=Me)
    except msgspec.DecodeError:
        copy = None
    return (claims.name, avatar_for(claims.sub)) if copy is None else (copy.name, copy.avatar)
