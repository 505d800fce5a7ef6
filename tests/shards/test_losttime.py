"""What a client was told and no owner knows any more: counted, and said openly to the room (COMMIT.md §4)."""

from pathlib import Path

import pytest

from protocol.client import Hello, ResumePoint, SetReady
from protocol.server import Notice, Welcome
from protocol.types import WireFormat
from tests.shards.support import CODE, Client, Node


async def started(tmp_path: Path) -> tuple[Node, Client, Client]:
    node = Node(tmp_path)
    await node.start()
    await node.create()
    return node, await node.join("ann"), await node.join("ben")


async def next_owner(node: Node, tmp_path: Path, name: str = "b") -> Node:
    """Kill the owner; another process takes over from what stands in the store."""
    node.clocks.now += 10_000
    second = Node(tmp_path, name=name, world=node.world, clocks=node.clocks)
    await second.start()
    await second.tick()
    return second


def notices(client: Client) -> list[str]:
    return [message.code for message in client.got if isinstance(message, Notice)]


def counted(node: Node) -> float:
    (metric,) = node.metrics.timelines.collect()
    return sum(sample.value for sample in metric.samples if sample.name.endswith("_total"))


@pytest.mark.parametrize("wire", list(WireFormat))
async def test_a_lost_timeline_is_said_to_everybody_in_the_room(tmp_path: Path, wire: WireFormat) -> None:
    node, ann, ben = await started(tmp_path)
    tess = await node.join("tess", wire=wire)
    await node.tick(5)
    before = node.world.snapshot()
    ann.command(SetReady, ready=True)
    await node.tick(5)
    node.world.fall_back(before)  # and the owner that could heal it dies
    second = await next_owner(node, tmp_path)
    already = counted(second)
    here = await second.resume(ben, fresh=True)  # a client that says nothing of what it knew
    assert notices(here) == []
    back = await second.resume(ann)
    assert notices(here) == ["timeline_lost"]
    assert notices(back) == ["timeline_lost"]
    assert isinstance(back.got[0], Welcome), "the whole view comes first"
    late = await second.resume(tess)
    assert notices(late) == ["timeline_lost"]
    assert notices(here) == ["timeline_lost"], "once is enough"
    assert counted(second) == already + 2


async def test_a_frozen_owner_tells_nobody_of_a_lost_timeline(tmp_path: Path) -> None:
    node, ann, ben = await started(tmp_path)
    await node.tick(5)
    before = node.world.snapshot()
    ann.command(SetReady, ready=True)
    await node.tick(5)
    node.world.fall_back(before)
    second = await next_owner(node, tmp_path)
    here = await second.resume(ben, fresh=True)
    here.got.clear()
    second.clocks.now += 1_500  # more than half a lease without a confirmation
    client = Client()
    at = ResumePoint(epoch=ann.epoch, n=ann.n, clock=ann.clock)
    client.member = second.hub.open(client, CODE, Hello(seat=ann.seat, secret=ann.secret, at=at), None)
    assert client.member is not None
    assert here.got == []


async def test_an_owner_that_has_everything_raises_no_alarm(tmp_path: Path) -> None:
    node, ann, ben = await started(tmp_path)
    for step in range(5):
        ann.command(SetReady, ready=step % 2 == 0)
        await node.tick(3)
    second = await next_owner(node, tmp_path)
    already = counted(second)
    back = await second.resume(ann)
    other = await second.resume(ben)
    assert notices(back) == notices(other) == []
    await second.drain()
    third = Node(tmp_path, name="c", world=node.world, clocks=node.clocks)
    await third.start()
    await third.tick()
    assert notices(await third.resume(back)) == []
    assert counted(third) == already
