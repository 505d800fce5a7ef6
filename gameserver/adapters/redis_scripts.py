"""The Lua scripts of COMMIT.md §2: their texts, and how to run one that is not on the hot path."""

import hashlib
from pathlib import Path
from typing import Any, Final

from msgspec import Struct
from redis.asyncio import Redis
from redis.exceptions import NoScriptError

_FOLDER: Final = Path(__file__).parent / "lua"


class Script(Struct, frozen=True):
    """One script: ``text`` as the server gets it, ``sha`` as the server names it."""

    name: str
    text: str
    sha: str

    async def run(self, client: Redis, keys: tuple[str, ...], *args: str | bytes | int) -> Any:
        """Run it; a server that does not know it yet is given the text."""
        execute: Any = client.execute_command
        try:
            return await execute("EVALSHA", self.sha, len(keys), *keys, *args)
        except NoScriptError:
            return await execute("EVAL", self.text, len(keys), *keys, *args)


def _load(name: str) -> Script:
    first, rest = (_FOLDER / f"{name}.lua").read_text(encoding="utf-8").split("\n", 1)
    assert first.startswith("#!lua"), name
    common = (_FOLDER / "common.lua").read_text(encoding="utf-8")
    text = f"{first}\n{common}\n{rest}"
    return Script(name, text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


CLAIM: Final = _load("claim")
FOUND: Final = _load("found")
COMMIT: Final = _load("commit")
RENEW: Final = _load("renew")
RELEASE: Final = _load("release")
READ_JOURNAL: Final = _load("read_journal")
DROP_BEYOND: Final = _load("drop_beyond")
TRIM: Final = _load("trim")
HEAL: Final = _load("heal")
REFOUND: Final = _load("refound")

ALL: Final = (CLAIM, FOUND, COMMIT, RENEW, RELEASE, READ_JOURNAL, DROP_BEYOND, TRIM, HEAL, REFOUND)
