"""Rebuilding a shard from its journal (COMMIT.md §6): what is read, in which order, and what must hold."""

from collections.abc import Sequence
from typing import Final

import structlog
from msgspec import DecodeError, Struct

from gameserver.ports import Head, JournalEntry, ShardStore
from gameserver.rooms import inputs
from gameserver.rooms.record import unpack_input
from gameserver.rooms.room import Room
from gameserver.shards import record
from gameserver.shards.faults import RoomFaults
from gameserver.shards.live import Mail
from gameserver.shards.shard import Shard
from protocol.ids import RoomCode, ShardId

READ_AT_ONCE: Final = 500
log = structlog.get_logger("recovery")


class JournalBroken(Exception):  # noqa: N818 - a finding about stored data
    """The journal does not lead to the head: nothing may go on from a guess."""


class _Found(Struct):
    """One room on its way back."""

    base: bytes
    base_seq: int
    tail: list[bytes]
    hash_clock: int = 0
    hash: bytes = b""
    failed: bool = False


class Recovered(Struct):
    """What the journal says."""

    rooms: dict[str, _Found]
    tombstones: list[str]
    inbox_ids: list[str]
    clock: int
    sizes: list[tuple[int, int]]
    memory_seq: int
    planned: bool  # the last owner handed over by plan


async def read_records(store: ShardStore, shard: ShardId, head: Head) -> list[tuple[record.Record, int]]:
    """Read the journal up to the head; each record comes with its size in bytes.

    Raises:
        JournalBroken: a record is missing, unreadable, or the last one is not the head's.
    """
    found: list[tuple[record.Record, int]] = []
    after, last = -1, b""
    while True:
        entries: Sequence[JournalEntry] = await store.read_journal(
            shard, head.genesis, after_seq=after, count=READ_AT_ONCE
        )
        for entry in entries:
            if entry.seq > head.seq:
                continue
            try:
                decoded = record.decode(entry.record)
            except DecodeError as error:
                raise JournalBroken(f"record {entry.seq} of shard {shard}: {error}") from error
            if decoded.seq != entry.seq or (found and decoded.seq != found[-1][0].seq + 1):
                raise JournalBroken(f"record {entry.seq} of shard {shard} is out of order")
            found.append((decoded, len(entry.record)))
            last = entry.record
        if len(entries) < READ_AT_ONCE:
            break
        after = entries[-1].seq
    if head.seq and (not found or found[-1][0].seq != head.seq):
        raise JournalBroken(f"shard {shard} ends at {found[-1][0].seq if found else None}, its head at {head.seq}")
    if (
        found
        and head.seq - 1 in head.digests
        and record.chain(head.digests[head.seq - 1], last) != head.digests[head.seq]
    ):
        raise JournalBroken(f"the last record of shard {shard} is not the one its head names")
    return found


def gather(records: Sequence[tuple[record.Record, int]]) -> Recovered:
    """Sort records by room: the newest checkpoint of each, and the inputs after it."""
    rooms: dict[str, _Found] = {}
    tombstones: dict[str, None] = {}
    inbox_ids: dict[str, None] = {}
    memory_seq = clock = 0
    for item, _ in records:
        clock = max(clock, item.clock)
        for code, packed in item.inputs:
            if code in rooms:
                rooms[code].tail.append(packed)
            elif isinstance(unpack_input(packed)[1], inputs.Create):
                rooms[code] = _Found(base=b"", base_seq=item.seq, tail=[packed])
        for code, blob in item.checkpoints.items():
            if blob:
                rooms[code] = _Found(base=blob, base_seq=item.seq, tail=[])
            else:
                rooms.pop(code, None)
                tombstones[code] = None
        for code, state_hash in item.hashes.items():
            if code in rooms and code not in item.checkpoints:
                rooms[code].tail.append(b"")  # a mark: compare here
                rooms[code].hash, rooms[code].hash_clock = state_hash, item.clock
        inbox_ids.update(dict.fromkeys(item.inbox))
        if item.shard:
            memory = record.decode_memory(item.shard)
            tombstones = dict.fromkeys([*memory.tombstones, *tombstones])
            inbox_ids = dict.fromkeys([*memory.inbox_ids, *inbox_ids])
            memory_seq = item.seq
    return Recovered(
        rooms=rooms,
        tombstones=list(tombstones),
        inbox_ids=list(inbox_ids),
        clock=clock,
        sizes=[(item.seq, size) for item, size in records],
        memory_seq=memory_seq,
        planned=bool(records) and records[-1][0].released,
    )


def _rebuild(found: _Found) -> tuple[Room, bool]:
    """Replay a room; False when it differs from the last state hash told: the match may not go on from here."""
    tail = [packed for packed in found.tail if packed]
    marked = max((index for index, packed in enumerate(found.tail) if not packed), default=-1)
    before_mark = sum(1 for packed in found.tail[: marked + 1] if packed)
    room: Room | None = Room.load(found.base) if found.base else None
    agreed = True
    for number, packed in enumerate(tail):
        if number == before_mark and marked >= 0 and room is not None:
            agreed = _agrees(room, found)
        at, item = unpack_input(packed)
        if room is None:
            assert isinstance(item, inputs.Create)
            room = Room.create(item, at)
        else:
            room.apply(item, at)
    assert room is not None
    if before_mark == len(tail) and marked >= 0:
        agreed = _agrees(room, found)
    found.tail = tail
    return room, agreed


def _agrees(room: Room, found: _Found) -> bool:
    room.advance(found.hash_clock)
    return room.state_hash() == found.hash


def fill(shard: Shard, recovered: Recovered, faults: RoomFaults) -> int:
    """Put the recovered rooms into an owned shard and post their adoption; return how many there are."""
    for code in recovered.tombstones:
        shard.tombstones[code] = None
    for message_id in recovered.inbox_ids:
        shard.remember_inbox(message_id)
    shard.journal.recovered(recovered.sizes, recovered.memory_seq)
    ordered = sorted(recovered.rooms.items(), key=lambda item: len(item[1].tail), reverse=True)
    for code, found in ordered:
        try:
            room, agreed = _rebuild(found)
            room.advance(shard.clock.now)
        except Exception as error:  # noqa: BLE001 - a fault of ours takes one room, never the shard (COMMIT.md §10)
            faults.adopting(RoomCode(code), found.base, [packed for packed in found.tail if packed], error)
            shard.quarantined.append(code)
            continue
        live = shard.add_room(RoomCode(code), room)
        live.base, live.base_seq, live.tail = found.base, found.base_seq, found.tail
        live.match_seen = room.running_match
        if not agreed:
            log.error("replay_differs", room=code)
            live.post(Mail(inputs.Void(reason="replay differs"), shard.clock.now))
        live.post(Mail(inputs.Adopt(epoch=shard.epoch, planned=recovered.planned), shard.clock.now))
    return len(ordered)
