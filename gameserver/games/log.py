"""The match log: every call into a mode's rules from a match's start to its end, kept for replay.

Seat numbers only, no names and no user ids. A rolling digest over header and entries is part of the match's state, so
that two owners who disagree about the log disagree about the state's hash. Stored form, zlib over MessagePack:
``[version, header, entries]`` with the header and each entry packed by themselves.
"""

import hashlib
import zlib
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

LOG_VERSION: Final = 1
LOG_BYTES_MAX: Final = 4 * 1024 * 1024
"""Uncompressed. Beyond it the match goes on without a log, and its result has none."""

_DIGEST_BYTES: Final = 16
_INFLATED_BYTES_MAX: Final = LOG_BYTES_MAX + 1024 * 1024


class LogError(ValueError):
    """The bytes are not a match log."""


class Header(Struct, frozen=True):
    """What a match began with."""

    mode: str
    rules_version: int
    settings: dict[str, Any]
    seats: list[tuple[int, bool]]  # seat, connected
    nonces: list[bytes]  # of the seats above, in their order
    secret: bytes
    seed: bytes
    content: list[dict[str, Any]]
    started_ms: int


class Entry(Struct, frozen=True, array_like=True, tag_field="k"):
    """One call into the rules. ``at_ms`` is the room clock."""

    at_ms: int


class TimingSet(Entry, frozen=True, tag=1):
    """L and W were measured."""

    lead_ms: int
    window_ms: int


class SeatChanged(Entry, frozen=True, tag=2):
    """A seat joined, left, went away or came back."""

    seat: int
    change: str


class Commanded(Entry, frozen=True, tag=3):
    """A command was accepted; ``raw`` is its MessagePack as it came."""

    seat: int
    role: str
    credit_cap_ms: int
    error_ms: int
    raw: bytes


class Ended(Entry, frozen=True, tag=4):
    """The match is over; always the last entry."""

    abandoned: bool


AnyEntry = TimingSet | SeatChanged | Commanded | Ended

_pack = msgspec.msgpack.Encoder().encode
_unpack_header = msgspec.msgpack.Decoder(Header).decode
_unpack_entry = msgspec.msgpack.Decoder(AnyEntry).decode
_unpack_whole = msgspec.msgpack.Decoder(tuple[int, bytes, list[bytes]]).decode


class LogMark(Struct):
    """What the state knows of its log."""

    digest: bytes = b""
    entries: int = 0
    size: int = 0
    kept: bool = True


class MatchLog:
    """A log being written. ``mark`` lies in the state; the bytes beside it."""

    def __init__(self, mark: LogMark, header: bytes, entries: list[bytes]) -> None:
        self.mark = mark
        self.header = header
        self.entries = entries

    @classmethod
    def begin(cls, header: Header) -> "MatchLog":
        """Return an empty log."""
        packed = _pack(header)
        mark = LogMark(digest=_digest(b"", packed), size=len(packed))
        return cls(mark, packed, [])

    def add(self, entry: Entry) -> None:
        """Append an entry; when the log grows beyond its limit it is given up for good."""
        packed = _pack(entry)
        mark = self.mark
        mark.digest = _digest(mark.digest, packed)
        mark.entries += 1
        mark.size += len(packed)
        if mark.kept:
            self.entries.append(packed)
            if mark.size > LOG_BYTES_MAX:
                mark.kept = False
                self.entries.clear()

    def read_header(self) -> Header:
        """Return the header."""
        return _unpack_header(self.header)

    def whole(self) -> bytes:
        """Return the whole log uncompressed; empty when it was given up."""
        return _pack((LOG_VERSION, self.header, self.entries)) if self.mark.kept else b""


def _digest(previous: bytes, packed: bytes) -> bytes:
    return hashlib.blake2b(previous + packed, digest_size=_DIGEST_BYTES).digest()


def compress(whole: bytes) -> bytes:
    """Return the log as it is stored; empty stays empty."""
    return zlib.compress(whole, 3) if whole else b""


def inflate(packed: bytes) -> bytes:
    """Return the whole log uncompressed. Raises ``LogError``, also when it would grow beyond its limit."""
    if not packed:
        return b""
    unzip = zlib.decompressobj()
    try:
        whole = unzip.decompress(packed, _INFLATED_BYTES_MAX)
    except zlib.error as error:
        raise LogError(str(error)) from None
    if unzip.unconsumed_tail or not unzip.eof:
        raise LogError("the log is longer than allowed, or cut off")
    return whole


def read(packed: bytes) -> tuple[Header, Sequence[AnyEntry]]:
    """Return header and entries of a stored log. Raises ``LogError``."""
    try:
        version, header, entries = _unpack_whole(inflate(packed))
        if version != LOG_VERSION:
            raise LogError(f"log version {version} is not known")
        return _unpack_header(header), [_unpack_entry(entry) for entry in entries]
    except msgspec.DecodeError as error:
        raise LogError(str(error)) from None
