"""The oracles: what COMMIT.md and the laws say must never be seen, checked at every frame and every record.

They look at what crosses borders only: what the store took, what it answered, what was told to whom.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from gameserver.ports import Claim, Commit, CommitOutcome, CommitReply, Head, Healing, Refounding, Renewal
from protocol import delta
from protocol.bus import RoomCard
from protocol.ids import ShardId, shard_of
from protocol.server import Ack, ClockTell, Delta, PrivateDelta, Refused, Resync, ServerMessage, Welcome
from protocol.types import View
from tests.sim.loop import Process, State
from tests.sim.room_truth import UNKNOWN, RoomTruth, Snapshot, Violation
from tests.sim.truth import Fallen, ShardTruth
from tests.sim.world import Log

if TYPE_CHECKING:
    from tests.sim.wire import SimConnection

CLOCK_SLACK_MS = 12
STEP_MS = 250
NOTICE_S = 1.2
PATIENCE_S = 8.0
"""How long an owner must have been well for history to be safe with it."""


class Oracle:
    """Watches one run."""

    def __init__(self, log: Log, *, shards: int, lease_ms: int, now_s: Callable[[], float]) -> None:
        self._log = log
        self._shards = shards
        self._lease_ms = lease_ms
        self._now_s = now_s
        self.truths = {number: ShardTruth(number) for number in range(shards)}
        self.processes: dict[str, Process] = {}  # by instance
        self.boot: dict[str, Callable[[], float]] = {}
        self.fresh: dict[tuple[str, int], float] = {}  # (instance, shard) → boot ms when the last answered was sent
        self.tellers: dict[tuple[int, int], str] = {}
        self.versions: dict[tuple[str, int, str, int], View] = {}
        self.silent = False
        self.losses = 0
        self.away: list[tuple[float, float]] = []  # when the store was down, in loop time
        self.counts: dict[str, int] = {}

    def truth_of(self, code: str) -> ShardTruth:
        """Return the shard of a room."""
        return self.truths[shard_of(code, self._shards)]  # type: ignore[arg-type] # a room code

    def count(self, what: str) -> None:
        """Count something for the summary."""
        self.counts[what] = self.counts.get(what, 0) + 1

    # ---- the store ---------------------------------------------------------------------------------

    def claimed(self, shard: ShardId, instance: str, nonce: str, head: Head, *, founded: bool) -> None:
        """A claim, or a founding, succeeded."""
        truth = self.truths[shard]
        if founded and truth.epochs and (truth.fallen is None or not truth.fallen.missing):
            raise Violation(f"shard {shard} is founded anew, but it has a history")
        if head.nonce != nonce:
            raise Violation(f"shard {shard}: claimed by {nonce}, but {head.nonce} is in the head")
        process = self.processes[instance]
        before = truth.lost
        truth.claimed(head, instance, self._now_s(), process.awake_s(), process.pauses)
        self.count("claims")
        if truth.lost and not before:
            self._lost(truth)

    def committed(self, request: Commit, reply: CommitReply, sent_no: int) -> None:
        """The store answered a commit."""
        if reply.outcome is not CommitOutcome.OK:
            self.count(str(reply.outcome))
            return
        truth = self.truths[request.shard]
        truth.take(request)
        if truth.lost:
            return
        truth.last_sent_no = max(truth.last_sent_no, sent_no)
        self._check_clock(truth, request.clock)
        self.count("commits")

    def _lost(self, truth: ShardTruth) -> None:
        """History was lost for good: that may be only where its owner could not give it back."""
        self.count("shards lost")
        owner = self.processes[truth.owner.instance]
        well = owner.state is State.RUNS and self._now_s() - owner.trouble_at > PATIENCE_S
        if well and not truth.released:
            raise Violation(f"shard {truth.shard} lost history although its owner lived: {truth.lost}")

    def released(self, shard: ShardId) -> None:
        """Its owner gave it up, and forgot it."""
        self.truths[shard].released = True

    def renewed(self, request: Renewal, reply: CommitReply) -> None:
        """The store answered a renewal."""
        if reply.outcome is not CommitOutcome.OK:
            return
        truth = self.truths[request.shard]
        owner = truth.owner
        if truth.fallen is not None and request.epoch != owner.epoch:
            return
        if truth.lost:
            return
        if (request.nonce, request.epoch) != (owner.nonce, owner.epoch):
            raise Violation(f"shard {request.shard}: renewed in epoch {request.epoch} under {owner.epoch}")
        truth.clock = max(truth.clock, request.clock)
        owner.committed = max(owner.committed, request.clock)
        self._check_clock(truth, request.clock)

    def _check_clock(self, truth: ShardTruth, clock: int) -> None:
        """No clock runs faster than its owner is awake; the time without an owner is not counted at all."""
        owner = truth.owner
        process = self.processes[owner.instance]
        awake_ms = (process.awake_s() - owner.awake_s) * 1000 * 1.01
        away_ms = 0.0 if process.pauses != owner.pauses else self._away_ms(owner.began_s)
        allowed = owner.clock + awake_ms - away_ms + (process.pauses - owner.pauses) * STEP_MS + CLOCK_SLACK_MS
        if clock > allowed:
            raise Violation(f"shard {truth.shard}: clock {clock} runs ahead of its owner's {allowed:.0f}")

    def _away_ms(self, since_s: float) -> float:
        """How long nobody could reach the store, without what it takes to notice: then every clock stands (law 12)."""
        spans = (min(end, self._now_s()) - max(start, since_s) for start, end in self.away)
        return sum(max(0.0, span - NOTICE_S) * 1000 for span in spans)

    def answered(self, instance: str, request: Commit | Renewal, reply: CommitReply, boot_ms: float) -> None:
        """An answer reached the node; it was sent at ``boot_ms`` of the node's clock."""
        if reply.outcome in (CommitOutcome.OK, CommitOutcome.DUPLICATE):
            key = (instance, int(request.shard))
            self.fresh[key] = max(self.fresh.get(key, 0.0), boot_ms)

    def asked(self, instance: str, shard: int, boot_ms: float) -> None:
        """A claim, a healing or a founding that succeeded was asked for at ``boot_ms`` of the node's clock."""
        self.fresh[instance, shard] = max(self.fresh.get((instance, shard), 0.0), boot_ms)

    def healed(self, healing: Healing, reply: CommitReply) -> None:
        """The store took a lost tail back."""
        if reply.outcome is CommitOutcome.OK:
            self.truths[healing.shard].healed(healing, reply)
            self.truths[healing.shard].last_sent_no = self._log.number
            self.count("healed")

    def refounded(self, refounding: Refounding, claim: Claim, pieces: list[bytes]) -> None:
        """A shard was founded again."""
        assert claim.head is not None
        self.truths[refounding.shard].refounded(
            refounding, claim.head, pieces, self.processes[str(refounding.instance)]
        )
        self.truths[refounding.shard].last_sent_no = self._log.number
        self.count("founded again")

    def remember(self) -> dict[int, Fallen]:
        """Return what a snapshot of the store, taken now, stands for."""
        return {number: truth.remember() for number, truth in self.truths.items()}

    def fell_back(self, to: dict[int, Fallen] | None) -> None:
        """The store lost something: it stands as it did then, or is empty."""
        self.losses += 1
        for number, truth in self.truths.items():
            if not truth.epochs:
                continue
            there = to[number] if to is not None else Fallen(0, b"", "", missing=True)
            if (there.seq, there.genesis) != (truth.seq, truth.genesis) or there.missing or truth.owner_moved(there):
                truth.fell_back(there)
            truth.clock = truth.told = min(truth.clock, there.clock)  # at most what was told since is lost

    # ---- what is told ------------------------------------------------------------------------------

    def told(self, connection: "SimConnection", message: ServerMessage) -> None:
        """A node put a message on the wire."""
        if self.silent:
            return
        truth = self.truth_of(connection.code)
        self._frozen(connection, truth, message)
        if truth.lost:
            return
        epoch = _epoch_of(message)
        if epoch is not None:
            self._owner(connection, truth, epoch)
        match message:
            case Welcome():
                connection.seat = message.seat
                connection.audience = message.audience
                connection.view = message.view
                if message.resumed:
                    version = (connection.code, message.epoch, message.audience, message.n)
                    if version not in self.versions:
                        raise Violation(f"{connection}: resumed from {message.n}, which was told to nobody")
                    connection.view = self.versions[version]
                connection.epoch, connection.n, connection.clock = message.epoch, message.n, message.clock
                connection.private = message.private or {}
                self._whole(connection, truth, message.clock, resumed=message.resumed)
            case Resync():
                connection.view = message.view
                connection.epoch, connection.n, connection.clock = message.epoch, message.n, message.clock
                connection.private = message.private or {}
                self._whole(connection, truth, message.clock, resumed=False)
            case Delta():
                self._delta(connection, truth, message)
            case PrivateDelta():
                self._private_delta(connection, truth, message)
            case Ack():
                self._acked(connection, truth, message)
            case Refused():
                self._refused(connection, truth, message)
            case _:
                pass

    def _room(self, connection: "SimConnection", truth: ShardTruth) -> RoomTruth:
        room = truth.find(connection.code)
        if room is None:
            raise Violation(f"{connection}: told of room {connection.code}, which is in no journal")
        return room

    def _frozen(self, connection: "SimConnection", truth: ShardTruth, message: ServerMessage) -> None:
        """Half a lease without a confirmation: not a word."""
        instance = connection.instance
        sent = self.fresh.get((instance, truth.shard))
        if sent is not None and self.boot[instance]() - sent > self._lease_ms / 2 + 1:
            since = self.boot[instance]() - sent
            raise Violation(f"{connection}: {type(message).__name__} told {since:.0f} ms after the last confirmation")

    def _owner(self, connection: "SimConnection", truth: ShardTruth, number: int) -> None:
        """At most one owner tells anything in an epoch, and only who claimed it."""
        epoch = truth.epoch(number)
        if epoch is None or epoch.instance != connection.instance:
            raise Violation(f"{connection}: told in epoch {number}, which it never owned")
        teller = self.tellers.setdefault((truth.shard, number), connection.instance)
        if teller != connection.instance:
            raise Violation(f"{connection}: epoch {number} was told by {teller} before")

    def _committed_clock(self, connection: "SimConnection", truth: ShardTruth, number: int, clock: int) -> None:
        epoch = truth.epoch(number)
        assert epoch is not None
        if clock > epoch.committed:
            raise Violation(f"{connection}: clock {clock} is told, {epoch.committed} is committed in epoch {number}")
        truth.told = max(truth.told, clock)

    def _whole(self, connection: "SimConnection", truth: ShardTruth, clock: int, *, resumed: bool) -> None:
        self.count("whole views")
        self._committed_clock(connection, truth, connection.epoch, clock)
        room = self._room(connection, truth)
        found = [each for each in room.at(clock) if each.views[connection.audience] == connection.view]
        if not found and not resumed:
            what = _difference(connection, room, clock)
            raise Violation(f"{connection}: the whole view told at {clock} is not what is committed: {what}")
        self._version(connection)
        if connection.seat is not None and not resumed:
            self._private(connection, room, clock)
        self._reveal(connection, truth, room, clock)

    def _version(self, connection: "SimConnection") -> None:
        """A version names one view, whoever is told it."""
        key = (connection.code, connection.epoch, connection.audience, connection.n)
        if self.versions.setdefault(key, connection.view) != connection.view:
            raise Violation(f"{connection}: version {connection.n} is another view than it was for others")

    def _delta(self, connection: "SimConnection", truth: ShardTruth, message: Delta) -> None:
        self.count("deltas")
        if message.e != connection.epoch or message.f != connection.n:
            raise Violation(f"{connection}: delta {message.f}→{message.n} does not follow {connection.n}")
        connection.view = delta.apply(connection.view, delta.Patch(message.s, message.u, message.a))
        connection.n, connection.clock = message.n, message.c
        self._committed_clock(connection, truth, message.e, message.c)
        room = self._room(connection, truth)
        if not any(each.views[connection.audience] == connection.view for each in room.at(message.c)):
            what = _difference(connection, room, message.c)
            raise Violation(
                f"{connection}: the delta to {message.n} at {message.c} shows what is not committed: {what}"
            )
        self._version(connection)
        self._reveal(connection, truth, room, message.c)

    def _private_delta(self, connection: "SimConnection", truth: ShardTruth, message: PrivateDelta) -> None:
        connection.private = delta.apply(connection.private, delta.Patch(message.s, message.u))
        epoch = truth.epoch(message.e)
        assert epoch is not None
        self._private(connection, self._room(connection, truth), epoch.committed)

    def _private(self, connection: "SimConnection", room: RoomTruth, clock: int) -> None:
        assert connection.seat is not None
        recent: list[Snapshot] = room.snapshots[-8:]
        if not any(each.privates.get(connection.seat, {}) == connection.private for each in recent):
            raise Violation(f"{connection}: the private view at {clock} is not what is committed")

    def _reveal(self, connection: "SimConnection", truth: ShardTruth, room: RoomTruth, clock: int) -> None:
        game = connection.view.get("game")
        if not isinstance(game, dict) or game.get("reveal") is None:
            return
        number = connection.view.get("number")
        match = next((match for match, nth in room.matches.items() if nth == number), None)
        if match is not None:
            room.reveals.setdefault((match, int(game["number"])), clock)

    def _acked(self, connection: "SimConnection", truth: ShardTruth, message: Ack) -> None:
        room = self._room(connection, truth)
        for number in message.ids:
            self.count("acks")
            if connection.seat is None:
                raise Violation(f"{connection}: {number} is acknowledged before Welcome")
            kept = room.accepted.get((connection.seat, number))
            if kept is None:
                raise Violation(f"{connection}: {number} of seat {connection.seat} is acknowledged, not committed")
            if kept is UNKNOWN:
                continue
            if kept != connection.commands.get(number, (b"", 0))[0]:
                raise Violation(f"{connection}: {number} of seat {connection.seat} is acknowledged for another command")

    def _refused(self, connection: "SimConnection", truth: ShardTruth, message: Refused) -> None:
        """A refusal waits for a commit that was sent after the command came."""
        self.count(f"refused {message.code}")
        arrived = connection.commands.get(message.id)
        if arrived is None:
            raise Violation(f"{connection}: {message.id} is refused, but was never sent here")
        if truth.last_sent_no <= arrived[1]:
            raise Violation(f"{connection}: {message.id} is refused ({message.code}) before a commit")

    # ---- cards ---------------------------------------------------------------------------------------

    def cards_told(self, cards: Mapping[str, bytes | None]) -> None:
        """A node writes room cards."""
        if self.silent:
            return
        for code, packed in cards.items():
            if self.truth_of(code).lost:
                continue
            room = self.truth_of(code).find(code)
            if packed is None:
                if room is None or not room.buried:
                    raise Violation(f"the card of room {code} is deleted, but the room is not over")
                continue
            if room is None:
                raise Violation(f"a card of room {code}, which is in no journal")
            card = msgspec.json.decode(packed, type=RoomCard)
            plain = msgspec.structs.replace(card, node="", watchers=0)
            if not any(each.card == plain for each in reversed(room.snapshots)):
                raise Violation(f"the card of room {code} shows what is not committed: {card}")


def _difference(connection: "SimConnection", room: RoomTruth, clock: int) -> str:
    """Say what is told and what is committed, where they differ."""
    last = next(room.at(clock), None)
    if last is None:
        return "nothing is committed"
    patch = delta.diff(last.views[connection.audience], connection.view, frozenset())
    return f"as of {last.clock}, told besides {patch.set}, left out {patch.unset}"


def _epoch_of(message: Any) -> int | None:
    if isinstance(message, Welcome | Resync):
        return message.epoch
    if isinstance(message, Delta | PrivateDelta | ClockTell):
        return message.e
    return None
