"""A room's stored form: ``[schema, state, log header, log entries (zlib), unrecorded results]``.

A change of ``RoomState`` that is not a new field at the end with a default raises ``SCHEMA`` and adds an upgrade: a
function on the state's builtins. Stored old dumps are kept as tests.
"""

import zlib
from collections.abc import Callable
from typing import Any, Final

import msgspec

from gameserver.games.log import LOG_BYTES_MAX
from gameserver.games.match import MatchRun
from gameserver.games.registry import MODES
from gameserver.rooms.core import Core
from gameserver.rooms.state import RoomState
from protocol.bus import MatchResult
from protocol.ids import ModeId

SCHEMA: Final = 1

UPGRADES: Final[dict[int, Callable[[dict[str, Any]], dict[str, Any]]]] = {}
"""From a schema to the one after it."""

_pack = msgspec.msgpack.Encoder().encode
_unpack_envelope = msgspec.msgpack.Decoder(tuple[int, bytes, bytes, bytes, list[MatchResult]]).decode
_unpack_entries = msgspec.msgpack.Decoder(list[bytes]).decode
_unpack_state = msgspec.msgpack.Decoder(RoomState).decode


class DumpError(ValueError):
    """The bytes are not a room of a schema known here."""


def pack_state(state: RoomState) -> bytes:
    """Return the state without what lies beside it: the same bytes for the same state, anywhere."""
    return _pack(state)


def dump(core: Core) -> bytes:
    """Return the whole room; at most about 4 MiB of it are match log."""
    header, entries = b"", b""
    if core.run is not None:
        header = core.run.log.header
        entries = zlib.compress(_pack(core.run.log.entries), 1)
    return _pack((SCHEMA, _pack(core.state), header, entries, list(core.results.values())))


def load(blob: bytes) -> Core:
    """Return the room. Raises ``DumpError``."""
    try:
        schema, packed, header, entries, results = _unpack_envelope(blob)
        state = _unpack_state(upgrade(schema, packed))
        if ModeId(state.mode) not in MODES:
            raise DumpError(f"the mode {state.mode} is not known here")
        run = None
        if state.match is not None:
            inflated = zlib.decompressobj().decompress(entries, 4 * LOG_BYTES_MAX)
            run = MatchRun.load(state.match.run, header, _unpack_entries(inflated))
    except (msgspec.DecodeError, zlib.error) as error:
        raise DumpError(str(error)) from None
    return Core(state, run, {result.id: result for result in results})


def upgrade(schema: int, packed: bytes) -> bytes:
    """Return the packed state in today's schema. Raises ``DumpError``."""
    if schema == SCHEMA:
        return packed
    if not all(known in UPGRADES for known in range(schema, SCHEMA)) or schema > SCHEMA:
        raise DumpError(f"schema {schema} is not known here")
    state = msgspec.msgpack.decode(packed)
    while schema != SCHEMA:
        state = UPGRADES[schema](state)
        schema += 1
    return _pack(state)
