"""What a room answers to an input."""

from typing import TypeAlias

from msgspec import Struct

from protocol.bus import ContentRequest, MatchResult
from protocol.errors import CloseCode, ErrorCode

Effect: TypeAlias = ContentRequest | MatchResult
"""What a room waits for, as the bus message to send. Its ``id`` is the same whenever it is asked for again."""


class Reply(Struct, frozen=True):
    """Answer to one input. ``code`` set: it was refused, nothing has changed, it is not journaled."""

    seat: int | None = None
    command_id: int | None = None
    code: ErrorCode | None = None
    detail: str = ""
    repeated: bool = False  # accepted before: acknowledge again, nothing has changed, not journaled
    next_id: int | None = None  # after a join or a return: the seat's next command id
    kicked: tuple[int, ...] = ()  # seats that are gone: their connections are to be closed with ``close``
    close: CloseCode = CloseCode.KICKED
