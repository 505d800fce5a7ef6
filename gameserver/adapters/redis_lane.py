"""The way to one master: one connection, or in strict mode a pair of them used in turn (COMMIT.md §3).

Strict mode: a WAIT follows each write *on the same connection*: on any other it speaks of that one's last write, and
proves nothing. WAIT blocks its connection, so there are two. Replication is one stream, so what a replica has, it has
in order: a record may leave on the other connection as soon as its predecessor's commit was answered, and the later
WAIT covers both.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, Protocol, cast

from msgspec import Struct, field

from gameserver.adapters.redis_endpoint import Endpoint
from gameserver.adapters.redis_link import CommitLink, Read, Wait
from gameserver.adapters.redis_wire import RequestWriter, command, read_reply
from gameserver.ports import Commit, CommitOutcome, CommitReply, Renewal, StoreUnavailable
from protocol.ids import ShardId

Request = Commit | Renewal
_DONE: Final = (CommitOutcome.OK, CommitOutcome.DUPLICATE)
_WAIT_SHARE: Final = 0.6
"""Of the deadline: the server's answer "too few" should come before we call it silent; its timers tick slowly."""

_WAIT: Final = Wait()
TOO_FEW: Final = "too few replicas"


class Lane(Protocol):
    """A way to a master. It lives once, as its links do."""

    @property
    def waiting(self) -> int:
        """How many requests are unanswered."""

    @property
    def alive(self) -> bool:
        """Whether it can be written to."""

    def write(self, requests: Sequence[Request], lease_ms: int) -> None:
        """Send these requests in one write."""

    def fail(self, reason: str) -> None:
        """Break it and say so once."""

    def drop(self) -> None:
        """Close it without a word."""


class Hears(Struct, frozen=True):
    """Who is told what comes of a lane: answers in the order sent (for each shard), and once that it broke."""

    answered: Callable[[Request, CommitReply], None]
    broken: Callable[[Lane, str], None]


async def open_lane(endpoint: Endpoint, hears: Hears, *, replicas: int, deadline_s: float) -> Lane:
    """Return a lane that stands. Raises ``StoreUnavailable``."""
    if not replicas:
        plain = PlainLane(hears)
        plain.link = await _open_link(endpoint, hears.answered, plain.link_broken, deadline_s)
        return plain
    pair = PairLane(hears, replicas=replicas, deadline_s=deadline_s)
    try:
        for number in range(2):
            answered = partial(pair.answered, number)
            pair.links.append(await _open_link(endpoint, answered, pair.link_broken, deadline_s, _read))
    except BaseException:  # a cancellation, too: no socket may stay open; raised again
        pair.drop()
        raise
    return pair


async def _open_link(
    endpoint: Endpoint,
    answered: Callable[[Any, Any], None],
    broken: Callable[[CommitLink, str], None],
    deadline_s: float,
    read: Read = read_reply,
) -> CommitLink:
    connected = await endpoint.connect()
    link = CommitLink(connected, answered=answered, read=read, broken=broken, deadline_s=deadline_s)
    try:
        await asyncio.get_running_loop().create_connection(lambda: link, sock=connected)
    except BaseException:  # a cancellation, too: no socket may stay open; raised again
        connected.close()
        raise
    if not link.alive:
        raise StoreUnavailable("commit connection: closed at once")
    return link


def _read(request: Request | Wait, raw: object) -> CommitReply | int:
    """Return a commit's answer, or to a WAIT how many replicas have it."""
    if not isinstance(request, Wait):
        return read_reply(request, raw)
    if not isinstance(raw, int):
        raise ValueError("not an answer to WAIT")
    return raw


class PlainLane:
    """One connection: what the master confirmed is confirmed."""

    def __init__(self, hears: Hears) -> None:
        self._hears = hears
        self._writer = RequestWriter()
        self.link: CommitLink | None = None

    @property
    def waiting(self) -> int:
        """How many requests are unanswered."""
        return self.link.waiting if self.link is not None else 0

    @property
    def alive(self) -> bool:
        """Whether it can be written to."""
        return self.link is not None and self.link.alive

    def write(self, requests: Sequence[Request], lease_ms: int) -> None:
        """Send these requests in one write."""
        assert self.link is not None, "a lane is opened before it is used"
        self.link.write(self._writer.pack(requests, lease_ms), requests)

    def fail(self, reason: str) -> None:
        """Break it and say so once."""
        if self.link is not None:
            self.link.fail(reason)

    def drop(self) -> None:
        """Close it without a word."""
        if self.link is not None:
            self.link.drop()

    def link_broken(self, _link: CommitLink, reason: str) -> None:
        """The connection broke."""
        self._hears.broken(self, reason)


class _Batch(Struct):
    """One write, until replicas have it."""

    replies: list[tuple[Request, CommitReply]] = field(default_factory=list)
    replicated: bool = False


class PairLane:
    """Two connections in turn: confirmed is what ``replicas`` replicas have, too."""

    def __init__(self, hears: Hears, *, replicas: int, deadline_s: float) -> None:
        self._hears = hears
        self._replicas = replicas
        self._wait = command("WAIT", str(replicas), str(max(1, int(deadline_s * 1000 * _WAIT_SHARE))))
        self._writer = RequestWriter()
        self.links: list[CommitLink] = []
        self._blocked: list[_Batch | None] = [None, None]  # what each link waits for
        self._batches: deque[_Batch] = deque()  # at most one a link, as they were sent
        self._queue: deque[Request] = (
            deque()
        )  # the shell keeps at most 4 records and a renewal of each shard unconfirmed
        self._lease_ms = 0
        self._unanswered: Counter[ShardId] = Counter()
        self._turn = 0
        self.alive = True

    @property
    def waiting(self) -> int:
        """How many requests are unanswered, or not known to be on enough replicas."""
        return len(self._queue) + len(self._batches)

    def write(self, requests: Sequence[Request], lease_ms: int) -> None:
        """Send these requests as soon as a connection is free and what they follow was answered."""
        self._queue.extend(requests)
        self._lease_ms = lease_ms
        self._flush()

    def fail(self, reason: str) -> None:
        """Break it and say so once."""
        if self.alive:
            self.drop()
            self._hears.broken(self, reason)

    def drop(self) -> None:
        """Close both without a word."""
        self.alive = False
        for link in self.links:
            link.drop()
        self._queue.clear()
        self._batches.clear()

    def link_broken(self, _link: CommitLink, reason: str) -> None:
        """One of the two broke: what it carried is in doubt, and what follows it may not be sent."""
        self.fail(reason)

    def answered(self, number: int, request: Request | Wait, reply: CommitReply | int) -> None:
        """The master answered on this link. A refusal is told at once: it needs no replica."""
        if isinstance(request, Wait):
            self._waited(number, cast(int, reply))
            return
        reply = cast(CommitReply, reply)
        batch = self._blocked[number]
        assert batch is not None, "an answer to nothing that was sent"
        self._unanswered[request.shard] -= 1
        if not self._unanswered[request.shard]:
            del self._unanswered[request.shard]
        if reply.outcome in _DONE:
            batch.replies.append((request, reply))
        else:
            self._hears.answered(request, reply)
        self._flush()

    def _waited(self, number: int, count: int) -> None:
        """So many replicas have what this link sent."""
        batch = self._blocked[number]
        assert batch is not None, "an answer to nothing that was sent"
        if count < self._replicas:
            self.fail(TOO_FEW)
            return
        self._blocked[number] = None
        batch.replicated = True
        while self._batches and self._batches[0].replicated:
            for request, reply in self._batches.popleft().replies:
                self._hears.answered(request, reply)
        self._flush()

    def _flush(self) -> None:
        """Send what may leave now, on the connection whose turn it is."""
        if not self._queue or not self.alive:
            return
        number = self._turn if self._blocked[self._turn] is None else 1 - self._turn
        if self._blocked[number] is not None:
            return
        part = self._leaving()
        if not part:
            return
        batch = _Batch()
        self._blocked[number] = batch
        self._batches.append(batch)
        self._turn = 1 - number
        self._unanswered.update(request.shard for request in part)
        self.links[number].write(self._writer.pack(part, self._lease_ms) + self._wait, [*part, _WAIT])

    def _leaving(self) -> list[Request]:
        """Take from the queue what follows nothing unanswered; in each shard's order."""
        if not self._unanswered:
            part = list(self._queue)
            self._queue.clear()
            return part
        part = [request for request in self._queue if request.shard not in self._unanswered]
        if part:
            self._queue = deque(request for request in self._queue if request.shard in self._unanswered)
        return part
