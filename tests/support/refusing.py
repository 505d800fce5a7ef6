"""A server in front of a real one that refuses single commands with the errors a real one has for bad days."""

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import hiredis

from arena.tasks import end

_NOTHING_YET: Final = object()
Chooses = Callable[[list[bytes]], bytes | None]


class RefusingServer:
    """Passes commands on one by one; what ``choose`` gives an answer for never reaches the server."""

    def __init__(self, server: Path, here: Path) -> None:
        self._server = server
        self._here = here
        self._listener: asyncio.Server | None = None
        self._serving: set[asyncio.Task[None]] = set()
        self.choose: Chooses = lambda _command: None

    @classmethod
    async def start(cls, url: str, folder: Path) -> tuple["RefusingServer", str]:
        """Return it and the URL that leads over it."""
        parts = urlsplit(url)
        assert parts.scheme == "unix", "the tests' server listens on a unix socket"
        server = cls(Path(parts.path), folder / "refusing.sock")
        server._listener = await asyncio.start_unix_server(server._accept, server._here)
        return server, url.replace(parts.path, str(server._here))

    async def close(self) -> None:
        """Stop, whatever is under way."""
        assert self._listener is not None
        self._listener.close()
        await end(self._serving)

    def refuse(self, error: str, shas: Iterable[str], *, which: int = 1, times: int = 1) -> None:
        """Answer the ``which``-th script of these, and ``times`` − 1 after it, with the error."""
        names = {sha.encode() for sha in shas}
        seen = 0

        def choose(command: list[bytes]) -> bytes | None:
            nonlocal seen
            if command[0] != b"EVALSHA" or command[1] not in names:
                return None
            seen += 1
            return b"-%b\r\n" % error.encode() if which <= seen < which + times else None

        self.choose = choose

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        there_reader, there_writer = await asyncio.open_unix_connection(self._server)
        try:
            await self._serve(reader, writer, there_reader, there_writer)
        except (OSError, asyncio.IncompleteReadError):
            pass  # one side is gone, and so is the other now
        finally:
            self._serving.discard(task)
            for side in (writer, there_writer):
                side.transport.abort()

    async def _serve(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        there_reader: asyncio.StreamReader,
        there_writer: asyncio.StreamWriter,
    ) -> None:
        commands, answers = hiredis.Reader(notEnoughData=_NOTHING_YET), hiredis.Reader(notEnoughData=_NOTHING_YET)
        while data := await reader.read(65536):
            commands.feed(data)
            while (command := commands.gets()) is not _NOTHING_YET:
                refusal = self.choose(command)
                if refusal is not None:
                    writer.write(refusal)
                    continue
                there_writer.write(_packed(command))
                writer.write(await _answer(there_reader, answers))
                await writer.drain()


async def _answer(reader: asyncio.StreamReader, parser: Any) -> bytes:
    """Return the bytes of one whole answer."""
    raw = b""
    while True:
        data = await reader.read(65536)
        if not data:
            raise ConnectionResetError
        raw += data
        parser.feed(data)
        if parser.gets() is not _NOTHING_YET:
            return raw


def _packed(command: list[bytes]) -> bytes:
    return b"*%d\r\n" % len(command) + b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in command)
