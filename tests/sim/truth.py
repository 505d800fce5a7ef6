"""What the journal says: the shards as anybody could rebuild them from the records that were committed.

Kept apart from the code under test but for the rooms themselves, which are pure: a room is what its inputs make it.
"""

from hashlib import blake2b

import msgspec
from msgspec import Struct

from gameserver.ports import Commit, CommitReply, Head, Healing, Refounding
from gameserver.rooms import inputs
from gameserver.rooms.record import unpack_input
from gameserver.rooms.room import Room
from protocol import codec
from protocol.bus import MatchResult
from protocol.client import Command
from tests.sim.loop import Process
from tests.sim.room_truth import UNKNOWN, RoomTruth, Violation


class Epoch(Struct):
    """One ownership."""

    epoch: int
    nonce: str
    instance: str
    seq: int  # where it began
    clock: int  # the committed clock then
    began_s: float
    awake_s: float  # of the owner's process, then
    pauses: int
    committed: int  # the greatest clock committed in it
    over: bool = False


class Fallen(Struct):
    """Where a store stands that fell back, while its shard stands further."""

    seq: int
    digest: bytes
    genesis: str
    missing: bool = False  # it came back empty
    epoch: int = 0
    clock: int = 0


class _Record(Struct, frozen=True, array_like=True):
    """A journal record, as COMMIT.md §1 lists it."""

    schema: int
    epoch: int
    seq: int
    clock: int
    inputs: list[tuple[str, bytes]]
    checkpoints: dict[str, bytes]
    hashes: dict[str, bytes]
    rules: dict[str, int]
    inbox: list[str]
    shard: bytes = b""
    released: bool = False


_decode = msgspec.msgpack.Decoder(_Record).decode


class ShardTruth:
    """One shard, rebuilt from its committed records."""

    def __init__(self, shard: int) -> None:
        self.shard = shard
        self.epochs: list[Epoch] = []
        self.genesis = ""
        self.seq = 0
        self.digest = b""
        self.clock = 0  # committed, renewals included
        self.told = 0  # the greatest clock told
        self.rooms: dict[str, RoomTruth] = {}
        self.buried: dict[str, RoomTruth] = {}
        self.results: dict[str, bytes] = {}
        self.last_sent_no = 0
        self.commits: list[Commit] = []  # of this genesis
        self.base = 0  # the seq at which this genesis began
        self.fallen: Fallen | None = None  # since the store fell back, until it has everything again
        self.released = False
        self.lost = ""  # how history was lost for good

    @property
    def owner(self) -> Epoch:
        """The rightful owner."""
        return self.epochs[-1]

    def epoch(self, number: int) -> Epoch | None:
        """Return an ownership by its epoch."""
        return next((each for each in reversed(self.epochs) if each.epoch == number), None)

    def find(self, code: str) -> RoomTruth | None:
        """Return a room, also one that is over."""
        return self.rooms.get(code) or self.buried.get(code)

    # ---- a store that falls back ---------------------------------------------------------------------

    def remember(self) -> Fallen:
        """Return what a snapshot of the store holds of this shard."""
        if self.fallen is not None:
            return self.fallen
        epoch = self.epochs[-1].epoch if self.epochs else 0
        return Fallen(self.seq, self.digest, self.genesis, epoch=epoch, missing=not self.epochs, clock=self.clock)

    def owner_moved(self, to: "Fallen") -> bool:
        """Whether another owned the shard then."""
        return to.epoch != self.owner.epoch

    def fell_back(self, to: "Fallen") -> None:
        """The store is as it was then."""
        self.fallen = to

    def healed(self, healing: Healing, reply: CommitReply) -> None:
        """Its owner gave back what the store had lost."""
        owner = self.owner
        if self.lost:
            return
        if self.fallen is None:
            raise Violation(f"shard {self.shard}: healed, although the store had lost nothing")
        if (healing.nonce, healing.epoch) != (owner.nonce, owner.epoch):
            if healing.epoch != self.fallen.epoch:
                raise Violation(f"shard {self.shard}: healed in epoch {healing.epoch}, while {owner.epoch} owns it")
            self.lost = f"healed by {healing.instance}, which owned it when the store fell back to before {owner.epoch}"
            return
        known = {commit.seq: commit.digest for commit in self.commits}
        for commit in healing.commits:
            if known.get(commit.seq) != commit.digest:
                raise Violation(f"shard {self.shard}: healed with a record {commit.seq} that was never committed")
        if reply.seq < self.seq:
            self.fallen = msgspec.structs.replace(self.fallen, seq=reply.seq, digest=reply.digest)
        else:
            self.fallen = None

    def refounded(self, refounding: Refounding, head: Head, pieces: list[bytes], process: Process) -> None:
        """Its owner founded the shard again: what the pieces say is the shard from now on."""
        owner = self.owner
        if self.lost:
            return
        repeated = refounding.genesis == self.genesis and refounding.seq == self.seq  # its first answer was lost
        if self.fallen is None and not repeated:
            raise Violation(f"shard {self.shard}: founded again, although the store had lost nothing")
        if (refounding.nonce, refounding.epoch) != (owner.nonce, owner.epoch) and not repeated:
            assert self.fallen is not None
            if refounding.epoch != self.fallen.epoch:
                raise Violation(f"shard {self.shard}: founded again by {refounding.epoch}, while {owner.epoch} owns it")
            self.lost = f"founded again by {refounding.instance}, which owned it before {owner.epoch}"
            return
        if refounding.seq <= self.seq and not repeated:
            raise Violation(f"shard {self.shard}: seq ran back to {refounding.seq} from {self.seq}")
        owner.over = True
        rooms: dict[str, bytes] = {}
        for piece in pieces:
            rooms.update(_decode(piece).checkpoints)
        for code, before in self.rooms.items():
            if code not in rooms and not before.room.closed:
                raise Violation(f"shard {self.shard}: room {code} is missing where it was founded again")
        self._load(rooms, head)
        self.genesis, self.seq, self.base = head.genesis, head.seq, head.seq
        self.digest = head.digests[head.seq]
        self.clock = max(self.clock, head.clock)
        self.commits, self.fallen = [], None
        awake, pauses = process.awake_s(), process.pauses - 1  # it stood still: a stamp may lie one step ahead
        self.epochs.append(
            Epoch(head.epoch, head.nonce, owner.instance, head.seq, head.clock, 0.0, awake, pauses, head.clock)
        )
        for room in self.rooms.values():
            self._note(room, head.clock)

    def _load(self, rooms: dict[str, bytes], head: Head) -> None:
        before, self.rooms = self.rooms, {}
        for code, blob in rooms.items():
            self.rooms[code] = room = RoomTruth(code, Room.load(blob))
            room.adopted_in = head.epoch
            old = before.get(code)
            if old is not None:
                room.snapshots, room.matches, room.moderated = old.snapshots, old.matches, old.moderated
                room.reveals, room.voided, room.accepted = old.reveals, old.voided, old.accepted
                for key in old.accepted:
                    self._kept(room, key)
            for seat in room.room.state.seats.values():
                for number in seat.recent:
                    room.accepted.setdefault((seat.number, number), UNKNOWN)

    def _kept(self, room: RoomTruth, key: tuple[int, int]) -> None:
        seat = room.room.state.seats.get(key[0])
        if seat is not None and seat.accepted < key[1]:
            raise Violation(f"shard {self.shard}: command {key[1]} of seat {key[0]} is lost by founding again")

    def claimed(self, head: Head, instance: str, now_s: float, awake_s: float, pauses: int) -> None:
        """A new owner."""
        if self.lost:
            return
        if self.fallen is not None:
            if (head.seq, head.genesis) != (self.seq, self.genesis):
                self.lost = f"claimed by {instance} at {head.seq}, while the journal had come to {self.seq}"
                return
            self.fallen = None
        if self.epochs:
            self._check_head(head)
            self.owner.over = True
            self.released = False
        else:
            self.genesis = head.genesis
        clock = self.clock = max(self.clock, head.clock)
        self.epochs.append(Epoch(head.epoch, head.nonce, instance, head.seq, clock, now_s, awake_s, pauses, clock))

    def _check_head(self, head: Head) -> None:
        if head.epoch <= self.owner.epoch:
            raise Violation(f"shard {self.shard}: epoch {head.epoch} was claimed after {self.owner.epoch}")
        if head.genesis != self.genesis or head.seq != self.seq or head.digests.get(head.seq, b"") != self.digest:
            raise Violation(f"shard {self.shard}: the head claimed is at {head.seq}, the journal at {self.seq}")
        if head.clock < self.clock:
            raise Violation(f"shard {self.shard}: the committed clock ran back from {self.clock} to {head.clock}")

    # ---- records -----------------------------------------------------------------------------------

    def take(self, commit: Commit) -> None:
        """Take a record that the store says is committed; raise ``Violation`` where it cannot be."""
        owner, where = self.owner, f"shard {self.shard} record {commit.seq}"
        if self.fallen is not None and commit.epoch != owner.epoch:
            self.lost = f"who had owned it went on in {commit.epoch} when the store fell back to before {owner.epoch}"
        if self.lost:
            return
        if self.fallen is not None and commit.seq <= self.seq:
            self._again(commit, where)
            return
        if (commit.nonce, commit.epoch) != (owner.nonce, owner.epoch):
            raise Violation(f"{where}: committed in epoch {commit.epoch}, while {owner.epoch} owns the shard")
        if commit.seq != self.seq + 1 or commit.genesis != self.genesis:
            raise Violation(f"{where}: committed after record {self.seq}")
        digest = blake2b(self.digest + commit.record, digest_size=16).digest()
        if commit.previous != self.digest or commit.digest != digest:
            raise Violation(f"{where}: its digest does not chain")
        record = _decode(commit.record)
        if (record.seq, record.epoch, record.clock) != (commit.seq, commit.epoch, commit.clock):
            raise Violation(f"{where}: record and commit contradict each other")
        if record.clock < self.clock or record.clock < self.told:
            raise Violation(f"{where}: clock {record.clock} runs back ({self.clock} committed, {self.told} told)")
        self._inputs(record, where)
        for room in self.rooms.values():
            due = room.room.next_deadline()
            if due is not None and due <= record.clock:
                room.room.advance(record.clock)
                touched = True
            else:
                touched = room.room.take_touched()[0]
            if touched or not room.snapshots or room.snapshots[-1].clock < record.clock:
                self._note(room, record.clock)
        self._states(record, where)
        self._results(commit, where)
        self.seq, self.digest = commit.seq, digest
        self.clock = owner.committed = max(self.clock, record.clock)
        self.commits.append(commit)

    def _again(self, commit: Commit, where: str) -> None:
        """A record that the store had, and lost, and has again."""
        known = next((each.digest for each in self.commits if each.seq == commit.seq), None)
        if known != commit.digest:
            raise Violation(f"{where}: another record stood there before the store fell back")
        assert self.fallen is not None
        self.fallen = msgspec.structs.replace(self.fallen, seq=commit.seq, digest=commit.digest)
        if commit.seq == self.seq:
            self.fallen = None

    def _note(self, room: RoomTruth, clock: int) -> None:
        room.snapshot(clock)
        match = room.room.running_match
        if match is not None:
            room.matches.setdefault(match, room.room.state.number)

    def _inputs(self, record: _Record, where: str) -> None:
        floors = dict.fromkeys((code for code, _ in record.inputs), self.clock)
        for code, packed in record.inputs:
            at, item = unpack_input(packed)
            if at < floors[code] and not isinstance(item, inputs.Create):
                raise Violation(f"{where}: {type(item).__name__} is stamped {at}, after {floors[code]}")
            floors[code] = at
            if isinstance(item, inputs.Create):
                if code in self.rooms or code in self.buried:
                    raise Violation(f"{where}: room {code} is created twice")
                self.rooms[code] = RoomTruth(code, Room.create(item, at))
                self.rooms[code].adopted_in = record.epoch
                continue
            room = self.rooms.get(code)
            if room is None:
                raise Violation(f"{where}: an input for room {code}, which does not live")
            self._apply(room, at, item, record.epoch, where)

    def _apply(self, room: RoomTruth, at: int, item: inputs.Input, epoch: int, where: str) -> None:
        state = room.room.state
        command: Command | None = None
        if isinstance(item, inputs.Adopt | inputs.Void):
            room.room.advance(at)  # what fell due before the new owner's first input
        if isinstance(item, inputs.Void):
            if state.match is not None:
                room.voided.add(state.match.id)
        elif isinstance(item, inputs.Adopt):
            self._adopt(room, at, item, epoch, where)
            return
        elif room.adopted_in != epoch:
            raise Violation(f"{where}: room {room.code} got {type(item).__name__} before it was adopted")
        if isinstance(item, inputs.CommandInput):
            decoded = codec.decode_client(item.raw)
            assert isinstance(decoded, Command)
            command = decoded
            key = (item.seat, command.id)
            if key in room.accepted:
                raise Violation(f"{where}: command {command.id} of seat {item.seat} in {room.code} counts twice")
            room.accepted[key] = item.raw
            self._late(room, at, command, where)
        if isinstance(item, inputs.Moderate):
            key_of = f"{item.user}/{item.action}"
            room.moderated[key_of] = room.moderated.get(key_of, 0) + 1
            if item.user.startswith("ghost") and room.moderated[key_of] > 1:
                raise Violation(f"{where}: a message of the inbox ({key_of}) counts twice")
        reply = room.room.apply(item, at, command)
        if reply.code is not None or reply.repeated:
            raise Violation(f"{where}: {type(item).__name__} is journaled, but does not apply: {reply}")

    def _late(self, room: RoomTruth, at: int, command: Command, where: str) -> None:
        """No answer may count once its reveal was told."""
        match, question = room.room.running_match, getattr(command, "question", None)
        if match is None or question is None:
            return
        told = room.reveals.get((match, question))
        if told is not None:
            raise Violation(f"{where}: an answer to question {question} at {at} counts, revealed at {told}")

    def _adopt(self, room: RoomTruth, at: int, item: inputs.Adopt, epoch: int, where: str) -> None:
        """Everybody who was connected is waited for, and those who already were, too; the clock stands (law 11)."""
        state = room.room.state
        waited = set() if state.regrouping is None else set(state.regrouping.awaited)
        waited |= {seat.number for seat in state.seats.values() if seat.here}
        was = room.room.now(at)
        room.adopted_in = epoch
        if item.epoch != epoch:
            raise Violation(f"{where}: room {room.code} is adopted for epoch {item.epoch}, in {epoch}")
        room.room.apply(item, at)
        now_waited = set() if state.regrouping is None else set(state.regrouping.awaited)
        if now_waited != waited:
            raise Violation(f"{where}: room {room.code} waits for {sorted(now_waited)}, not for {sorted(waited)}")
        if waited and (state.stopped is None or room.room.now(at + 10_000) != was):
            raise Violation(f"{where}: the clock of room {room.code} runs while it regroups")

    def _states(self, record: _Record, where: str) -> None:
        for code, wanted in record.hashes.items():
            room = self.rooms.get(code)
            if room is not None:
                room.room.advance(record.clock)
                if room.room.state_hash() != wanted:
                    raise Violation(f"{where}: the state of room {code} is not what its inputs make it")
        for code, blob in record.checkpoints.items():
            room = self.rooms.get(code)
            if room is None:
                continue
            if not blob:
                self._bury(room, where)
            elif room.room.dump() != blob:
                raise Violation(f"{where}: the checkpoint of room {code} is not what its inputs make it")

    def _bury(self, room: RoomTruth, where: str) -> None:
        if not room.room.closed or room.room.pending():
            raise Violation(f"{where}: room {room.code} is forgotten, but not over: {room.room.phase}")
        room.buried = True
        self.buried[room.code] = self.rooms.pop(room.code)

    def _results(self, commit: Commit, where: str) -> None:
        for packed in commit.results:
            result = codec.unpack_bus(packed)
            assert isinstance(result, MatchResult)
            known = self.results.setdefault(result.id, packed)
            if known != packed:
                raise Violation(f"{where}: match {result.id} has two different results")
            room = self.find(result.code)
            if room is None or result.id not in room.matches:
                raise Violation(f"{where}: a result of match {result.id}, which nobody played")
