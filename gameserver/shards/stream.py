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

    __slots__ = ("_json", "clock", "first", "n", "view", "wire")

    def __init__(self, n: int, clock: int, wire: bytes, view: View, *, first: bool) -> None:
        self.n = n
        self.first = first  # made from nothing: it leads nowhere from a view that somebody may have
        self.clock = clock
        self.wire = wire  # the whole WebSocket frame
        self.view = view
        self._json: bytes | None = None

    def frame(self, wire_format: WireFormat) -> bytes:
        """Return the whole WebSocket frame: the same bytes for every member of that format."""
        if wire_format is WireFormat.MSGPACK:
            return self.wire
        if self._json is None:
            self._json = _in_json(self.wire)
        return self._json


def _in_json(wire: bytes) -> bytes:
    """Return a delta's frame for members who speak JSON."""
    return frames.text(codec.in_json(frames.payload_of(wire)))


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
        self._history: deque[bytes] = deque(maxlen=limits.HISTORY_FRAMES_MAX)  # frames, up to ``confirmed_n``
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
        n = self.n + 1
        wire = frames.binary(codec.encode_delta(self.epoch, self.n, n, told, patch))
        self.n = n
        self.live = view
        return Step(n, told, wire, view, first=before is None)

    def confirm(self, step: Step) -> None:
        """Take a step as durable: it may be told, and first views are made from it."""
        self.confirmed = step.view
        self.confirmed_n = step.n
        self.confirmed_clock = step.clock
        wire, history = step.wire, self._history
        if step.first:
            self._forget()
            return
        if len(history) == history.maxlen:
            self._history_bytes -= len(history[0])
        history.append(wire)
        self._history_bytes += len(wire)
        while self._history_bytes > limits.HISTORY_BYTES_MAX:
            self._history_bytes -= len(history.popleft())

    def since(self, n: int, wire_format: WireFormat) -> list[bytes] | None:
        """Return the confirmed frames from version ``n`` on; None when they are not all kept."""
        missing = self.confirmed_n - n
        if not 0 <= missing <= len(self._history):
            return None
        kept = list(self._history)[len(self._history) - missing :]
        return kept if wire_format is WireFormat.MSGPACK else [_in_json(wire) for wire in kept]

    def rest(self) -> None:
        """Stop keeping the stream while nobody listens: the next view starts without history."""
        self.live = None
        self._forget()

    def _forget(self) -> None:
        self._history.clear()
        self._history_bytes = 0
