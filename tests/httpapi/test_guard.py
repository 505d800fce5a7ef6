"""The bounds of the public port, on real sockets with a real uvicorn: nobody holds a connection by being slow."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import pytest
import uvicorn
from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive, Scope, Send

from arena.tasks import end
from httpapi.guard import Bounds, Guard
from tests.support.eventually import eventually

QUICK = Bounds(headers_s=0.15, body_s=0.15, write_s=0.15, closing_s=0.15)
LONG = 5.0


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the size of the body; ``/big`` is more than any socket buffer, ``/ignore`` reads nothing.

    ``/slow`` never answers.
    """
    if scope["type"] != "http":
        return
    body = b"x" * 64_000_000 if scope["path"] == "/big" else b"ok"
    if scope["path"] == "/slow":
        while (await receive())["type"] != "http.disconnect":
            pass
        return
    if scope["path"] not in ("/ignore", "/big"):
        with contextlib.suppress(ClientDisconnect):
            body = str(len(await Request(scope, receive).body())).encode()
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class Line:
    """A client's socket."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def rest(self) -> bytes:
        """Return what comes until the server ends the connection."""
        async with asyncio.timeout(LONG):
            with contextlib.suppress(ConnectionResetError):
                return await self.reader.read()
        return b""

    async def head(self) -> bytes:
        async with asyncio.timeout(LONG):
            return await self.reader.readuntil(b"\r\n\r\n")


class Server:
    """uvicorn with a guard."""

    def __init__(self, guard: Guard, server: uvicorn.Server, port: int) -> None:
        self.uvicorn = server
        self.guard = guard
        self.port = port

    @contextlib.asynccontextmanager
    async def line(self) -> AsyncIterator[Line]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            yield Line(reader, writer)
        finally:
            writer.transport.abort()


@contextlib.asynccontextmanager
async def serving(bounds: Bounds) -> AsyncIterator[Server]:
    guard = Guard(bounds)
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        echo,
        http=guard.protocol,  # type: ignore[arg-type]  # uvicorn calls it; it need not be a class
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        timeout_keep_alive=1,
        timeout_graceful_shutdown=1,
    )
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup(sockets=[listener])
    try:
        yield Server(guard, server, listener.getsockname()[1])
    finally:
        await server.shutdown(sockets=[listener])


async def test_honest_requests_pass() -> None:
    async with serving(Bounds()) as server, server.line() as line:
        for body in (b"", b"x" * 1000, b"y" * 65_536):
            await line.send(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
            assert b" 200 " in await line.head()
            assert await line.reader.readexactly(len(str(len(body)))) == str(len(body)).encode()
        assert len(server.guard.open) == 1


async def test_who_says_nothing_is_cut() -> None:
    async with serving(QUICK) as server, server.line() as line:
        assert await line.rest() == b""
        assert server.guard.open == set()


async def test_blank_lines_are_nothing() -> None:
    async with serving(QUICK) as server, server.line() as line:
        await line.send(b"\r\n")
        assert b" 408 " in await line.rest()


@pytest.mark.parametrize("head", [b"G", b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nhost: x\r\nx-y: "])
async def test_a_part_of_the_headers_is_not_enough(head: bytes) -> None:
    async with serving(QUICK) as server, server.line() as line:
        await line.send(head)
        answer = await line.rest()
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b'"code":"headers_time"' in answer


@contextlib.asynccontextmanager
async def dripping(line: Line, data: bytes, every_s: float) -> AsyncIterator[None]:
    """Send a byte at a time until the end of the test."""

    async def drip() -> None:
        with contextlib.suppress(ConnectionError):
            for byte in data:
                line.writer.write(bytes([byte]))
                await line.writer.drain()
                await asyncio.sleep(every_s)

    task = asyncio.create_task(drip())
    try:
        yield
    finally:
        await end([task])


async def test_dripped_headers_are_cut_however_steadily_they_come() -> None:
    data = b"GET / HTTP/1.1\r\nx: " + b"y" * 10_000
    async with serving(QUICK) as server, server.line() as line, dripping(line, data, 0.01):
        assert b" 408 " in await line.rest()


async def test_dripped_bodies_are_cut_however_steadily_they_come() -> None:
    async with serving(QUICK) as server, server.line() as line:
        await line.send(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 10000\r\n\r\n")
        async with dripping(line, b"y" * 10_000, 0.01):
            answer = await line.rest()
        assert b" 408 " in answer
        assert b'"code":"body_time"' in answer


async def test_a_body_that_nobody_reads_is_cut_too() -> None:
    async with serving(QUICK) as server, server.line() as line:
        await line.send(b"POST /ignore HTTP/1.1\r\nhost: x\r\ncontent-length: 10000\r\n\r\nabc")
        answer = await line.rest()
        assert answer.count(b"HTTP/1.1") == 1, "it was answered already"
        assert answer.endswith(b"ok")


async def test_no_refusal_in_the_middle_of_an_answer() -> None:
    async with serving(QUICK) as server, server.line() as line:
        await line.send(
            b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\nPOST / HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nabc"
        )
        assert await line.rest() == b"", "the answer to the first is not ready, and the second's is not the first"
        await eventually(lambda: not server.uvicorn.server_state.tasks, "who is not listened to any more ends")


@pytest.mark.parametrize("path", [b"/", b"/ignore"])
async def test_endless_chunks_are_cut(path: bytes) -> None:
    async with serving(Bounds(body_bytes=200_000)) as server, server.line() as line:
        await line.send(b"POST " + path + b" HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            for _ in range(1000):
                await line.send(b"1000\r\n" + b"z" * 0x1000 + b"\r\n")
        answer = await line.rest()
        assert answer.startswith(b"HTTP/1.1 200 " if path == b"/ignore" else b"HTTP/1.1 413 "), "told, not just reset"
        assert answer.count(b"HTTP/1.1") == 1
        await eventually(lambda: not server.guard.open, "the connection is cut")


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET / HTTP/1.1\r\nhost: x\r\nx-long: " + b"y" * 40_000 + b"\r\n\r\n",
        b"GET /" + b"y" * 40_000 + b" HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: x\r\nx-long: " + b"y" * 40_000,
        b"GET / HTTP/1.1\r\n" + b"".join(b"x%d: y\r\n" % n for n in range(200)) + b"\r\n",
        b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * 200_000,
    ],
    ids=["value", "url", "unfinished", "many", "endless"],
)
async def test_too_many_headers(request_bytes: bytes) -> None:
    async with serving(Bounds()) as server, server.line() as line:
        with contextlib.suppress(ConnectionError):
            await line.send(request_bytes)
        answer = await line.rest()
        assert answer == b"" or answer.startswith(b"HTTP/1.1 431 "), answer[:100]
        if len(request_bytes) < 100_000:
            assert b" 431 " in answer


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01",
        b"GARBAGE\r\n\r\n",
        b"GET http://[ HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET nowhere HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: x\r\ncontent-length: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
        b"GET / HTTP/1.1\r\nbad header\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
    ],
)
async def test_what_is_not_http(request_bytes: bytes) -> None:
    async with serving(Bounds()) as server, server.line() as line:
        await line.send(request_bytes)
        answer = await line.rest()
        assert answer.startswith(b"HTTP/1.1 400 "), answer
        assert answer.count(b"HTTP/1.1") == 1


async def test_a_flood_of_pipelined_requests_is_cut() -> None:
    async with serving(Bounds()) as server, server.line() as line:
        with contextlib.suppress(ConnectionError):
            await line.send(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n" * 5_000)
        answer = await line.rest()
        assert answer.count(b"HTTP/1.1 200") < 5_000
        await eventually(lambda: not server.guard.open, "the connection is cut")


async def test_a_few_pipelined_requests_are_served_in_order() -> None:
    async with serving(Bounds()) as server, server.line() as line:
        await line.send(
            b"".join(
                b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % size + b"x" * size for size in range(1, 6)
            )
        )
        for size in range(1, 6):
            assert b" 200 " in await line.head()
            assert await line.reader.readexactly(1) == str(size).encode()


async def test_who_reads_nothing_is_cut() -> None:
    async with serving(QUICK) as server, server.line() as line:
        line.reader._transport.pause_reading()  # type: ignore[attr-defined]  # a client that does not read
        await line.send(b"GET /big HTTP/1.1\r\nhost: x\r\n\r\n")
        await eventually(lambda: server.guard.open, "the connection is open")
        await eventually(lambda: not server.guard.open, "the connection is cut")


async def test_connections_beyond_the_bound_are_closed() -> None:
    async with serving(Bounds(connections=2)) as server, contextlib.AsyncExitStack() as stack:
        lines = [await stack.enter_async_context(server.line()) for _ in range(2)]
        for line in lines:
            await line.send(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
            assert b" 200 " in await line.head()
        async with server.line() as third:
            assert await third.rest() == b""
        lines[0].writer.close()
        await eventually(lambda: len(server.guard.open) == 1, "one is gone")
        async with server.line() as fourth:
            await fourth.send(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
            assert b" 200 " in await fourth.head()
