"""Telling nodes which of their neighbours has ended: the supervisor sees it before any lease runs out (COMMIT.md §6).

What is told is the *instance*, never the name: the process that is started in the dead one's place bears the same name,
and it is told, too, so that a single node takes its own shards back at once.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from arena.control import tell
from arena.supervisor import Death
from arena.tasks import end
from arena.units import Program, said
from protocol import peers

TELL_S: Final = 30.0
"""For so long nodes that are not ready yet are waited for: a new one takes a second or two to start."""

_LOOK_S = 0.02
_ANSWER_S = 1.0


class Ready(Struct, frozen=True):
    """What a node says of itself when it listens."""

    instance: str
    control: str


class DeathTeller:
    """Tells all nodes of a supervisor of each death among them. ``died`` is for ``Supervisor``."""

    def __init__(self, nodes: Sequence[Program], secret: str) -> None:
        self._nodes = {node.name: node for node in nodes}
        self._secret = secret
        self._known: dict[int, Ready] = {}  # process id → what it said; of the nodes' present lives
        self._tasks: set[asyncio.Task[None]] = set()

    def died(self, death: Death) -> None:
        """A child has ended: if it was a node that had been ready, tell the others, and its successor."""
        node = self._nodes.get(death.unit)
        if node is None:
            return
        ready = self._known.pop(death.pid, None) or _ready(node)
        if ready is not None:
            task = asyncio.create_task(self._tell_all(ready.instance), name=f"death of {death.unit}")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Tell nobody any more."""
        await end(self._tasks)

    async def _tell_all(self, dead: str) -> None:
        told: set[str] = set()
        try:
            async with asyncio.timeout(TELL_S):
                while len(told) < len(self._nodes):
                    for name, node in self._nodes.items():
                        ready = self._of(node) if name not in told else None
                        if ready is None or ready.instance == dead:
                            continue
                        if await tell(ready.control, self._secret, peers.Died(dead), seconds=_ANSWER_S):
                            told.add(name)
                    await asyncio.sleep(_LOOK_S)
        except TimeoutError:
            return  # who starts later finds the lease run out

    def _of(self, node: Program) -> Ready | None:
        """Return what the node's present process has said; None while it is not ready."""
        if not node.child.running:
            return None
        ready = self._known.get(node.child.pid) or _ready(node)
        if ready is not None:
            self._known[node.child.pid] = ready
        return ready


def _ready(node: Program) -> Ready | None:
    line = said(node, "node_ready")
    instance, control = str(line.get("instance", "")), str(line.get("control", ""))
    return Ready(instance, control) if instance and control else None
