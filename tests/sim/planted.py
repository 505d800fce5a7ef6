"""Ten known bugs, each as somebody might write it. ``test_planted`` shows that the oracles see every one."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from unittest import mock

from gameserver.adapters.memory_world import MemoryWorld
from gameserver.ports import Commit, CommitOutcome, CommitReply, Head, JournalEntry, Renewal
from gameserver.rooms import seats, standstill
from gameserver.rooms.core import Core
from gameserver.rooms.reply import Reply
from gameserver.rooms.state import Seat
from gameserver.shards import inbox, keeper
from gameserver.shards.pipe import Pipe, Verdict
from gameserver.shards.shard import Shard
from gameserver.shards.telling import FirstView, Tell
from protocol.ids import ShardId

Plant = Callable[[], AbstractContextManager[Any]]


def _tell_all(shard: Shard) -> None:
    confirmed, shard.pipe.confirmed_seq = shard.pipe.confirmed_seq, shard.seq
    shard.flush()
    shard.pipe.confirmed_seq = confirmed


def tell_before_commit() -> AbstractContextManager[Any]:
    right = Shard.tick

    def tick(self: Shard, now_ms: float) -> Commit | None:
        commit = right(self, now_ms)
        _tell_all(self)
        return commit

    return mock.patch.object(Shard, "tick", tick)


def first_view_from_live_state() -> AbstractContextManager[Any]:
    right = Tell._first_view

    def first_view(self: Tell, first: FirstView) -> None:
        stream = self.live.stream(first.member.audience)
        stream.confirmed, stream.confirmed_n = stream.live, stream.n
        right(self, first)

    return mock.patch.object(Tell, "_first_view", first_view)


def no_nonce_check() -> AbstractContextManager[Any]:
    def refused(self: MemoryWorld, request: Commit | Renewal, head: Head | None) -> CommitReply | None:
        return CommitReply(CommitOutcome.LOST) if head is None else None

    return mock.patch.object(MemoryWorld, "_refused", refused)


def clock_runs_back() -> AbstractContextManager[Any]:
    right = Shard.__init__

    def init(self: Shard, shard_id: ShardId, *, clock: int, **named: Any) -> None:
        right(self, shard_id, clock=max(0, clock - 400), **named)

    return mock.patch.object(Shard, "__init__", init)


def commit_applied_twice() -> AbstractContextManager[Any]:
    right = MemoryWorld.commit

    def commit(self: MemoryWorld, request: Commit, lease_ms: int) -> CommitReply:
        reply = right(self, request, lease_ms)
        if reply.outcome is CommitOutcome.DUPLICATE:
            kept = self.shard(request.shard)
            kept.journals[request.genesis].append(JournalEntry(request.epoch, request.seq, request.record))
            kept.results.extend(request.results)
        return reply

    return mock.patch.object(MemoryWorld, "commit", commit)


def told_at_a_renewals_confirmation() -> AbstractContextManager[Any]:
    right = Shard.answered

    def answered(self: Shard, request: Commit | Renewal, reply: CommitReply) -> Verdict:
        verdict = right(self, request, reply)
        if isinstance(request, Renewal) and verdict is Verdict.CONFIRMED:
            _tell_all(self)
        return verdict

    return mock.patch.object(Shard, "answered", answered)


def lost_reply_taken_for_a_fork() -> AbstractContextManager[Any]:
    right = Pipe.answered

    def answered(self: Pipe, commit: Commit, reply: CommitReply, now_ms: float) -> Verdict:
        if reply.outcome is CommitOutcome.DUPLICATE:
            return Verdict.REFOUND
        return right(self, commit, reply, now_ms)

    return mock.patch.object(Pipe, "answered", answered)


def inbox_message_consumed_twice() -> AbstractContextManager[Any]:
    right = inbox.take

    def take(shard: Shard, entry: Any) -> bool:
        shard.inbox_ids.clear()
        shard.inbox_taken.clear()
        return right(shard, entry)

    return mock.patch.object(keeper.inbox, "take", take)


def no_regrouping_at_a_second_death() -> AbstractContextManager[Any]:
    right = standstill.regroup

    def regroup(core: Core, at_ms: int, *, planned: bool) -> None:
        if core.state.regrouping is None:
            right(core, at_ms, planned=planned)

    return mock.patch.object(standstill, "regroup", regroup)


@contextmanager
def command_ids_reused_by_a_second_tab() -> Iterator[None]:
    right = seats._arrive

    def arrive(core: Core, seat: Seat, nonce: bytes, at_ms: int) -> Reply:
        before = seat.id_base
        reply = right(core, seat, nonce, at_ms)
        if before:
            seat.id_base = before
        return Reply(seat=reply.seat, next_id=max(seat.id_base, seat.accepted + 1))

    with mock.patch.object(seats, "_arrive", arrive):
        yield


PLANTED: dict[str, Plant] = {
    plant.__name__: plant
    for plant in (
        tell_before_commit,
        first_view_from_live_state,
        no_nonce_check,
        clock_runs_back,
        commit_applied_twice,
        told_at_a_renewals_confirmation,
        lost_reply_taken_for_a_fork,
        inbox_message_consumed_twice,
        no_regrouping_at_a_second_death,
        command_ids_reused_by_a_second_tab,
    )
}
