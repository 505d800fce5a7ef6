"""The registry holds every message there is, each under its own tag."""

from typing import Any

import pytest
from msgspec import Struct, inspect

from protocol import bus, client, registry, server
from protocol.client import ClientMessage, Command, RoomCommand
from protocol.modes.base import ModeCommand
from protocol.registry import (
    BINARY,
    BUS_MESSAGES,
    CLIENT_MESSAGES,
    COMMANDS,
    FIELDS,
    FLAT,
    FREE_FIELDS,
    MODES,
    ROOM_COMMANDS,
    SERVER_MESSAGES,
    WIRES,
    tag_of,
)

ABSTRACT = {ClientMessage, Command, RoomCommand, ModeCommand, server.ServerMessage, bus.BusMessage}


def family(kind: type[Struct]) -> set[type[Struct]]:
    """Return the class and every class below it."""
    return {kind}.union(*(family(child) for child in kind.__subclasses__()))


@pytest.mark.parametrize(
    ("root", "table"),
    [(ClientMessage, CLIENT_MESSAGES), (server.ServerMessage, SERVER_MESSAGES), (bus.BusMessage, BUS_MESSAGES)],
)
def test_no_declared_message_is_missing(root: type[Struct], table: dict[str, type[Struct]]) -> None:
    declared = {kind for kind in family(root) if kind.__module__.startswith("protocol.")} - ABSTRACT
    assert set(table.values()) == declared
    assert all(tag_of(kind) == tag for tag, kind in table.items())


def test_commands_are_those_with_an_id() -> None:
    for tag, kind in CLIENT_MESSAGES.items():
        assert (tag in COMMANDS) is ("id" in kind.__struct_fields__)
        assert (tag in ROOM_COMMANDS) is tag.startswith("room.")


def test_two_messages_cannot_share_a_tag() -> None:
    with pytest.raises(ValueError, match="'hello'"):
        registry._by_tag([client.Hello, client.Hello])


def test_what_needs_a_second_look_is_known() -> None:
    assert set(CLIENT_MESSAGES.values()) - FLAT == {client.Hello, client.SetSettings}
    assert {client.Hello} == BINARY
    assert {client.SetSettings: ("settings",)} == FREE_FIELDS


def test_fields_are_in_declared_order() -> None:
    for kind, fields in FIELDS.items():
        assert tuple(name for name, _ in fields) == kind.__struct_fields__


def test_modes() -> None:
    assert set(MODES) == set(WIRES) == {"trivia"}
    for mode, wire in WIRES.items():
        assert MODES[mode] is wire.settings
        assert wire.settings() == wire.settings(), "every setting has a default"
        for command in wire.commands:
            assert tag_of(command).startswith(f"{mode}.")


class Nested(Struct):
    lists: list[bytes]
    anything: dict[str, list[Any]]
    either: bytes | None
    scalar: int | None


@pytest.mark.parametrize(
    ("name", "wanted", "holds"),
    [
        ("lists", inspect.BytesType, True),
        ("anything", inspect.AnyType, True),
        ("anything", inspect.BytesType, False),
        ("either", inspect.BytesType, True),
        ("scalar", inspect.AnyType, False),
    ],
)
def test_what_a_field_holds_is_found_however_deep(name: str, wanted: type[inspect.Type], holds: bool) -> None:
    (field,) = [field for field in registry._fields(Nested) if field.name == name]
    assert registry._holds(field.type, wanted) is holds
    assert registry._is_scalar(field.type) is (name in ("either", "scalar"))
