"""One audience's outgoing stream under one owner: versions, deltas, the confirmed view, a short history.

Two pointers run through it. ``live`` is the view as of the last tick built; ``confirmed`` the view as of the last
tick that is durable. Deltas are made between live views and queued behind their commit; whatever shows state
outright (Welcome, Resync) is made from the confirmed one (COMMIT.md §4).
"""

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from gameserver.games.mode import Audience
from protocol import codec, delta, frames, limits
from protocol.types import View, WireFormat

if TYPE_CHECKING:
    from gameserver.shards.members import RoomMember


class Step:
    """One delta of a stream, and the view it leads to."""

    __slots__ = ("_json", "clock", "epoch", "from_n", "n", "patch", "view", "wire")

    def __init__(self, *, epoch: int, from_n: int, n: int, clock: int, patch: delta.Patch, view: View) -> None:
        self.epoch = epoch
        self.from_n = from_n
        self.n = n
        self.clock = clock
        self.patch = patch
        self.view = view
        self.wire = frames.binary(codec.encode_delta(epoch, from_n, n, clock, patch))
        self._json: bytes | None = None

    def frame(self, wire_format: WireFormat) -> bytes:
        """Return the whole WebSocket frame: the same bytes for every member of that format."""
        if wire_format is WireFormat.MSGPACK:
            return self.wire
        if self._json is None:
            payload = codec.encode_delta(self.epoch, self.from_n, self.n, self.clock, self.patch, wire=WireFormat.JSON)
            self._json = frames.text(payload)
        return self._json


class Stream:
    """The stream of one audience of one room in one epoch."""

    __slots__ = (
        "_history",
        "_history_bytes",
        "audience",
        "built_at",
        "confirmed",
        "confirmed_clock",
        "confirmed_n",
        "epoch",
        "idle_since",
        "live",
        "members",
        "n",
    )

    def __init__(self, audience: Audience, epoch: int) -> None:
        self.audience = audience
        self.epoch = epoch
        self.n = 0
        self.live: View | None = None
        self.built_at = 0
        self.confirmed: View | None = None
        self.confirmed_n = 0
        self.confirmed_clock = 0
        # Who listens, and the way to send msgpack frames there; None: it speaks JSON.
        self.members: dict[RoomMember, Callable[[bytes], None] | None] = {}
        self.idle_since: int | None = 0
        self._history: deque[Step] = deque(maxlen=limits.HISTORY_FRAMES_MAX)
        self._history_bytes = 0

    def build(self, view: View, clock: int, append_only: frozenset[str], *, told: int) -> Step | None:
        """Make the step from the live view to ``view``; None when nothing changed for this audience.

        ``told`` is the clock that the step tells: that of a record, which ``clock`` need not be.
        """
        self.built_at = clock
        before = self.live
        patch = delta.diff({} if before is None else before, view, append_only)
        if before is not None and not patch:
            return None
        step = Step(epoch=self.epoch, from_n=self.n, n=self.n + 1, clock=told, patch=patch, view=view)
        self.n += 1
        self.live = view
        return step

    def confirm(self, step: Step) -> None:
        """Take a step as durable: it may be told, and first views are made from it."""
        self.confirmed = step.view
        self.confirmed_n = step.n
        self.confirmed_clock = step.clock
        if len(self._history) == self._history.maxlen:
            self._history_bytes -= len(self._history[0].wire)
        self._history.append(step)
        self._history_bytes += len(step.wire)
        while self._history_bytes > limits.HISTORY_BYTES_MAX:
            self._history_bytes -= len(self._history.popleft().wire)

    def since(self, n: int) -> list[Step] | None:
        """Return the confirmed steps from version ``n`` on; None when they are not all kept."""
        if n == self.confirmed_n:
            return []
        steps = [step for step in self._history if step.from_n >= n]
        return steps if steps and steps[0].from_n == n else None

    def rest(self) -> None:
        """Stop keeping the stream while nobody listens: the next view starts without history."""
        self.live = None
        self._history.clear()
        self._history_bytes = 0
