"""The tests' own proxy: a test of what a cut path does is worth no more than the cut."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.support.proxy import Path, Proxy, running_proxy

WAIT_S = 5.0
NOTHING_S = 0.2
UPGRADED = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"


@asynccontextmanager
async def echoing() -> AsyncIterator[tuple[Proxy, list[bytes]]]:
    """Give a proxy in front of a server that echoes, and what the server got (``b""``: the end)."""
    got: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1024):
            got.append(data)
            writer.write(data)
        got.append(b"")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with running_proxy(server.sockets[0].getsockname()[1]) as proxy:
        yield proxy, got
    server.close()
    await server.wait_closed()


@asynccontextmanager
async def client(proxy: Proxy) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    yield reader, writer
    writer.transport.abort()


async def said(reader: asyncio.StreamReader, count: int) -> bytes:
    return await asyncio.wait_for(reader.readexactly(count), WAIT_S)


async def silent(reader: asyncio.StreamReader) -> None:
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.read(1), NOTHING_S)


async def test_bytes_pass_both_ways_and_so_does_the_end() -> None:
    async with echoing() as (proxy, got), client(proxy) as (reader, writer):
        writer.write(b"hello")
        assert await said(reader, 5) == b"hello"
        writer.write_eof()
        assert await asyncio.wait_for(reader.read(), WAIT_S) == b""
        assert got == [b"hello", b""]


async def test_a_cut_path_is_silent_holds_even_the_end_and_goes_on_when_healed() -> None:
    async with echoing() as (proxy, got), client(proxy) as (reader, writer):
        writer.write(b"before")
        await said(reader, 6)
        proxy.cut()
        writer.write(b"within")
        writer.write_eof()
        await silent(reader)
        assert got == [b"before"]
        proxy.heal()
        assert await asyncio.wait_for(reader.read(), WAIT_S) == b"within"
        assert b"".join(got) == b"beforewithin"


async def test_only_the_chosen_path_is_cut() -> None:
    async with echoing() as (proxy, _got), client(proxy) as (one, to_one), client(proxy) as (two, to_two):
        for reader, writer in ((one, to_one), (two, to_two)):
            writer.write(b"GET /x\r\n")
            await said(reader, 8)

        def first(path: Path) -> bool:
            return path.number == 1

        proxy.cut(first)
        to_one.write(b"a")
        to_two.write(b"b")
        assert await said(two, 1) == b"b"
        await silent(one)
        async with client(proxy) as (three, to_three):
            to_three.write(b"c")
            assert await said(three, 1) == b"c"
        assert [path.is_cut for path in proxy.paths if path.first_line == "GET /x"] == [True, False]


async def test_connections_made_while_the_path_is_cut_wait_for_it() -> None:
    async with echoing() as (proxy, got), proxy.broken(NOTHING_S * 2) as healed, client(proxy) as (reader, writer):
        writer.write(b"late")
        await silent(reader)
        assert got == []
        assert await said(reader, 4) == b"late"
        assert healed.is_set()


async def test_a_dropped_path_loses_what_was_held() -> None:
    async with echoing() as (proxy, got), client(proxy) as (reader, writer):
        writer.write(b"kept")
        await said(reader, 4)
        proxy.cut()
        writer.write(b"lost")
        await silent(reader)
        proxy.heal(drop=lambda _path: True)
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await said(reader, 1)
        assert b"".join(got) == b"kept"


async def test_a_path_can_be_cut_at_the_servers_next_ping_however_the_bytes_come() -> None:
    no_ping = UPGRADED + b"\x82\x7e\x01\x00" + b"\x89\x00" * 128 + b"\x81\x02hi"
    async with echoing() as (proxy, _got), client(proxy) as (reader, writer):
        for place in range(len(UPGRADED)):
            writer.write(UPGRADED[place : place + 1])
            await said(reader, 1)
        (path,) = proxy.sockets

        async def speak() -> None:
            for place in range(len(UPGRADED), len(no_ping)):
                writer.write(no_ping[place : place + 1])
                assert await said(reader, 1) == no_ping[place : place + 1]
            assert not path.is_cut, "a ping's bytes inside another frame are no ping"
            writer.write(b"\x89\x0812345678")

        speaking = asyncio.create_task(speak())
        async with proxy.broken(60, at_ping_of=path):
            await speaking
            await silent(reader)
        assert await said(reader, 10) == b"\x89\x0812345678"
