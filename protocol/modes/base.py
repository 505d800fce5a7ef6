"""What every mode's settings share."""

from msgspec import Struct

from protocol.client import Command


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of one mode: limits and defaults declared once, used by HTTP, by the room and by the web form.

    Text for the form lives in each field's ``Meta(title=…, description=…)``.
    """


class ModeCommand(Command, frozen=True):
    """A command of a mode: given to the mode while a match runs."""


class ContentSpec(Struct, frozen=True, kw_only=True):
    """What content a match needs; the worker turns it into a pack."""

    kind: str  # which kind of content: ``trivia``
    count: int
    categories: list[str] = []  # slugs; empty: any
    difficulties: dict[str, int] = {}  # difficulty → weight; empty: any
    types: list[str] = []  # question types; empty: any
