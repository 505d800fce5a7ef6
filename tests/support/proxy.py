"""A TCP proxy that breaks paths as bad networks do: bytes stop, and nobody is told.

Every accepted connection is a ``Path``. A path that is cut forwards nothing either way: no byte, no FIN, no RST. What
was on its way is held, and goes on when the path is healed, or is lost with the connection when it is dropped.

A server finds out by a ping that is not answered, so ``broken`` can wait for the server's next ping and hold that one
back already: then the moment at which the server must have seen the drop is known.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from arena.tasks import end

CHUNK = 64 * 1024
CONNECT_S = 5.0
PING_S = 20.0
"""A server pings every 10 s."""
PING = 0x9


class _Pings:
    """Reads the server's half of a connection: calls ``on_ping`` for each WebSocket ping before it is forwarded."""

    def __init__(self) -> None:
        self.upgraded = False
        self.on_ping: Callable[[], None] | None = None
        self._head = bytearray()
        self._skip = 0
        self._plain = False

    def feed(self, data: bytes) -> None:
        if self._plain:
            return
        self._head += data
        if not self.upgraded:
            end = self._head.find(b"\r\n\r\n")
            if end < 0:
                return
            if not self._head.startswith(b"HTTP/1.1 101"):
                self._plain = True  # an ordinary connection; it may be upgraded later, browsers do not do that
                self._head.clear()
                return
            self.upgraded = True
            del self._head[: end + 4]
        self._frames()

    def _frames(self) -> None:
        while True:
            skipped = min(self._skip, len(self._head))
            del self._head[:skipped]
            self._skip -= skipped
            if self._skip or len(self._head) < 2:
                return
            short = self._head[1] & 0x7F
            wide = {126: 2, 127: 8}.get(short, 0)
            if len(self._head) < 2 + wide:
                return
            size = int.from_bytes(self._head[2 : 2 + wide], "big") if wide else short
            if self._head[0] & 0x0F == PING and self.on_ping is not None:
                self.on_ping()
            self._skip = 2 + wide + size


class Path:
    """One client's connection through the proxy."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.first_line = ""
        self._open = asyncio.Event()
        self._open.set()
        self._pings = _Pings()
        self._writers: list[asyncio.StreamWriter] = []

    @property
    def is_cut(self) -> bool:
        """Whether nothing is forwarded now."""
        return not self._open.is_set()

    @property
    def upgraded(self) -> bool:
        """Whether it carries a WebSocket."""
        return self._pings.upgraded

    def at_ping(self, do: Callable[[], None] | None) -> None:
        """Call it for each ping of the server, before the ping is forwarded; None: no more."""
        self._pings.on_ping = do

    def cut(self) -> None:
        """Forward nothing from now on."""
        self._open.clear()

    def heal(self) -> None:
        """Forward what is held, and go on."""
        self._open.set()

    def drop(self) -> None:
        """Reset both connections; what is held is lost."""
        for writer in self._writers:
            writer.transport.abort()
        self._open.set()

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, port: int) -> None:
        """Forward until both sides are done, or one is gone."""
        self._writers.append(writer)
        try:
            await self._open.wait()
            if writer.transport.is_closing():
                return
            far_reader, far_writer = await asyncio.wait_for(asyncio.open_connection(host, port), CONNECT_S)
            self._writers.append(far_writer)
            async with asyncio.TaskGroup() as both:
                both.create_task(self._forward(reader, far_writer, self._heard))
                both.create_task(self._forward(far_reader, writer, self._pings.feed))
        except* (OSError, TimeoutError):
            pass  # one side is gone: so is the other, below
        finally:
            for one in self._writers:
                one.transport.abort()

    def _heard(self, data: bytes) -> None:
        if not self.first_line:
            self.first_line = data.split(b"\r\n", 1)[0].decode("latin-1")

    async def _forward(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, look: Callable[[bytes], None]
    ) -> None:
        while data := await reader.read(CHUNK):
            await self._open.wait()
            look(data)
            await self._open.wait()  # cut by what it saw
            if writer.transport.is_closing():
                raise ConnectionResetError
            writer.write(data)
            await writer.drain()
        await self._open.wait()  # a FIN is held, too
        if not writer.transport.is_closing():
            writer.write_eof()


Choice = Callable[[Path], bool]


def every(_path: Path) -> bool:
    """Choose all paths."""
    return True


class Proxy:
    """Listens on loopback in front of one server. Made by ``running_proxy``."""

    def __init__(self, host: str, port: int) -> None:
        self._far = (host, port)
        self._paths: dict[Path, asyncio.Task[None]] = {}
        self._numbers = 0
        self._cut_new: Choice | None = None
        self.port = 0

    @property
    def url(self) -> str:
        """Where clients find it."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def paths(self) -> list[Path]:
        """The connections there are now, oldest first."""
        return list(self._paths)

    @property
    def sockets(self) -> list[Path]:
        """Those that carry a WebSocket."""
        return [path for path in self._paths if path.upgraded]

    def cut(self, which: Choice = every) -> None:
        """Cut the chosen paths; new connections for which ``which`` holds are cut from their start."""
        self._cut_new = which
        for path in self.paths:
            if which(path):
                path.cut()

    def heal(self, *, drop: Choice | None = None) -> None:
        """Let every path go on; those that ``drop`` chooses are reset instead."""
        self._cut_new = None
        for path in self.paths:
            if drop is not None and drop(path):
                path.drop()
            else:
                path.heal()

    @asynccontextmanager
    async def broken(
        self, seconds: float, which: Choice = every, *, at_ping_of: Path | None = None
    ) -> AsyncIterator[asyncio.Event]:
        """Cut the chosen paths for so long; the block begins when they are cut. The event is set when they are healed.

        With ``at_ping_of`` they are cut when the server pings on that path next: the ping is the first thing held.
        """
        healed = asyncio.Event()
        loop = asyncio.get_running_loop()

        def mend() -> None:
            self.heal()
            healed.set()

        if at_ping_of is None:
            self.cut(which)
        else:
            await self._cut_at_ping(at_ping_of, which)
        timer = loop.call_later(seconds, mend)
        try:
            yield healed
        finally:
            timer.cancel()
            if not healed.is_set():
                mend()

    async def _cut_at_ping(self, path: Path, which: Choice) -> None:
        done = asyncio.Event()

        def pinged() -> None:
            path.at_ping(None)
            self.cut(which)
            done.set()

        path.at_ping(pinged)
        await asyncio.wait_for(done.wait(), PING_S)

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection, in a task of this proxy."""
        self._numbers += 1
        path = Path(self._numbers)
        if self._cut_new is not None and self._cut_new(path):
            path.cut()
        task = asyncio.create_task(path.carry(reader, writer, *self._far), name=f"path-{path.number}")
        self._paths[path] = task
        task.add_done_callback(lambda _task: self._paths.pop(path))

    async def close(self) -> None:
        """End every path."""
        await end(self._paths.values())


@asynccontextmanager
async def running_proxy(port: int, host: str = "127.0.0.1") -> AsyncIterator[Proxy]:
    """Give a proxy in front of a server."""
    proxy = Proxy(host, port)
    server = await asyncio.start_server(proxy.accept, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        await proxy.close()
        async with asyncio.timeout(CONNECT_S):
            await server.wait_closed()
