"""Modes as HTTP tells them: settings schema and defaults come from the one declaration in ``protocol.modes``."""

from collections.abc import Mapping
from typing import Any

import msgspec

from gameserver.games import registry
from httpapi.bodies import ModeCard
from httpapi.problem import invalid, wrong_field
from protocol.ids import ModeId
from protocol.modes.base import Settings

SETTINGS_BYTES_MAX = 4096
"""What a host could send over the socket at most; settings ride in every room's view."""


def title_of(mode: str) -> str:
    """Return a mode's name for people."""
    return mode.replace("_", " ").capitalize()


def titles() -> dict[str, str]:
    """Return id → title of every mode."""
    return {mode: title_of(mode) for mode in registry.MODES}


def _schema(settings: type[Settings]) -> dict[str, Any]:
    """Return the settings' JSON Schema with the object itself at the top."""
    (top,), definitions = msgspec.json.schema_components((settings,), ref_template="#/$defs/{name}")
    schema: dict[str, Any] = dict(definitions.pop(top["$ref"].rpartition("/")[2]))
    if definitions:
        schema["$defs"] = definitions
    return schema


def mode_cards() -> list[ModeCard]:
    """Return every mode, in the registry's order."""
    return [
        ModeCard(
            id=mode.id,
            title=title_of(mode.id),
            players_min=mode.players_min,
            players_max=mode.players_max,
            settings=_schema(mode.settings_type),
            defaults=msgspec.to_builtins(mode.settings_type()),
        )
        for mode in registry.MODES.values()
    ]


def players_max(mode: str) -> int:
    """Return how many may play."""
    return registry.MODES[ModeId(mode)].players_max


def checked_settings(mode: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a mode, whole: what was left out has its default.

    Raises:
        Problem: INVALID, naming the field: ``mode``, or ``settings.…``.
    """
    known = registry.MODES.get(ModeId(mode))
    if known is None:
        raise invalid("mode", f"unknown: one of {', '.join(registry.MODES)}")
    try:
        checked = msgspec.convert(settings, known.settings_type)
    except msgspec.ValidationError as error:
        raise wrong_field(error, "settings") from None
    packed = msgspec.json.encode(checked)
    if len(packed) > SETTINGS_BYTES_MAX:
        raise invalid("settings", f"at most {SETTINGS_BYTES_MAX} bytes")
    if b"\\u0000" in packed:
        raise invalid("settings", "a text has a NUL character")
    whole: dict[str, Any] = msgspec.to_builtins(checked)
    return whole
