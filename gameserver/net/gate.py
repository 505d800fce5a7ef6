"""What an upgrade request asks for, and whether it may: path, Host, Origin, address, admission. No I/O.

Order matters: what a stranger's page could do to a visitor (Host, Origin) is refused before anything is counted
against the visitor's address.
"""

import enum
import hmac
import urllib.parse
from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import Struct
from websockets.datastructures import Headers
from websockets.http11 import Request

from gameserver.net.admission import Admission
from gameserver.net.limits import EdgeLimits
from protocol import door
from protocol.door import TcpTimes
from protocol.hops import HostNames, TrustedProxies, same_origin, who
from protocol.ids import RoomCode, normalise_room_code
from protocol.types import WireFormat

SUBPROTOCOLS: Final = {f"svidnet.arena.v1+{wire}": wire for wire in WireFormat}
"""Name → format, in our order of preference."""

TOKEN_CHARS_MAX: Final = 16 * 1024  # a ticket may carry 200 blocked ids


class Route(enum.Enum):
    """What a path leads to."""

    GAME = "game"
    LOBBY = "lobby"
    ECHO = "echo"


class Visit(Struct, frozen=True):
    """A request that may be upgraded (its ticket is looked at later)."""

    route: Route
    client: str  # the client's address
    who: str  # what limits count for it
    code: RoomCode = RoomCode("")
    token: str = ""
    tcp: TcpTimes | None = None
    public: bool = False  # our own socket is the public one
    link: tuple[str, int] | None = None  # door id and its number for the public socket


class Refusal(Struct, frozen=True):
    """Why not. ``reason`` is a metric's label; ``text`` is for people."""

    status: int
    reason: str
    text: str
    retry_after: int = 0


class GateSettings(Struct, frozen=True, kw_only=True):
    """Whom the gate believes and serves."""

    hosts: Sequence[str] = ()  # names besides localhost and literal addresses
    origins: Sequence[str] = ()  # allowed besides the one that equals Host
    trusted_proxies: Sequence[str] = ()  # networks
    door_secret: str = ""  # "": no door is believed
    echo: bool = False  # a test build's /echo


class Gate:
    """The checks of one listener."""

    def __init__(self, settings: GateSettings, limits: EdgeLimits, admission: Admission) -> None:
        self._settings = settings
        self._limits = limits
        self._admission = admission
        self._hosts = HostNames(settings.hosts)
        self._origins = frozenset(origin.strip().lower() for origin in settings.origins)
        self._proxies = TrustedProxies(settings.trusted_proxies)

    def check(self, request: Request, query: str, peer: str, *, now: float, sockets: int) -> Visit | Refusal:
        """Say what the request (its query came apart) may do.

        ``peer`` is the TCP peer's address, ``sockets`` how many are open.
        """
        headers = request.headers
        refusal = self._check_names(headers)
        if refusal is not None:
            return refusal
        visit = self._visit(request, peer)
        return self._check_admission(visit, now, sockets) or self._where(request.path, query, visit, now)

    def _where(self, path: str, query: str, visit: Visit, now: float) -> Visit | Refusal:
        """Return the visit with what its path and query ask for."""
        code = RoomCode("")
        if path == "/ws/lobby":
            route = Route.LOBBY
        elif path == "/echo" and self._settings.echo:
            route = Route.ECHO
        elif path.startswith("/ws/game/"):
            route = Route.GAME
            found = normalise_room_code(urllib.parse.unquote(path.removeprefix("/ws/game/")))
            if found is None:
                self._admission.failed(visit.who, now)
                return Refusal(404, "room_code", "This is no room code.")
            code = found
        else:
            return Refusal(404, "path", "There is nothing here. Rooms are at /ws/game/CODE.")
        token = _token(query)
        if token is None:
            return Refusal(400, "query", "The query may hold one token and nothing else.")
        return msgspec.structs.replace(visit, route=route, code=code, token=token)

    def _check_names(self, headers: Headers) -> Refusal | None:
        hosts, origins = headers.get_all("Host"), headers.get_all("Origin")
        if len(hosts) != 1 or len(origins) > 1:
            return Refusal(400, "duplicate_header", "Exactly one Host and at most one Origin, please.")
        if not self._hosts.ours(hosts[0]):
            return Refusal(403, "host", "This Host is not served here; ARENA_HOSTS lists further names.")
        if origins and not same_origin(origins[0], hosts[0]) and origins[0].strip().lower() not in self._origins:
            return Refusal(403, "origin", "This Origin may not connect; ARENA_ORIGINS lists further ones.")
        return None

    def _visit(self, request: Request, peer: str) -> Visit:
        headers = request.headers
        settings = self._settings
        secrets = headers.get_all(door.DOOR)
        believed = bool(settings.door_secret) and len(secrets) == 1
        if believed and hmac.compare_digest(secrets[0].encode(), settings.door_secret.encode()):
            client = (headers.get_all(door.CLIENT) or [peer])[-1]
            link = _link(headers.get_all(door.CONNECTION))
            return Visit(Route.GAME, client, who(client), tcp=_tcp(headers), link=link)
        trusted = self._proxies.trusts(peer)
        client = self._proxies.client(peer, headers.get_all("X-Forwarded-For"))
        return Visit(Route.GAME, client, who(client), tcp=_tcp(headers) if trusted else None, public=not trusted)

    def _check_admission(self, visit: Visit, now: float, sockets: int) -> Refusal | None:
        wait = self._admission.locked_out(visit.who, now)
        if wait:
            return Refusal(429, "failures", "Too many wrong codes or tickets from this address.", wait)
        if self._admission.crowded(visit.who):
            return Refusal(429, "address_full", "Too many connections from this address.", 5)
        if sockets > self._limits.connections:
            return Refusal(503, "node_full", "This node is full.", 5)
        wait = self._admission.wait(now)
        if wait:
            return Refusal(503, "pace", "Many are coming in at once; try again.", wait)
        return None


def is_internal(request: Request) -> bool:
    """Say whether the request came without any proxy or door: health and metrics are for those only."""
    headers = request.headers
    return "X-Forwarded-For" not in headers and door.DOOR not in headers and door.CLIENT not in headers


def _token(query: str) -> str | None:
    if not query:
        return ""
    try:
        fields = urllib.parse.parse_qs(query, strict_parsing=True, keep_blank_values=True, max_num_fields=2)
    except ValueError:
        return None
    tokens = fields.pop("token", [])
    if fields or len(tokens) != 1 or len(tokens[0]) > TOKEN_CHARS_MAX:
        return None
    return tokens[0]


def _tcp(headers: Headers) -> TcpTimes | None:
    values = headers.get_all(door.TCP)
    return door.parse_tcp(values[0]) if len(values) == 1 else None


def _link(values: Sequence[str]) -> tuple[str, int] | None:
    if len(values) != 1:
        return None
    name, dash, number = values[0].rpartition("-")
    if not dash or not name or not number.isascii() or not number.isdigit() or len(number) > 15:
        return None
    return name, int(number)
