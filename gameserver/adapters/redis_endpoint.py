"""One server as the commit connection reaches it: connect, say who we are, give it the scripts."""

import asyncio
import socket
from typing import Any, Final

import hiredis
from msgspec import Struct
from redis.asyncio.connection import UnixDomainSocketConnection, parse_url

from gameserver.adapters.redis_scripts import COMMIT, RENEW
from gameserver.adapters.redis_wire import command
from gameserver.ports import StoreUnavailable

OPEN_S: Final = 1.0
NOTHING_YET: Final = object()


class Endpoint(Struct, frozen=True):
    """Where and as whom to connect. ``path`` is a unix socket; else ``host`` and ``port``.

    ``must_be_master``: one that says it is a replica is refused (a fail-over that we have not heard of).
    """

    host: str
    port: int
    path: str
    database: int
    username: str
    password: str
    must_be_master: bool = False

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
        if self.must_be_master:
            commands.append(command("ROLE"))
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
        except (OSError, TimeoutError, hiredis.ProtocolError) as error:
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
            answers = await _read_answers(loop, link, len(commands))
            if self.must_be_master:
                _check_role(answers[-1])
        except BaseException:  # a cancellation, too: no socket may stay open; raised again
            link.close()
            raise
        return link


async def _read_answers(loop: asyncio.AbstractEventLoop, link: socket.socket, count: int) -> list[Any]:
    reader = hiredis.Reader(notEnoughData=NOTHING_YET)
    answers: list[Any] = []
    while len(answers) < count:
        data = await loop.sock_recv(link, 65536)
        if not data:
            raise ConnectionResetError("closed while greeting")
        reader.feed(data)
        while len(answers) < count and (answer := reader.gets()) is not NOTHING_YET:
            if isinstance(answer, hiredis.ReplyError):
                raise StoreUnavailable(f"commit connection: {answer}")
            answers.append(answer)
    return answers


def _check_role(answer: Any) -> None:
    role = answer[0] if isinstance(answer, list) and answer else b"?"
    if role != b"master":
        raise StoreUnavailable(f"commit connection: READONLY: that server is a {role.decode(errors='replace')} now")
