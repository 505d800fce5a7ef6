"""Who is told of a dead node: every other node, and the process that is started in its place."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from arena.deaths import DeathTeller
from arena.supervisor import Supervisor
from arena.units import Program, environment_with, says
from protocol import peers
from protocol.door import DoorHello

SECRET = "s" * 43
NODE = """
import json, os, sys, time
told = {"event": "node_ready", "instance": sys.argv[1] + str(os.getpid()), "control": sys.argv[2]}
print(json.dumps(told), flush=True)
time.sleep(600)
"""


class Ear:
    """A node's control listener: keeps what it is told."""

    def __init__(self) -> None:
        self.control = ""
        self.told: list[peers.Asked] = []
        self._changed = asyncio.Event()

    async def listen(self) -> asyncio.Server:
        server = await asyncio.start_server(self._hear, "127.0.0.1", 0)
        self.control = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        return server

    async def _hear(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(2):
            size = int.from_bytes(await reader.readexactly(4), "big")
            self.told.append(peers.unpack_asked(await reader.readexactly(size)))
        writer.write(peers.pack(peers.Noted()))
        self._changed.set()
        await reader.read()
        writer.close()

    @property
    def deaths(self) -> list[str]:
        return [message.instance for message in self.told if isinstance(message, peers.Died)]

    async def until(self, count: int) -> None:
        async with asyncio.timeout(20):
            while len(self.deaths) < count:
                self._changed.clear()
                await self._changed.wait()


@pytest.fixture
async def ear() -> AsyncIterator[Ear]:
    made = Ear()
    server = await made.listen()
    yield made
    server.close()


def node(folder: Path, name: str, control: str) -> Program:
    command = [sys.executable, "-c", NODE, name, control]
    log = folder / f"{name}.log"
    return Program(name, command, environment=environment_with({}), log=log, ready=says("node_ready"))


async def test_the_others_and_the_successor_are_told_the_instance(tmp_path: Path, ear: Ear) -> None:
    nodes = [node(tmp_path, "one", ear.control), node(tmp_path, "two", ear.control)]
    supervisor = Supervisor(lambda line: None, back_off_s=(0.0,))
    teller = DeathTeller(nodes, SECRET)
    supervisor.tell_deaths_to(teller.died)

    async def look() -> None:  # the tests' loop (uvloop) keeps SIGCHLD for itself
        while True:
            supervisor.look()
            await asyncio.sleep(0.005)

    looking = asyncio.create_task(look())
    try:
        await supervisor.start(nodes)
        dead = json.loads(nodes[0].log.read_text().splitlines()[0])["instance"]
        nodes[0].child.kill()
        await ear.until(2)
        assert ear.deaths == [dead, dead]
        assert all(message.secret == SECRET for message in ear.told if isinstance(message, DoorHello))
        assert str(nodes[0].child.pid) not in dead
    finally:
        await supervisor.stop([])
        await teller.close()
        looking.cancel()
        await asyncio.wait([looking], timeout=5)


async def test_a_node_that_cannot_be_told_is_given_up(
    tmp_path: Path, ear: Ear, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("arena.deaths.TELL_S", 0.2)
    teller = DeathTeller([node(tmp_path, "one", ear.control)], SECRET)
    await asyncio.wait_for(teller._tell_all("dead"), 5)
    assert ear.told == []
