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
from msgspec import Struct
from redis.asyncio.connection import UnixDomainSocketConnection, parse_url

from gameserver.adapters.redis_scripts import COMMIT, RENEW
from gameserver.adapters.redis_wire import command, read_reply
from gameserver.ports import Commit, CommitReply, Renewal, StoreUnavailable

DEADLINE_S: Final = 0.25
"""How long the oldest unanswered request may wait."""

_LAST_LOOK_S: Final = 0.005
"""After the deadline: a loop that was itself stuck first reads what came meanwhile."""

OPEN_S: Final = 1.0
_NOTHING_YET: Final = object()


class Endpoint(Struct, frozen=True):
    """Where and as whom to connect. ``path`` is a unix socket; else ``host`` and ``port``."""

    host: str
    port: int
    path: str
    database: int
    username: str
    password: str

    @classmethod
    def from_url(cls, url: str) -> "Endpoint":
        """Read ``redis://`` or ``unix://``. Raises ``ValueError`` with what to do."""
        options: dict[str, Any] = dict(parse_url(url))
        kind = options.get("connection_class")
        if kind is not None and kind is not UnixDomainSocketConnection:
            raise ValueError(
                "REDIS_URL: rediss:// (TLS) is not supported; use redis:// or unix://, or a local TLS tunnel"
            )
        return cls(
            host=options.get("host", "localhost"),
            port=options.get("port", 6379),
            path=options.get("path", ""),
            database=int(options.get("db", 0)),
            username=options.get("username", ""),
            password=options.get("password", ""),
        )

    def greeting(self) -> list[bytes]:
        """Return the commands a fresh connection begins with: who we are, and the scripts it will need."""
        commands = [command("SCRIPT", "LOAD", COMMIT.text), command("SCRIPT", "LOAD", RENEW.text)]
        commands.insert(0, command("CLIENT", "SETNAME", "arena-commits"))
        if self.database:
            commands.insert(0, command("SELECT", str(self.database)))
        if self.password:
            user = (self.username,) if self.username else ()
            commands.insert(0, command("AUTH", *user, self.password))
        return commands

    async def connect(self) -> socket.socket:
        """Return a connected socket that was greeted. Raises ``StoreUnavailable``."""
        try:
            async with asyncio.timeout(OPEN_S):
                return await self._connect()
        except (OSError, TimeoutError) as error:
            raise StoreUnavailable(f"commit connection: {type(error).__name__}: {error}") from error

    async def _connect(self) -> socket.socket:
        loop = asyncio.get_running_loop()
        family: int = socket.AF_UNIX
        address: Any = self.path
        if not self.path:
            found = await loop.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
            family, address = found[0][0], found[0][4]
        link = socket.socket(family, socket.SOCK_STREAM)
        try:
            link.setblocking(False)
            if not self.path:
                link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await loop.sock_connect(link, address)
            commands = self.greeting()
            await loop.sock_sendall(link, b"".join(commands))
            await _read_greeting(loop, link, len(commands))
        except BaseException:
            link.close()
            raise
        return link


async def _read_greeting(loop: asyncio.AbstractEventLoop, link: socket.socket, answers: int) -> None:
    reader = hiredis.Reader(notEnoughData=_NOTHING_YET)
    while answers:
        data = await loop.sock_recv(link, 65536)
        if not data:
            raise ConnectionResetError("closed while greeting")
        reader.feed(data)
        while answers and (answer := reader.gets()) is not _NOTHING_YET:
            if isinstance(answer, hiredis.ReplyError):
                raise StoreUnavailable(f"commit connection: {answer}")
            answers -= 1


class CommitLink(asyncio.Protocol):
    """One connection that was greeted. ``broken`` is called once, never from inside ``write``."""

    def __init__(
        self,
        link: socket.socket,
        *,
        answered: Callable[[Commit | Renewal, CommitReply], None],
        broken: Callable[["CommitLink", str], None],
        deadline_s: float = DEADLINE_S,
    ) -> None:
        self._socket = link
        self._answered = answered
        self._broken = broken
        self._deadline_s = deadline_s
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._reader = hiredis.Reader(notEnoughData=_NOTHING_YET)
        self._waiting: deque[Commit | Renewal] = deque()  # the shell keeps at most 4 a shard unconfirmed
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

    def write(self, data: bytes, requests: Sequence[Commit | Renewal]) -> None:
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
                if raw is _NOTHING_YET:
                    return
                if isinstance(raw, hiredis.ReplyError):
                    self.fail(str(raw).partition(" ")[0])
                    return
                request = self._waiting.popleft()
                reply = read_reply(request, raw)
            except (hiredis.ProtocolError, ValueError, IndexError):
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
