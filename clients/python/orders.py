"""Commands on their way (SPEC §7): ids, at most 16 unanswered, resending after a return, waiting out a standstill.

An *order* is a command somebody wants done; it gets a command id when it is sent. Orders are numbered from 1 in
the order in which they were given.
"""

from collections import deque
from typing import Any, Final

from msgspec import Struct

from protocol import limits
from protocol.client import Command, RoomCommand
from protocol.errors import ErrorCode

WAITING_MAX: Final = 256
"""Orders not sent yet; beyond it ``submit`` raises ``TooManyOrders``."""

RECORDED_MAX: Final = 100_000
"""Answers remembered for tests; the oldest are forgotten."""

THAW_RETRY_MS: Final = 1_000
"""After FROZEN without any change of the view: look again."""


class TooManyOrders(Exception):  # noqa: N818 - it says what is the matter
    """More commands were given than can be kept until the server answers."""


class Order(Struct, frozen=True):
    """A command without its id."""

    number: int
    kind: type[Command]
    fields: dict[str, Any]

    def command(self, command_id: int) -> Command:
        """Return the command under an id."""
        return self.kind(id=command_id, **self.fields)


class Orders:
    """The book of one seat."""

    def __init__(self) -> None:
        self._numbers = 0
        self._waiting: deque[Order] = deque()
        self._sent: dict[int, Order] = {}  # by command id, in the order of ids
        self._next_id: int | None = None
        self._thaw_at: int | None = None
        self.accepted: deque[int] = deque(maxlen=RECORDED_MAX)  # command ids
        self.refused: deque[tuple[int, str]] = deque(maxlen=RECORDED_MAX)  # (command id, code)

    @property
    def unanswered(self) -> int:
        """How many were sent and not answered."""
        return len(self._sent)

    @property
    def waiting(self) -> int:
        """How many were not sent yet."""
        return len(self._waiting)

    @property
    def thaw_at(self) -> int | None:
        """When to look again although the view did not change; None: no need."""
        return self._thaw_at

    def submit(self, kind: type[Command], fields: dict[str, Any]) -> Order:
        """Put a new order at the end. Raises ``TooManyOrders``."""
        if len(self._waiting) >= WAITING_MAX:
            raise TooManyOrders(f"{WAITING_MAX} commands are waiting already")
        self._numbers += 1
        order = Order(self._numbers, kind, fields)
        self._waiting.append(order)
        return order

    def welcomed(self, next_id: int | None, *, same_seat: bool) -> tuple[list[Command], list[Order]]:
        """Begin a connection: return what to send again, and the orders lost because the seat is another one."""
        self._next_id = next_id
        self._thaw_at = None
        if same_seat:
            return [order.command(command_id) for command_id, order in self._sent.items()], []
        lost = [*self._sent.values(), *self._waiting]
        self._sent.clear()
        self._waiting.clear()
        return [], lost

    def broke(self) -> None:
        """The connection is gone: nothing is sent until the next Welcome."""
        self._next_id = None

    def take(self, *, standing_still: bool) -> list[Command]:
        """Return the commands to send now, in order; they count as sent."""
        if self._next_id is None:
            return []
        held = standing_still or self._thaw_at is not None
        taken: list[Command] = []
        kept: list[Order] = []
        while self._waiting and len(self._sent) < limits.UNANSWERED_COMMANDS_MAX:
            order = self._waiting.popleft()
            if held and not issubclass(order.kind, RoomCommand):  # what a standing room takes need not wait
                kept.append(order)
                continue
            self._sent[self._next_id] = order
            taken.append(order.command(self._next_id))
            self._next_id += 1
        self._waiting.extendleft(reversed(kept))
        return taken

    def acknowledged(self, command_id: int) -> Order | None:
        """Take an acknowledgement; None when it was known."""
        order = self._sent.pop(command_id, None)
        if order is not None:
            self.accepted.append(command_id)
        return order

    def was_refused(self, command_id: int, code: str, now: int) -> tuple[Order | None, bool]:
        """Take a refusal: the order, and whether it is kept to be sent again."""
        order = self._sent.pop(command_id, None)
        if order is None:
            return None, False
        self.refused.append((command_id, code))
        if code != ErrorCode.FROZEN:
            return order, False
        place = sum(other.number < order.number for other in self._waiting)
        self._waiting.insert(place, order)
        self._thaw_at = now + THAW_RETRY_MS
        return order, True

    def thawed(self) -> None:
        """The view shows that the room runs, or it is time to try."""
        self._thaw_at = None
