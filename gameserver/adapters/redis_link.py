"""The commit connection: requests out in one write, answers in the order sent, one deadline for the oldest.

The hot path of a node: no task, no future and no timer for each commit. A link lives once: after it broke, nothing
sent on it will be answered, and the owner opens another.
"""

import asyncio
import socket
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final, cast

import hiredis

from gameserver.adapters.redis_endpoint import NOTHING_YET
from gameserver.adapters.redis_wire import read_reply
from gameserver.ports import Commit, Renewal

DEADLINE_S: Final = 0.25
"""How long the oldest unanswered request may wait."""

_LAST_LOOK_S: Final = 0.005
"""After the deadline: a loop that was itself stuck first reads what came meanwhile."""


class Wait:
    """A WAIT behind a write: its answer is how many replicas have all that was sent before on this link."""

    __slots__ = ()


Read = Callable[[Any, object], Any]
"""Makes an answer of what the server said to a request. Raises ``ValueError`` for what no server of ours says."""


class CommitLink(asyncio.Protocol):
    """One connection that was greeted. ``broken`` is called once, never from inside ``write``.

    ``answered`` gets each request with what ``read`` made of the server's answer.
    """

    def __init__(
        self,
        link: socket.socket,
        *,
        answered: Callable[[Any, Any], None],
        read: Read = read_reply,
        broken: Callable[["CommitLink", str], None],
        deadline_s: float = DEADLINE_S,
    ) -> None:
        self._socket = link
        self._answered = answered
        self._read = read
        self._broken = broken
        self._deadline_s = deadline_s
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._reader = hiredis.Reader(notEnoughData=NOTHING_YET)
        # The shell keeps at most 4 a shard unconfirmed; a WAIT comes with a write of those.
        self._waiting: deque[Commit | Renewal | Wait] = deque()
        self._writes: deque[tuple[int, float]] = deque()  # what _sent was after a write, and when that was
        self._sent = 0
        self._received = 0
        self._timer: asyncio.TimerHandle | None = None
        self._last_look = False
        self.alive = True

    @property
    def waiting(self) -> int:
        """How many requests are unanswered."""
        return len(self._waiting)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but its type

    def write(self, data: bytes, requests: Sequence[Commit | Renewal | Wait]) -> None:
        """Send the bytes of these requests, at once where the kernel takes them."""
        assert self._transport is not None, "write comes after connection_made"
        now = self._loop.time()
        self._waiting.extend(requests)
        self._sent += len(requests)
        self._writes.append((self._sent, now))
        if self._timer is None:
            self._timer = self._loop.call_at(now + self._deadline_s, self._check_deadline)
        taken = 0
        if self._transport.get_write_buffer_size() == 0:
            try:
                taken = self._socket.send(data)
            except BlockingIOError:
                taken = 0
            except OSError as error:
                self._loop.call_soon(self.fail, f"write: {type(error).__name__}")
                return
        if taken < len(data):
            self._transport.write(data[taken:])

    def data_received(self, data: bytes) -> None:
        """Match answers with requests, in order."""
        self._reader.feed(data)
        while self.alive:
            try:
                raw = self._reader.gets()
                if raw is NOTHING_YET:
                    return
                if isinstance(raw, hiredis.ReplyError):
                    self.fail(str(raw).partition(" ")[0])
                    return
                request = self._waiting.popleft()
                reply = self._read(request, raw)
            except (hiredis.ProtocolError, ValueError, TypeError, IndexError):
                self.fail("not understood")
                return
            self._received += 1
            self._answered(request, reply)

    def connection_lost(self, error: Exception | None) -> None:
        """The peer or the kernel closed it."""
        self.fail("closed" if error is None else type(error).__name__)

    def fail(self, reason: str) -> None:
        """Break the link, whatever is under way, and say so once."""
        if self.alive:
            self.drop()
            self._broken(self, reason)

    def drop(self) -> None:
        """Close without a word."""
        self.alive = False
        self._waiting.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._transport is not None:
            self._transport.abort()

    def _check_deadline(self) -> None:
        self._timer = None
        while self._writes and self._writes[0][0] <= self._received:
            self._writes.popleft()
        if not self._writes:
            self._last_look = False
            return
        now = self._loop.time()
        due = self._writes[0][1] + self._deadline_s
        if due > now:
            self._last_look = False
        elif self._last_look:
            self.fail("deadline")
            return
        else:
            self._last_look = True
            due = now + _LAST_LOOK_S
        self._timer = self._loop.call_at(due, self._check_deadline)
