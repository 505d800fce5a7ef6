"""A node over the in-memory store: what is committed, what is told, and what survives."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

import pytest

from gameserver.adapters.memory_directory import MemoryDirectory
from gameserver.adapters.memory_world import MemoryWorld
from gameserver.ports import StoreUnavailable
from gameserver.rooms import inputs
from gameserver.shards import limits
from protocol.client import Lock, ResyncAsk, SetReady, StartMatch
from protocol.errors import CloseCode
from protocol.ids import shard_of
from protocol.modes.trivia import TriviaAnswer
from protocol.server import Ack, Delta, Resync, Welcome
from protocol.types import WireFormat
from tests.shards.support import CODE, SHARDS, Client, Node
from tests.support.eventually import eventually


async def started(tmp_path: Path, **settings: object) -> tuple[Node, Client, Client]:
    node = Node(tmp_path)
    await node.start()
    await node.create(**settings)
    return node, await node.join("ann"), await node.join("ben")


async def until(node: Node, client: Client, stage: str, most: int = 2_000) -> None:
    """Tick until the client sees the stage (or the phase) named."""
    for _ in range(most):
        if stage in (client.view.get("phase"), (client.view.get("game") or {}).get("stage")):
            return
        await node.tick()
    raise AssertionError(f"{stage} never came: {client.view}")


async def playing(tmp_path: Path) -> tuple[Node, Client, Client]:
    node, ann, ben = await started(tmp_path, questions=3, seconds=5, reveal_seconds=2)
    ann.command(StartMatch)
    await node.tick()
    assert await node.serve_content() == 1
    await until(node, ann, "open")
    return node, ann, ben


async def test_two_people_join_and_see_each_other(tmp_path: Path) -> None:
    _, ann, ben = await started(tmp_path)
    assert {seat["name"] for seat in ann.view["seats"].values()} == {"Ann", "Ben"}
    assert ann.view == ben.view
    assert ann.secret != ben.secret


async def test_json_and_msgpack_clients_see_the_same(tmp_path: Path) -> None:
    node, ann, _ = await started(tmp_path)
    tess = await node.join("tess", wire=WireFormat.JSON)
    tess.command(SetReady, ready=True)
    await node.tick()
    assert tess.view == ann.view
    assert tess.acked == [tess.next_id - 1]


async def test_nothing_is_told_before_its_commit_is_confirmed(tmp_path: Path) -> None:
    node, ann, ben = await started(tmp_path)
    node.store.hold()
    ann.got.clear()
    ben.got.clear()
    number = ann.command(SetReady, ready=True)
    await node.tick(3)
    assert ann.got == []
    assert ben.got == []
    node.store.let_go()
    await node.settle()
    assert ann.acked == [number]
    assert [type(message) for message in ben.got] == [Delta]


async def test_a_first_view_shows_only_what_is_confirmed(tmp_path: Path) -> None:
    node, ann, _ = await started(tmp_path)
    node.store.hold()
    ann.command(SetReady, ready=True)
    await node.tick()
    watcher = await node.join("wim", role="watcher")
    assert watcher.got == []
    node.store.let_go()
    await node.settle()
    assert isinstance(watcher.got[0], Welcome)
    assert watcher.view == ann.view


async def test_a_refusal_waits_for_a_commit_too(tmp_path: Path) -> None:
    node, _, ben = await started(tmp_path)
    node.store.hold()
    number = ben.command(StartMatch)
    await node.tick()
    assert ben.refused == {}
    node.store.let_go()
    await node.settle()
    assert ben.refused == {number: "not_allowed"}


async def test_a_frozen_node_tells_nothing(tmp_path: Path) -> None:
    node, ann, ben = await started(tmp_path)
    node.store.hold()
    ann.command(SetReady, ready=True)
    await node.tick()
    ben.got.clear()
    node.clocks.now += 1_100  # more than half the lease since the commit was sent
    node.store.let_go()
    await node.settle()
    assert ben.got == []
    await node.tick(step_ms=700)  # a renewal, sent and confirmed now
    await node.tick()
    assert [type(message) for message in ben.got] == [Delta]


async def test_a_fenced_owner_drops_the_shard_and_says_move(tmp_path: Path) -> None:
    node, ann, _ = await started(tmp_path)
    other = Node(tmp_path, name="b", world=node.world, clocks=node.clocks)
    shard = shard_of(CODE, SHARDS)
    head = node.world.shard(shard).head
    assert head is not None
    other.keeper.open()
    await other.store.reconnect()
    claim = await other.store.claim(
        shard, instance=other.keeper.settings.instance, nonce="f" * 32, lease_ms=2000, steal_epoch=head.epoch
    )
    assert claim.head is not None
    ann.got.clear()
    ann.command(SetReady, ready=True)
    await node.tick()
    assert ann.got == []
    assert ann.closed is CloseCode.MOVED
    assert node.keeper.owned(shard) is None


async def test_a_lost_answer_is_asked_for_again_and_counts_once(tmp_path: Path) -> None:
    node, ann, ben = await started(tmp_path)
    node.store.break_next(applied=None, answered=0)
    number = ann.command(SetReady, ready=True)
    await node.tick()
    assert ann.acked == []
    await node.store.reconnect()
    node.keeper.connected()
    await node.settle()
    assert ann.acked == [number]
    assert ben.view == ann.view
    seqs = [entry.seq for entry in node.world.journal(shard_of(CODE, SHARDS), _genesis(node))]
    assert seqs == sorted(set(seqs))


def _genesis(node: Node) -> str:
    head = node.world.shard(shard_of(CODE, SHARDS)).head
    assert head is not None
    return head.genesis


async def test_while_the_store_is_away_the_clock_stands(tmp_path: Path) -> None:
    node, ann, _ = await playing(tmp_path)
    shard = node.keeper.owned(shard_of(CODE, SHARDS))
    assert shard is not None
    node.store.unavailable = True
    ann.command(TriviaAnswer, question=0, option=0, reaction_ms=100)
    await node.tick(2)
    before = shard.clock.now
    await node.tick(100)
    assert shard.clock.now - before <= 2 * 250
    node.store.unavailable = False
    await node.store.reconnect()
    node.keeper.connected()
    await node.tick(4)
    assert ann.view["standstill"]["kind"] in ("regrouping", "count_in")
    await until(node, ann, "open")


async def test_resuming_in_the_same_epoch_gets_only_what_was_missed(tmp_path: Path) -> None:
    node, ann, ben = await started(tmp_path)
    ben.drop()
    ann.command(SetReady, ready=True)
    await node.tick()
    back = await node.resume(ben)
    welcome = back.got[0]
    assert isinstance(welcome, Welcome)
    assert welcome.resumed
    assert back.view == ann.view
    assert back.gaps == 0
    assert back.next_id % 1024 == 0
    assert back.next_id > ben.next_id


async def test_a_second_connection_replaces_the_first(tmp_path: Path) -> None:
    node, ann, ben = await started(tmp_path)
    again = await node.resume(ben)
    assert ben.closed is CloseCode.REPLACED
    assert again.seat == ben.seat
    number = again.command(SetReady, ready=True)
    await node.tick()
    assert again.acked == [number]
    assert ann.view["seats"][str(again.seat)]["ready"] is True


async def test_a_wrong_secret_is_refused(tmp_path: Path) -> None:
    node, _, ben = await started(tmp_path)
    ben.secret = "x" * 43
    back = await node.resume(ben)
    assert back.closed is CloseCode.RESUME_REFUSED


async def test_asking_for_a_resync_gives_the_whole_view(tmp_path: Path) -> None:
    node, ann, _ = await started(tmp_path)
    ann.got.clear()
    ann.say(ResyncAsk())
    await node.tick()
    assert [type(message) for message in ann.got] == [Resync]


async def test_a_match_is_played_recorded_once_and_forgotten(tmp_path: Path) -> None:
    node, ann, ben = await playing(tmp_path)
    for number in range(3):
        await until(node, ann, "open")
        ann.command(TriviaAnswer, question=number, option=0, reaction_ms=200)
        ben.command(TriviaAnswer, question=number, option=1, reaction_ms=200)
        await node.tick()
        await until(node, ann, "reveal")
    await until(node, ann, "results")
    assert len(node.results()) == 1
    result = node.results()[0]
    assert sorted(player.rank for player in result.players) in ([1, 1], [1, 2])
    shard = node.keeper.owned(shard_of(CODE, SHARDS))
    assert shard is not None
    assert shard.rooms[CODE].room.pending() != ()
    await node.record_results()
    assert shard.rooms[CODE].room.pending() == ()
    assert ann.view == ben.view


async def test_a_restarted_node_brings_the_match_back_and_nobody_lost_anything(tmp_path: Path) -> None:
    node, ann, ben = await playing(tmp_path)
    number = ann.command(TriviaAnswer, question=0, option=0, reaction_ms=200)
    await node.tick()
    assert ann.acked[-1] == number
    told = ann.view["game"]
    clock = node.keeper.owned(shard_of(CODE, SHARDS)).clock.now  # type: ignore[union-attr]  # it owns it

    node.clocks.now += 10_000
    second = Node(tmp_path, name="a", world=node.world, clocks=node.clocks)
    await second.start()
    owned = second.keeper.owned(shard_of(CODE, SHARDS))
    assert owned is not None
    assert owned.clock.now - clock <= 250
    await second.tick()
    ann2 = await second.resume(ann)
    assert isinstance(ann2.got[0], Welcome)
    assert not ann2.got[0].resumed
    assert ann2.view["standstill"]["kind"] == "regrouping"
    assert ann2.view["standstill"]["awaited"] == {str(ben.seat): True}
    assert ann2.private.get("answer") is not None
    refused = ann2.command(TriviaAnswer, question=0, option=1, reaction_ms=100)
    await second.tick()
    assert ann2.refused == {refused: "frozen"}
    ben2 = await second.resume(ben)
    await until(second, ann2, "open")
    assert ann2.view["game"]["question"] == told["question"]
    assert ann2.view == ben2.view
    ben2.command(TriviaAnswer, question=0, option=1, reaction_ms=100)
    await second.tick()
    for question in (1, 2):
        await until(second, ann2, "open")
        await until(second, ann2, "reveal")
        del question
    await until(second, ann2, "results")
    assert len(second.results()) == 1


@pytest.mark.parametrize("answers", range(limits.UNCONFIRMED_MAX + 1))
async def test_each_of_four_lost_replies_is_recovered(tmp_path: Path, answers: int) -> None:
    """COMMIT.md §3: drop the reply of each of the four, and of all."""
    node, ann, ben = await started(tmp_path)
    node.store.hold()
    numbers = []
    for ready in (True, False, True, False):
        numbers.append(ann.command(SetReady, ready=ready))
        await node.tick()
    assert ann.acked == []
    node.store.let_go(answers)
    await node.settle()
    node.store.lose()
    node.store.let_go()
    await node.settle()
    await node.store.reconnect()
    node.keeper.connected()
    await node.settle()
    await node.tick()
    assert ann.acked == numbers
    assert ben.view == ann.view


async def test_an_inbox_message_told_twice_counts_once(tmp_path: Path) -> None:
    node, _, _ = await started(tmp_path)
    await node.create()
    shard = node.keeper.owned(shard_of(CODE, SHARDS))
    assert shard is not None
    assert len(shard.rooms[CODE].room.state.seats) == 2
    assert node.world.shard(shard_of(CODE, SHARDS)).inbox == []


async def test_a_fault_in_apply_costs_the_input_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node, ann, ben = await started(tmp_path)
    shard = node.keeper.owned(shard_of(CODE, SHARDS))
    assert shard is not None
    room = shard.rooms[CODE].room

    def broken(*_args: object) -> None:
        raise ZeroDivisionError("planted")

    monkeypatch.setattr(room, "apply", broken)
    number = ann.command(SetReady, ready=True)
    await node.tick()
    assert ann.refused == {number: "internal"}
    assert list((tmp_path / "faults").glob("*.fault"))
    again = ann.command(SetReady, ready=True)
    await node.tick()
    assert ann.acked[-1] == again
    assert ben.view == ann.view


async def test_a_second_fault_within_ten_seconds_gives_the_room_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node, ann, _ = await started(tmp_path)
    shard = node.keeper.owned(shard_of(CODE, SHARDS))
    assert shard is not None

    def broken(*_args: object) -> None:
        raise ZeroDivisionError("planted")

    monkeypatch.setattr("gameserver.rooms.room.Room.apply", broken)
    ann.command(SetReady, ready=True)
    await node.tick()
    ann.command(SetReady, ready=True)
    await node.tick()
    assert ann.closed is CloseCode.ROOM_FAILED
    assert CODE not in shard.rooms
    assert CODE in shard.tombstones
    monkeypatch.undo()
    second = Node(tmp_path, name="b", world=node.world, clocks=node.clocks)
    node.clocks.now += 10_000
    await second.start()
    owned = second.keeper.owned(shard_of(CODE, SHARDS))
    assert owned is not None
    assert CODE not in owned.rooms


async def test_a_long_journal_is_checkpointed_and_trimmed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "JOURNAL_RECORDS_MAX", 64)
    node, ann, ben = await started(tmp_path)
    for number in range(200):
        ann.command(SetReady, ready=number % 2 == 0)
        await node.tick()
        await node.run_errands()
    kept = node.world.journal(shard_of(CODE, SHARDS), _genesis(node))
    assert len(kept) < 150
    second = Node(tmp_path, name="b", world=node.world, clocks=node.clocks)
    node.clocks.now += 10_000
    await second.start()
    await second.tick()
    back = await second.resume(ben)
    assert len(back.view["seats"]) == 2


async def test_two_nodes_share_the_shards_and_a_third_view_agrees(tmp_path: Path) -> None:
    node, ann, _ = await started(tmp_path)
    await node.drain()
    assert ann.closed is CloseCode.MOVED
    second = Node(tmp_path, name="b", world=node.world, clocks=node.clocks)
    await second.start()
    assert sorted(second.keeper.shards) == list(range(SHARDS))
    await second.tick()
    back = await second.resume(ann)
    assert len(back.view["seats"]) == 2


async def test_an_idle_shard_costs_one_renewal_each_period(tmp_path: Path) -> None:
    node = Node(tmp_path)
    await node.start()
    await node.tick(5)
    seqs = {shard: owned.seq for shard, owned in node.keeper.shards.items()}
    before = node.points.count("before_commit")
    await node.tick(60)
    assert {shard: owned.seq for shard, owned in node.keeper.shards.items()} == seqs
    assert node.points.count("before_commit") - before == 60 * 50 // 600


async def test_a_watcher_gets_coalesced_frames(tmp_path: Path) -> None:
    node, ann, _ = await started(tmp_path)
    watcher = await node.join("wim", role="watcher")
    await node.tick(10)
    watcher.got.clear()
    for number in range(20):
        ann.command(SetReady, ready=number % 2 == 0)
        await node.tick()
    await node.tick(10)
    deltas = [message for message in watcher.got if isinstance(message, Delta)]
    assert 2 <= len(deltas) <= 6
    assert watcher.view == ann.view
    assert watcher.gaps == 0


async def test_a_dropped_seat_is_seen_as_away(tmp_path: Path) -> None:
    node, ann, ben = await started(tmp_path)
    ben.drop()
    await node.tick()
    assert ann.view["seats"][str(ben.seat)]["here"] is False


async def test_acks_of_one_tick_travel_together(tmp_path: Path) -> None:
    node, ann, _ = await started(tmp_path)
    ann.got.clear()
    numbers = [ann.command(SetReady, ready=ready) for ready in (True, False, True)]
    await node.tick()
    acks = [message for message in ann.got if isinstance(message, Ack)]
    assert [ack.ids for ack in acks] == [numbers]


class _Counted(MemoryDirectory):
    """A directory that notes each writing of cards, and can be slow."""

    def __init__(self, world: MemoryWorld) -> None:
        super().__init__(world)
        self.written: list[dict[str, bytes | None]] = []
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def put_cards(self, cards: Mapping[str, bytes | None], public: Mapping[str, bool]) -> None:
        self.written.append(dict(cards))
        await self.go_on.wait()
        await super().put_cards(cards, public)


async def counted(tmp_path: Path) -> tuple[Node, Client, _Counted]:
    node, ann, _ = await started(tmp_path)
    directory = _Counted(node.world)
    node.keeper.directory = directory
    await node.tick(21)
    await node.run_errands()
    await node.tick(21)
    await node.run_errands()
    directory.written.clear()
    return node, ann, directory


async def test_a_card_that_would_say_what_it_says_is_not_written_again(tmp_path: Path) -> None:
    node, ann, directory = await counted(tmp_path)
    for ready in (True, False, True):
        ann.command(SetReady, ready=ready)
        await node.tick(21)
        await node.run_errands()
    assert directory.written == []
    ann.command(Lock, locked=True)
    await node.tick(21)
    await node.run_errands()
    await node.tick(2)
    await node.run_errands()
    (cards,) = directory.written
    assert b'"locked":true' in (cards[CODE] or b"")


async def test_a_card_that_changes_while_it_is_written_is_written_again(tmp_path: Path) -> None:
    node, ann, directory = await counted(tmp_path)
    await _lock(node, ann, locked=True)
    directory.go_on.clear()
    writing = asyncio.create_task(node.run_errands())
    await eventually(lambda: directory.written, "the card is being written")
    await _lock(node, ann, locked=False)
    directory.go_on.set()
    await writing
    await node.run_errands()
    assert b'"locked":false' in node.world.cards[CODE][0]


async def test_a_card_that_could_not_be_written_is_written_later(tmp_path: Path) -> None:
    node, ann, directory = await counted(tmp_path)
    await _lock(node, ann, locked=True)
    directory.unavailable = True
    with pytest.raises(StoreUnavailable):
        await node.run_errands()
    directory.unavailable = False
    await node.run_errands()
    assert b'"locked":true' in node.world.cards[CODE][0]


async def _lock(node: Node, host: Client, *, locked: bool) -> None:
    """Lock or unlock, and have the card made."""
    host.command(Lock, locked=locked)
    live = host.member.live
    live.card_wanted = True
    await node.tick(2)
    assert live.card is not None
    assert live.card.locked is locked


async def test_the_directory_knows_how_many_connections_a_room_has(tmp_path: Path) -> None:
    node, _, ben = await started(tmp_path)
    await node.tick(21)
    await node.run_errands()
    (counts, _) = node.world.connections[CODE]
    assert list(counts.values()) == [2]
    ben.drop()
    await node.tick(21)
    await node.run_errands()
    assert list(node.world.connections[CODE][0].values()) == [1]


async def test_close_from_the_inbox_ends_the_room(tmp_path: Path) -> None:
    node, ann, _ = await started(tmp_path)
    shard = node.keeper.owned(shard_of(CODE, SHARDS))
    assert shard is not None
    shard.rooms[CODE].mail.append(_close(shard.stamp()))
    shard.wants_tick(shard.rooms[CODE])
    await node.tick()
    assert ann.closed is CloseCode.ROOM_CLOSED
    assert CODE not in shard.rooms
    await node.run_errands()
    assert CODE not in node.world.cards


def _close(at: int):  # type: ignore[no-untyped-def]  # a Mail
    from gameserver.shards.live import Mail

    return Mail(inputs.Close(reason="test"), at)


def test_worlds_are_separate() -> None:
    assert MemoryWorld(lambda: 0).shards == {}
