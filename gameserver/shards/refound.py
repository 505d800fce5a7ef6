"""A shard founded again from its owner's memory (COMMIT.md §2): the whole of it as the first records of a new journal.

The memory that is written is the live one, unconfirmed inputs included: once the head names the new journal they are
as durable as everything else in it, and only then is anything told (DECISIONS 9).
"""

import secrets
from collections.abc import Iterator

from gameserver.ports import Head, JournalEntry, Refounding
from gameserver.shards import limits, record
from gameserver.shards.members import MemberState
from gameserver.shards.shard import Shard
from gameserver.shards.telling import Tell
from protocol.ids import InstanceId, RoomCode


class Rewriting:
    """One attempt. The shard stands still meanwhile, so what is written stays true until it takes effect."""

    def __init__(self, shard: Shard) -> None:
        self.shard = shard
        self.genesis = secrets.token_hex(8)
        self._seq = shard.seq
        self._digest = shard.digest
        self._digests = {shard.seq: shard.digest}
        self._sizes: list[tuple[int, int]] = []
        self._bases: dict[RoomCode, tuple[bytes, int]] = {}

    def pieces(self) -> Iterator[JournalEntry]:
        """Yield records of at most 1 MiB (or one room) that hold every room and what the shard remembers besides."""
        part: dict[RoomCode, bytes] = {}
        size = 0
        for code, live in list(self.shard.rooms.items()):
            blob = live.room.dump()
            if part and size + len(blob) > limits.PIECE_BYTES_MAX:
                yield self._piece(part, last=False)
                part, size = {}, 0
            part[code] = blob
            size += len(blob)
        yield self._piece(part, last=True)

    def _piece(self, part: dict[RoomCode, bytes], *, last: bool) -> JournalEntry:
        shard = self.shard
        self._seq += 1
        memory = record.ShardMemory(inbox_ids=list(shard.inbox_ids), tombstones=list(shard.tombstones))
        body = record.encode(
            record.Record(
                schema=record.SCHEMA,
                epoch=shard.epoch,
                seq=self._seq,
                clock=shard.clock.now,
                inputs=[],
                checkpoints={str(code): blob for code, blob in part.items()},
                hashes={},
                rules={},
                inbox=[],
                shard=record.encode_memory(memory) if last else b"",
            )
        )
        self._digest = self._digests[self._seq] = record.chain(self._digest, body)
        self._sizes.append((self._seq, len(body)))
        self._bases.update((code, (blob, self._seq)) for code, blob in part.items())
        return JournalEntry(shard.epoch, self._seq, body)

    def refounding(self, instance: InstanceId) -> Refounding:
        """Return what flips the head, when all pieces are written."""
        shard = self.shard
        return Refounding(
            shard=shard.id,
            genesis=self.genesis,
            nonce=shard.nonce,
            epoch=shard.epoch,
            instance=instance,
            claimed=shard.claimed,
            clock=max(shard.clock.now, shard.pipe.confirmed_clock),
            seq=self._seq,
            digests={seq: self._digests[seq] for seq in sorted(self._digests)[-8:]},
            pieces=len(self._sizes),
        )

    def take_effect(self, head: Head, sent_ms: float) -> None:
        """The head names the new journal: go on in the new epoch, and tell what that made durable.

        Acknowledgements, refusals and closes that waited are told once; deltas of the old epoch never are: every
        member gets a whole view instead, in streams that start anew.
        """
        shard = self.shard
        untold = shard.begin_anew(head, sent_ms)
        shard.journal.recovered(self._sizes, self._seq)
        for code, live in shard.rooms.items():
            live.base, live.base_seq = self._bases[code]
            live.tail = []
            members = [*live.everybody(), *live.seats.values(), *live.watchers]
            live.streams = {}
            live.published.clear()
            live.card_wanted = True
            live.told_may_be_lost()
            shard.wants_tick(live)
            for member in dict.fromkeys(members):
                if member.state in (MemberState.SEATED, MemberState.WATCHING):
                    live.want_view(member)
        carried = [_personal(tell) for tell in untold]
        shard.tell_behind([tell for tell in carried if tell])


def _personal(tell: Tell) -> Tell:
    """Return what of a tell outlives its epoch."""
    kept = Tell(tell.live)
    kept.before = {member: head for member, head in tell.before.items() if member.state is not MemberState.GONE}
    kept.closes = tell.closes
    return kept
