"""Cuts public sockets loose from nodes that fell silent (COMMIT.md §6: host gone, partition, SIGSTOP).

A process that dies closes its sockets. A host that falls silent closes nothing: its players would look at a picture
that never moves until their own pings run out. When a node's heartbeats have stopped *and* another holds the room, they
are sent to that one.
"""

import asyncio
from collections.abc import Callable, Collection
from typing import Final, Protocol

from arena import logs, metrics
from arena.tasks import end
from httpapi.door_owners import NodeCard, NodesUnavailable, OwnerCache
from protocol.ids import RoomCode

LOOK_S: Final = 0.25
LOOKS: Final = 2
"""A node that hands over by plan says good-bye itself; it is given the time between two looks."""

_log = logs.get("door")
_cut = metrics.counter("arena_door_cut_from_silent", "Connections cut loose from a node that fell silent.")


class Spliced(Protocol):
    """A splice, as seen here."""

    @property
    def card(self) -> NodeCard | None:
        """The node it leads to."""

    @property
    def code(self) -> RoomCode | None:
        """Its room; None: the lobby."""

    def cut(self) -> None:
        """End it."""


class SilenceWatcher:
    """Looks again and again whether the nodes behind the splices still say that they live."""

    def __init__(self, *, owners: OwnerCache, splices: Callable[[], Collection[Spliced]]) -> None:
        self._owners = owners
        self._splices = splices
        self._seen: dict[Spliced, int] = {}  # splices to a silent node → how often that was seen
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._run(), name="door-silence")

    async def stop(self) -> None:
        """Look no more."""
        if self._task is not None:
            await end([self._task])

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            if self._splices():
                await self.look()

    async def look(self) -> None:
        """Look once."""
        try:
            cards = await self._owners.living()
        except NodesUnavailable:
            self._seen.clear()
            return
        living = {card.instance for card in cards}
        held = {shard for card in cards for shard in card.shards}
        deserted = [splice for splice in self._splices() if self._is_deserted(splice, living, held)]
        self._seen = {splice: self._seen.get(splice, 0) + 1 for splice in deserted}
        lost = [splice for splice, times in self._seen.items() if times >= LOOKS]
        for splice in lost:
            del self._seen[splice]
            splice.cut()
        if lost:
            _cut.inc(len(lost))
            _log.warning("door_cut_from_silent", connections=len(lost))

    def _is_deserted(self, splice: Spliced, living: Collection[str], held: Collection[int]) -> bool:
        """Whether its node beats no more, and another one holds the room."""
        if splice.card is None or splice.card.instance in living:
            return False
        return bool(living) if splice.code is None else self._owners.shard(splice.code) in held
