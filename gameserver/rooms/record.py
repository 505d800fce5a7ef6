"""An input as the journal keeps it: MessagePack ``[at_ms, input]``, the input an array with its tag first."""

import msgspec

from gameserver.rooms.inputs import AnyInput, Input


class RecordError(ValueError):
    """The bytes are not an input known here."""


_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(tuple[int, AnyInput]).decode


def pack_input(at_ms: int, given: Input) -> bytes:
    """Return the bytes of an input stamped with the shard clock."""
    return _pack((at_ms, given))


def unpack_input(packed: bytes) -> tuple[int, Input]:
    """Return stamp and input. Raises ``RecordError``."""
    try:
        return _unpack(packed)
    except msgspec.DecodeError as error:
        raise RecordError(str(error)) from None
