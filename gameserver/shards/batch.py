"""One tick of one shard, gathered into one record."""

import time
from typing import TYPE_CHECKING

from gameserver.ports import Commit
from gameserver.rooms import inputs
from gameserver.rooms.room import Room
from gameserver.shards import limits, record
from gameserver.shards.live import LiveRoom, Mail
from gameserver.shards.roomtick import RoomTick
from gameserver.shards.telling import Tell
from protocol import codec
from protocol.bus import MatchResult
from protocol.errors import CloseCode
from protocol.ids import RoomCode

if TYPE_CHECKING:
    from gameserver.shards.shard import Shard


class Batch:
    """What one tick of a shard journals and tells."""

    __slots__ = (
        "changed",
        "checkpoints",
        "clock",
        "consumed",
        "hashes",
        "inbox",
        "inputs",
        "results",
        "rules",
        "shard",
        "started",
        "tells",
    )

    def __init__(self, shard: "Shard", clock: int) -> None:
        self.shard = shard
        self.clock = clock
        self.started = time.perf_counter()
        self.changed = False  # a deadline fired, or something was refused: the clock must be told
        self.inputs: list[tuple[str, bytes]] = []
        self.checkpoints: dict[str, bytes] = {}
        self.hashes: dict[str, bytes] = {}
        self.rules: dict[str, int] = {}
        self.inbox: list[str] = []
        self.consumed: list[str] = []
        self.results: list[bytes] = []
        self.tells: list[Tell] = []

    @property
    def dirty(self) -> bool:
        """Whether there is anything to commit."""
        return bool(self.changed or self.inputs or self.checkpoints or self.consumed or self.results)

    def append_only(self, live: LiveRoom) -> frozenset[str]:
        """Return the path patterns of lists that only grow in this room's view."""
        return live.room.append_only

    def journal(self, live: LiveRoom, mail: Mail) -> None:
        """Put an applied input into the record."""
        self.inputs.append((live.room_code, live.journaled(mail)))
        if mail.entry:
            self.consume(mail)

    def not_kept(self, mail: Mail) -> None:
        """A refused or repeated input changed nothing and is not journaled; its answer waits all the same."""
        self.changed = True
        if mail.entry:
            self.consume(mail)

    def consume(self, mail: Mail) -> None:
        """Account for an inbox message: it counts once, and leaves the inbox with this commit."""
        self.consumed.append(mail.entry)
        self.inbox.append(mail.message_id)
        self.shard.remember_inbox(mail.message_id)

    def create(self, mail: Mail) -> None:
        """Bring a room into being, unless its code lives, was tombstoned, or the shard is full."""
        item = mail.input
        assert isinstance(item, inputs.Create)
        code = RoomCode(item.code)
        shard = self.shard
        refused = code in shard.rooms or code in shard.tombstones or len(shard.rooms) >= limits.ROOMS_PER_SHARD_MAX
        if refused:
            shard.log.info("create_refused", room=code)
            self.consume(mail)
            return
        try:
            room = Room.create(item, mail.at)
        except Exception as error:  # noqa: BLE001 - a fault of ours takes one room, never the shard (COMMIT.md §10)
            shard.faults.create_failed(code, error)
            self.consume(mail)
            return
        live = shard.add_room(code, room)
        self.journal(live, mail)
        shard.wants_tick(live)

    def tick_room(self, live: LiveRoom, *, crowd_due: bool) -> None:
        """Run one room's part of the tick."""
        tick = RoomTick(live, self)
        if live.mail:
            tick.drain()
        if live.room_code not in self.shard.rooms:
            self.tells.append(tick.tell)
            return
        due = live.room.next_deadline()  # as of now: what came in may have set one that is due already
        if due is not None and due <= self.clock and not self._advance(live):
            return
        tick.build(self.clock, crowd_due=crowd_due)
        self._after(live, tick.tell)
        if tick.tell or live.room_code not in self.shard.rooms:
            self.tells.append(tick.tell)

    def _advance(self, live: LiveRoom) -> bool:
        try:
            if live.room.advance(self.clock):
                self.changed = True
        except Exception as error:  # noqa: BLE001 - a fault of ours takes one room, never the shard (COMMIT.md §10)
            self.shard.faults.in_advance(live, error, self)
            return False
        return True

    def fault(self, live: LiveRoom, mail: Mail, error: Exception) -> None:
        """A fault of ours inside ``apply``: the input does not count; the room is rebuilt or given up."""
        if mail.entry:
            self.consume(mail)
        self.shard.faults.in_apply(live, mail, error, self)

    def _after(self, live: LiveRoom, tell: Tell) -> None:
        room, shard = live.room, self.shard
        code = live.room_code
        match = room.running_match
        if match != live.match_seen or not live.base:
            live.match_seen = match
            self.checkpoint(live)  # at creation, at match start and end (COMMIT.md §8)
        running = room.rules_version()
        if running is None:
            shard.running.pop(live, None)
        else:
            shard.running[live] = None
            self.rules[running[0]] = running[1]
            if self.clock - live.hash_at >= limits.HASH_EVERY_MS:
                live.hash_at = self.clock
                room.advance(self.clock)
                self.hashes[code] = room.state_hash()
        shard.schedule(live)
        pending = room.waits
        if pending:
            for effect in room.pending():
                if isinstance(effect, MatchResult) and effect.id not in live.published:
                    live.published.add(effect.id)
                    self.publish(effect)
            shard.waiting.setdefault(live, shard.seq + 1)
        elif shard.waiting:
            shard.waiting.pop(live, None)
        if room.closed:
            self._close_members(live, tell)
            if not pending:
                self.bury(live)

    def _close_members(self, live: LiveRoom, tell: Tell) -> None:
        for member in [*live.seats.values(), *live.watchers]:
            tell.closes.append((member, CloseCode.ROOM_CLOSED, ""))
        live.seats.clear()
        live.watchers.clear()

    def publish(self, result: MatchResult) -> None:
        """Put a result into this commit: result and record are one atomic step (law 10)."""
        self.results.append(codec.pack_bus(result))
        self.shard.log.info("match_over", room=result.code, match=result.id, players=len(result.players))

    def checkpoint(self, live: LiveRoom) -> None:
        """Write the whole room into this record."""
        blob = live.room.dump()
        self.checkpoints[live.room_code] = blob
        live.checkpointed(blob, self.shard.seq + 1)

    def bury(self, live: LiveRoom) -> None:
        """A closed room that waits for nothing leaves a tombstone."""
        self.checkpoints[live.room_code] = b""
        self.shard.remove_room(live)

    def commit(self) -> Commit:
        """Close the batch: return its record as a commit, chained to the last one."""
        shard = self.shard
        seq = shard.seq + 1
        body = record.encode(
            record.Record(
                schema=record.SCHEMA,
                epoch=shard.epoch,
                seq=seq,
                clock=self.clock,
                inputs=self.inputs,
                checkpoints=self.checkpoints,
                hashes=self.hashes,
                rules=self.rules,
                inbox=self.inbox,
                shard=shard.memory_due(),
                released=shard.finished,
            )
        )
        digest = record.chain(shard.digest, body)
        commit = Commit(
            shard=shard.id,
            genesis=shard.genesis,
            nonce=shard.nonce,
            epoch=shard.epoch,
            seq=seq,
            previous=shard.digest,
            digest=digest,
            clock=self.clock,
            record=body,
            results=self.results,
            consumed=self.consumed,
        )
        shard.seq = seq
        shard.digest = digest
        shard.recorded_clock = self.clock
        return commit
