"""Faults of our own inside a room (COMMIT.md §10): one bad input never takes more than its room down.

In ``apply``: the input does not count and is saved, the room is rebuilt from its checkpoint and journal and plays
on. In ``advance``, or a second time within ten seconds, or while adopting: the room is given up, its members are
told, and all that is needed to study it is saved for ``arena replay FILE``.
"""

import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
import structlog
from msgspec import Struct

from gameserver.rooms import inputs
from gameserver.rooms.record import pack_input, unpack_input
from gameserver.rooms.room import Room
from gameserver.shards import limits
from gameserver.shards.metrics import ShardMetrics
from gameserver.shards.telling import Tell
from protocol.errors import CloseCode
from protocol.ids import RoomCode

if TYPE_CHECKING:
    from gameserver.shards.batch import Batch
    from gameserver.shards.live import LiveRoom, Mail

FILES_MAX: Final = 100
log = structlog.get_logger("faults")


class SavedFault(Struct, frozen=True):
    """What a fault leaves behind: enough to repeat it."""

    code: str
    where: str
    error: str
    base: bytes  # the newest checkpoint; empty: ``tail`` begins with the room's creation
    tail: list[bytes]  # packed inputs since then
    failed: bytes = b""  # the input that could not be applied


def rebuild(code: RoomCode, base: bytes, tail: list[bytes]) -> Room:
    """Return the room as checkpoint and inputs make it."""
    rest = iter(tail)
    if base:
        room = Room.load(base)
    else:
        at, first = unpack_input(next(rest))
        assert isinstance(first, inputs.Create), f"room {code} begins with its creation"
        room = Room.create(first, at)
    for packed in rest:
        at, item = unpack_input(packed)
        room.apply(item, at)
    return room


class RoomFaults:
    """Saves, rebuilds and gives up."""

    def __init__(self, folder: Path, metrics: ShardMetrics) -> None:
        self._folder = folder
        self._metrics = metrics

    def in_apply(self, live: "LiveRoom", mail: "Mail", error: Exception, batch: "Batch") -> None:
        """Save the input, rebuild the room; a second fault within ten seconds gives it up."""
        self._metrics.faults.labels("apply").inc()
        self._save(live, "apply", error, failed=pack_input(mail.at, mail.input))
        last, live.faults_at = live.faults_at, batch.clock
        if last is not None and batch.clock - last < limits.FAULTS_APART_MS:
            self._give_up(live, batch)
            return
        try:
            live.room = rebuild(live.room_code, live.base, live.tail)
        except Exception as again:  # noqa: BLE001 - a fault of ours takes one room, never the shard (COMMIT.md §10)
            self._save(live, "rebuild", again)
            self._give_up(live, batch)

    def in_advance(self, live: "LiveRoom", error: Exception, batch: "Batch") -> None:
        """Give the room up: the same deadline would fail again."""
        self._metrics.faults.labels("advance").inc()
        self._save(live, "advance", error)
        self._give_up(live, batch)

    def create_failed(self, code: RoomCode, error: Exception) -> None:
        """Note it; the creation is consumed, the code stays free."""
        self._metrics.faults.labels("create").inc()
        log.error("room_create_failed", room=code, error=repr(error))

    def adopting(self, code: RoomCode, base: bytes, tail: list[bytes], error: Exception) -> None:
        """Save a room that could not be taken over: it never blocks its shard's claim."""
        self._metrics.faults.labels("adopt").inc()
        self._metrics.quarantined.inc()
        self._write(SavedFault(code=code, where="adopt", error=_text(error), base=base, tail=tail))

    def _give_up(self, live: "LiveRoom", batch: "Batch") -> None:
        self._metrics.quarantined.inc()
        tell = Tell(live)
        for member in [*live.seats.values(), *live.watchers]:
            tell.closes.append((member, CloseCode.ROOM_FAILED, ""))
        batch.tells.append(tell)
        batch.bury(live)

    def _save(self, live: "LiveRoom", where: str, error: Exception, failed: bytes = b"") -> None:
        saved = SavedFault(
            code=live.room_code, where=where, error=_text(error), base=live.base, tail=live.tail, failed=failed
        )
        self._write(saved)

    def _write(self, saved: SavedFault) -> None:
        body = msgspec.msgpack.encode(saved)
        log.error("room_fault", room=saved.code, where=saved.where, error=saved.error.splitlines()[-1])
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            files = sorted(self._folder.glob("*.fault"))
            for old in files[: max(0, len(files) - FILES_MAX + 1)]:
                old.unlink(missing_ok=True)
            number = 1 + max((int(path.name.split("-", 1)[0]) for path in files), default=0)
            (self._folder / f"{number:06d}-{saved.code}.fault").write_bytes(body)
        except OSError as problem:
            log.error("room_fault_not_saved", room=saved.code, error=str(problem))


def _text(error: Exception) -> str:
    return "".join(traceback.format_exception(error))
