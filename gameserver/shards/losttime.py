"""A timeline that the store lost, seen from a client that had been told of it (COMMIT.md §4).

It takes two faults at once: a Redis that fell back, and the death of the owner that could have healed it. What was told
cannot be untold; it is counted, logged, and said openly to the room.
"""

from typing import TYPE_CHECKING, Final

import structlog

from gameserver.shards import limits
from protocol import codec, frames
from protocol.client import ResumePoint
from protocol.server import Notice
from protocol.types import WireFormat

if TYPE_CHECKING:
    from gameserver.shards.live import LiveRoom
    from gameserver.shards.shard import Shard

log = structlog.get_logger("losttime")
FRAMES: Final = {
    wire: frames.frame_for(wire, codec.encode_server(Notice(code="timeline_lost"), wire)) for wire in WireFormat
}


def was_told_more(shard: "Shard", at: ResumePoint) -> bool:
    """Whether a former owner told this client a clock beyond the one at which this owner took over."""
    return at.epoch < shard.claimed and at.clock > shard.clock.start


def notice(live: "LiveRoom", at: ResumePoint) -> None:
    """Count it, and tell the room: who is here at once, who comes back within a minute with the whole view.

    A client may lie about its clock; it then alarms its own room, once a minute.
    """
    shard = live.shard
    shard.metrics.timelines.inc()
    now_ms = shard.now_ms()
    if now_ms < live.loss_told_until or shard.frozen():  # frozen: no frame of any kind; the next to come back tells
        return
    live.loss_told_until = now_ms + limits.LOSS_TOLD_MS
    log.error(
        "timeline_lost", room=live.room_code, epoch=shard.epoch, told_in=at.epoch, told=at.clock, had=shard.clock.start
    )
    for member in live.everybody():
        member.connection.send(FRAMES[member.connection.format])
