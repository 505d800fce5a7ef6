"""Times and bounds of a room. Milliseconds; R: on the room clock, S: on the shard clock."""

from typing import Final

COUNTDOWN_MS: Final = 3_000  # R
COUNT_IN_MS: Final = 3_000  # S: before play goes on after a standstill
CONTENT_WAIT_MS: Final = 60_000  # S: then the start falls back to the lobby
HOST_GONE_MS: Final = 30_000  # S: then the next in line is host
EMPTY_MS: Final = 15 * 60_000  # S: a room without anybody closes by itself

REGROUP_MS: Final = 30_000  # S: regrouping takes no longer in all
REGROUP_REST_MS: Final = 5_000  # S: nor longer than this once the first is back
REGROUP_QUICK_MS: Final = 1_000  # S: all back this soon after a planned hand-over: no count-in

BANNED_MAX: Final = 1_000  # users a room remembers as banned; the oldest is forgotten
UNRECORDED_MAX: Final = 64  # results waiting for the worker; then no match starts (BUSY)
COMMAND_ID_LEAP_MAX: Final = 1 << 20  # a command id may not be further ahead than this (INVALID)
