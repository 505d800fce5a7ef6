"""Everything a request may need, built once in ``httpapi.app`` and passed on."""

from dataclasses import dataclass

from redis.asyncio import Redis

from arena.keys import SigningKeys
from arena.settings import Settings
from httpapi.services.auth import Auth
from httpapi.services.chronicle import Chronicle
from httpapi.services.matches import Matches
from httpapi.services.passwords import Passwords
from httpapi.services.rates import Rates
from httpapi.services.revocation import Revocation
from httpapi.services.rooms import RoomDesk
from httpapi.services.trivia import Trivia
from httpapi.services.users import Users
from httpapi.store.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The parts, by name. ``redis`` holds the shards, ``cache`` everything else (they may be the same server)."""

    settings: Settings
    keys: SigningKeys
    database: Database
    redis: Redis
    cache: Redis
    passwords: Passwords
    rates: Rates
    revocation: Revocation
    users: Users
    auth: Auth
    rooms: RoomDesk
    trivia: Trivia
    matches: Matches
    chronicle: Chronicle
