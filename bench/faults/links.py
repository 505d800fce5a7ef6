"""Links that can be cut and slowed: a TCP proxy in front of each. A cut link carries nothing, and nobody is told.

What was on its way is held, and goes on when the link is mended, or is lost with the connection when it is dropped.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Final

from arena.tasks import end

CHUNK: Final = 64 * 1024
CONNECT_S: Final = 5.0

Far = tuple[str, int] | Path
"""Where a link leads: a TCP address, or a unix socket."""


class _Path:
    """One connection through a link."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.open.set()
        self.delay_s = 0.0
        self._writers: list[asyncio.StreamWriter] = []

    def drop(self) -> None:
        for writer in self._writers:
            writer.transport.abort()
        self.open.set()

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, far: Far) -> None:
        self._writers.append(writer)
        try:
            await self.open.wait()
            async with asyncio.timeout(CONNECT_S):
                if isinstance(far, Path):
                    far_reader, far_writer = await asyncio.open_unix_connection(str(far))
                else:
                    far_reader, far_writer = await asyncio.open_connection(*far)
            self._writers.append(far_writer)
            async with asyncio.TaskGroup() as both:
                both.create_task(self._forward(reader, far_writer))
                both.create_task(self._forward(far_reader, writer))
        except* (OSError, TimeoutError):
            pass  # one side is gone: so is the other, below
        finally:
            for one in self._writers:
                one.transport.abort()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(CHUNK):
            if self.delay_s:
                await asyncio.sleep(self.delay_s)
            await self.open.wait()
            if writer.transport.is_closing():
                raise ConnectionResetError
            writer.write(data)
            await writer.drain()
        await self.open.wait()  # a FIN is held, too
        if not writer.transport.is_closing():
            writer.write_eof()


class Link:
    """Everything that passes from one side to another."""

    def __init__(self, name: str, far: Far) -> None:
        self.name = name
        self.port = 0
        self._far = far
        self._paths: dict[_Path, asyncio.Task[None]] = {}
        self._cut = False
        self._delay_s = 0.0

    @property
    def connections(self) -> int:
        """How many there are now."""
        return len(self._paths)

    def cut(self, share: float = 1.0, random: Random | None = None) -> None:
        """Carry nothing on that share of the connections; with all of them, nothing on new ones either."""
        self._cut = share >= 1.0
        for path in self._some(share, random):
            path.open.clear()

    def slow(self, delay_s: float) -> None:
        """Hold back every piece for so long, each way."""
        self._delay_s = delay_s
        for path in self._paths:
            path.delay_s = delay_s

    def mend(self, *, drop: bool = False) -> None:
        """Carry again; ``drop``: what was cut is reset instead."""
        self._cut = False
        self.slow(0.0)
        for path in list(self._paths):
            if drop and not path.open.is_set():
                path.drop()
            path.open.set()

    def _some(self, share: float, random: Random | None) -> Sequence[_Path]:
        paths = list(self._paths)
        if share >= 1.0 or random is None:
            return paths
        return random.sample(paths, max(1, round(len(paths) * share))) if paths else []

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection, in a task of this link."""
        path = _Path()
        path.delay_s = self._delay_s
        if self._cut:
            path.open.clear()
        task = asyncio.create_task(path.carry(reader, writer, self._far), name=f"link {self.name}")
        self._paths[path] = task
        task.add_done_callback(lambda _task: self._paths.pop(path))

    async def close(self) -> None:
        """End every connection."""
        await end(self._paths.values())


@asynccontextmanager
async def linked(name: str, far: Far) -> AsyncIterator[Link]:
    """Give a link that listens on a port of its own."""
    link = Link(name, far)
    server = await asyncio.start_server(link.accept, "127.0.0.1", 0)
    link.port = server.sockets[0].getsockname()[1]
    try:
        yield link
    finally:
        server.close()
        await link.close()
        async with asyncio.timeout(CONNECT_S):
            await server.wait_closed()
