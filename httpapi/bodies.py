"""What goes over HTTP: every body once, as a Struct. OpenAPI is made from these."""

from datetime import datetime
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from protocol import limits
from protocol.bus import RoomCard


class Body(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a client sends."""


class Answer(Struct, frozen=True, kw_only=True):
    """What the server sends; new fields may be added."""


DisplayName = Annotated[
    str, Meta(min_length=1, max_length=limits.NAME_CHARS_MAX, title="Name", description="Shown to everybody.")
]
Username = Annotated[str, Meta(min_length=3, max_length=limits.NAME_CHARS_MAX, title="User name")]
Password = Annotated[str, Meta(min_length=1, max_length=128, title="Password", description="8 to 128 characters.")]
Avatar = Annotated[
    str, Meta(min_length=1, max_length=24, pattern="^[a-z0-9:]+$", description="seed:palette, drawn by the client")
]
Client = Annotated[
    Literal["browser", "bot"],
    Meta(description="browser: the refresh token goes into an HttpOnly cookie; bot: into the body."),
]
RefreshToken = Annotated[str, Meta(min_length=43, max_length=43, pattern="^[A-Za-z0-9_-]+$")]


class GuestBody(Body, frozen=True):
    """Who you want to be."""

    name: DisplayName
    client: Client
    avatar: Avatar | None = None


class RegisterBody(Body, frozen=True):
    """A new account; with a guest's bearer token that guest becomes the account and keeps everything."""

    username: Username
    password: Password
    client: Client
    name: DisplayName | None = None
    avatar: Avatar | None = None


class LoginBody(Body, frozen=True):
    """Sign in."""

    username: Annotated[str, Meta(min_length=1, max_length=64)]
    password: Password
    client: Client


class RefreshBody(Body, frozen=True):
    """Bots name their refresh token; browsers send an empty object and the cookie."""

    refresh_token: RefreshToken | None = None


class PasswordBody(Body, frozen=True):
    """Change the password; every other session ends."""

    old: Password
    new: Password


class Me(Answer, frozen=True):
    """A user, as that user sees it."""

    id: str
    name: str
    avatar: str
    kind: Literal["guest", "account"]
    roles: list[str]
    created_at: datetime
    username: str | None = None


class Session(Answer, frozen=True, omit_defaults=True):
    """An authenticated session. ``expires_in``: seconds the access token lives."""

    user: Me
    access_token: str
    expires_in: int
    refresh_token: str | None = None
    csrf_token: str | None = None


class ProfileBody(Body, frozen=True):
    """What to change; what is left out stays."""

    name: DisplayName | None = None
    avatar: Avatar | None = None


class ModeCard(Answer, frozen=True):
    """A mode. ``settings`` is a JSON Schema; the form is made from it."""

    id: str
    title: str
    players_min: int
    players_max: int
    settings: dict[str, Any]
    defaults: dict[str, Any]


class Modes(Answer, frozen=True):
    """Every mode there is."""

    modes: list[ModeCard]


class RoomBody(Body, frozen=True):
    """A new room. ``settings`` are those of the mode; what is left out takes its default."""

    mode: Annotated[str, Meta(min_length=1, max_length=48)]
    settings: dict[str, Any] = {}
    public: bool = False
    title: Annotated[str, Meta(max_length=limits.TITLE_CHARS_MAX)] = ""


class RoomMade(Answer, frozen=True):
    """The room's code; join answers 503 with Retry-After until it is open."""

    code: str


class Rooms(Answer, frozen=True):
    """Public rooms, the last changed first; ``next`` is the cursor of the next page."""

    rooms: list[RoomCard]
    next: str | None = None


class JoinBody(Body, frozen=True):
    """What you want to be in the room."""

    role: Literal["player", "watcher", "screen"] = "player"


class Joined(Answer, frozen=True):
    """A ticket, good once and for 30 seconds, for the WebSocket at ``url``."""

    ticket: str
    url: str
    room: RoomCard


class LobbyTicket(Answer, frozen=True):
    """A ticket, good once and for 30 seconds, for the WebSocket at ``url``."""

    ticket: str
    url: str


class TriviaCategory(Answer, frozen=True):
    """A category that has questions. ``slug`` goes into a room's settings."""

    slug: str
    name: str
    questions: int
    by_difficulty: dict[str, int]


class TriviaCategories(Answer, frozen=True):
    """Every category that has questions, by name."""

    categories: list[TriviaCategory]


class MatchPart(Answer, frozen=True):
    """One player's part in a match. ``completed``: played to its end."""

    seat: int
    name: str
    rank: int
    score: int
    correct: int
    answered: int
    completed: bool


class MatchTold(Answer, frozen=True):
    """A recorded match, with all that it takes to check it (``arena verify-match``).

    ``seed``, ``salt``, ``commitment`` and ``digest`` are hexadecimal, ``log`` is base64 (empty: it was not kept).
    ``started_ms`` and ``ended_ms`` are the room's clock.
    """

    id: str
    recorded_no: int
    code: str
    mode: str
    number: int
    started_at: datetime
    started_ms: int
    ended_ms: int
    rated: bool
    abandoned: bool
    players: list[MatchPart]
    rules_version: int
    settings: dict[str, Any]
    seed: str
    salt: str
    commitment: str
    content: list[dict[str, Any]]
    log: str
    digest: str


class PlayCard(Answer, frozen=True):
    """My part in one match; ``players``: how many took part."""

    match: str
    mode: str
    started_at: datetime
    ended_at: datetime
    completed: bool
    rank: int
    score: int
    correct: int
    answered: int
    players: int


class Plays(Answer, frozen=True):
    """My matches, the last recorded first; ``next`` is the cursor of the next page."""

    matches: list[PlayCard]
    next: str | None = None


class Health(Answer, frozen=True):
    """The process answers."""

    status: Literal["ok"]


class Readiness(Answer, frozen=True):
    """What this process needs: each part ``ok`` or what is wrong with it."""

    ready: bool
    database: str
    redis: str
    nodes: int


class OpenApi(Answer, frozen=True):
    """OpenAPI 3.1: see https://spec.openapis.org/oas/v3.1.1.html."""

    openapi: str
    info: dict[str, Any]
    paths: dict[str, Any]
    components: dict[str, Any]
