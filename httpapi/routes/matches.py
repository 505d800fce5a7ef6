"""/api/games/matches and /api/users/me/matches: what was played."""

from typing import Annotated, Final

from msgspec import Meta, Struct

from httpapi.bodies import MatchTold, Plays
from httpapi.endpoint import Access, Call, Endpoint, Limited, Reply
from httpapi.problem import Code
from httpapi.services.rates import Counts, Rule

UNKNOWN_MATCHES: Final = Limited(Rule("unknown_match", 60, 60, Counts.FAILURES), failures=frozenset({Code.NOT_FOUND}))


class PlaysQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """Which page."""

    cursor: Annotated[str, Meta(max_length=64)] | None = None


async def read_match(call: Call) -> Reply:
    """Return a match, which never changes once it is recorded."""
    told = await call.services.matches.read(call.path("id"))
    return Reply(told, headers={"cache-control": "public, max-age=3600"})


async def list_mine(call: Call) -> Plays:
    """Return a page of my matches."""
    return await call.services.matches.list_mine(call.user, call.query(PlaysQuery).cursor)


ENDPOINTS: Final = [
    Endpoint(
        method="GET",
        path="/api/games/matches/{id}",
        handler=read_match,
        summary="A recorded match, with all that it takes to check it",
        response=MatchTold,
        errors=[Code.NOT_FOUND, Code.RATE_LIMITED, Code.DATABASE_UNAVAILABLE],
        access=Access.ANYONE,
        limits=[UNKNOWN_MATCHES],
    ),
    Endpoint(
        method="GET",
        path="/api/users/me/matches",
        handler=list_mine,
        summary="My matches, the last recorded first",
        query=PlaysQuery,
        response=Plays,
        errors=[Code.DATABASE_UNAVAILABLE],
    ),
]
