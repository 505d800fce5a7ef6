"""The only door between bytes and messages. Nothing but ``ProtocolError`` escapes from decoding.

Bytes are MessagePack; the JSON subprotocol carries the same messages with bytes fields in base64. Fields at
their default are left out; the order is the declared one. The module's Packers serve one thread: the event loop's.
"""

import base64
import json
from collections.abc import Sequence
from typing import Any, Final, TypeVar

import msgpack
import msgspec
import orjson
from msgspec import Struct

from protocol import check, limits
from protocol.bus import BusMessage
from protocol.client import ClientMessage
from protocol.delta import Patch
from protocol.errors import ProtocolError, ProtocolErrorCode
from protocol.registry import BINARY, BUS_MESSAGES, CLIENT_MESSAGES, FIELDS, FLAT, FREE_FIELDS, SERVER_MESSAGES, tag_of
from protocol.server import ServerMessage
from protocol.types import WireFormat

T = TypeVar("T", bound=Struct)

_SERVER_ITEMS_MAX: Final = 16_384
_BYTES: Final = (bytes,)
_STR_BYTES_MAX: Final = limits.STR_BYTES_MAX
_BIN_BYTES_MAX: Final = limits.BIN_BYTES_MAX
_ARRAY_LEN_MAX: Final = limits.ARRAY_LEN_MAX
_MAP_LEN_MAX: Final = limits.MAP_LEN_MAX


def _builtins(value: Any) -> Any:
    if isinstance(value, Struct):
        return msgspec.to_builtins(value, builtin_types=_BYTES)
    raise TypeError(f"{type(value).__name__} cannot be sent")


def _json_builtins(value: Any) -> Any:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    return _builtins(value)


_pack = msgpack.Packer(default=_builtins).pack
_ACK_HEAD: Final = b"\x82" + _pack("t") + _pack("ack") + _pack("ids")


_PLAIN: Final = {
    tag: kind
    for tag, kind in CLIENT_MESSAGES.items()
    if kind in FLAT and kind not in BINARY and kind not in FREE_FIELDS
}
"""Messages that need no look besides their types, where no key came twice: most of what players send."""


# ---- from clients ----------------------------------------------------------------------------------


def decode_client(payload: bytes, wire: WireFormat = WireFormat.MSGPACK) -> ClientMessage:
    """Return the message a client sent. Raises ``ProtocolError`` and nothing else."""
    if len(payload) > limits.CLIENT_MESSAGE_BYTES_MAX:
        raise ProtocolError(ProtocolErrorCode.TOO_LARGE)
    if wire is WireFormat.JSON:
        return _decode_client_json(payload)
    try:
        fields = msgpack.unpackb(
            payload,
            max_str_len=_STR_BYTES_MAX,
            max_bin_len=_BIN_BYTES_MAX,
            max_array_len=_ARRAY_LEN_MAX,
            max_map_len=_MAP_LEN_MAX,
            max_ext_len=0,
        )
    except (ValueError, msgpack.UnpackException) as error:
        raise check.of_unpacking(error) from None
    try:
        kind = _PLAIN[fields["t"]]
        if payload[0] == 0x80 | len(fields):
            return msgspec.convert(fields, kind)
    except (KeyError, TypeError, msgspec.ValidationError):
        pass  # the way that takes its time says what is wrong
    kind = _kind(fields, CLIENT_MESSAGES)
    # A map header of one byte tells how many pairs were sent: fewer keys mean that one came twice.
    if kind not in FLAT or payload[0] != 0x80 | len(fields):
        _refuse_duplicates(payload)
        check.check_plain(fields)
    try:
        # ``builtin_types`` triples the price; only a bytes field needs it, lest text pass for base64.
        if kind in BINARY:
            message = msgspec.convert(fields, kind, builtin_types=_BYTES)
        else:
            message = msgspec.convert(fields, kind)
    except msgspec.ValidationError as error:
        raise _misfit(fields, error) from None
    if kind in FREE_FIELDS:
        _check_free(fields, kind)
    return message


def _refuse_duplicates(payload: bytes) -> None:
    """Look at every pair. The payload was unpacked before, so nothing but a duplicate can be wrong with it."""
    msgpack.unpackb(payload, object_pairs_hook=check.unique_pairs)


def _decode_client_json(payload: bytes) -> ClientMessage:
    try:
        fields = orjson.loads(payload)
    except orjson.JSONDecodeError:
        raise _json_error(payload) from None
    if not isinstance(fields, dict):
        raise ProtocolError(ProtocolErrorCode.NOT_A_MAP)
    check.check_plain(fields)  # bounds the depth before the second parse recurses
    json.loads(payload, object_pairs_hook=check.unique_pairs)
    kind = _kind(fields, CLIENT_MESSAGES)
    try:
        message = msgspec.convert(fields, kind)
    except msgspec.ValidationError as error:
        raise _misfit(fields, error) from None
    if kind in FREE_FIELDS:
        _check_free(fields, kind)
    return message


def _json_error(payload: bytes) -> ProtocolError:
    try:
        payload.decode("utf-8")
    except UnicodeDecodeError:
        return ProtocolError(ProtocolErrorCode.NOT_UTF8)
    return ProtocolError(ProtocolErrorCode.NOT_JSON)


def _kind(fields: Any, table: dict[str, type[T]]) -> type[T]:
    if fields.__class__ is not dict:
        raise ProtocolError(ProtocolErrorCode.NOT_A_MAP)
    try:
        return table[fields["t"]]
    except (KeyError, TypeError):
        pass
    check.check_plain(fields)
    if "t" not in fields:
        raise ProtocolError(ProtocolErrorCode.MISSING_FIELD, "t")
    if not isinstance(fields["t"], str):
        raise ProtocolError(ProtocolErrorCode.WRONG_TYPE, "t")
    raise ProtocolError(ProtocolErrorCode.UNKNOWN_TAG, "t")


def _misfit(fields: dict[str, Any], error: msgspec.ValidationError) -> ProtocolError:
    """Return what to raise: what is wrong with the shape comes before what is wrong with a field."""
    try:
        check.check_plain(fields)
    except ProtocolError as shape:
        return shape
    return check.of_validation(error)


def _check_free(fields: dict[str, Any], kind: type[ClientMessage]) -> None:
    for free in FREE_FIELDS[kind]:
        check.check_plain(fields.get(free), free, 2, bytes_too=False)


# ---- from the server -------------------------------------------------------------------------------


def decode_server(payload: bytes, wire: WireFormat = WireFormat.MSGPACK) -> ServerMessage:
    """Return the message a server sent; unknown fields are passed over. Raises ``ProtocolError`` only.

    UNKNOWN_TAG is no fault: a newer server may send messages an older client does not know.
    """
    if len(payload) > limits.SERVER_MESSAGE_BYTES_MAX:
        raise ProtocolError(ProtocolErrorCode.TOO_LARGE)
    fields = _server_fields(payload, wire)
    if fields.__class__ is not dict:
        raise ProtocolError(ProtocolErrorCode.NOT_A_MAP)
    tag = fields.get("t")
    kind = SERVER_MESSAGES.get(tag) if isinstance(tag, str) else None
    if kind is None:
        raise ProtocolError(ProtocolErrorCode.UNKNOWN_TAG, "t")
    try:
        return msgspec.convert(fields, kind, builtin_types=_BYTES)
    except msgspec.ValidationError as error:
        raise check.of_validation(error) from None


def _server_fields(payload: bytes, wire: WireFormat) -> Any:
    if wire is WireFormat.JSON:
        try:
            return orjson.loads(payload)
        except orjson.JSONDecodeError:
            raise _json_error(payload) from None
    try:
        return msgpack.unpackb(payload, max_array_len=_SERVER_ITEMS_MAX, max_map_len=_SERVER_ITEMS_MAX, max_ext_len=0)
    except (ValueError, msgpack.UnpackException) as error:
        raise check.of_unpacking(error) from None


# ---- encoding --------------------------------------------------------------------------------------


def _map_of(message: Struct) -> dict[str, Any]:
    kind = message.__class__
    fields: dict[str, Any] = {"t": tag_of(kind)}
    for name, default in FIELDS[kind]:
        value = getattr(message, name)
        if value != default:
            fields[name] = value
    return fields


def _encode(fields: dict[str, Any], wire: WireFormat) -> bytes:
    if wire is WireFormat.JSON:
        return orjson.dumps(fields, default=_json_builtins)
    packed: bytes = _pack(fields)
    return packed


def encode_client(message: ClientMessage, wire: WireFormat = WireFormat.MSGPACK) -> bytes:
    """Return the bytes of a client's message."""
    return _encode(_map_of(message), wire)


def encode_server(message: ServerMessage, wire: WireFormat = WireFormat.MSGPACK) -> bytes:
    """Return the bytes of a server's message."""
    return _encode(_map_of(message), wire)


def encode_delta(
    epoch: int, from_n: int, to_n: int, clock: int, patch: Patch, *, wire: WireFormat = WireFormat.MSGPACK
) -> bytes:
    """Return the same bytes as ``encode_server(Delta(…))``, faster."""
    fields: dict[str, Any] = {"t": "d", "e": epoch, "f": from_n, "n": to_n, "c": clock}
    if patch.set:
        fields["s"] = patch.set
    if patch.unset:
        fields["u"] = patch.unset
    if patch.append:
        fields["a"] = patch.append
    return _encode(fields, wire)


def encode_private(epoch: int, n: int, patch: Patch, *, wire: WireFormat = WireFormat.MSGPACK) -> bytes:
    """Return the same bytes as ``encode_server(PrivateDelta(…))``, faster. Private views have no appends."""
    fields: dict[str, Any] = {"t": "p", "e": epoch, "n": n}
    if patch.set:
        fields["s"] = patch.set
    if patch.unset:
        fields["u"] = patch.unset
    return _encode(fields, wire)


def in_json(payload: bytes) -> bytes:
    """Return the JSON of a server's message, from its msgpack as it was encoded here."""
    return orjson.dumps(msgpack.unpackb(payload), default=_json_builtins)


def encode_ack(ids: Sequence[int], *, wire: WireFormat = WireFormat.MSGPACK) -> bytes:
    """Return the same bytes as ``encode_server(Ack(ids))``, faster."""
    if wire is WireFormat.JSON:
        return _encode({"t": "ack", "ids": ids}, wire)
    packed: bytes = _ACK_HEAD + _pack(ids)
    return packed


# ---- the bus, and hashing --------------------------------------------------------------------------


def pack_bus(message: BusMessage) -> bytes:
    """Return the bytes of a bus message."""
    packed: bytes = _pack(msgspec.to_builtins(message, builtin_types=_BYTES))
    return packed


def unpack_bus(payload: bytes) -> BusMessage:
    """Return the bus message. Raises ``ProtocolError`` only."""
    try:
        fields = msgpack.unpackb(payload, max_ext_len=0)
    except (ValueError, msgpack.UnpackException) as error:
        raise check.of_unpacking(error) from None
    kind = _kind(fields, BUS_MESSAGES)
    try:
        return msgspec.convert(fields, kind, builtin_types=_BYTES)
    except msgspec.ValidationError as error:
        raise check.of_validation(error) from None


def canonical(value: Any) -> bytes:
    """Return canonical MessagePack: keys sorted by their UTF-8 bytes, shortest encodings. No floats, no sets.

    The same value gives the same bytes in every process and language: what is hashed goes through here.
    """
    packed: bytes = _pack(msgspec.to_builtins(value, order="sorted", builtin_types=_BYTES))
    return packed
