"""Bounded field types shared by messages, settings and HTTP bodies."""

import enum
from typing import Annotated, Any, TypeAlias

from msgspec import Meta

from protocol import limits

View: TypeAlias = dict[str, Any]
"""What an audience sees: maps with text keys, lists, text, integers, booleans and null; no floats."""

Name = Annotated[str, Meta(min_length=1, max_length=limits.NAME_CHARS_MAX)]
Title = Annotated[str, Meta(max_length=limits.TITLE_CHARS_MAX)]
CommandId = Annotated[int, Meta(ge=1, le=limits.COMMAND_ID_MAX)]
SeatNo = Annotated[int, Meta(ge=1, le=9_999)]
Millis = Annotated[int, Meta(ge=0, le=2**53 - 1)]
Reaction = Annotated[str, Meta(min_length=1, max_length=8)]
ChatText = Annotated[str, Meta(min_length=1, max_length=limits.CHAT_CHARS_MAX)]
Token = Annotated[str, Meta(min_length=8, max_length=128)]
NonceBytes = Annotated[bytes, Meta(min_length=16, max_length=16)]


class WireFormat(enum.StrEnum):
    """How a connection's messages are encoded; the value is the end of the subprotocol's name."""

    MSGPACK = "msgpack"
    JSON = "json"
