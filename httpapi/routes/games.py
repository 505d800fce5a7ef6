"""/api/games: modes, rooms, tickets."""

from typing import Annotated, Final

from msgspec import Meta, Struct

from httpapi.bodies import JoinBody, Joined, LobbyTicket, Modes, RoomBody, RoomMade, Rooms
from httpapi.endpoint import Access, Call, Endpoint, Limited, Reply, by_user
from httpapi.problem import Code
from httpapi.services.modes import mode_cards
from httpapi.services.rates import Counts, Rule
from protocol.bus import RoomCard

UNKNOWN_ROOMS: Final = Limited(Rule("unknown_room", 20, 60, Counts.FAILURES), failures=frozenset({Code.ROOM_NOT_FOUND}))
ROOMS_MADE: Final = Limited(Rule("rooms_made", 30, 60, Counts.ALL), by_user)


class RoomsQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """Which page."""

    cursor: Annotated[str, Meta(max_length=64)] | None = None


async def modes(_call: Call) -> Reply:
    """Return every mode."""
    return Reply(Modes(modes=mode_cards()), headers={"cache-control": "public, max-age=60"})


async def create_room(call: Call) -> RoomMade:
    """Make a room."""
    return await call.services.rooms.create(call.user, call.body(RoomBody))


async def list_rooms(call: Call) -> Rooms:
    """Return a page of public rooms."""
    return await call.services.rooms.list_public(call.query(RoomsQuery).cursor)


async def read_room(call: Call) -> RoomCard:
    """Return a room's card."""
    return await call.services.rooms.read(call.path("code"))


async def join_room(call: Call) -> Joined:
    """Return a ticket to a room."""
    return await call.services.rooms.join(call.user, call.path("code"), call.body(JoinBody).role)


async def join_lobby(call: Call) -> LobbyTicket:
    """Return a ticket to the lobby."""
    return call.services.rooms.lobby(call.user, await call.services.users.copy(call.user.sub))


_STORE: Final = Code.STORE_UNAVAILABLE

ENDPOINTS: Final = [
    Endpoint(
        method="GET",
        path="/api/games/modes",
        handler=modes,
        summary="Every mode with its settings as a JSON Schema",
        response=Modes,
        access=Access.ANYONE,
    ),
    Endpoint(
        method="GET",
        path="/api/games/rooms",
        handler=list_rooms,
        summary="Public rooms, the last changed first",
        query=RoomsQuery,
        response=Rooms,
        errors=[_STORE],
        access=Access.ANYONE,
    ),
    Endpoint(
        method="POST",
        path="/api/games/rooms",
        handler=create_room,
        summary="Make a room",
        body=RoomBody,
        response=RoomMade,
        status=201,
        errors=[Code.RATE_LIMITED, Code.BUSY, _STORE],
        limits=[ROOMS_MADE],
    ),
    Endpoint(
        method="GET",
        path="/api/games/rooms/{code}",
        handler=read_room,
        summary="A room's card",
        response=RoomCard,
        errors=[Code.ROOM_NOT_FOUND, Code.RATE_LIMITED, _STORE],
        access=Access.ANYONE,
        limits=[UNKNOWN_ROOMS],
    ),
    Endpoint(
        method="POST",
        path="/api/games/rooms/{code}/join",
        handler=join_room,
        summary="A ticket to the room; 503 with Retry-After until it is open",
        body=JoinBody,
        body_optional=True,
        response=Joined,
        errors=[
            Code.ROOM_NOT_FOUND,
            Code.ROOM_CLOSED,
            Code.ROOM_STARTING,
            Code.ROOM_LOCKED,
            Code.ROOM_FULL,
            Code.RATE_LIMITED,
            _STORE,
        ],
        limits=[UNKNOWN_ROOMS],
    ),
    Endpoint(
        method="POST",
        path="/api/games/lobby",
        handler=join_lobby,
        summary="A ticket to the lobby",
        response=LobbyTicket,
    ),
]
