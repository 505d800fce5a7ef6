"""``arena <command>`` for the other parts: each is a process of its own, and this one becomes it."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from msgspec import Struct

from arena.datafolder import read_running
from arena.settings import Settings, SettingsError
from arena.units import environment_with, python


class Part(Struct, frozen=True):
    """A part of the system that is run as ``python -m module`` with fixed arguments before the operator's."""

    module: str
    arguments: tuple[str, ...] = ()
    stores: bool = False  # it needs DATABASE_URL and REDIS_URL


PARTS = {
    "node": Part("gameserver", stores=True),
    "api": Part("httpapi", stores=True),
    "worker": Part("httpapi.worker", stores=True),
    "migrate": Part("httpapi.migrate", stores=True),
    "content": Part("httpapi.content", stores=True),
    "admin": Part("httpapi.admin", stores=True),
    "bot": Part("clients.python.bot"),
    "replay": Part("gameserver.replay"),
    "verify-match": Part("gameserver.verify"),
    "bench": Part("bench"),
}


def stores_of_running(settings: Settings) -> dict[str, str]:
    """Return the URLs of the servers that an ``arena up`` runs on the data folder, where ours are not set.

    Raises:
        SettingsError: they are not set and nothing runs there.
    """
    if settings.database_url and settings.redis_url:
        return {}
    running = read_running(settings.data)
    if running is None:
        raise SettingsError(
            f"DATABASE_URL and REDIS_URL are not set and no `arena up` runs on the data folder {settings.data}: "
            "start it first, name its folder with ARENA_DATA, or set both."
        )
    told = {"ARENA_DATA": str(Path(settings.data).absolute())}
    if not settings.database_url:
        told["DATABASE_URL"] = running.database_url
    if not settings.redis_url:
        told["REDIS_URL"] = running.redis_url
    if not settings.door_secret:
        told["ARENA_DOOR_SECRET"] = running.door_secret
    return told


def become(name: str, arguments: Sequence[str]) -> NoReturn:
    """Replace this process by the part.

    Raises:
        SettingsError: the part needs servers and none are known.
    """
    part = PARTS[name]
    told = stores_of_running(Settings.from_env()) if part.stores and "--help" not in arguments else {}
    command = python(part.module, *part.arguments, *arguments)
    sys.stdout.flush()
    os.execve(command[0], command, environment_with(told))
