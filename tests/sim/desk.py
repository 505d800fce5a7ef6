"""The other processes: httpapi (rooms, tickets, the door) and the worker (content, results), as their contracts say."""

from random import Random
from typing import TYPE_CHECKING

import msgspec

from gameserver.adapters.cards import sort_out
from gameserver.shards.placement import fresh
from protocol import codec
from protocol.bus import BusMessage, ContentPack, ContentRequest, CreateRoom, MatchResult, Moderate, Recorded, RoomCard
from protocol.ids import RoomCode, ShardId, shard_of
from protocol.tickets import ISSUER, TicketClaims
from tests.shards.support import question
from tests.sim.loop import Process
from tests.sim.room_truth import Violation
from tests.sim.world import SimWorld

if TYPE_CHECKING:
    from tests.sim.node import SimNode

DEAD_MS = 1_600
REPEATED = 0.25  # of all messages


class Desk:
    """httpapi and worker in one."""

    def __init__(
        self, world: SimWorld, *, process: Process, random: Random, shards: int, nodes: "list[SimNode]"
    ) -> None:
        self.world = world
        self.recorded: dict[str, MatchResult] = {}
        self.ghosts: dict[RoomCode, int] = {}
        self.created: dict[RoomCode, CreateRoom] = {}
        self.process = process
        self._random = random
        self._shards = shards
        self._nodes = nodes
        self._read: dict[int, tuple[int, int]] = {}
        self._tickets = 0
        self._waiting: list[bytes] = []

    def start(self) -> None:
        """Begin to work."""
        self.process.call(0.1, self._work)

    # ---- httpapi ---------------------------------------------------------------------------------------

    def create(self, code: RoomCode, host: str, questions: int) -> None:
        """Create a room."""
        settings = {"questions": questions, "seconds": 5, "reveal_seconds": 2}
        message = CreateRoom(
            id=f"create-{code}",
            code=code,
            host=host,
            mode="trivia",
            settings=settings,
            public=True,
            entropy=self._random.randbytes(32),
        )
        self.created[code] = message
        self.post(message, code)

    def moderate(self, code: RoomCode) -> None:
        """Ban somebody who is not there: each such message is one of its kind."""
        number = self.ghosts[code] = self.ghosts.get(code, 0) + 1
        self.post(Moderate(id=f"ban-{code}-{number}", code=code, user=f"ghost-{number}", action="ban"), code)

    def post(self, message: BusMessage, code: RoomCode) -> None:
        """Put a message into the shard's inbox, soon; sometimes twice, for whoever is not sure tries again."""
        packed = codec.pack_bus(message)
        self.process.call(self._random.uniform(0.0, 0.4), self._put, packed, code)
        if self._random.random() < REPEATED:
            self.process.call(self._random.uniform(0.0, 6.0), self._put, packed, code)

    def _put(self, packed: bytes, code: RoomCode) -> None:
        if self.world.down:
            self.process.call(0.3, self._put, packed, code)
            return
        self.world.log.next("post", code, type(codec.unpack_bus(packed)).__name__)
        self.world.post(shard_of(code, self._shards), packed)

    def ticket(self, user: str, code: RoomCode, role: str) -> TicketClaims | int:
        """Return a ticket; a number is the milliseconds after which to ask again (503)."""
        kept = self.world.cards.get(code)
        if self.world.down or kept is None or msgspec.json.decode(kept[0], type=RoomCard).state != "open":
            return 500
        self._tickets += 1
        return TicketClaims(
            iss=ISSUER,
            aud="game",
            sub=user,
            jti=str(self._tickets),
            iat=0,
            exp=1,
            name=user.title(),
            kind="guest",
            role=role,  # type: ignore[arg-type] # a role
            room=code,
        )

    def door(self, code: RoomCode) -> "SimNode | None":
        """Return the node that holds the room, as its heartbeats say."""
        if self.world.down:
            return None
        shard = shard_of(code, self._shards)
        cards, _ = sort_out(self.world.nodes, self.world.now_ms())
        holders = [card for card in fresh(cards, dead_ms=DEAD_MS) if shard in card.shards]
        if not holders:
            return None
        best = max(holders, key=lambda card: card.beat_ms)
        return next((node for node in self._nodes if node.instance == best.instance), None)

    # ---- the worker ------------------------------------------------------------------------------------

    def _work(self) -> None:
        if not self.world.down:
            for number in range(self._shards):
                self._serve(number)
        self.process.call(self._random.uniform(0.1, 0.5), self._work)

    def _serve(self, number: int) -> None:
        kept = self.world.shard(ShardId(number))
        requests, results = self._read.get(number, (0, 0))
        requests, results = min(requests, len(kept.requests)), min(results, len(kept.results))
        self._read[number] = len(kept.requests), len(kept.results)
        for packed in kept.requests[requests:]:
            request = codec.unpack_bus(packed)
            assert isinstance(request, ContentRequest)
            code = RoomCode(request.code)
            chosen = Random(request.id)  # a request that comes again gets the same pack
            first = chosen.randrange(1_000)
            items = [question(first + each) for each in range(request.spec["count"])]
            self.post(ContentPack(id=request.id, code=code, items=items), code)
        for packed in kept.results[results:]:
            result = codec.unpack_bus(packed)
            assert isinstance(result, MatchResult)
            known = self.recorded.setdefault(result.id, result)
            if known != result and not self.world.oracle.losses:
                raise Violation(f"match {result.id} has two different results")
            self.post(Recorded(id=result.id, code=result.code), RoomCode(result.code))
