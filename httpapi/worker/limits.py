"""Every bound of the worker, with unit and what happens when it is reached (law 13)."""

from typing import Final

from protocol.limits import Limit

RESULTS_IN_HAND_MAX: Final = 1
REQUESTS_IN_HAND_MAX: Final = 8
READ_BLOCK_MS: Final = 5_000
REDIS_S_MAX: Final = 5
STALE_MS: Final = 10_000
INBOX_MAX: Final = 10_000
REFUSALS_MAX: Final = 3
BACK_OFF_S: Final = (0.05, 5.0)
DATABASE_CONNECTIONS_MAX: Final = 4
RECORDING_S_MAX: Final = 10
SERVING_S_MAX: Final = 2
DRAIN_S: Final = 8
PACK_REMEMBERED_S: Final = 3_600
ROOM_SEEN_MAX: Final = 300
ROOM_SEEN_S: Final = 7_200
RESERVE_PACKS: Final = 6
RESERVE_PACK_ITEMS: Final = 50
DETAIL_CHARS_MAX: Final = 500

TABLE: Final[dict[str, Limit]] = {
    "results in hand": Limit(RESULTS_IN_HAND_MAX, "results a shard", "the others wait in Redis"),
    "requests in hand": Limit(REQUESTS_IN_HAND_MAX, "requests a shard", "the others wait in Redis"),
    "unfinished work": Limit(STALE_MS, "ms without a sign of life", "another worker takes it over"),
    "inbox": Limit(INBOX_MAX, "messages a shard", "content requests are dropped: the room asks again"),
    "refusals": Limit(REFUSALS_MAX, "refusals of one result", "it goes to result_failures; others go on"),
    "recording": Limit(RECORDING_S_MAX, "seconds a statement", "undone, then the same transaction again"),
    "serving": Limit(SERVING_S_MAX, "seconds a statement", "questions come from the reserve"),
    "drain": Limit(DRAIN_S, "seconds", "cut; another worker takes over what was in hand"),
    "answers remembered": Limit(PACK_REMEMBERED_S, "seconds", "a request that is older is answered anew"),
    "questions a room saw": Limit(ROOM_SEEN_MAX, "questions (2 h)", "the oldest are forgotten"),
    "reserve": Limit(RESERVE_PACKS, "packs of 50 questions", "replaced when the questions change, or hourly"),
}
