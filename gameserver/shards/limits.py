"""Bounds of the shards, with units and what happens when they are reached. Each has a metric or a test."""

from typing import Final

from protocol.limits import Limit

UNCONFIRMED_MAX: Final = 4
TAIL_MS: Final = 30_000
TAIL_BYTES_MAX: Final = 8 * 1024 * 1024
MAIL_PER_ROOM_MAX: Final = 4_096
MAIL_PER_SEAT_MAX: Final = 32
INBOX_IDS_MAX: Final = 256
TOMBSTONES_MAX: Final = 4_096
JOURNAL_RECORDS_MAX: Final = 4_000
JOURNAL_BYTES_MAX: Final = 8 * 1024 * 1024
CHECKPOINT_BYTES_A_TICK: Final = 512 * 1024
PIECE_BYTES_MAX: Final = 1024 * 1024
MENDS_AT_ONCE: Final = 4
ROOMS_PER_SHARD_MAX: Final = 1_000
HASH_EVERY_MS: Final = 1_000
CROWD_IDLE_MS: Final = 30_000
EFFECT_AGAIN_MS: Final = 5_000
CARD_EVERY_MS: Final = 1_000
CARD_REFRESH_MS: Final = 60_000
MEASURE_EVERY_MS: Final = 1_000
LOSS_TOLD_MS: Final = 60_000
CONNECTIONS_EVERY_MS: Final = 1_000
CONNECTIONS_REFRESH_MS: Final = 30_000
CHAT_PER_10_S: Final = 5
REACTIONS_PER_10_S: Final = 20
REACTION_KINDS_MAX: Final = 16
STALL_REGROUP_MS: Final = 1_000
FAULTS_APART_MS: Final = 10_000

TABLE: Final[dict[str, Limit]] = {
    "unconfirmed records": Limit(
        UNCONFIRMED_MAX, "records a shard", "the shard waits: no new tick until one is confirmed"
    ),
    "tail": Limit(TAIL_BYTES_MAX, "bytes a shard (or 30 s)", "the oldest kept records are forgotten"),
    "mail of a room": Limit(MAIL_PER_ROOM_MAX, "inputs", "the sender is closed with TRY_AGAIN"),
    "mail of a seat": Limit(MAIL_PER_SEAT_MAX, "commands", "the sender is closed with RATE_LIMITED"),
    "remembered inbox ids": Limit(INBOX_IDS_MAX, "ids a shard", "the oldest is forgotten"),
    "tombstones": Limit(TOMBSTONES_MAX, "codes a shard", "the oldest is forgotten"),
    "journal": Limit(JOURNAL_RECORDS_MAX, "records a shard (or 8 MiB)", "oldest rooms are checkpointed, then trimmed"),
    "pieces of a re-founding": Limit(PIECE_BYTES_MAX, "bytes (or one room)", "another piece is begun"),
    "shards mended at once": Limit(MENDS_AT_ONCE, "shards", "the others stand still until it is their turn"),
    "rooms": Limit(ROOMS_PER_SHARD_MAX, "rooms a shard", "create is refused"),
    "chat": Limit(CHAT_PER_10_S, "lines a member in 10 s", "the line is dropped"),
    "reactions": Limit(REACTIONS_PER_10_S, "reactions a member in 10 s", "the reaction is dropped"),
}
