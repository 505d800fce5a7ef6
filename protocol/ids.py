"""Identifiers, each its own type, so that one is never passed for another."""

import zlib
from typing import Final, NewType

RoomCode = NewType("RoomCode", str)
"""Six characters of ``ROOM_ALPHABET``: what people type to join."""

SeatNumber = NewType("SeatNumber", int)
"""1 … 9,999; given in order of arrival, never reused in a room."""

UserId = NewType("UserId", str)
"""A UUID in its 36-character text form."""

MatchId = NewType("MatchId", str)
"""32 hexadecimal characters, derived from the room's seed: the same after any replay."""

ModeId = NewType("ModeId", str)
"""A mode's name in the registry, such as ``trivia``."""

ShardId = NewType("ShardId", int)
"""0 … shard count − 1."""

InstanceId = NewType("InstanceId", str)
"""One life of one node process: 32 hexadecimal characters, new at each start."""

Nonce = NewType("Nonce", str)
"""The owner's random identity for one claim: 32 hexadecimal characters (128 bits)."""

ROOM_ALPHABET: Final = "BCDFGHJKMNPQRSTVWXZ23456789"
"""No vowels (no rude words), nothing that is read for something else (0 O, 1 I L, U V, Y)."""

ROOM_CODE_LENGTH: Final = 6


def normalise_room_code(text: str) -> RoomCode | None:
    """Return the code a person meant by ``text``, or None when it cannot be one.

    Case, blanks and dashes do not matter.
    """
    code = "".join(character for character in text.upper() if character not in " -\t")
    if len(code) != ROOM_CODE_LENGTH or any(character not in ROOM_ALPHABET for character in code):
        return None
    return RoomCode(code)


def shard_of(code: RoomCode, shards: int) -> ShardId:
    """Return the shard that holds the room: CRC-32 of the code modulo the number of shards."""
    return ShardId(zlib.crc32(code.encode("ascii")) % shards)
