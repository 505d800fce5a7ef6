"""A node without sockets and without time of its own: keeper, shards and rooms over the in-memory store."""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from gameserver.adapters.memory import MemoryShardStore
from gameserver.adapters.memory_directory import MemoryDirectory
from gameserver.adapters.memory_world import MemoryWorld
from gameserver.ports import Peers
from gameserver.shards.faults import RoomFaults
from gameserver.shards.hub import RoomHub
from gameserver.shards.keeper import Keeper, KeeperSettings
from gameserver.shards.members import RoomMember
from gameserver.shards.metrics import ShardMetrics
from protocol import codec, delta
from protocol.bus import BusMessage, ContentPack, ContentRequest, CreateRoom, MatchResult, Recorded
from protocol.client import ClientMessage, Command, Hello, ResumePoint
from protocol.errors import CloseCode
from protocol.ids import InstanceId, RoomCode, ShardId, shard_of
from protocol.server import Ack, Delta, PrivateDelta, Refused, Resync, ServerMessage, Welcome
from protocol.tickets import ISSUER, TicketClaims
from protocol.types import View, WireFormat

SHARDS = 2
CODE = RoomCode("BCDFGH")


class ManualClocks:
    """Time that passes when a test says so."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def monotonic_ms(self) -> float:
        return self.now

    def boot_ms(self) -> float:
        return self.now


class FixedLine:
    """A line of a known length."""

    def __init__(self, one_way_ms: int = 20) -> None:
        self.one_way_ms = one_way_ms
        self.credit_cap_ms = 60
        self.error_ms = 5


class Client:
    """A connection with a client's memory behind it: decodes frames, keeps the view by deltas."""

    _ids = iter(range(1, 1_000_000))

    def __init__(self, wire: WireFormat = WireFormat.MSGPACK) -> None:
        self.id = next(self._ids)
        self.format = wire
        self.line = FixedLine()
        self.clock = 0
        self.member: RoomMember | None = None
        self.got: list[ServerMessage] = []
        self.view: View = {}
        self.private: View = {}
        self.epoch = 0
        self.n = 0
        self.seat: int | None = None
        self.secret: str | None = None
        self.next_id = 0
        self.acked: list[int] = []
        self.refused: dict[int, str] = {}
        self.closed: CloseCode | None = None
        self.gaps = 0

    # Connection

    @property
    def read_ms(self) -> float:
        assert self.member is not None
        return self.member.live.shard.now_ms()

    def send(self, frames: bytes) -> None:
        assert self.closed is None, "sent to a closed connection"
        for payload in split(frames):
            self._take(codec.decode_server(payload, self.format))

    def close(self, code: CloseCode, reason: str = "", after_ms: int = 0) -> None:
        if self.closed is None:
            self.closed = code

    # what a client does with it

    def _take(self, message: ServerMessage) -> None:
        self.got.append(message)
        match message:
            case Welcome():
                self.epoch, self.n, self.clock = message.epoch, message.n, message.clock
                self.seat, self.next_id = message.seat, message.next_id or 0
                self.secret = message.secret or self.secret
                self.view = self.view if message.resumed else message.view
                self.private = message.private or {}
            case Resync():
                self.epoch, self.n, self.clock = message.epoch, message.n, message.clock
                self.view, self.private = message.view, message.private or {}
            case Delta():
                assert message.e == self.epoch
                if message.f != self.n:
                    self.gaps += 1
                    return
                self.view = delta.apply(self.view, delta.Patch(set=message.s, unset=message.u, append=message.a))
                self.n, self.clock = message.n, message.c
            case PrivateDelta():
                self.private = delta.apply(self.private, delta.Patch(set=message.s, unset=message.u))
            case Ack():
                self.acked.extend(message.ids)
            case Refused():
                self.refused[message.id] = message.code
            case _:
                pass

    def say(self, message: ClientMessage) -> None:
        assert self.member is not None
        self.member.receive(message, codec.encode_client(message))

    def command(self, kind: type[Command], **fields: Any) -> int:
        number = self.next_id
        self.next_id += 1
        self.say(kind(id=number, **fields))
        return number

    def drop(self) -> None:
        self.closed = CloseCode.GOING_AWAY
        assert self.member is not None
        self.member.gone()


def split(frames: bytes) -> list[bytes]:
    """Return the payloads of whole unmasked server frames."""
    found = []
    while frames:
        length, head = frames[1], 2
        if length == 126:
            length, head = int.from_bytes(frames[2:4], "big"), 4
        elif length == 127:
            length, head = int.from_bytes(frames[2:10], "big"), 10
        found.append(frames[head : head + length])
        frames = frames[head + length :]
    return found


def claims(user: str, *, role: Any = "player", room: str = CODE) -> TicketClaims:
    return TicketClaims(
        iss=ISSUER, aud="game", sub=user, jti=user, iat=0, exp=1, name=user.title(), kind="guest", role=role, room=room
    )


class Node:
    """One node over a (possibly shared) in-memory world."""

    def __init__(
        self,
        folder: Path,
        *,
        name: str = "a",
        world: MemoryWorld | None = None,
        clocks: ManualClocks | None = None,
        peers: Peers | None = None,
    ) -> None:
        self.clocks = clocks or ManualClocks()
        self.world = world or MemoryWorld(lambda: int(self.clocks.now * 1000))
        self.points: list[str] = []
        self.fault: Callable[[str], None] = self.points.append
        self.store = MemoryShardStore(self.world, fault=self._fault)
        self.directory = MemoryDirectory(self.world)
        self.metrics = ShardMetrics()
        self.keeper = Keeper(
            KeeperSettings(
                name=name,
                instance=InstanceId(f"instance-{name}-{id(self)}"),
                shards=SHARDS,
                found_grace_ms=0,
                stagger_ms=300,
            ),
            store=self.store,
            directory=self.directory,
            clocks=self.clocks,
            metrics=self.metrics,
            faults=RoomFaults(folder / "faults", self.metrics),
            connections=lambda: 0,
            fault_point=self._fault,
            peers=peers,
        )
        self.hub = RoomHub(self.keeper, shards=SHARDS)
        self._read: dict[ShardId, str] = {}
        self.requests_seen = 0

    def _fault(self, point: str) -> None:
        self.fault(point)

    async def start(self) -> None:
        self.keeper.open()
        await self.keeper.beat()
        await self.store.reconnect()
        self.keeper.connected()
        await self.keeper.claim_free()
        assert len(self.keeper.shards) > 0

    async def mend(self) -> None:
        """Open a fresh connection and give back to the store what it lost, as the node's loops do."""
        await self.store.reconnect()
        self.keeper.connected()
        await self.keeper.losses.mend()
        await self.settle()

    async def drain(self) -> None:
        """Hand everything over while the ticks go on."""
        await self.while_ticking(self.keeper.drain())

    async def while_ticking(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something while the ticks go on."""
        doing = asyncio.ensure_future(work)
        for _ in range(200):
            await self.settle()
            if doing.done():
                break
            await asyncio.sleep(0.005)
            await self.tick(step_ms=5.0)
        await asyncio.wait_for(doing, 5)

    async def settle(self) -> None:
        """Let answers that are on their way arrive."""
        for _ in range(5):
            await asyncio.sleep(0)

    async def tick(self, times: int = 1, *, step_ms: float = 50.0) -> None:
        for _ in range(times):
            self.clocks.now += step_ms
            self.keeper.pulse([ShardId(number) for number in range(SHARDS)], self.clocks.now)
            await self.settle()

    async def deliver_inbox(self) -> None:
        await self.keeper.read_inbox(block_ms=0)
        await self.tick()

    def post(self, message: BusMessage, code: RoomCode = CODE) -> None:
        self.world.post(shard_of(code, SHARDS), codec.pack_bus(message))

    async def create(self, *, code: RoomCode = CODE, host: str = "ann", **settings: Any) -> None:
        self.post(
            CreateRoom(
                id=f"create-{code}",
                code=code,
                host=host,
                mode="trivia",
                settings=settings,
                public=True,
                entropy=bytes(32),
            ),
            code,
        )
        await self.deliver_inbox()

    async def join(
        self, user: str, *, role: str = "player", code: RoomCode = CODE, wire: WireFormat = WireFormat.MSGPACK
    ) -> Client:
        client = Client(wire)
        client.member = self.hub.open(client, code, Hello(client="test"), claims(user, role=role, room=code))
        await self.tick()
        return client

    async def resume(self, before: Client, *, code: RoomCode = CODE, fresh: bool = False) -> Client:
        client = Client(before.format)
        at = None if fresh else ResumePoint(epoch=before.epoch, n=before.n, clock=before.clock)
        client.view, client.secret = before.view, before.secret
        hello = Hello(client="test", seat=before.seat, secret=before.secret, at=at)
        client.member = self.hub.open(client, code, hello, None)
        await self.tick()
        return client

    async def run_errands(self) -> None:
        await self.keeper.run_errands()

    async def serve_content(self, *, code: RoomCode = CODE) -> int:
        """Answer content requests as the worker does; return how many."""
        await self.run_errands()
        kept = self.world.shard(shard_of(code, SHARDS))
        requests = [codec.unpack_bus(message) for message in kept.requests[self.requests_seen :]]
        self.requests_seen = len(kept.requests)
        for request in requests:
            assert isinstance(request, ContentRequest)
            items = [question(number) for number in range(request.spec["count"])]
            self.post(ContentPack(id=request.id, code=request.code, items=items), code)
        await self.deliver_inbox()
        return len(requests)

    def results(self, code: RoomCode = CODE) -> list[MatchResult]:
        found = [codec.unpack_bus(raw) for raw in self.world.shard(shard_of(code, SHARDS)).results]
        assert all(isinstance(item, MatchResult) for item in found)
        return [item for item in found if isinstance(item, MatchResult)]

    async def record_results(self, code: RoomCode = CODE) -> None:
        for result in self.results(code):
            self.post(Recorded(id=result.id, code=result.code), code)
        await self.deliver_inbox()


def question(number: int) -> dict[str, Any]:
    """One question; the right option is the first."""
    return {
        "id": f"q{number}",
        "kind": "choice",
        "text": f"Question {number}?",
        "options": [f"right {number}", f"wrong {number}", f"worse {number}", f"worst {number}"],
        "right": 0,
        "category": "test",
        "difficulty": "easy",
        "explanation": "",
        "source": "",
    }
