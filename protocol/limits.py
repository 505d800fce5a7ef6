"""Sizes and rates of the wire, with units. SPEC's table of limits is generated from here."""

from typing import Final, NamedTuple


class Limit(NamedTuple):
    """One bound: its value, its unit, and what happens when it is reached."""

    value: int
    unit: str
    when_full: str


CLIENT_MESSAGE_BYTES_MAX: Final = 4096
SERVER_MESSAGE_BYTES_MAX: Final = 256 * 1024  # what a client must be ready to take
ARRAY_LEN_MAX: Final = 64
MAP_LEN_MAX: Final = 32
STR_BYTES_MAX: Final = 256
BIN_BYTES_MAX: Final = 1024
DEPTH_MAX: Final = 8

NAME_CHARS_MAX: Final = 24
TITLE_CHARS_MAX: Final = 60
CHAT_CHARS_MAX: Final = 120
CLIENT_NAME_CHARS_MAX: Final = 64

UNANSWERED_COMMANDS_MAX: Final = 16
COMMAND_IDS_REMEMBERED: Final = 64
COMMAND_ID_STEP: Final = 1024
COMMAND_ID_MAX: Final = 2**53 - 1

MESSAGES_PER_S: Final = 20
MESSAGES_BURST: Final = 40
CONTROL_FRAMES_PER_S_MAX: Final = 20
HELLO_S_MAX: Final = 5
PING_EVERY_S: Final = 10
PONG_WITHIN_S: Final = 5

OUTBOX_BYTES_MAX: Final = 256 * 1024
HISTORY_FRAMES_MAX: Final = 128
HISTORY_BYTES_MAX: Final = 128 * 1024

SEATS_MAX: Final = 500
WATCHERS_MAX: Final = 2000
CROWD_EVERY_MS: Final = 250
BLOCKED_IDS_MAX: Final = 200

TABLE: Final[dict[str, Limit]] = {
    "client message": Limit(CLIENT_MESSAGE_BYTES_MAX, "bytes", "closed with TOO_BIG (1009)"),
    "array length": Limit(ARRAY_LEN_MAX, "items", "closed with PROTOCOL_ERROR (1002)"),
    "map length": Limit(MAP_LEN_MAX, "pairs", "closed with PROTOCOL_ERROR (1002)"),
    "string": Limit(STR_BYTES_MAX, "bytes", "closed with PROTOCOL_ERROR (1002)"),
    "binary": Limit(BIN_BYTES_MAX, "bytes", "closed with PROTOCOL_ERROR (1002)"),
    "nesting": Limit(DEPTH_MAX, "levels", "closed with PROTOCOL_ERROR (1002)"),
    "name": Limit(NAME_CHARS_MAX, "characters", "HTTP 422"),
    "chat text": Limit(CHAT_CHARS_MAX, "characters", "closed with PROTOCOL_ERROR (1002)"),
    "unanswered commands": Limit(
        UNANSWERED_COMMANDS_MAX, "commands a seat", "keep further ones; beyond 32 closed with RATE_LIMITED (4008)"
    ),
    "messages": Limit(MESSAGES_PER_S, "messages a second (burst 40)", "closed with RATE_LIMITED (4008)"),
    "control frames": Limit(CONTROL_FRAMES_PER_S_MAX, "frames a second", "connection aborted"),
    "time to Hello": Limit(HELLO_S_MAX, "seconds", "closed with HELLO_TIMEOUT (4002)"),
    "unsent bytes": Limit(OUTBOX_BYTES_MAX, "bytes a connection", "closed with SLOW_READER (4007)"),
    "history": Limit(HISTORY_FRAMES_MAX, "frames an audience", "older Resume gets a Resync"),
    "seats": Limit(SEATS_MAX, "seats a room", "join refused FULL"),
    "watchers": Limit(WATCHERS_MAX, "watchers a room", "closed with REFUSED (4011), reason full"),
}
