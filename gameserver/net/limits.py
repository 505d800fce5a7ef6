"""The edge's bounds: each a setting with a unit, and what happens when it is reached. Tests hold each row."""

from typing import Final

from msgspec import Struct

from protocol import limits as wire
from protocol.limits import Limit


class EdgeLimits(Struct, frozen=True, kw_only=True):
    """What one listener grants. Defaults are DESIGN §8's; tests and the load bench set their own."""

    message_bytes: int = wire.CLIENT_MESSAGE_BYTES_MAX
    messages_per_s: float = wire.MESSAGES_PER_S
    messages_burst: int = wire.MESSAGES_BURST
    control_per_s: float = wire.CONTROL_FRAMES_PER_S_MAX
    outbox_bytes: int = wire.OUTBOX_BYTES_MAX
    request_bytes: int = 32 * 1024
    early_bytes: int = 16 * 1024
    handshake_s: float = 5.0
    ticket_s: float = 2.0
    hello_s: float = wire.HELLO_S_MAX
    ping_every_s: float = wire.PING_EVERY_S
    pong_within_s: float = wire.PONG_WITHIN_S
    stuck_s: float = 5.0
    closing_s: float = 2.0
    sweep_s: float = 0.1
    connections: int = 20_000
    unasked: int = 1_000
    connections_per_address: int = 2_000
    opens_per_s: float = 400.0
    opens_burst: int = 400
    failures_per_minute: int = 20
    addresses: int = 10_000
    control_links: int = 256
    socket_buffer_bytes: int = 64 * 1024
    echo_bytes: int = 16 * 1024 * 1024


DEFAULTS: Final = EdgeLimits()

TABLE: Final[dict[str, Limit]] = {
    "message_bytes": Limit(DEFAULTS.message_bytes, "bytes", "TOO_BIG (1009) before the body is read"),
    "messages_per_s": Limit(int(DEFAULTS.messages_per_s), "messages a second", "RATE_LIMITED (4008)"),
    "messages_burst": Limit(DEFAULTS.messages_burst, "messages at once", "RATE_LIMITED (4008)"),
    "control_per_s": Limit(int(DEFAULTS.control_per_s), "control frames a second", "aborted"),
    "outbox_bytes": Limit(DEFAULTS.outbox_bytes, "unsent bytes", "SLOW_READER (4007), aborted when still stuck"),
    "request_bytes": Limit(DEFAULTS.request_bytes, "bytes of an upgrade request", "HTTP 431"),
    "early_bytes": Limit(DEFAULTS.early_bytes, "bytes before the upgrade is answered", "aborted"),
    "handshake_s": Limit(int(DEFAULTS.handshake_s), "seconds to send the upgrade request", "aborted"),
    "ticket_s": Limit(int(DEFAULTS.ticket_s), "seconds for the store to use a ticket up", "HTTP 503 + Retry-After"),
    "hello_s": Limit(int(DEFAULTS.hello_s), "seconds to Hello", "HELLO_TIMEOUT (4002)"),
    "ping_every_s": Limit(int(DEFAULTS.ping_every_s), "seconds between pings", "–"),
    "pong_within_s": Limit(int(DEFAULTS.pong_within_s), "seconds to a pong", "PING_TIMEOUT (4012)"),
    "stuck_s": Limit(int(DEFAULTS.stuck_s), "seconds without any byte taken", "aborted"),
    "closing_s": Limit(int(DEFAULTS.closing_s), "seconds in CLOSING", "aborted"),
    "sweep_s": Limit(1, "tenths of a second between sweeps", "–"),
    "connections": Limit(DEFAULTS.connections, "sockets a node", "HTTP 503 + Retry-After"),
    "unasked": Limit(DEFAULTS.unasked, "sockets above that, to be told 503", "aborted"),
    "connections_per_address": Limit(DEFAULTS.connections_per_address, "sockets an address", "HTTP 429 + Retry-After"),
    "opens_per_s": Limit(int(DEFAULTS.opens_per_s), "upgrades a second", "HTTP 503 + Retry-After"),
    "opens_burst": Limit(DEFAULTS.opens_burst, "upgrades at once", "HTTP 503 + Retry-After"),
    "failures_per_minute": Limit(
        DEFAULTS.failures_per_minute, "bad tickets or unknown codes an address", "HTTP 429 + Retry-After"
    ),
    "addresses": Limit(DEFAULTS.addresses, "addresses with failures", "the oldest is forgotten"),
    "control_links": Limit(DEFAULTS.control_links, "control connections", "a new one is closed"),
    "socket_buffer_bytes": Limit(DEFAULTS.socket_buffer_bytes, "bytes of kernel buffer each way", "the sender waits"),
    "echo_bytes": Limit(DEFAULTS.echo_bytes, "bytes of a message to /echo (test builds)", "TOO_BIG (1009)"),
}
