"""Every bound of this process, with unit and what happens when it is reached (law 13)."""

from typing import Final

from protocol.limits import Limit

BODY_BYTES_MAX: Final = 64 * 1024
HEADER_BYTES_MAX: Final = 32 * 1024  # a ticket in a URL may have 16 KiB
HEADERS_MAX: Final = 100
HEADERS_S_MAX: Final = 5
BODY_S_MAX: Final = 5
IGNORED_BYTES_MAX: Final = 1024 * 1024
WRITE_S_MAX: Final = 30
CONNECTIONS_MAX: Final = 4096
IN_FLIGHT_MAX: Final = 512
HANDLER_S_MAX: Final = 10

DATABASE_POOL_MAX: Final = 16
DATABASE_S_MAX: Final = 3
REDIS_S_MAX: Final = 2
REDIS_CONNECTIONS_MAX: Final = 64

HASHES_WAITING_MAX: Final = 64
CHRONICLE_MAX: Final = 10_000
STATIC_CACHE_BYTES_MAX: Final = 64 * 1024 * 1024
PAGE_MAX: Final = 50

TABLE: Final[dict[str, Limit]] = {
    "request body": Limit(BODY_BYTES_MAX, "bytes", "413 body_too_large"),
    "request headers": Limit(HEADER_BYTES_MAX, "bytes (100 headers)", "431, connection closed"),
    "time for headers": Limit(HEADERS_S_MAX, "seconds", "connection closed (408 when a part had come)"),
    "time for a body": Limit(BODY_S_MAX, "seconds in all", "connection closed (408 when nothing was answered yet)"),
    "bytes after a refusal": Limit(IGNORED_BYTES_MAX, "bytes read and dropped", "connection closed"),
    "unread answer": Limit(WRITE_S_MAX, "seconds without room in the buffer", "connection aborted"),
    "connections": Limit(CONNECTIONS_MAX, "HTTP connections", "closed at once"),
    "requests in flight": Limit(IN_FLIGHT_MAX, "requests", "503 busy, Retry-After"),
    "time for a request": Limit(HANDLER_S_MAX, "seconds", "503 busy"),
    "database connections": Limit(DATABASE_POOL_MAX, "connections", "waits 3 s, then 503 database_unavailable"),
    "redis connections": Limit(REDIS_CONNECTIONS_MAX, "connections", "waits 2 s, then 503 store_unavailable"),
    "passwords waiting": Limit(HASHES_WAITING_MAX, "passwords to hash", "503 busy, Retry-After"),
    "chronicle": Limit(CHRONICLE_MAX, "rows waiting for PostgreSQL", "the oldest are dropped and counted"),
    "page": Limit(PAGE_MAX, "items of a list", "the next page by cursor"),
    "static files in memory": Limit(STATIC_CACHE_BYTES_MAX, "bytes", "read from disk each time"),
}
