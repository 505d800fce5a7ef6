"""Which master is believed when sentinels disagree, hang, refuse or are gone."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from arena.redis_address import Place, parse, shown
from arena.redis_asking import ASK_S, NobodyKnowsError, find_master, read_slots
from arena.redis_masters import connect

A, B = ("10.0.0.1", 6379), ("10.0.0.2", 6380)


class FakeSentinels:
    """Sentinels that answer every question with the same bytes, or not at all."""

    def __init__(self) -> None:
        self._servers: list[asyncio.Server] = []
        self._held: list[asyncio.StreamWriter] = []

    async def one(self, answer: bytes | None) -> Place:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self._held.append(writer)
            await reader.read(1000)
            if answer is not None:
                writer.write(answer)
                writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        self._servers.append(server)
        host, port = server.sockets[0].getsockname()
        return host, port

    async def close(self) -> None:
        for writer in self._held:
            writer.transport.abort()
        for server in self._servers:
            server.close()


@pytest.fixture
async def sentinels() -> AsyncIterator[FakeSentinels]:
    made = FakeSentinels()
    yield made
    await made.close()


def says(master: Place, epoch: int) -> bytes:
    told = {"name": "games", "ip": master[0], "port": str(master[1]), "config-epoch": str(epoch)}
    parts = [part for pair in told.items() for part in pair]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%b\r\n" % (len(part), part.encode()) for part in parts)


async def ask(*places: Place) -> Place:
    return await find_master(parse(f"sentinel://{shown(places)}/games"))


async def test_the_newest_configuration_of_a_majority_is_believed(sentinels: FakeSentinels) -> None:
    old, new, other = [await sentinels.one(answer) for answer in (says(A, 3), says(B, 4), says(B, 4))]
    for _ in range(10):
        assert await ask(old, new, other) == B


async def test_one_that_hangs_is_not_waited_for_when_a_majority_has_spoken(sentinels: FakeSentinels) -> None:
    hangs, one, other = [await sentinels.one(answer) for answer in (None, says(A, 3), says(B, 4))]
    loop = asyncio.get_running_loop()
    began = loop.time()
    assert await ask(hangs, one, other) == B
    assert loop.time() - began < ASK_S


@pytest.mark.parametrize(
    "useless", [b"-IDONTKNOW Unknown\r\n", b"*-1\r\n", b"*2\r\n$2\r\nip\r\n$1\r\nx\r\n", b"HTTP/1.1 400\r\n\r\n", b""]
)
async def test_whoever_is_left_is_believed_and_nobody_is_an_error(sentinels: FakeSentinels, useless: bytes) -> None:
    bad, good = await sentinels.one(useless), await sentinels.one(says(A, 1))
    assert await ask(bad, good, ("127.0.0.1", 1)) == A
    with pytest.raises(NobodyKnowsError, match="no sentinel names a master"):
        await ask(bad, ("127.0.0.1", 1))
    with pytest.raises(NobodyKnowsError, match="no node tells the slots"):
        await read_slots(parse(f"cluster://{shown([bad])}"))


async def test_slots_of_a_node_that_does_not_know_its_own_name(sentinels: FakeSentinels) -> None:
    answer = b"*1\r\n*3\r\n:0\r\n:16383\r\n*3\r\n$0\r\n\r\n:7000\r\n$4\r\nname\r\n"
    node = await sentinels.one(answer)
    assert await read_slots(parse(f"cluster://{shown([node])}")) == [(0, 16383, ("127.0.0.1", 7000))]


def test_addresses() -> None:
    read = parse("sentinel://u:p%40ss@[::1]:1,b/the%20service?db=2&sentinel_user=s&sentinel_password=%26")
    assert (read.places, read.service, read.database) == ((("::1", 1), ("b", 26_379)), "the service", 2)
    assert (read.username, read.password, read.sentinel_username, read.sentinel_password) == ("u", "p@ss", "s", "&")
    assert parse("cluster://:p@a,b:1").places == (("a", 6_379), ("b", 1))
    assert shown(read.places) == "[::1]:1,b:26379"
    with pytest.raises(ValueError, match="REDIS_CACHE_URL"):
        connect("cluster://a")
