"""Journal records: what one commit makes durable, and the digest that chains them (COMMIT.md §1)."""

import hashlib
from typing import Final

import msgspec
from msgspec import Struct

SCHEMA: Final = 1
DIGEST_BYTES: Final = 16


class Record(Struct, frozen=True, array_like=True):
    """Everything that entered a shard in one tick. Fields are only ever added at the end."""

    schema: int
    epoch: int
    seq: int
    clock: int
    inputs: list[tuple[str, bytes]]  # room code, packed input (gameserver.rooms.record), in the order applied
    checkpoints: dict[str, bytes]  # room code → whole room after these inputs; b"" is a tombstone
    hashes: dict[str, bytes]  # room code → state hash at this clock
    rules: dict[str, int]  # mode → rules version, of the matches running in rooms of this record
    inbox: list[str]  # ids of the bus messages among these inputs
    shard: bytes = b""  # the shard's own state (ShardMemory), when checkpointed
    released: bool = False  # the last record of an owner that handed over by plan


class ShardMemory(Struct, frozen=True, array_like=True):
    """What a shard remembers besides its rooms."""

    inbox_ids: list[str]  # the last ids that counted
    tombstones: list[str]  # codes of rooms that ended, newest last


_encoder = msgspec.msgpack.Encoder()
_decode_record = msgspec.msgpack.Decoder(Record).decode
_decode_memory = msgspec.msgpack.Decoder(ShardMemory).decode


def encode(record: Record) -> bytes:
    """Return the record's bytes: the body that is committed and digested."""
    return _encoder.encode(record)


def decode(body: bytes) -> Record:
    """Return the record. Raises ``msgspec.DecodeError`` for anything else."""
    return _decode_record(body)


def encode_memory(memory: ShardMemory) -> bytes:
    """Return the bytes of a shard's own state."""
    return _encoder.encode(memory)


def decode_memory(body: bytes) -> ShardMemory:
    """Return a shard's own state. Raises ``msgspec.DecodeError``."""
    return _decode_memory(body)


def chain(previous: bytes, body: bytes) -> bytes:
    """Return the digest of a record: BLAKE2b-128 over the previous digest and the body."""
    digest = hashlib.blake2b(previous, digest_size=DIGEST_BYTES)
    digest.update(body)
    return digest.digest()
