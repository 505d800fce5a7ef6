"""Every message and every mode by its tag. Adding one is a line here; the codec, SPEC's tests and TypeScript follow.

``FLAT`` holds the client messages whose fields are all scalars: the codec decodes them without a second look.
"""

from collections.abc import Iterable
from typing import Any, Final, NamedTuple, TypeVar

import msgspec
from msgspec import Struct, inspect

from protocol import bus, client, server
from protocol.client import ClientMessage, Command, RoomCommand
from protocol.ids import ModeId
from protocol.modes import trivia
from protocol.modes.base import ModeCommand, Settings
from protocol.server import ServerMessage

M = TypeVar("M", bound=Struct)


class ModeWire(NamedTuple):
    """What a mode declares on the wire."""

    settings: type[Settings]
    commands: tuple[type[ModeCommand], ...]
    view: type[Struct]
    private: type[Struct]


WIRES: Final[dict[ModeId, ModeWire]] = {
    ModeId("trivia"): ModeWire(
        settings=trivia.TriviaSettings,
        commands=(trivia.TriviaAnswer, trivia.TriviaSkip),
        view=trivia.TriviaView,
        private=trivia.TriviaPrivate,
    ),
}

MODES: Final[dict[ModeId, type[Settings]]] = {mode: wire.settings for mode, wire in WIRES.items()}


def tag_of(message: type[Struct]) -> str:
    """Return the text that names this kind of message on the wire."""
    return str(message.__struct_config__.tag)


def _by_tag(kinds: Iterable[type[M]]) -> dict[str, type[M]]:
    table: dict[str, type[M]] = {}
    for kind in kinds:
        if tag_of(kind) in table:
            raise ValueError(f"two messages share the tag {tag_of(kind)!r}")
        table[tag_of(kind)] = kind
    return table


CLIENT_MESSAGES: Final[dict[str, type[ClientMessage]]] = _by_tag(
    [
        client.Hello,
        client.ClockAsk,
        client.ResyncAsk,
        client.Chat,
        client.React,
        client.SetReady,
        client.SetSettings,
        client.SetPlaying,
        client.StartMatch,
        client.CancelStart,
        client.BackToLobby,
        client.EndMatch,
        client.Rematch,
        client.Kick,
        client.Lock,
        client.HandOver,
        client.SetCoHost,
        client.Pause,
        client.Unpause,
        client.Leave,
        *(command for wire in WIRES.values() for command in wire.commands),
    ]
)

COMMANDS: Final[dict[str, type[Command]]] = {
    tag: kind for tag, kind in CLIENT_MESSAGES.items() if issubclass(kind, Command)
}
ROOM_COMMANDS: Final[dict[str, type[RoomCommand]]] = {
    tag: kind for tag, kind in CLIENT_MESSAGES.items() if issubclass(kind, RoomCommand)
}

SERVER_MESSAGES: Final[dict[str, type[ServerMessage]]] = _by_tag(
    [
        server.Welcome,
        server.Resync,
        server.Delta,
        server.PrivateDelta,
        server.Ack,
        server.Refused,
        server.ClockTell,
        server.ChatLine,
        server.Reactions,
        server.Notice,
        server.Farewell,
        server.LobbyRooms,
    ]
)

BUS_MESSAGES: Final[dict[str, type[bus.BusMessage]]] = _by_tag(
    [
        bus.CreateRoom,
        bus.ContentPack,
        bus.Recorded,
        bus.CloseRoom,
        bus.Moderate,
        bus.ContentRequest,
        bus.MatchResult,
    ]
)

_SCALARS = (
    inspect.IntType,
    inspect.StrType,
    inspect.BoolType,
    inspect.BytesType,
    inspect.NoneType,
    inspect.LiteralType,
)


def _is_scalar(kind: inspect.Type) -> bool:
    if isinstance(kind, inspect.UnionType):
        return all(_is_scalar(member) for member in kind.types)
    return isinstance(kind, _SCALARS)


def _holds(kind: inspect.Type, wanted: type[inspect.Type]) -> bool:
    if isinstance(kind, inspect.DictType):
        return _holds(kind.value_type, wanted)
    if isinstance(kind, inspect.ListType):
        return _holds(kind.item_type, wanted)
    if isinstance(kind, inspect.UnionType):
        return any(_holds(member, wanted) for member in kind.types)
    return isinstance(kind, wanted)


def _fields(message: type[Struct]) -> tuple[inspect.Field, ...]:
    described: Any = inspect.type_info(message)
    fields: tuple[inspect.Field, ...] = described.fields
    return fields


FLAT: Final[frozenset[type[ClientMessage]]] = frozenset(
    kind for kind in CLIENT_MESSAGES.values() if all(_is_scalar(field.type) for field in _fields(kind))
)

BINARY: Final[frozenset[type[ClientMessage]]] = frozenset(
    kind for kind in CLIENT_MESSAGES.values() if any(_holds(field.type, inspect.BytesType) for field in _fields(kind))
)
"""The client messages that have a bytes field."""

FREE_FIELDS: Final[dict[type[ClientMessage], tuple[str, ...]]] = {
    kind: free
    for kind in CLIENT_MESSAGES.values()
    if (free := tuple(field.encode_name for field in _fields(kind) if _holds(field.type, inspect.AnyType)))
}
"""The fields of a client message whose content its Struct leaves open (settings): the codec checks them itself."""

FIELDS: Final[dict[type[Struct], tuple[tuple[str, Any], ...]]] = {
    kind: tuple(
        (
            field.name,
            field.default_factory()
            if field.default_factory is not msgspec.NODEFAULT
            else field.default,  # NODEFAULT is equal to no value: a required field is always sent
        )
        for field in msgspec.structs.fields(kind)
    )
    for kind in (*CLIENT_MESSAGES.values(), *SERVER_MESSAGES.values())
}
"""Field names in declared order with their defaults: what the encoder goes through."""
