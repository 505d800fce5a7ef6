"""What the shell needs from the world, in our verbs. Redis and memory implement these; one contract suite runs on both.

Errors: every method may raise ``StoreUnavailable`` (not reachable, timed out, or refusing for a passing reason).
The shell then stands still (law 12). Nothing else may escape but bugs.
"""

import enum
from collections.abc import Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from protocol.client import ClientMessage, Hello
from protocol.errors import CloseCode
from protocol.ids import InstanceId, Nonce, RoomCode, ShardId
from protocol.tickets import TicketClaims
from protocol.types import WireFormat


class StoreUnavailable(Exception):  # noqa: N818 - a state of the world, not a fault of the caller
    """The store cannot be reached or refuses for a passing reason; whether a write happened is unknown."""


class Clocks(Protocol):
    """The clocks of one machine, in milliseconds. Neither is ever told to anybody."""

    def monotonic_ms(self) -> float:
        """Return monotonic time; stands still while the machine sleeps."""

    def boot_ms(self) -> float:
        """Return monotonic time that goes on while the machine sleeps: for leases."""


# ---- the shard store (COMMIT.md §1–§3) --------------------------------------------------------------


class Head(Struct, frozen=True):
    """A shard's truth."""

    epoch: int
    nonce: str  # "" after a release
    seq: int
    digests: dict[int, bytes]  # of the last 8 seqs
    clock: int
    genesis: str
    claimed: int


class ClaimOutcome(enum.StrEnum):
    """What became of a claim."""

    CLAIMED = "claimed"
    HELD = "held"
    RACED = "raced"
    MISSING = "missing"


class Claim(Struct, frozen=True):
    """Answer to ``claim`` and ``found``. ``head`` when CLAIMED; ``ms_left`` when HELD."""

    outcome: ClaimOutcome
    head: Head | None = None
    ms_left: int = 0


class Commit(Struct, frozen=True):
    """One record on its way. ``record`` is the body whose digest is ``digest`` (it chains ``previous``)."""

    shard: ShardId
    genesis: str
    nonce: Nonce
    epoch: int
    seq: int
    previous: bytes
    digest: bytes
    clock: int
    record: bytes
    results: Sequence[bytes] = ()
    consumed: Sequence[str] = ()  # inbox stream ids this record accounts for


class Renewal(Struct, frozen=True):
    """Keeps a lease and tells the clock, without a record."""

    shard: ShardId
    genesis: str
    nonce: Nonce
    epoch: int
    seq: int
    digest: bytes
    clock: int


class CommitOutcome(enum.StrEnum):
    """What Redis said to a commit or a renewal."""

    OK = "ok"
    DUPLICATE = "duplicate"
    FENCED = "fenced"
    BEHIND = "behind"
    FORK = "fork"
    LOST = "lost"


class CommitReply(Struct, frozen=True):
    """Answer to a commit or a renewal; ``seq``, ``epoch`` and ``digest`` are the head's where known."""

    outcome: CommitOutcome
    seq: int = 0
    epoch: int = 0
    digest: bytes = b""


class Healing(Struct, frozen=True):
    """What an owner gives back to a store that lost a tail. ``commits`` follow each other from ``seq`` + 1."""

    shard: ShardId
    genesis: str
    nonce: Nonce
    epoch: int
    instance: InstanceId
    claimed: int  # epoch of the owner's last claim
    clock: int  # the greatest confirmed
    seq: int  # where the owner's memory begins …
    digest: bytes  # … and the digest there
    commits: Sequence[Commit]  # confirmed ones, kept by the owner


class Refounding(Struct, frozen=True):
    """A shard founded again from its owner's memory, whose pieces stand in ``journal:{genesis}``."""

    shard: ShardId
    genesis: str  # new
    nonce: Nonce
    epoch: int  # the owner's until now: the pieces'
    instance: InstanceId
    claimed: int  # epoch of the owner's last claim
    clock: int
    seq: int  # of the last piece
    digests: Mapping[int, bytes]  # of the last 8 seqs, without a gap
    pieces: int


class JournalEntry(Struct, frozen=True):
    """One record as stored."""

    epoch: int
    seq: int
    record: bytes


class InboxEntry(Struct, frozen=True):
    """One bus message waiting in a shard's inbox."""

    entry: str  # stream id, for ``Commit.consumed``
    message: bytes


class Look(Struct, frozen=True):
    """A shard as it stands in the store, looked at and not touched."""

    head: Head
    instance: InstanceId  # whose claim the head's epoch is


class ReplySink(Protocol):
    """Where answers to commits go, in the order sent, on the event loop."""

    def committed(self, request: Commit | Renewal, reply: CommitReply) -> None:
        """A commit or renewal was answered."""

    def store_lost(self) -> None:
        """The connection broke or a deadline (250 ms) passed: unanswered requests are in doubt."""


class ShardStore(Protocol):
    """Ownership and durability of shards."""

    async def claim(
        self,
        shard: ShardId,
        *,
        instance: InstanceId,
        nonce: Nonce,
        lease_ms: int,
        steal_epoch: int | None = None,
    ) -> Claim:
        """Take the shard if nobody holds it, or steal it from ``steal_epoch``."""

    async def look(self, shard: ShardId) -> Look | None:
        """Return how the shard stands; None when it has no head."""

    async def found(self, shard: ShardId, *, instance: InstanceId, nonce: Nonce, lease_ms: int, genesis: str) -> Claim:
        """Create the head of a shard that has none (MISSING), with seq 0 and clock 0; RACED if one appeared."""

    def open_commits(self, sink: ReplySink) -> None:
        """Say where answers go. Called once before the first ``send``."""

    def send(self, requests: Sequence[Commit | Renewal], *, lease_ms: int) -> None:
        """Write all requests in one write; answers come through the sink in order.

        After ``store_lost`` nothing sent before will be answered any more; ``send`` again starts on a fresh
        connection (``StoreUnavailable`` while there is none: call again later).
        """

    async def reconnect(self) -> None:
        """Open a fresh commit connection after ``store_lost``. Raises ``StoreUnavailable``."""

    async def heal(self, healing: Healing, *, lease_ms: int) -> CommitReply:
        """Append what the store lost (COMMIT.md §2): OK, FENCED, BEHIND (it lost more than we kept), FORK, LOST."""

    async def write_pieces(self, shard: ShardId, genesis: str, pieces: Sequence[JournalEntry]) -> None:
        """Write records into a journal that no head knows yet (it expires after a day unless ``refound`` takes it)."""

    async def refound(self, refounding: Refounding, *, lease_ms: int) -> Claim:
        """Make the pieces the journal: CLAIMED with a new epoch, RACED (a later claim), MISSING (pieces lack)."""

    async def release(self, shard: ShardId, *, nonce: Nonce) -> bool:
        """Give the shard up; False when it was no longer ours."""

    async def journal_bounds(self, shard: ShardId, genesis: str) -> tuple[int, int]:
        """Return how many records and about how many bytes the journal holds."""

    async def read_journal(self, shard: ShardId, genesis: str, *, after_seq: int, count: int) -> Sequence[JournalEntry]:
        """Return up to ``count`` records with seq > after_seq, in order (seq −1: from the oldest)."""

    async def drop_beyond(self, shard: ShardId, genesis: str, *, nonce: Nonce, seq: int) -> int:
        """Delete records beyond ``seq`` (they never were confirmed); returns how many."""

    async def trim(self, shard: ShardId, genesis: str, *, nonce: Nonce, before_seq: int) -> int:
        """Delete records with seq < before_seq; returns how many. Refused (0) when the nonce is not the head's."""

    async def read_inbox(
        self, after: Mapping[ShardId, str], *, block_ms: int
    ) -> Mapping[ShardId, Sequence[InboxEntry]]:
        """Wait up to ``block_ms`` for inbox messages after the given stream ids ("0": from the oldest)."""

    async def request(self, shard: ShardId, messages: Sequence[bytes]) -> None:
        """Append to the shard's ``:requests`` stream (bounded: the oldest go beyond 10,000)."""

    async def check_safety(self) -> Sequence[str]:
        """Return what about the store's configuration voids the promise (COMMIT.md §9); empty when nothing."""


# ---- the directory: nodes, cards, tickets -----------------------------------------------------------


class NodeCard(Struct, frozen=True):
    """A live node as its heartbeat tells it: JSON in the hash ``arena:nodes``, field = instance."""

    name: str
    instance: str
    address: str  # host:port of its WebSocket listener
    control: str  # host:port of its control listener
    since_ms: int  # by the store's clock
    beat_ms: int  # the last heartbeat, by the store's clock
    shards: list[int]
    connections: int
    rooms: int
    draining: bool = False


class Directory(Protocol):
    """What nodes tell everybody, and what they ask once."""

    async def beat(self, card: NodeCard) -> Sequence[NodeCard]:
        """Store the heartbeat; return all cards with fresh ones (dead ones are removed after a minute)."""

    async def leave(self, instance: InstanceId) -> None:
        """Take the node's card away."""

    async def put_cards(self, cards: Mapping[str, bytes | None], public: Mapping[str, bool]) -> None:
        """Write room cards by code (None: delete) with their TTL, and list public ones."""

    async def put_connections(self, node: str, counts: Mapping[RoomCode, int]) -> None:
        """Write how many connections of each room this node holds (0: none any more), with their TTL."""

    async def use_ticket(self, jti: str) -> bool:
        """Mark a ticket used; False when it was already."""

    async def read_revoked(self) -> Sequence[str]:
        """Return the ids of revoked sessions and users (``arena:revoked``)."""


# ---- the other nodes ---------------------------------------------------------------------------------


class Neighbour(Protocol):
    """What a node does about what it learns of others."""

    def node_died(self, instance: InstanceId) -> None:
        """The process of that instance has ended."""

    def node_lives(self, instance: InstanceId) -> None:
        """It was spoken to: whatever was thought of it."""

    def shards_freed(self, shards: Sequence[ShardId]) -> None:
        """Another node has just released these."""

    def holding(self) -> Mapping[ShardId, tuple[int, int]]:
        """Return the shards held here: epoch, and seq of the last confirmed record."""

    def asked_to_drain(self) -> None:
        """An operator wants this node to hand everything over and stop."""


class Peers(Protocol):
    """The other nodes, over connections of our own (COMMIT.md §6). Nothing here is needed for safety."""

    def see(self, cards: Sequence[NodeCard]) -> None:
        """Keep a connection to each of these nodes."""

    def ready(self, cards: Sequence[NodeCard]) -> bool:
        """Whether a connection to each stands, or could not be had within a lease."""

    async def holds(self, shards: Sequence[ShardId]) -> Mapping[ShardId, tuple[int, int]]:
        """Ask all who holds these; return the greatest (epoch, seq) told of each. Bounded in time; never raises."""

    def freed(self, shards: Sequence[ShardId]) -> None:
        """Tell all that this node has just released these."""


# ---- connections, as shards see them ----------------------------------------------------------------


class Line(Protocol):
    """What is known of a connection's line (DESIGN §9); whole milliseconds."""

    @property
    def one_way_ms(self) -> int:
        """The trusted one-way time, at most."""

    @property
    def credit_cap_ms(self) -> int:
        """B: how much reaction time may be claimed back."""

    @property
    def error_ms(self) -> int:
        """e: the clock-sync error."""


class Connection(Protocol):
    """A client's socket. The edge implements it; shards write ready-made WebSocket frames to it."""

    id: int
    format: WireFormat
    line: Line

    @property
    def read_ms(self) -> float:
        """When the bytes of the message that is being received were read, by ``Clocks.monotonic_ms``."""

    def send(self, frames: bytes) -> None:
        """Queue whole frames (already framed for the wire), in order; never blocks, never raises."""

    def close(self, code: CloseCode, reason: str = "", after_ms: int = 0) -> None:
        """Send Farewell and a close frame after what is queued; idempotent."""


class Member(Protocol):
    """A connection's place in a room, as the edge sees it."""

    def receive(self, message: ClientMessage, raw: bytes) -> None:
        """Take a decoded message; ``raw`` is its msgpack encoding. Never blocks, never raises."""

    def gone(self) -> None:
        """The socket is closed or lost."""


class Hub(Protocol):
    """All rooms this node owns, as the edge sees them."""

    def open(self, connection: Connection, code: RoomCode, hello: Hello, claims: TicketClaims | None) -> Member | None:
        """Take a connection whose Hello came (and whose ticket, if any, was verified and used up).

        None: it was closed (MOVED, ROOM_NOT_FOUND, RESUME_REFUSED, …). Welcome follows when the join is committed.
        """
