"""Every mode by its id: one line each. The generic suites, the room and the web's forms take them from here."""

from typing import Any, Final

from gameserver.games.mode import Mode
from gameserver.games.trivia import Trivia
from protocol.ids import ModeId

_ALL: Final[tuple[Mode[Any, Any], ...]] = (Trivia(),)

MODES: Final[dict[ModeId, Mode[Any, Any]]] = {mode.id: mode for mode in _ALL}
