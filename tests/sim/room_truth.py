"""One room as its committed inputs make it, and what of it may be shown."""

from collections.abc import Iterator
from typing import ClassVar

from msgspec import Struct

from gameserver.games.mode import Audience
from gameserver.rooms.room import Room
from protocol.bus import RoomCard
from protocol.types import View

SNAPSHOTS_KEPT = 4_000
AUDIENCES = tuple(Audience)
UNKNOWN = b"?"
"""A command that counts, but was never seen: it was committed as part of a checkpoint."""


class Violation(AssertionError):  # noqa: N818 - it is a finding
    """An oracle's finding. Whoever swallows it, it was seen."""

    seen: ClassVar[list["Violation"]] = []

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.seen.append(self)


class Snapshot(Struct):
    """A room as of one record."""

    clock: int
    views: dict[str, View]
    privates: dict[int, View]
    card: RoomCard


class RoomTruth:
    """One room, rebuilt."""

    def __init__(self, code: str, room: Room) -> None:
        self.code = code
        self.room = room
        self.snapshots: list[Snapshot] = []
        self.accepted: dict[tuple[int, int], bytes] = {}  # (seat, command id) → as it came
        self.adopted_in = 0  # the epoch in which it was last adopted (or created)
        self.matches: dict[str, int] = {}  # match id → its number
        self.voided: set[str] = set()
        self.moderated: dict[str, int] = {}
        self.reveals: dict[tuple[str, int], int] = {}  # told: (match, question) → shard clock
        self.buried = False

    def snapshot(self, clock: int) -> None:
        """Keep what everybody may see now."""
        room = self.room
        seats = room.state.seats
        privates = {number: room.private_view(number) or {} for number in seats} if room.running_match else {}
        views = {str(audience): room.view(audience) for audience in AUDIENCES}
        self.snapshots.append(Snapshot(clock, views, privates, room.card()))
        del self.snapshots[:-SNAPSHOTS_KEPT]

    def at(self, clock: int) -> Iterator[Snapshot]:
        """Yield what may be told under this clock: what was true at it, or last before it."""
        for snapshot in reversed(self.snapshots):
            if snapshot.clock <= clock:
                yield snapshot
                if snapshot.clock < clock:
                    return
