"""What nodes do about each other: steal from the dead, leave others to heal, take what was released, wait for links."""

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from gameserver.ports import NodeCard, StoreUnavailable
from gameserver.shards import placement
from protocol.client import SetReady, StartMatch
from protocol.errors import CloseCode
from protocol.ids import InstanceId, ShardId, shard_of
from tests.shards.support import CODE, SHARDS, Node
from tests.shards.test_shard import until

SHARD = shard_of(CODE, SHARDS)


class Village:
    """``Peers`` of nodes in one process."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.stands = True
        self.silent: set[InstanceId] = set()

    def see(self, cards: Sequence[NodeCard]) -> None:
        del cards

    def ready(self, cards: Sequence[NodeCard]) -> bool:
        del cards
        return self.stands

    async def holds(self, shards: Sequence[ShardId]) -> Mapping[ShardId, tuple[int, int]]:
        found: dict[ShardId, tuple[int, int]] = {}
        for node in self.nodes:
            if node.keeper.settings.instance in self.silent:
                continue
            for shard, held in node.keeper.neighbours.holding().items():
                if shard in shards:
                    found[shard] = max(found.get(shard, (0, 0)), held)
        return found

    def freed(self, shards: Sequence[ShardId]) -> None:
        for node in self.nodes:
            node.keeper.neighbours.shards_freed(shards)

    async def node(self, folder: Path, name: str) -> Node:
        first = self.nodes[0] if self.nodes else None
        node = Node(
            folder,
            name=name,
            world=first.world if first else None,
            clocks=first.clocks if first else None,
            peers=self,
        )
        self.nodes.append(node)
        node.keeper.open()
        await node.keeper.beat()
        await node.store.reconnect()
        node.keeper.connected()
        await node.keeper.claim_free()
        return node


def instance(node: Node) -> InstanceId:
    return node.keeper.settings.instance


def share(name: str) -> int:
    """How many shards a node of this name should have beside the node a."""
    return sum(placement.weight(name, shard) > placement.weight("a", shard) for shard in range(SHARDS))


async def two(tmp_path: Path) -> tuple[Village, Node, Node]:
    """One node owns everything; another, to which one shard is due, has just come."""
    village = Village()
    first = await village.node(tmp_path, "a")
    assert len(first.keeper.shards) == SHARDS
    second = await village.node(tmp_path, next(name for name in "bdefghij" if share(name) == 1))
    assert len(second.keeper.shards) == 0
    return village, first, second


async def test_shards_of_a_dead_process_are_stolen_at_once(tmp_path: Path) -> None:
    village, first, second = await two(tmp_path)
    await first.create()
    ann = await first.join("ann")
    village.nodes.remove(first)
    second.keeper.neighbours.node_died(instance(first))
    await second.keeper.claim_free()
    assert len(second.keeper.shards) == SHARDS
    assert instance(first) not in second.world.nodes, "doors look for nobody there"
    assert SHARD in {shard for card in await second.directory.beat(_card(second)) for shard in card.shards}
    await second.tick()
    back = await second.resume(ann)
    assert back.view["seats"][str(ann.seat)]["name"] == "Ann"
    ann.command(SetReady, ready=True)
    await first.tick()
    assert ann.closed is CloseCode.MOVED, "had it lived, it would have been refused"


def _card(node: Node) -> NodeCard:
    return next(card for card in node.keeper.cards if card.instance == instance(node))


async def test_nothing_is_stolen_from_who_took_over_meanwhile(tmp_path: Path) -> None:
    village, first, second = await two(tmp_path)
    third = await village.node(tmp_path, "c")
    third.keeper.neighbours.node_died(instance(first))
    await third.keeper.claim_free()
    third.clocks.now += 600
    await third.keeper.claim_free()
    taken = set(third.keeper.shards)
    assert taken
    second.keeper.neighbours.node_died(instance(first))
    second.clocks.now += 600
    await second.keeper.claim_free()
    second.clocks.now += 600
    await second.keeper.claim_free()
    assert taken == set(third.keeper.shards)
    assert not taken & set(second.keeper.shards)


async def test_the_dead_are_not_ranked(tmp_path: Path) -> None:
    village, first, second = await two(tmp_path)
    third = await village.node(tmp_path, "c")
    del third
    second.keeper.neighbours.node_died(instance(first))
    living = {card.instance for card in second.keeper.living()}
    assert instance(first) not in living
    second.keeper.neighbours.node_lives(instance(first))
    assert instance(first) in {card.instance for card in second.keeper.living()}


async def test_who_remembers_more_than_the_store_is_left_to_heal_it(tmp_path: Path) -> None:
    _, first, second = await two(tmp_path)
    await first.create()
    ann = await first.join("ann")
    before = first.world.snapshot()
    number = ann.command(SetReady, ready=True)
    await first.tick()
    assert ann.acked == [number]
    first.world.fall_back(before)
    first.world.nodes.clear()
    first.clocks.now += 2_100  # the lease has run out
    await second.keeper.beat()
    for _ in range(3):
        await second.keeper.claim_free()
        second.clocks.now += 400
    assert SHARD not in second.keeper.shards
    await first.tick()
    await first.mend()
    await first.keeper.beat()
    await second.keeper.beat()
    await second.keeper.claim_free()
    assert first.keeper.owned(SHARD) is not None
    assert second.keeper.owned(SHARD) is None
    other = await first.join("ben")
    assert other.view["seats"][str(ann.seat)]["ready"] is True


async def test_who_does_not_heal_in_time_loses_the_shard(tmp_path: Path) -> None:
    _, first, second = await two(tmp_path)
    await first.create()
    before = first.world.snapshot()
    await first.join("ann")
    first.world.fall_back(before)
    first.world.nodes.clear()
    await second.keeper.beat()
    first.clocks.now += 2_100
    await second.keeper.claim_free()
    second.clocks.now += 600
    await second.keeper.claim_free()
    assert second.keeper.owned(SHARD) is None
    second.clocks.now += 3_000
    await second.keeper.claim_free()
    assert second.keeper.owned(SHARD) is not None


async def test_a_claim_whose_journal_could_not_be_read_is_repeated_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    village, first, second = await two(tmp_path)
    village.nodes.remove(first)
    second.keeper.neighbours.node_died(instance(first))

    async def away(*_args: object, **_named: object) -> None:
        raise StoreUnavailable("not now")

    monkeypatch.setattr(second.store, "read_journal", away)
    await second.keeper.claim_free()
    assert not second.keeper.shards
    monkeypatch.undo()
    await second.keeper.claim_free()
    assert len(second.keeper.shards) == SHARDS


async def test_nothing_is_claimed_before_the_links_stand(tmp_path: Path) -> None:
    village = Village()
    village.stands = False
    node = await village.node(tmp_path, "a")
    assert not node.keeper.shards
    village.stands = True
    await node.keeper.claim_free()
    assert len(node.keeper.shards) == SHARDS


async def test_released_shards_are_taken_before_any_heartbeat_says_so(tmp_path: Path) -> None:
    _, first, second = await two(tmp_path)
    await first.create()
    ann = await first.join("ann")
    await first.drain()
    assert ann.closed is CloseCode.MOVED
    assert any(card.shards for card in second.keeper.cards if card.instance == instance(first)), "an old card"
    await second.keeper.claim_free()
    second.clocks.now += 300
    await second.keeper.claim_free()
    assert len(second.keeper.shards) == SHARDS
    assert instance(first) not in second.world.nodes, "its card is gone, and no heartbeat brings it back"
    await first.keeper.beat()
    assert instance(first) not in second.world.nodes


async def test_a_joining_node_gets_its_share_when_it_has_settled(tmp_path: Path) -> None:
    _, first, second = await two(tmp_path)
    await first.create()
    seen = []
    for _ in range(40):
        await _round(first, second)
        seen.append(len(second.keeper.shards))
    assert seen[0] == 0, "too young"
    assert sorted(first.keeper.shards.keys() | second.keeper.shards.keys()) == list(range(SHARDS))
    assert len(second.keeper.shards) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(seen))


async def test_an_open_question_is_not_interrupted_for_thirty_seconds(tmp_path: Path) -> None:
    village = Village()
    first = await village.node(tmp_path, "a")
    second = await village.node(
        tmp_path, next(f"b{n}" for n in range(99) if placement.weight(f"b{n}", SHARD) > placement.weight("a", SHARD))
    )
    await first.create(questions=3, seconds=120)
    ann, _ = await first.join("ann"), await first.join("ben")
    ann.command(StartMatch)
    await first.tick()
    assert await first.serve_content() == 1
    await until(first, ann, "open")
    for _ in range(60):
        await _round(first, second)
    assert first.keeper.owned(SHARD) is not None, "24 s, of which it was too young for 5"
    for _ in range(40):
        await _round(first, second)
    assert second.keeper.owned(SHARD) is not None
    assert ann.closed is CloseCode.MOVED
    back = await second.resume(ann)
    assert back.view["game"]["question"] == ann.view["game"]["question"]


async def _round(*nodes: Node) -> None:
    """Let 400 ms pass on both nodes: heartbeats, claims, ticks."""
    for node in nodes:
        await node.keeper.beat()
    for node in nodes:
        await node.while_ticking(node.keeper.claim_free())
    nodes[0].clocks.now += 400
