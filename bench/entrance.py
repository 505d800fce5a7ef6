"""Two ways in. Through the HTTP API, as everybody; or straight to nodes that the bench itself runs."""

import http.client
import json
import secrets
import threading
import time
import urllib.parse
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final, Protocol

import msgspec
import redis
from msgspec import Struct

from arena import keys as key_files
from arena import tokens
from arena.settings import Settings
from protocol import keys
from protocol.bus import CreateRoom, RoomCard
from protocol.codec import pack_bus
from protocol.ids import ROOM_ALPHABET, ROOM_CODE_LENGTH, RoomCode, ShardId, shard_of
from protocol.tickets import ISSUER, TicketClaims

TICKETS_AT_ONCE: Final = 8

OPEN_S: Final = 60.0
"""How long a new room may take to open (a fresh store is founded after a grace)."""


class Place(Struct, frozen=True):
    """Where a connection goes: a TCP address and the path with its ticket."""

    host: str
    port: int
    path: str


class Target(Struct, frozen=True, kw_only=True):
    """What is measured, as told to the load processes."""

    server: str = ""  # the public address: everything goes through it
    redis_url: str = ""  # else: the store of nodes that are reached directly
    data: str = ""  # the folder with their keys
    shards: int = 64


class Entrance(Protocol):
    """Makes rooms and gives tickets."""

    def create(self, mode: str, settings: dict[str, Any], host: int) -> str:
        """Make a room of this user's and return its code; it may not be open yet."""

    def wait_open(self, code: str) -> None:
        """Return when it is open. Raises ``TimeoutError``."""

    def ticket(self, code: str, user: int, role: str) -> Place:
        """Return where this user connects; the same number is the same person."""


def entrance(target: Target, people: str) -> Entrance:
    """Return the way into the target; ``people`` tells one load process's users from another's."""
    return Api(target.server, people) if target.server else Direct(target, people)


class Desk:
    """Asks for tickets, several at once, while the asker goes on with something else."""

    def __init__(self, way: Entrance) -> None:
        self._way = way
        self._threads = ThreadPoolExecutor(TICKETS_AT_ONCE, "tickets")
        self._asked: deque[tuple[Any, Future[Place]]] = deque()

    def ask(self, whose: Any, code: str, user: int, role: str) -> None:
        """Ask for a ticket; ``whose`` comes back with it."""
        self._asked.append((whose, self._threads.submit(self._way.ticket, code, user, role)))

    def ready(self) -> list[tuple[Any, Place]]:
        """Return what has come, in the order asked. Raises what went wrong."""
        come = []
        while self._asked and self._asked[0][1].done():
            whose, place = self._asked.popleft()
            come.append((whose, place.result()))
        return come


class Direct:
    """Straight to the nodes: signs its own tickets and writes into inboxes, as httpapi would."""

    def __init__(self, target: Target, people: str) -> None:
        self._redis = redis.Redis.from_url(target.redis_url, protocol=2, socket_timeout=5)
        self._keys = key_files.signing_keys(Settings.from_env({"ARENA_DATA": target.data}))
        self._shards = target.shards
        self._people = people
        self._owners: dict[ShardId, tuple[str, int]] = {}

    def _user(self, number: int) -> str:
        return f"00000000-0000-4000-8000-{abs(hash_of(self._people, number)):012x}"

    def create(self, mode: str, settings: dict[str, Any], host: int) -> str:
        """Put ``create`` into the inbox."""
        code = RoomCode("".join(secrets.choice(ROOM_ALPHABET) for _ in range(ROOM_CODE_LENGTH)))
        shard = shard_of(code, self._shards)
        message = CreateRoom(
            id=secrets.token_hex(16),
            code=code,
            host=self._user(host),
            mode=mode,
            settings=settings,
            public=False,
            entropy=secrets.token_bytes(32),
            created_at=int(time.time()),
        )
        self._redis.xadd(keys.inbox(shard), {keys.MESSAGE: pack_bus(message)})
        return code

    def wait_open(self, code: str) -> None:
        """Look at the room's card until it says open."""
        until = time.monotonic() + OPEN_S
        while time.monotonic() < until:
            raw: Any = self._redis.get(keys.room_card(RoomCode(code)))
            if raw is not None and msgspec.json.decode(raw, type=RoomCard).state == "open":
                return
            time.sleep(0.02)
        raise TimeoutError(f"room {code} did not open within {OPEN_S:.0f} s")

    def _owner(self, code: str) -> tuple[str, int]:
        """Return the address of the node that tells it owns the room's shard (heartbeats tell it a little late)."""
        shard = shard_of(RoomCode(code), self._shards)
        until = time.monotonic() + OPEN_S
        while shard not in self._owners:
            if time.monotonic() > until:
                raise TimeoutError(f"no node tells that it owns shard {shard}")
            cards: Any = self._redis.hgetall(keys.NODES)
            for raw in cards.values():
                card = json.loads(raw)
                host, _, port = card["address"].rpartition(":")
                self._owners |= {ShardId(owned): (host, int(port)) for owned in card["shards"]}
            if shard not in self._owners:
                time.sleep(0.05)
        return self._owners[shard]

    def ticket(self, code: str, user: int, role: str) -> Place:
        """Sign a ticket."""
        issued, expires = tokens.new_ticket_times()
        claims = TicketClaims(
            iss=ISSUER,
            aud="game",
            sub=self._user(user),
            jti=secrets.token_hex(16),
            iat=issued,
            exp=expires,
            name=f"Player {user}",
            kind="bot",
            role=role,  # type: ignore[arg-type]  # one of the three words
            room=code,
            avatar="bench:1",
        )
        host, port = self._owner(code)
        return Place(host, port, f"/ws/game/{code}?token={tokens.sign_ticket(self._keys, claims)}")


def hash_of(people: str, number: int) -> int:
    """Return a number below 2^48 for a user."""
    return (int.from_bytes(people.encode()[-3:], "big") << 24 | number) & 0xFFFF_FFFF_FFFF


class Api:
    """Through the public address: guests, rooms, tickets, the door."""

    def __init__(self, server: str, people: str) -> None:
        parts = urllib.parse.urlsplit(server)
        if parts.scheme != "http" or not parts.hostname:
            raise ValueError(f"{server!r}: give the server as http://host:port")
        self._host, self._port = parts.hostname, parts.port or 80
        self._people = people
        self._lines = threading.local()  # several threads may ask at once, each on a connection of its own
        self._tokens: dict[int, str] = {}

    @property
    def _line(self) -> http.client.HTTPConnection:
        line: http.client.HTTPConnection | None = getattr(self._lines, "line", None)
        if line is None:
            line = self._lines.line = http.client.HTTPConnection(self._host, self._port, timeout=15)
        return line

    def _ask(self, method: str, path: str, body: Any, user: int | None = None) -> dict[str, Any]:
        headers = {"Content-Type": "application/json"}
        if user is not None:
            headers["Authorization"] = f"Bearer {self._token(user)}"
        for _ in range(100):
            try:
                self._line.request(method, f"/api/{path}", None if body is None else json.dumps(body), headers)
                answer = self._line.getresponse()
                raw = answer.read()
            except (OSError, http.client.HTTPException):
                self._line.close()
                time.sleep(0.05)
                continue
            if answer.status in (429, 503):
                time.sleep(min(float(answer.headers.get("Retry-After") or 1), 5.0))
                continue
            if answer.status >= 400:
                raise RuntimeError(f"{method} {path}: {answer.status} {raw[:200].decode(errors='replace')}")
            told: dict[str, Any] = json.loads(raw)
            return told
        raise TimeoutError(f"{method} {path}: refused a hundred times")

    def _token(self, user: int) -> str:
        if user not in self._tokens:
            body = {"name": f"{self._people} {user}"[-24:], "client": "bot"}
            self._tokens[user] = self._ask("POST", "auth/guest", body)["access_token"]
        return self._tokens[user]

    def create(self, mode: str, settings: dict[str, Any], host: int) -> str:
        """Make a room."""
        body = {"mode": mode, "settings": settings, "public": False, "title": "bench"}
        return str(self._ask("POST", "games/rooms", body, host)["code"])

    def wait_open(self, code: str) -> None:
        """Ask until it is open."""
        until = time.monotonic() + OPEN_S
        while time.monotonic() < until:
            if self._ask("GET", f"games/rooms/{code}", None, 0)["state"] == "open":
                return
            time.sleep(0.05)
        raise TimeoutError(f"room {code} did not open within {OPEN_S:.0f} s")

    def ticket(self, code: str, user: int, role: str) -> Place:
        """Join over HTTP."""
        joined = self._ask("POST", f"games/rooms/{code}/join", {"role": role}, user)
        return Place(self._host, self._port, f"{joined['url']}?token={joined['ticket']}")
