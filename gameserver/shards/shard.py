"""One shard, owned: its rooms, its clock, its tick, its commits, and what is told when (COMMIT.md §3–§5).

Nothing here waits: the node's ticker calls ``tick``, the store's answers come to ``answered``. A shard that is
fenced is dropped by its keeper and never tells anybody anything again; one whose history the store lost stands still
until that was given back (losses.py).
"""

import heapq
import itertools
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Protocol

import structlog

from gameserver.ports import Clocks, Commit, CommitOutcome, CommitReply, Head, Renewal
from gameserver.rooms import inputs
from gameserver.rooms.room import Room
from gameserver.shards import limits, record
from gameserver.shards.batch import Batch
from gameserver.shards.clock import ShardClock
from gameserver.shards.journal import JournalLength
from gameserver.shards.lease import Lease
from gameserver.shards.live import LiveRoom, Mail
from gameserver.shards.members import RoomMember
from gameserver.shards.metrics import ShardMetrics
from gameserver.shards.pipe import Pipe, Verdict
from gameserver.shards.telling import Tell
from protocol import codec, frames
from protocol.errors import CloseCode
from protocol.ids import Nonce, RoomCode, ShardId
from protocol.server import ClockTell


class Faults(Protocol):
    """What to do about faults of our own (COMMIT.md §10)."""

    def in_apply(self, live: LiveRoom, mail: Mail, error: Exception, batch: Batch) -> None:
        """``apply`` failed: save the input, rebuild the room, or give it up."""

    def in_advance(self, live: LiveRoom, error: Exception, batch: Batch) -> None:
        """A deadline failed: give the room up."""

    def create_failed(self, code: RoomCode, error: Exception) -> None:
        """A room could not be made."""


class Shard:
    """One owned shard."""

    def __init__(
        self,
        shard_id: ShardId,
        *,
        head: Head,
        nonce: Nonce,
        clock: int,
        lease_ms: int,
        clocks: Clocks,
        metrics: ShardMetrics,
        faults: Faults,
        fault_point: Callable[[str], None],
        nudge: Callable[[], None],
    ) -> None:
        self.id = shard_id
        self.epoch = head.epoch
        self.nonce = nonce
        self.genesis = head.genesis
        self.claimed = head.claimed  # the epoch of this owner's claim; 0: it founded the shard
        self.seq = head.seq  # of the last record built
        self.digest = head.digests.get(head.seq, b"")
        self.clocks = clocks
        self.metrics = metrics
        self.faults = faults
        self.clock = ShardClock(clock, clocks.monotonic_ms())
        self.recorded_clock = clock  # of the last record built
        self.pipe = Pipe(self.seq, self.digest, clock)
        self.lease = Lease(lease_ms, clocks)
        self.log = structlog.get_logger("shard").bind(shard=shard_id, epoch=self.epoch)
        self.rooms: dict[RoomCode, LiveRoom] = {}
        self.tombstones: OrderedDict[str, None] = OrderedDict()
        self.inbox_ids: OrderedDict[str, None] = OrderedDict()
        self.inbox_taken: set[str] = set()  # ids of messages in the mail: an inbox read again gives them again
        self.creates: list[Mail] = []
        self.dropped = False
        self.quarantined: list[str] = []  # rooms given up while adopting: tombstoned by the next record
        self.waiting: dict[LiveRoom, int] = {}  # rooms that wait for an answer → the record that made them
        self.running: dict[LiveRoom, None] = {}  # rooms with a match going on
        self.bare_inbox: list[Mail] = []  # inbox messages for rooms that are not here: only to be consumed
        self.changed_cards: dict[RoomCode, LiveRoom | None] = {}  # confirmed changes; None: the room is gone
        self._fault_point = fault_point
        self._nudge = nudge
        self.closing = False  # being handed over: the next record is the last, and carries every room
        self.finished = False
        self.stale_cards: dict[LiveRoom, None] = {}
        self._wanting: dict[LiveRoom, None] = {}
        self._crowds: list[tuple[int, int, LiveRoom]] = []
        self._deadlines: list[tuple[int, int, LiveRoom]] = []
        self._order = itertools.count()
        self._tells: deque[tuple[int, list[Tell]]] = deque()
        self.journal = JournalLength()
        self._memory_wanted = False
        self._flushing: dict[LiveRoom, None] = {}
        self._flush_at = 0.0
        self.stood_since: float | None = None
        self.counted_at = 0.0  # monotonic ms: when connections were last counted

    # ---- clocks and lease -------------------------------------------------------------------------

    def now_ms(self) -> float:
        """Return the node's monotonic time."""
        return self.clocks.monotonic_ms()

    def stamp(self) -> int:
        """Return the shard-clock time of an input that is read now."""
        return self.clock.stamp(self.clocks.monotonic_ms())

    def frozen(self) -> bool:
        """Whether the last confirmation was sent more than half a lease ago: then nothing at all is told."""
        return self.dropped or self.lease.stale

    def tell_clock(self, member: RoomMember, asked: int) -> None:
        """Answer a clock question with the live clock: an estimate, the one thing told without a commit."""
        if self.frozen() or self.stood_since is not None:
            return
        message = ClockTell(c=asked, s=self.stamp(), e=self.epoch)
        wire_format = member.connection.format
        member.connection.send(frames.frame_for(wire_format, codec.encode_server(message, wire_format)))

    # ---- rooms ------------------------------------------------------------------------------------

    def add_room(self, code: RoomCode, room: Room) -> LiveRoom:
        """Take a room in."""
        live = LiveRoom(self, code, room)
        self.rooms[code] = live
        self.metrics.rooms.inc()
        return live

    def remove_room(self, live: LiveRoom) -> None:
        """Forget a room that ended; its code stays refused."""
        if self.rooms.pop(live.room_code, None) is not None:
            self.metrics.rooms.dec()
        self.tombstones[live.room_code] = None
        while len(self.tombstones) > limits.TOMBSTONES_MAX:
            self.tombstones.popitem(last=False)
        live.deadline = None
        self.waiting.pop(live, None)
        self.running.pop(live, None)

    def remember_inbox(self, message_id: str) -> None:
        """Note that a bus message counted."""
        self.inbox_taken.discard(message_id)
        self.inbox_ids[message_id] = None
        while len(self.inbox_ids) > limits.INBOX_IDS_MAX:
            self.inbox_ids.popitem(last=False)

    def wants_tick(self, live: LiveRoom) -> None:
        """The room has something to do at the next tick."""
        self._wanting[live] = None

    def wants_crowd(self, live: LiveRoom, at: int) -> None:
        """Watchers of the room are owed a frame at this shard-clock time."""
        heapq.heappush(self._crowds, (at, next(self._order), live))

    def wants_flush(self, live: LiveRoom) -> None:
        """The room has reactions to tell."""
        self._flushing[live] = None

    def schedule(self, live: LiveRoom) -> None:
        """Note when the room wants to be looked at again."""
        deadline = live.room.next_deadline()
        if deadline is not None and deadline != live.deadline:
            heapq.heappush(self._deadlines, (deadline, next(self._order), live))
        live.deadline = deadline

    # ---- the tick ---------------------------------------------------------------------------------

    def tick(self, now_ms: float) -> Commit | None:
        """Run one tick; return the commit it needs, if any.

        While a commit cannot be sent the shard stands still: its clock with it (law 12).
        """
        if self.finished:
            return None
        if not self.pipe.accepts:
            if self.stood_since is None:
                self.stood_since = now_ms
            self.clock.hold(now_ms)
            return None
        if self.stood_since is not None:
            self._go_on(now_ms)
        clock = self.clock.tick(now_ms)
        if self._flushing and now_ms - self._flush_at >= limits.MEASURE_EVERY_MS / 4:
            self._flush_at = now_ms
            self._flush_reactions()
        due = self._due(clock)
        if not (due or self.creates or self.bare_inbox or self.quarantined or self.closing):
            return None
        batch = Batch(self, clock)
        self._inbox_first(batch)
        for live in self._wanting:
            due.setdefault(live, False)
        self._wanting = {}
        for live, crowd_due in due.items():
            batch.tick_room(live, crowd_due=crowd_due)
        if self.closing:
            self._last_checkpoints(batch)
        return self._close(batch)

    def _inbox_first(self, batch: Batch) -> None:
        """Take what concerns the shard itself: rooms to create, messages for nobody, rooms given up while adopting."""
        for code in self.quarantined:
            batch.checkpoints[code] = b""
            self.tombstones[code] = None
        self.quarantined = []
        creates, self.creates = self.creates, []
        for mail in creates:
            batch.create(mail)
        for mail in self.bare_inbox:
            batch.consume(mail)
        self.bare_inbox = []

    def _last_checkpoints(self, batch: Batch) -> None:
        for live in self.rooms.values():
            if live.tail or not live.base:
                batch.checkpoint(live)
        self._memory_wanted = True
        self.finished = True

    def _due(self, clock: int) -> dict[LiveRoom, bool]:
        due = dict.fromkeys(self._wanting, False)
        deadlines = self._deadlines
        while deadlines and deadlines[0][0] <= clock:
            at, _, live = heapq.heappop(deadlines)
            if live.deadline == at:
                due.setdefault(live, False)
        while self._crowds and self._crowds[0][0] <= clock:
            live = heapq.heappop(self._crowds)[2]
            if live.room_code in self.rooms:
                due[live] = True
        return due

    def _close(self, batch: Batch) -> Commit | None:
        if not batch.dirty:
            if batch.tells:
                self.tell_behind(batch.tells)
            return None
        self._checkpoint_oldest(batch)
        commit = batch.commit()
        self._tells.append((commit.seq, batch.tells))
        self.pipe.sent(commit)
        self.lease.commit_sent(commit.seq, batch.started)
        self.journal.grew(commit.seq, len(commit.record))
        self.metrics.inputs.value += len(batch.inputs)
        return commit

    def tell_behind(self, tells: list[Tell]) -> None:
        """Tell behind the last unconfirmed record, or at once when all are confirmed."""
        self._tells.append((self.seq, tells))
        self.flush()

    def _go_on(self, now_ms: float) -> None:
        """Commits go again: a stand of more than a second regroups the running rooms (law 12)."""
        assert self.stood_since is not None
        stood, self.stood_since = now_ms - self.stood_since, None
        if stood <= limits.STALL_REGROUP_MS:
            return
        for live in self.rooms.values():
            if live.room.running_match is not None:
                live.post(Mail(inputs.Regroup(), self.stamp()))  # behind what came in meanwhile

    def _flush_reactions(self) -> None:
        rooms, self._flushing = self._flushing, {}
        for live in rooms:
            live.chatter.flush()

    # ---- answers ----------------------------------------------------------------------------------

    def answered(self, request: Commit | Renewal, reply: CommitReply) -> Verdict:
        """Take the store's answer to a commit or a renewal of this shard."""
        if isinstance(request, Renewal):
            good = reply.outcome in (CommitOutcome.OK, CommitOutcome.DUPLICATE) and not self.pipe.mending
            self.lease.renewal_answered(confirmed=good)
            if not good:
                return self.pipe.judged(request.epoch, reply)
            self.pipe.confirmed_clock = max(self.pipe.confirmed_clock, request.clock)
            self.flush()
            return Verdict.CONFIRMED
        verdict = self.pipe.answered(request, reply, self.clocks.monotonic_ms())
        if verdict is Verdict.CONFIRMED:
            started = self.lease.commit_confirmed(request.seq)
            metrics = self.metrics
            metrics.commit_seconds.observe(time.perf_counter() - started)
            metrics.commits.value += 1
            metrics.record_bytes.value += len(request.record)
            self._fault_point("committed_not_told")
            self.flush()
            if self.changed_cards or self.waiting:
                self._nudge()
        return verdict

    def flush(self) -> None:
        """Tell everything that is confirmed, in order, unless the lease is stale (COMMIT.md §4)."""
        tells = self._tells
        if not tells:
            return
        if self.frozen():
            self.metrics.frozen.inc()
            return
        confirmed = self.pipe.confirmed_seq
        while tells and tells[0][0] <= confirmed:
            for tell in tells.popleft()[1]:
                tell.deliver()
                live = tell.live
                if live.room_code not in self.rooms:
                    self.changed_cards[live.room_code] = None
                elif tell.card is not None:
                    live.card = tell.card
                    self.changed_cards[live.room_code] = live

    def resent(self) -> list[Commit]:
        """Return every unconfirmed record, to be sent again on a fresh connection, in order."""
        self.pipe.in_doubt = False
        self.lease.sent_again(commit.seq for commit in self.pipe.unconfirmed)
        return list(self.pipe.unconfirmed)

    def renewal(self, every_ms: int) -> Renewal | None:
        """Return a renewal when nothing was sent for ``every_ms``; None when none is due or in doubt."""
        if self.pipe.in_doubt or self.pipe.mending or not self.lease.due(every_ms):
            return None
        self.lease.renewal_sent()
        return Renewal(
            shard=self.id,
            genesis=self.genesis,
            nonce=self.nonce,
            epoch=self.epoch,
            seq=self.seq,
            digest=self.digest,
            clock=self.clock.now,
        )

    def begin_anew(self, head: Head, sent_ms: float) -> list[Tell]:
        """Go on in the epoch of a re-founding asked for at ``sent_ms``; return what was not told before it."""
        untold = [tell for _, tells in self._tells for tell in tells]
        self._tells.clear()
        self.epoch, self.genesis, self.claimed = head.epoch, head.genesis, head.claimed
        self.seq, self.digest = head.seq, head.digests[head.seq]
        self.clock.at_least(head.clock)
        self.recorded_clock = head.clock
        self.lease.mended(sent_ms, anew=True)
        in_doubt, self.pipe = self.pipe.in_doubt, Pipe(self.seq, self.digest, head.clock)
        self.pipe.in_doubt = in_doubt
        self.journal = JournalLength()
        self.log = self.log.bind(epoch=self.epoch)
        return untold

    def drop(self, code: CloseCode, reason: str = "", after_ms: int = 0) -> None:
        """Stop owning: close every member, tell nothing more."""
        self.dropped = True
        members = [member for _, tells in self._tells for tell in tells for member in tell.concerned()]
        self._tells.clear()
        self.metrics.rooms.dec(len(self.rooms))
        for live in self.rooms.values():
            members += [*live.seats.values(), *live.watchers, *live.wanted_views]
            members += [mail.member for mail in live.mail if mail.member is not None]
        for member in dict.fromkeys(members):
            member.close(code, reason, after_ms)
        self.rooms = {}

    # ---- checkpoints (COMMIT.md §8) -----------------------------------------------------------------

    def memory_due(self) -> bytes:
        """Return the shard's own state when this record shall carry it, else nothing."""
        if not self._memory_wanted:
            return b""
        self._memory_wanted = False
        self.journal.memory_seq = self.seq + 1
        return record.encode_memory(
            record.ShardMemory(inbox_ids=list(self.inbox_ids), tombstones=list(self.tombstones))
        )

    def _checkpoint_oldest(self, batch: Batch) -> None:
        """When the journal is too long, write the rooms whose checkpoints are oldest, a bounded part each tick."""
        middle = self.journal.middle()
        if middle is None:
            return
        if self.journal.memory_seq < middle:
            self._memory_wanted = True
        budget = limits.CHECKPOINT_BYTES_A_TICK
        for live in sorted(self.rooms.values(), key=lambda room: room.base_seq):
            if live.base_seq >= middle or budget <= 0:
                break
            batch.checkpoint(live)
            budget -= len(live.base)

    def trimmable(self) -> int | None:
        """Return the seq before which records may be deleted, when it is worth a call; else None."""
        oldest = min((live.base_seq for live in self.rooms.values()), default=self.pipe.confirmed_seq)
        return self.journal.trimmable(min(oldest, self.pipe.confirmed_seq))
