"""Placement: every node ranks every shard alike, and a death moves only the dead node's shards."""

from gameserver.ports import NodeCard
from gameserver.shards import placement
from protocol.ids import InstanceId, ShardId


def card(name: str, *, beat_ms: int = 0, draining: bool = False) -> NodeCard:
    return NodeCard(
        name=name,
        instance=f"i-{name}",
        address="",
        control="",
        since_ms=0,
        beat_ms=beat_ms,
        shards=[],
        connections=0,
        rooms=0,
        draining=draining,
    )


NODES = [card(name) for name in ("a", "b", "c", "d")]


def test_shares_are_about_even() -> None:
    best = [placement.ranked(ShardId(shard), NODES)[0].name for shard in range(256)]
    for node in NODES:
        assert 30 <= best.count(node.name) <= 100


def test_a_death_moves_only_the_dead_nodes_shards() -> None:
    alive = [node for node in NODES if node.name != "b"]
    for number in range(64):
        shard = ShardId(number)
        before = placement.ranked(shard, NODES)[0].name
        after = placement.ranked(shard, alive)[0].name
        assert before in ("b", after)


def test_a_draining_node_ranks_nowhere() -> None:
    nodes = [card("a", draining=True), card("b")]
    assert placement.rank_of(InstanceId("i-a"), ShardId(1), nodes) is None
    assert placement.rank_of(InstanceId("i-b"), ShardId(1), nodes) == 0


def test_dead_cards_are_left_out() -> None:
    cards = [card("a", beat_ms=10_000), card("b", beat_ms=8_000)]
    assert [seen.name for seen in placement.fresh(cards, dead_ms=1_600)] == ["a"]
