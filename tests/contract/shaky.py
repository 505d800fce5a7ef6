"""A line to the server that can be cut around a write, to the byte."""

import asyncio
from pathlib import Path
from urllib.parse import urlsplit

OK_BYTES = len(b":1\r\n")
"""A confirmed commit's answer."""


class ShakyLine:
    """A unix socket in front of the server's. Everything passes until ``cut_next``."""

    def __init__(self, server: Path, here: Path) -> None:
        self._server = server
        self._here = here
        self._listener: asyncio.Server | None = None
        self._pumps: set[asyncio.Task[None]] = set()
        self._cut: tuple[bool, int] | None = None
        self._answer_bytes_left: int | None = None

    @classmethod
    async def start(cls, url: str, folder: Path) -> tuple["ShakyLine", str]:
        """Return the line and the URL that leads over it."""
        parts = urlsplit(url)
        assert parts.scheme == "unix", "the tests' server listens on a unix socket"
        line = cls(Path(parts.path), folder / "shaky.sock")
        line._listener = await asyncio.start_unix_server(line._accept, line._here)
        return line, url.replace(parts.path, str(line._here))

    async def close(self) -> None:
        assert self._listener is not None
        self._listener.close()
        for pump in list(self._pumps):
            pump.cancel()
        if self._pumps:
            await asyncio.wait(list(self._pumps), timeout=5)

    def cut_next(self, *, applied: bool, answered: int) -> None:
        """Cut at the next write: before the server gets it, or after ``answered`` confirmed commits were answered."""
        self._cut = (applied, answered)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_unix_connection(self._server)
        pumps = {
            asyncio.create_task(self._requests(reader, there_writer)),
            asyncio.create_task(self._answers(there_reader, writer)),
        }
        self._pumps |= pumps
        await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        for pump in pumps:
            pump.cancel()
        for side in (writer, there_writer):
            side.transport.abort()
        self._pumps -= pumps

    async def _requests(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            if self._cut is not None:
                applied, answered = self._cut
                self._cut = None
                if not applied:
                    return
                self._answer_bytes_left = answered * OK_BYTES
            writer.write(data)
            await writer.drain()

    async def _answers(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            left = self._answer_bytes_left
            if left is not None:
                data = data[:left]
                left = self._answer_bytes_left = left - len(data)
            writer.write(data)
            await writer.drain()
            if left == 0:
                self._answer_bytes_left = None
                return
