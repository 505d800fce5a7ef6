"""What may go wrong on the wire, and what the other side should do next.

Two enumerations people program against: ``ErrorCode`` (a refused command, answered with its id) and
``CloseCode`` (the connection ends). Codes are stable: a name is never reused for another meaning.
"""

import enum
from typing import Final, NamedTuple


class ErrorCode(enum.StrEnum):
    """Why a command was refused. Nothing changed, and the sender may act on it."""

    STALE = "stale"  # the command id is at or below one already accepted, and not among the last 64
    FROZEN = "frozen"  # the room stands still (paused or regrouping): keep it, resend when it runs
    NOT_ALLOWED = "not_allowed"  # the seat's role may not do this
    WRONG_PHASE = "wrong_phase"  # the room or the match is not where this makes sense
    NOT_FOUND = "not_found"  # the seat, question or thing named does not exist
    INVALID = "invalid"  # well-formed, but outside what the rules allow
    TOO_LATE = "too_late"  # it was closed before this arrived
    TOO_EARLY = "too_early"  # it is not open yet
    ALREADY_DONE = "already_done"  # this seat has already done it, and it cannot be done twice
    LOCKED = "locked"  # the room takes nobody new
    FULL = "full"  # no seat is left
    BANNED = "banned"  # this user was removed from the room
    NOT_ENOUGH_PLAYERS = "not_enough_players"  # the mode needs more seats that play
    NO_CONTENT = "no_content"  # no content pack can satisfy the settings
    RATE_LIMITED = "rate_limited"  # too many of these; wait, then send it again
    BUSY = "busy"  # the node is shedding load; try again later
    INTERNAL = "internal"  # our fault; the command was not applied


class ProtocolErrorCode(enum.StrEnum):
    """How a peer broke SPEC: the connection is closed with ``CloseCode.PROTOCOL_ERROR`` and this as reason."""

    TOO_LARGE = "too_large"  # over 4,096 bytes (closed with 1009 instead)
    NOT_MSGPACK = "not_msgpack"  # cut short, more than one value, or bytes that mean nothing
    NOT_JSON = "not_json"  # not JSON (RFC 8259), or a lone surrogate in a string
    NOT_UTF8 = "not_utf8"  # text that is not UTF-8
    NOT_A_MAP = "not_a_map"  # the message is not a map
    TOO_DEEP = "too_deep"  # more than 8 levels of maps and lists, the message being the first
    DUPLICATE_KEY = "duplicate_key"  # a key twice in one map
    NOT_FINITE = "not_finite"  # NaN or an infinity
    UNKNOWN_TAG = "unknown_tag"  # no message of this side has this `t`
    UNKNOWN_FIELD = "unknown_field"  # a field the message does not have
    MISSING_FIELD = "missing_field"  # a field without a default was left out
    WRONG_TYPE = "wrong_type"  # another type than declared; floats, extensions and keys that are not text always
    OUT_OF_RANGE = "out_of_range"  # a number, text, list or map outside its limits
    WRONG_FRAME = "wrong_frame"  # text on the msgpack subprotocol, or binary on the JSON one
    UNEXPECTED = "unexpected"  # a message that does not fit the connection's state


class ProtocolError(Exception):
    """The peer broke SPEC. Carries the code and the path of the offending field, never its value."""

    def __init__(self, code: ProtocolErrorCode, where: str = "") -> None:
        super().__init__(code, where)
        self.code = code
        self.where = where

    def __str__(self) -> str:
        return f"{self.code}: {self.where}" if self.where else str(self.code)


class CloseCode(enum.IntEnum):
    """Why a connection ends (RFC 6455 §7.4; 4000–4999 are ours)."""

    NORMAL = 1000
    GOING_AWAY = 1001
    PROTOCOL_ERROR = 1002
    TOO_BIG = 1009
    INTERNAL = 1011
    SERVICE_RESTART = 1012
    TRY_AGAIN = 1013
    BAD_TICKET = 4001
    HELLO_TIMEOUT = 4002
    REPLACED = 4003
    KICKED = 4004
    ROOM_CLOSED = 4005
    ROOM_NOT_FOUND = 4006
    SLOW_READER = 4007
    RATE_LIMITED = 4008
    RESUME_REFUSED = 4009
    MOVED = 4010
    REFUSED = 4011
    PING_TIMEOUT = 4012
    ROOM_FAILED = 4013


class Advice(enum.StrEnum):
    """What a client does after a close."""

    RESUME = "resume"  # reconnect by itself, with back-off, and resume with the seat's secret
    TICKET = "ticket"  # ask httpapi for a new ticket, then connect
    STOP = "stop"  # tell the person; do not reconnect


class CloseRule(NamedTuple):
    """One row of SPEC's table of close codes."""

    advice: Advice
    meaning: str


CLOSE_RULES: Final[dict[CloseCode, CloseRule]] = {
    CloseCode.NORMAL: CloseRule(Advice.STOP, "You left."),
    CloseCode.GOING_AWAY: CloseRule(Advice.RESUME, "The server is stopping."),
    CloseCode.PROTOCOL_ERROR: CloseRule(Advice.STOP, "The client broke the protocol; the reason says how."),
    CloseCode.TOO_BIG: CloseRule(Advice.STOP, "A message was larger than allowed."),
    CloseCode.INTERNAL: CloseRule(Advice.RESUME, "The server failed; nothing acknowledged is lost."),
    CloseCode.SERVICE_RESTART: CloseRule(Advice.RESUME, "The server restarts."),
    CloseCode.TRY_AGAIN: CloseRule(Advice.RESUME, "The server is overloaded; come back a little later."),
    CloseCode.BAD_TICKET: CloseRule(Advice.TICKET, "The ticket is wrong, used or older than 30 seconds."),
    CloseCode.HELLO_TIMEOUT: CloseRule(Advice.RESUME, "No Hello came within 5 seconds."),
    CloseCode.REPLACED: CloseRule(Advice.STOP, "The same seat was opened elsewhere."),
    CloseCode.KICKED: CloseRule(Advice.STOP, "The host removed you from the room."),
    CloseCode.ROOM_CLOSED: CloseRule(Advice.STOP, "The room is closed."),
    CloseCode.ROOM_NOT_FOUND: CloseRule(Advice.STOP, "There is no such room."),
    CloseCode.SLOW_READER: CloseRule(Advice.RESUME, "The connection could not take what was sent."),
    CloseCode.RATE_LIMITED: CloseRule(Advice.RESUME, "Too many messages; wait a second."),
    CloseCode.RESUME_REFUSED: CloseRule(Advice.TICKET, "The seat or its secret is not known."),
    CloseCode.MOVED: CloseRule(Advice.RESUME, "Another node owns the room now."),
    CloseCode.REFUSED: CloseRule(Advice.STOP, "The room refused the join; the reason is an error code."),
    CloseCode.PING_TIMEOUT: CloseRule(Advice.RESUME, "No answer to a ping within 5 seconds."),
    CloseCode.ROOM_FAILED: CloseRule(Advice.STOP, "The room was stopped by a fault of ours and saved for study."),
}
