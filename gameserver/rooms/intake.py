"""Every kind of input but commands, and what takes it in. A closed room takes only word of its results."""

from collections.abc import Callable
from typing import Any, Final

from gameserver.games.mode import Rejected
from gameserver.rooms import inputs, matches, seats, standstill
from gameserver.rooms.core import Core
from gameserver.rooms.inputs import Input
from gameserver.rooms.phases import Phase
from gameserver.rooms.reply import Reply
from protocol.errors import ErrorCode


def take(core: Core, given: Input, at_ms: int) -> Reply:
    """Take an input in. Raises ``Rejected``; then nothing has changed."""
    if core.state.phase is Phase.CLOSED and not isinstance(given, inputs.Recorded):
        raise Rejected(ErrorCode.WRONG_PHASE, "the room is closed")
    handler = HANDLERS.get(type(given))
    if handler is None:
        raise Rejected(ErrorCode.INVALID, "a room is created once")
    return handler(core, given, at_ms) or Reply()


def _regroup(core: Core, given: inputs.Regroup, at_ms: int) -> None:
    if given.awaiting:
        standstill.regroup(core, at_ms, planned=False)
    else:
        standstill.count_in(core, at_ms)


HANDLERS: Final[dict[type[Input], Callable[[Core, Any, int], Reply | None]]] = {
    inputs.Join: seats.join,
    inputs.Back: seats.back,
    inputs.Drop: lambda core, given, at_ms: seats.drop(core, given.seat, at_ms),
    inputs.Content: matches.content,
    inputs.Recorded: lambda core, given, at_ms: matches.recorded(core, given.match),
    inputs.Measure: matches.measure,
    inputs.Adopt: lambda core, given, at_ms: standstill.regroup(core, at_ms, planned=given.planned),
    inputs.Regroup: _regroup,
    inputs.Moderate: seats.moderate,
    inputs.Void: lambda core, given, at_ms: matches.void(core, at_ms),
    inputs.Close: lambda core, given, at_ms: matches.close(core, at_ms),
}
