"""Control connections between nodes: who is there, who died, who holds what."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

import pytest

from arena.control import tell
from gameserver.net import peers
from gameserver.net.gate import GateSettings
from gameserver.net.peers import PeerLinks
from gameserver.ports import NodeCard
from protocol import peers as wire
from protocol.door import DoorHello
from protocol.ids import InstanceId, ShardId
from tests.net.bed import node

SECRET = "s" * 43
GATE = GateSettings(door_secret=SECRET)


class Neighbour:
    """Keeps what a node learns of the others."""

    def __init__(self) -> None:
        self.died: list[str] = []
        self.lives: list[str] = []
        self.free: list[int] = []
        self.held: dict[ShardId, tuple[int, int]] = {}
        self.drains = 0
        self._changed = asyncio.Event()

    def node_died(self, instance: InstanceId) -> None:
        self.died.append(instance)
        self._changed.set()

    def node_lives(self, instance: InstanceId) -> None:
        self.lives.append(instance)
        self._changed.set()

    def shards_freed(self, shards: Sequence[ShardId]) -> None:
        self.free.extend(shards)
        self._changed.set()

    def holding(self) -> Mapping[ShardId, tuple[int, int]]:
        return self.held

    def asked_to_drain(self) -> None:
        self.drains += 1

    async def until(self, *, died: int = 0, lives: int = 0, free: int = 0) -> None:
        async with asyncio.timeout(10):
            while len(self.died) < died or len(self.lives) < lives or len(self.free) < free:
                self._changed.clear()
                await self._changed.wait()


class One:
    """A node as its peers see it."""

    def __init__(self, name: str, links: PeerLinks, control: str, neighbour: Neighbour) -> None:
        self.name = name
        self.links = links
        self.control = control
        self.neighbour = neighbour

    @property
    def card(self) -> NodeCard:
        return NodeCard(
            name=self.name,
            instance=self.name,
            address="",
            control=self.control,
            since_ms=0,
            beat_ms=0,
            shards=[],
            connections=0,
            rooms=0,
        )


@asynccontextmanager
async def one(name: str, *, secret: str = SECRET, lease_ms: int = 2000) -> AsyncIterator[One]:
    links, neighbour = PeerLinks(instance=InstanceId(name), secret=secret, lease_ms=lease_ms), Neighbour()
    async with node(gate=GATE, control=True, peers=links) as running:
        control = f"127.0.0.1:{running.listener.control_port}"
        links.open(neighbour, control)
        try:
            yield One(name, links, control, neighbour)
        finally:
            await links.close()


async def test_nodes_meet_both_ways_by_the_card_of_one() -> None:
    async with one("ann") as ann, one("bob") as bob:
        assert not ann.links.ready([ann.card, bob.card])
        ann.links.see([ann.card, bob.card])
        await ann.neighbour.until(lives=1)
        await bob.neighbour.until(lives=1)
        assert ann.links.ready([ann.card, bob.card])
        assert bob.links.ready([ann.card, bob.card])


async def test_who_holds_what_is_asked_and_what_is_freed_is_told() -> None:
    async with one("ann") as ann, one("bob") as bob, one("cyd") as cyd:
        cards = [ann.card, bob.card, cyd.card]
        ann.links.see(cards)
        await ann.neighbour.until(lives=2)
        bob.neighbour.held = {ShardId(1): (5, 7), ShardId(2): (9, 9)}
        cyd.neighbour.held = {ShardId(1): (6, 1)}
        assert await ann.links.holds([ShardId(1), ShardId(3)]) == {ShardId(1): (6, 1)}
        assert await ann.links.holds([ShardId(2)]) == {ShardId(2): (9, 9)}
        ann.links.freed([ShardId(4)])
        await bob.neighbour.until(free=1)
        await cyd.neighbour.until(free=1)
        assert bob.neighbour.free == cyd.neighbour.free == [4]


async def test_a_process_that_ended_is_suspected_at_once_one_that_stays_is_not() -> None:
    async with one("ann") as ann:
        async with one("bob") as bob:
            ann.links.see([ann.card, bob.card])
            await ann.neighbour.until(lives=1)
            card = bob.card
        await ann.neighbour.until(died=1)
        assert ann.neighbour.died == ["bob"]
        ann.links.see([ann.card, card])
        await asyncio.sleep(0)
        assert ann.neighbour.died == ["bob"], "it is not suspected twice"


async def test_a_death_is_passed_on_to_who_had_no_link_yet() -> None:
    async with one("ann") as ann, one("cyd") as cyd:
        async with one("bob") as bob:
            ann.links.see([ann.card, bob.card, cyd.card])
            await ann.neighbour.until(lives=2)
        await ann.neighbour.until(died=1)
        await cyd.neighbour.until(died=1)
        assert cyd.neighbour.died == ["bob"]


async def test_who_has_a_link_that_stands_does_not_believe_a_peer() -> None:
    async with one("ann") as ann, one("bob") as bob:
        ann.links.see([ann.card, bob.card])
        await ann.neighbour.until(lives=1)
        ann.links.heard(wire.Died("bob"), by_node=True)
        assert ann.neighbour.died == []
        ann.links.heard(wire.Died("bob"), by_node=False)
        assert ann.neighbour.died == ["bob"], "a supervisor saw it"


async def test_a_link_that_broke_alone_is_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async with one("ann") as ann, one("bob") as bob:
        ann.links.see([ann.card, bob.card])
        await ann.neighbour.until(lives=1)
        link = ann.links._links[InstanceId("bob")]
        assert link.writer is not None
        link.writer.transport.abort()
        await ann.neighbour.until(lives=2)
        assert ann.neighbour.died == []


async def test_another_process_at_the_same_place_is_not_who_was_there() -> None:
    async with one("ann") as ann, one("bob") as bob:
        ann.links.see([ann.card, bob.card])
        await ann.neighbour.until(lives=1)
        bob.links._instance = InstanceId("bob again")
        link = ann.links._links[InstanceId("bob")]
        assert link.writer is not None
        link.writer.transport.abort()
        await ann.neighbour.until(died=1)
        assert ann.neighbour.died == ["bob"]


async def test_a_peer_that_cannot_be_reached_does_not_block_for_ever() -> None:
    async with one("ann", lease_ms=50) as ann:
        nobody = NodeCard("x", "x", "", "127.0.0.1:9", 0, 0, [], 0, 0)
        ann.links.see([nobody])
        assert not ann.links.ready([nobody])
        async with asyncio.timeout(5):
            while not ann.links.ready([nobody]):  # noqa: ASYNC110 - what is waited for is that time passes
                await asyncio.sleep(0.01)
        assert ann.neighbour.died == [], "it never stood: that it is refused says nothing"


async def test_a_silent_peer_is_waited_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "ASK_S", 0.05)
    async with one("ann") as ann, one("bob") as bob:
        ann.links.see([ann.card, bob.card])
        await ann.neighbour.until(lives=1)
        monkeypatch.setattr(bob.links, "heard", lambda message, by_node: None)
        assert await ann.links.holds([ShardId(1)]) == {}
        monkeypatch.setattr(peers, "ASK_S", 60.0)
        async with asyncio.timeout(5):
            assert await ann.links.holds([ShardId(1)]) == {}


async def test_without_a_secret_there_are_no_links() -> None:
    async with one("ann", secret="") as ann, one("bob") as bob:
        ann.links.see([bob.card])
        assert ann.links.ready([bob.card])
        assert ann.links._links == {}
        bob.links.see([ann.card])
    async with one("ann", secret="t" * 43) as ann, one("bob") as bob:
        ann.links.see([bob.card])
        await asyncio.sleep(0.05)  # nothing comes that could be waited for
        assert not ann.links.ready([bob.card])
        assert bob.neighbour.lives == []


async def test_a_supervisor_and_an_operator_are_heard() -> None:
    async with one("ann") as ann:
        assert await tell(ann.control, SECRET, wire.Died("bob"), seconds=2)
        assert ann.neighbour.died == ["bob"]
        assert await tell(ann.control, SECRET, wire.Died("ann"), seconds=2)
        assert ann.neighbour.died == ["bob"], "nobody is told of its own death"
        assert await tell(ann.control, SECRET, wire.Drain(), seconds=2)
        assert ann.neighbour.drains == 1
        assert not await tell(ann.control, "x" * 43, wire.Drain(), seconds=2)
        assert ann.neighbour.drains == 1
    assert not await tell("127.0.0.1:9", SECRET, wire.Drain(), seconds=2)


@pytest.mark.parametrize(
    "message",
    [
        wire.NodeHello("ann", "h:1", "s"),
        wire.HoldsAsk(1, [1, 2]),
        wire.Freed([]),
        wire.Died("ann"),
        wire.Drain(),
        DoorHello("d", "s"),
    ],
)
def test_what_is_told_is_read_as_it_was_written(message: wire.Asked) -> None:
    packed = wire.pack(message)
    assert int.from_bytes(packed[:4], "big") == len(packed) - 4
    assert wire.unpack_asked(packed[4:]) == message
    with pytest.raises(ValueError, match="not an answer"):
        wire.unpack_answer(packed[4:])
