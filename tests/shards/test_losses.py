"""A store that fell back, forked or came back empty: what its owners give back, and what is told meanwhile."""

from pathlib import Path

import pytest

from gameserver.ports import Claim, CommitOutcome, Refounding, StoreUnavailable
from gameserver.rooms.inputs import CommandInput
from gameserver.rooms.record import unpack_input
from gameserver.shards import limits, record
from gameserver.shards.shard import Shard
from protocol.bus import ContentPack
from protocol.client import SetReady
from protocol.errors import CloseCode
from protocol.ids import Nonce, RoomCode, shard_of
from protocol.modes.trivia import TriviaAnswer
from protocol.server import Delta, Resync, Welcome
from tests.shards.support import CODE, SHARDS, Client, Node
from tests.shards.test_shard import playing, started, until

SHARD = shard_of(CODE, SHARDS)


def owned(node: Node) -> Shard:
    shard = node.keeper.owned(SHARD)
    assert shard is not None
    return shard


def journal(node: Node) -> list[record.Record]:
    head = node.world.shard(SHARD).head
    assert head is not None
    return [record.decode(entry.record) for entry in node.world.journal(SHARD, head.genesis)]


def commands(node: Node) -> int:
    """How many commands the journal holds."""
    packed = [packed for item in journal(node) for _, packed in item.inputs]
    return sum(isinstance(unpack_input(one)[1], CommandInput) for one in packed)


async def taken_over(node: Node, tmp_path: Path) -> Node:
    """Let another process take over from what stands in the store."""
    node.clocks.now += 10_000
    second = Node(tmp_path, name="b", world=node.world, clocks=node.clocks)
    await second.start()
    await second.tick()
    return second


@pytest.mark.parametrize("records", [1, 3, 7, 12])
async def test_a_store_that_fell_back_is_healed_and_nobody_notices(tmp_path: Path, records: int) -> None:
    node, ann, ben = await started(tmp_path)
    before = node.world.snapshot()
    numbers = []
    for step in range(records):
        numbers.append(ann.command(SetReady, ready=step % 2 == 0))
        await node.tick()
    assert ann.acked[-records:] == numbers
    node.world.fall_back(before)
    ben.got.clear()
    last = ben.command(SetReady, ready=True)
    await node.tick()
    assert owned(node).pipe.mending
    assert ben.got == []
    await node.tick(3)
    assert ben.got == [], "it stands still"
    await node.mend()
    await node.tick()
    assert ben.acked[-1] == last
    assert not any(isinstance(message, Resync) for message in ann.got), "the epoch is the same"
    assert ann.view == ben.view
    assert ann.gaps == ben.gaps == 0
    assert commands(node) == records + 1
    second = await taken_over(node, tmp_path)
    back = await second.resume(ann)
    assert back.view["seats"][str(ben.seat)]["ready"] is True
    assert back.view["seats"][str(ann.seat)]["ready"] is (records % 2 == 1)


async def test_a_store_from_before_the_claim_gets_claim_and_records_back(tmp_path: Path) -> None:
    first, ann, _ = await started(tmp_path)
    before = first.world.snapshot()
    first.clocks.now += 10_000
    second = Node(tmp_path, name="b", world=first.world, clocks=first.clocks)
    await second.start()
    await second.tick()
    back = await second.resume(ann)
    second.world.fall_back(before)
    number = back.command(SetReady, ready=True)
    await second.tick()
    await second.mend()
    assert back.acked == [number]
    head = second.world.shard(SHARD).head
    assert head is not None
    assert (head.nonce, head.epoch) == (owned(second).nonce, owned(second).epoch)
    ann.command(SetReady, ready=True)
    await first.tick()
    assert ann.closed is CloseCode.MOVED


async def test_an_emptied_store_is_founded_again_in_a_match(tmp_path: Path) -> None:
    node, ann, ben = await playing(tmp_path)
    epoch, clock = owned(node).epoch, owned(node).clock.now
    acknowledged = ann.command(TriviaAnswer, question=0, option=0, reaction_ms=100)
    await node.tick()
    node.world.wipe()
    ann.got.clear()
    ben.got.clear()
    unconfirmed = ben.command(TriviaAnswer, question=0, option=1, reaction_ms=100)
    await node.tick(3)
    assert ben.got == [], "nothing is told of what is in no journal"
    await node.mend()
    assert ben.acked[-1] == unconfirmed
    await node.tick()
    assert [type(message) for message in ann.got if isinstance(message, Resync | Welcome)] == [Resync]
    assert owned(node).epoch > epoch
    assert ann.epoch == ben.epoch == owned(node).epoch
    assert owned(node).clock.now - clock < 1_000
    assert ann.view == ben.view
    assert ann.private["answer"] is not None
    assert ann.acked.count(acknowledged) == ben.acked.count(unconfirmed) == 1
    await node.run_errands()
    assert CODE in node.world.cards, "the card is written again"
    second = await taken_over(node, tmp_path)
    ann2, ben2 = await second.resume(ann), await second.resume(ben)
    await until(second, ann2, "results")
    assert ann2.view == ben2.view
    answered = {row["seat"]: row["answered"] for row in ann2.view["results"]["rows"]}
    assert answered == {ann.seat: 1, ben.seat: 1}


async def test_what_waits_when_the_store_comes_back_empty_counts_once(tmp_path: Path) -> None:
    node, ann, ben = await started(tmp_path)
    node.store.hold()
    numbers = [ann.command(SetReady, ready=True)]
    await node.tick()
    numbers.append(ann.command(SetReady, ready=False))
    await node.tick()
    joining = await node.join("cyd")
    node.world.wipe()
    numbers.append(ann.command(SetReady, ready=True))
    await node.tick()
    node.store.lose()
    node.store.let_go()
    await node.settle()
    ann.got.clear()
    await node.mend()
    assert owned(node).pipe.mending, "the records sent again were refused"
    assert ann.acked == []
    await node.mend()
    await node.tick(2)
    assert ann.acked == numbers
    assert isinstance(joining.got[0], Welcome)
    assert joining.view == ann.view == ben.view
    assert not any(isinstance(m, Delta) for m in ann.got[: ann.got.index(_resync(ann))]), "no delta of a dead epoch"
    again = await node.resume(joining)
    assert again.view == ann.view


def _resync(client: Client) -> Resync:
    return next(message for message in client.got if isinstance(message, Resync))


async def test_a_stand_of_more_than_a_second_regroups(tmp_path: Path) -> None:
    node, ann, _ = await playing(tmp_path)
    node.world.wipe()
    await node.tick(40)
    for _ in range(2):  # both shards
        await node.mend()
        await node.tick(2)
    assert ann.view["standstill"]["kind"] == "count_in"
    await until(node, ann, "open")


async def test_behind_what_is_kept_the_shard_is_founded_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "TAIL_MS", 100)
    node, ann, ben = await started(tmp_path)
    before, genesis = node.world.snapshot(), owned(node).genesis
    for step in range(9):
        ann.command(SetReady, ready=step % 2 == 0)
        await node.tick()
    node.world.fall_back(before)
    ben.command(SetReady, ready=True)
    await node.tick()
    await node.mend()
    await node.tick()
    assert owned(node).genesis != genesis
    assert ann.view == ben.view
    second = await taken_over(node, tmp_path)
    back = await second.resume(ann)
    assert back.view["seats"][str(ann.seat)]["ready"] is True


async def test_another_history_is_replaced_by_the_owners(tmp_path: Path) -> None:
    node, ann, ben = await started(tmp_path)
    head = node.world.shard(SHARD).head
    assert head is not None
    head.digests[head.seq] = b"another"
    ann.command(SetReady, ready=True)
    await node.tick()
    await node.mend()
    await node.tick()
    assert ann.view == ben.view
    assert ann.view["seats"][str(ann.seat)]["ready"] is True
    assert len(journal(node)[0].checkpoints) == 1


async def test_pieces_are_bounded_and_lead_to_the_head(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "PIECE_BYTES_MAX", 900)
    node, ann, _ = await started(tmp_path)
    codes = [code for code in _codes() if shard_of(code, SHARDS) == SHARD][:12]
    for code in codes:
        await node.create(code=code)
    node.world.wipe()
    ann.command(SetReady, ready=True)
    await node.tick()
    await node.mend()
    pieces = journal(node)
    assert len(pieces) > 8, "more than the head keeps digests of"
    assert sum(len(piece.checkpoints) for piece in pieces) == 13
    second = await taken_over(node, tmp_path)
    assert set(owned(second).rooms) == {CODE, *codes}


def _codes() -> list[RoomCode]:
    letters = "BCDFGHJKLMNP"
    return [RoomCode(f"BC{a}{b}DD") for a in letters for b in letters if a != b]


async def test_an_owner_that_was_replaced_tells_nothing_and_drops_all(tmp_path: Path) -> None:
    node, ann, ben = await started(tmp_path)
    node.clocks.now += 10_000
    other = Node(tmp_path, name="b", world=node.world, clocks=node.clocks)
    await other.start()
    node.world.wipe()
    await other.tick()
    back = await other.resume(ben)
    await other.mend()
    await other.tick()
    assert isinstance(back.got[0], Welcome)
    epoch = owned(other).epoch
    ann.got.clear()
    ann.command(SetReady, ready=True)
    await node.tick()
    await node.mend()
    await node.tick(2)
    assert ann.got == []
    assert ann.closed is CloseCode.MOVED
    assert node.keeper.owned(SHARD) is None
    head = node.world.shard(SHARD).head
    assert head is not None
    assert head.epoch == epoch


async def test_the_later_owner_replaces_what_the_earlier_founded_again(tmp_path: Path) -> None:
    node, ann, ben = await started(tmp_path)
    node.clocks.now += 10_000
    other = Node(tmp_path, name="b", world=node.world, clocks=node.clocks)
    await other.start()
    await other.tick()
    back = await other.resume(ben)
    number = back.command(SetReady, ready=True)
    await other.tick()
    assert back.acked == [number]
    node.world.wipe()
    ann.command(SetReady, ready=True)
    await node.tick()
    await node.mend()
    await node.tick()
    assert ann.closed is None, "the store cannot know better yet"
    other.clocks.now += 700
    await other.tick()
    await other.mend()
    await other.tick(2)
    await node.tick(20)
    await node.mend()
    assert ann.closed is CloseCode.MOVED
    assert back.view["seats"][str(ben.seat)]["ready"] is True
    head = node.world.shard(SHARD).head
    assert head is not None
    assert head.nonce == owned(other).nonce


async def test_a_founding_without_memory_gives_way(tmp_path: Path) -> None:
    node, ann, ben = await started(tmp_path)
    node.world.wipe()
    fresh = Node(tmp_path, name="b", world=node.world, clocks=node.clocks)
    await fresh.start()
    assert owned(fresh).rooms == {}
    ann.command(SetReady, ready=True)
    await node.tick()
    await node.mend()
    await node.tick()
    assert ann.view == ben.view
    assert ann.view["seats"][str(ann.seat)]["ready"] is True
    await fresh.tick(20)
    await fresh.mend()
    assert fresh.keeper.owned(SHARD) is None
    assert owned(node).rooms.keys() == {CODE}


async def test_while_the_store_cannot_be_reached_it_is_tried_again(tmp_path: Path) -> None:
    node, ann, _ = await started(tmp_path)
    node.world.wipe()
    number = ann.command(SetReady, ready=True)
    await node.tick()
    await node.store.reconnect()
    node.keeper.connected()
    node.store.unavailable = True
    with pytest.raises(StoreUnavailable):
        await node.keeper.losses.mend()
    await node.tick(2)
    assert ann.acked == []
    node.store.unavailable = False
    await node.mend()
    assert ann.acked == [number]


async def test_a_refounding_whose_answer_was_lost_is_asked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node, ann, _ = await started(tmp_path)
    node.world.wipe()
    number = ann.command(SetReady, ready=True)
    await node.tick()
    done = node.store.refound

    async def lost(refounding: Refounding, *, lease_ms: int) -> Claim:
        await done(refounding, lease_ms=lease_ms)
        raise StoreUnavailable("the answer was lost")

    monkeypatch.setattr(node.store, "refound", lost)
    with pytest.raises(StoreUnavailable):
        await node.mend()
    assert ann.acked == []
    monkeypatch.undo()
    await node.mend()
    assert ann.acked == [number]
    assert len(node.world.shard(SHARD).journals) == 1, "the pieces were not written twice"


async def test_pieces_that_got_lost_are_written_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    node, ann, _ = await started(tmp_path)
    node.world.wipe()
    number = ann.command(SetReady, ready=True)
    await node.tick()
    done = node.store.refound

    async def too_late(refounding: Refounding, *, lease_ms: int) -> Claim:
        node.world.wipe()
        return await done(refounding, lease_ms=lease_ms)

    monkeypatch.setattr(node.store, "refound", too_late)
    with pytest.raises(StoreUnavailable):
        await node.mend()
    monkeypatch.undo()
    await node.mend()
    assert ann.acked == [number]


async def test_a_result_nobody_recorded_is_told_again(tmp_path: Path) -> None:
    node, ann, _ = await playing(tmp_path)
    await until(node, ann, "results")
    result = node.results()
    node.world.wipe()
    ann.command(SetReady, ready=True)
    await node.tick()
    await node.mend()
    await node.tick(2)
    assert node.results() == result
    await node.record_results()
    await node.tick(2)
    assert owned(node).rooms[CODE].room.pending() == ()


async def test_a_message_in_the_mail_counts_once_when_the_inbox_is_read_again(tmp_path: Path) -> None:
    node, ann, _ = await started(tmp_path, questions=3)
    node.post(ContentPack(id="odd", code=CODE, items=[]))
    await node.keeper.read_inbox(block_ms=0)
    shard = owned(node)
    assert len(shard.rooms[CODE].mail) == 1
    assert node.world.shard(SHARD).head is not None
    node.world.shard(SHARD).head.digests.clear()  # type: ignore[union-attr]  # it is there
    node.clocks.now += 700
    node.keeper.pulse([SHARD], node.clocks.now)
    shard.pipe.mending = True
    await node.mend()
    await node.keeper.read_inbox(block_ms=0)
    assert len(shard.rooms[CODE].mail) <= 1
    assert ann.closed is None


async def test_a_stale_answer_of_the_dead_epoch_says_nothing(tmp_path: Path) -> None:
    node, ann, _ = await started(tmp_path)
    node.store.hold()
    ann.command(SetReady, ready=True)
    await node.tick()
    commit = owned(node).pipe.unconfirmed[0]
    node.store.lose()
    node.store.let_go()
    await node.settle()
    node.world.wipe()
    await node.mend()
    await node.mend()
    await node.tick()
    epoch = owned(node).epoch
    assert commit.epoch != epoch
    for outcome in CommitOutcome:
        node.keeper.committed(commit, _reply(outcome))
    assert owned(node).epoch == epoch
    assert not owned(node).pipe.mending
    assert Nonce(commit.nonce) == owned(node).nonce


def _reply(outcome: CommitOutcome):  # type: ignore[no-untyped-def]  # a CommitReply
    from gameserver.ports import CommitReply

    return CommitReply(outcome)
