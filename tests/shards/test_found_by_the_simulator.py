"""Faults that the simulator found, each as small as it could be made."""

from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from gameserver.rooms import inputs
from gameserver.rooms.record import unpack_input
from gameserver.shards import record
from gameserver.shards.live import Mail
from protocol.bus import CreateRoom, Moderate
from protocol.client import Hello, Pause, StartMatch, Unpause
from protocol.codec import encode_client
from protocol.errors import CloseCode
from protocol.ids import InstanceId, shard_of
from protocol.modes.trivia import TriviaAnswer
from protocol.server import Welcome
from tests.shards.support import CODE, SHARDS, Client, Node, claims


async def in_a_room(tmp_path: Path, **settings: object) -> tuple[Node, Client]:
    node = Node(tmp_path)
    await node.start()
    await node.create(**settings)
    return node, await node.join("ann")


async def test_a_watcher_is_told_no_clock_that_stands_in_no_commit(tmp_path: Path) -> None:
    node, _ = await in_a_room(tmp_path)
    await node.tick(4)
    watcher = await node.join("wendy", role="watcher")
    welcome = next(message for message in watcher.got if isinstance(message, Welcome))
    head = node.world.shard(shard_of(CODE, SHARDS)).head
    assert head is not None
    assert welcome.clock <= head.clock


async def test_a_deadline_set_and_passed_within_one_tick_is_told_with_it(tmp_path: Path) -> None:
    node, ann = await in_a_room(tmp_path, questions=3, seconds=5, reveal_seconds=2)
    await node.join("ben")
    ann.command(StartMatch)
    await node.tick()
    await node.serve_content()
    for _ in range(200):
        await node.tick()
        if ann.view["phase"] == "match":
            break
    ann.command(Pause)
    await node.tick()
    assert ann.view["clock"]["stopped"] is not None
    shard = node.keeper.shards[shard_of(CODE, SHARDS)]
    read_at = shard.clock.now
    for _ in range(20):
        shard.clock.tick(node.clocks.monotonic_ms())
        node.clocks.now += 250
    assert ann.seat is not None
    unpause = Unpause(id=ann.next_id)
    item = inputs.CommandInput(seat=ann.seat, raw=encode_client(unpause))
    shard.rooms[CODE].post(Mail(item, read_at, command=unpause))
    await node.tick()
    assert ann.view["clock"]["stopped"] is None, "the count-in was over at this tick's clock"


async def test_a_message_behind_the_creation_of_its_room_is_not_lost(tmp_path: Path) -> None:
    node = Node(tmp_path)
    await node.start()
    create = CreateRoom(id="create", code=CODE, host="ann", mode="trivia", settings={}, public=True, entropy=bytes(32))
    node.post(create)
    node.post(Moderate(id="ban", code=CODE, user="mallory", action="ban"))
    await node.deliver_inbox()
    await node.deliver_inbox()
    room = node.keeper.shards[shard_of(CODE, SHARDS)].rooms[CODE].room
    assert room.state.banned == ["mallory"]


async def test_a_frozen_node_sends_nobody_away_from_a_room_it_does_not_know(tmp_path: Path) -> None:
    node = Node(tmp_path)
    await node.start()
    node.clocks.now += 1_500  # it was stopped: a room may have come to be under another owner
    late = Client()
    assert node.hub.open(late, CODE, Hello(client="test"), claims("ann")) is None
    assert late.closed is CloseCode.MOVED


async def test_a_replaced_connection_is_closed_although_the_shard_is_lost_before_its_commit(tmp_path: Path) -> None:
    node, ann = await in_a_room(tmp_path)
    node.store.hold()
    again = await node.join("ann")  # takes ann's seat; the commit that would say so is never confirmed
    assert ann.closed is None
    shard = node.keeper.shards[shard_of(CODE, SHARDS)]
    node.keeper.drop(shard, CloseCode.MOVED)
    assert again.closed is CloseCode.MOVED
    assert ann.closed is CloseCode.MOVED, "nobody would ever speak to it again"


async def test_regrouping_after_a_standstill_is_stamped_behind_what_came_in_meanwhile(tmp_path: Path) -> None:
    node, ann = await in_a_room(tmp_path, questions=3, seconds=5, reveal_seconds=2)
    await node.join("ben")
    ann.command(StartMatch)
    await node.tick()
    await node.serve_content()
    while (ann.view.get("game") or {}).get("stage") != "open":
        await node.tick()
    shard = node.keeper.shards[shard_of(CODE, SHARDS)]
    shard.pipe.in_doubt = True
    for _ in range(40):
        await node.tick()
    node.clocks.now += 40  # between two ticks …
    ann.command(TriviaAnswer, question=0, option=0, reaction_ms=100)
    shard.pipe.in_doubt = False
    await node.tick(step_ms=1)
    journal = node.world.journal(shard.id, shard.genesis)
    stamps = [unpack_input(packed)[0] for _, packed in record.decode(journal[-1].record).inputs]
    assert len(stamps) == 2
    assert stamps == sorted(stamps)


async def test_who_goes_on_beating_is_no_longer_taken_for_dead(tmp_path: Path) -> None:
    node, _ = await in_a_room(tmp_path)
    (card,) = node.keeper.cards
    neighbours, other = node.keeper.neighbours, InstanceId("other")
    neighbours.node_died(other)
    for beat in (100, 100, 500, 500):  # the last two of one that died
        neighbours.seen([structs.replace(card, instance=other, beat_ms=beat)])
    assert other in neighbours.dead
    neighbours.seen([structs.replace(card, instance=other, beat_ms=900)])
    assert other not in neighbours.dead, "two that suspect each other would steal from each other for ever"


async def test_a_card_that_the_store_lost_is_written_again_when_it_is_healed(tmp_path: Path) -> None:
    node = Node(tmp_path)
    await node.start()
    before = node.world.snapshot()
    await node.create()
    await node.run_errands()
    assert node.world.cards, "people can join"
    node.world.fall_back(before)
    assert not node.world.cards
    await node.join("ann")
    await node.mend()
    await node.tick()
    await node.run_errands()
    assert node.world.cards, "else nobody could join for half an hour"


async def test_a_node_that_was_stopped_while_it_took_a_shard_over_is_frozen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = Node(tmp_path)
    right = node.store.read_journal

    async def slow(*arguments: Any, **named: Any) -> Any:
        node.clocks.now += 1_500  # another may have claimed meanwhile
        return await right(*arguments, **named)

    monkeypatch.setattr(node.store, "read_journal", slow)
    await node.start()
    shard = node.keeper.shards[shard_of(CODE, SHARDS)]
    assert shard.frozen()
    await node.tick()
    assert not shard.frozen(), "a renewal says that the shard is still its own"
