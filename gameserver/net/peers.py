"""Control connections to the other nodes (COMMIT.md §6): a process that dies is noticed by the end of its connection.

One link to each peer, made as soon as it is known (from its card, or because it made one to us) and kept. When a link
that stood ends, the peer's port is tried again at once: refused means that nobody listens any more, and the peer's
*instance* is suspected. Silence proves nothing here; the lease is for that.
"""

import asyncio
import itertools
from collections.abc import Mapping, Sequence
from typing import Final

from arena import logs, metrics
from gameserver.ports import Neighbour, NodeCard
from protocol import peers as wire
from protocol.door import CONTROL_FRAME_BYTES_MAX
from protocol.ids import InstanceId, ShardId

CONNECT_S: Final = 1.0
PROBES: Final = 8
"""A dying process may for a moment still have its listener when its connections have ended."""

PROBE_AGAIN_S: Final = 0.02
LINK_AGAIN_S: Final = 0.5
ASK_S: Final = 0.2
PEERS_MAX: Final = 64

_log = logs.get("peers")
_linked = metrics.gauge("arena_peers", "Other nodes to which a control connection stands.")
_suspected = metrics.counter("arena_peers_suspected", "Instances found to have died.")


class PeerEnded(Exception):  # noqa: N818 - a state of the world, not a fault of the caller
    """The link ended, or could not be made; ``refused``: nobody listens there."""

    def __init__(self, text: str, *, refused: bool = False) -> None:
        super().__init__(text)
        self.refused = refused


class _Link:
    """The way to one peer."""

    def __init__(self, instance: InstanceId, control: str) -> None:
        self.instance = instance
        self.control = control
        self.writer: asyncio.StreamWriter | None = None  # while the link stands
        self.stood = False  # it has stood at least once
        self.mute = False  # the last question was not answered in time: it is not waited for
        self.answers: dict[int, asyncio.Future[Sequence[tuple[int, int, int]]]] = {}
        self.task: asyncio.Task[None] | None = None
        self.known_since = 0.0


class PeerLinks:
    """All links of one node. ``node`` is told what is learnt; without a secret there are no links."""

    def __init__(self, *, instance: InstanceId, secret: str, lease_ms: int) -> None:
        self._instance = instance
        self._secret = secret
        self._patience_s = lease_ms / 1000
        self._control = ""
        self._node: Neighbour | None = None
        self._links: dict[InstanceId, _Link] = {}
        self._numbers = itertools.count(1)

    def open(self, node: Neighbour, control: str) -> None:
        """Begin: ``node`` hears what is learnt, ``control`` (host:port) is where we are reached."""
        self._node = node
        self._control = control

    async def close(self) -> None:
        """End all links."""
        self._node = None
        tasks = [link.task for link in self._links.values() if link.task is not None]
        self._links.clear()
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=CONNECT_S)

    # ---- what the keeper asks ----------------------------------------------------------------------------

    def see(self, cards: Sequence[NodeCard]) -> None:
        """Keep a link to each of these nodes, and to no other."""
        if self._node is None or not self._secret:
            return
        for card in cards:
            if card.instance != self._instance and card.control:
                self.meet(InstanceId(card.instance), card.control)
        live = {card.instance for card in cards}
        before = asyncio.get_running_loop().time() - self._patience_s
        for instance, link in list(self._links.items()):
            if instance not in live and link.writer is None and link.known_since < before:
                del self._links[instance]
                if link.task is not None:
                    link.task.cancel()

    def meet(self, instance: InstanceId, control: str) -> None:
        """A node lives there: keep a link to it."""
        link = self._links.get(instance)
        if link is None:
            if self._node is None or instance == self._instance or len(self._links) >= PEERS_MAX:
                return
            link = self._links[instance] = _Link(instance, control)
            link.known_since = asyncio.get_running_loop().time()
        if link.task is None or link.task.done():
            link.task = asyncio.get_running_loop().create_task(self._keep(link), name=f"peer-{instance[:8]}")

    def ready(self, cards: Sequence[NodeCard]) -> bool:
        """Whether a link to each of these nodes stands, or could not be had within a lease."""
        if self._node is None or not self._secret:
            return True
        now = asyncio.get_running_loop().time()
        for card in cards:
            if card.instance == self._instance or not card.control:
                continue
            link = self._links.get(InstanceId(card.instance))
            if link is None or (link.writer is None and now - link.known_since < self._patience_s):
                return False
        return True

    async def holds(self, shards: Sequence[ShardId]) -> Mapping[ShardId, tuple[int, int]]:
        """Ask who holds these shards; return the greatest (epoch, seq) told of each, within 0.2 s."""
        asked = [link for link in self._links.values() if link.writer is not None]
        if not asked or not shards:
            return {}
        waits = [self._ask(link, shards) for link in asked]
        patient = [wait for link, wait in zip(asked, waits, strict=True) if not link.mute]
        if patient:
            await asyncio.wait(patient, timeout=ASK_S)
        found: dict[ShardId, tuple[int, int]] = {}
        for link, wait in zip(asked, waits, strict=True):
            link.mute = not wait.done()
            if wait.done() and not wait.cancelled():
                for shard, epoch, seq in wait.result():
                    found[ShardId(shard)] = max(found.get(ShardId(shard), (0, 0)), (epoch, seq))
        return found

    def freed(self, shards: Sequence[ShardId]) -> None:
        """Tell all peers that we have just released these shards."""
        for start in range(0, len(shards), wire.SHARDS_IN_A_FRAME_MAX):
            frame = wire.pack(wire.Freed([int(shard) for shard in shards[start : start + wire.SHARDS_IN_A_FRAME_MAX]]))
            for link in self._links.values():
                if link.writer is not None:
                    link.writer.write(frame)

    # ---- what the listening side hears (gameserver.net.control) ------------------------------------------

    @property
    def instance(self) -> InstanceId:
        """Who we are."""
        return self._instance

    def heard(self, message: wire.Asked, *, by_node: bool) -> wire.Answer | None:
        """Take what a peer, a supervisor or an operator tells; return the answer.

        A supervisor saw the process end. A peer may err: whoever has a link to the instance that stands knows better.
        """
        node = self._node
        if node is None:
            return None
        match message:
            case wire.HoldsAsk():
                held = node.holding()
                told = [(shard, *held[ShardId(shard)]) for shard in message.shards if ShardId(shard) in held]
                return wire.HoldsTell(message.number, told)
            case wire.Freed():
                node.shards_freed([ShardId(shard) for shard in message.shards])
            case wire.Died():
                link = self._links.get(InstanceId(message.instance))
                knows_better = by_node and link is not None and link.writer is not None
                if message.instance != self._instance and not knows_better:
                    node.node_died(InstanceId(message.instance))
                return wire.Noted()
            case wire.Drain():
                node.asked_to_drain()
                return wire.Noted()
        return None

    # ---- one link ----------------------------------------------------------------------------------------

    def _ask(self, link: _Link, shards: Sequence[ShardId]) -> "asyncio.Future[Sequence[tuple[int, int, int]]]":
        number = next(self._numbers)
        answer: asyncio.Future[Sequence[tuple[int, int, int]]] = asyncio.get_running_loop().create_future()
        link.answers = {number: answer}  # an older question is of no use any more
        assert link.writer is not None
        link.writer.write(wire.pack(wire.HoldsAsk(number, [int(shard) for shard in shards])))
        return answer

    async def _keep(self, link: _Link) -> None:
        """Make the link, and again whenever it ends, until the peer is found dead."""
        probes = 0
        while True:
            try:
                await self._stand(link)
            except PeerEnded as ended:
                if link.writer is not None:
                    probes = PROBES
                elif ended.refused and link.stood:
                    self._suspect(link)
                    return
            finally:
                stood = self._cut(link)
            if not stood:  # else: the second probe, at once
                probes -= 1
                await asyncio.sleep(PROBE_AGAIN_S if probes > 0 else LINK_AGAIN_S)

    def _cut(self, link: _Link) -> bool:
        """Let go of a link that ended; whether it stood."""
        writer, link.writer = link.writer, None
        if writer is None:
            return False
        writer.transport.abort()
        for answer in link.answers.values():
            if not answer.done():
                answer.set_result(())
        _linked.dec()
        return True

    async def _stand(self, link: _Link) -> None:
        """Connect, greet, and read answers until the link ends. Raises ``PeerEnded``, always."""
        host, _, port = link.control.rpartition(":")
        writer: asyncio.StreamWriter | None = None
        try:
            async with asyncio.timeout(CONNECT_S):
                reader, writer = await asyncio.open_connection(host, int(port))
                writer.write(wire.pack(wire.NodeHello(self._instance, self._control, self._secret)))
                welcome = await _read(reader)
            if not isinstance(welcome, wire.NodeWelcome):
                raise PeerEnded("no welcome")
            if welcome.instance != link.instance:
                raise PeerEnded("another instance listens there", refused=True)
            link.writer, link.stood, link.mute = writer, True, False
            writer = None
            _linked.inc()
            if self._node is not None:
                self._node.node_lives(link.instance)
            while True:
                told = await _read(reader)
                if isinstance(told, wire.HoldsTell):
                    answer = link.answers.pop(told.number, None)
                    link.mute = False
                    if answer is not None and not answer.done():
                        answer.set_result(told.held)
        except ConnectionRefusedError as error:
            raise PeerEnded("refused", refused=True) from error
        except (OSError, EOFError, TimeoutError, ValueError) as error:
            raise PeerEnded(type(error).__name__) from error
        finally:
            if writer is not None:
                writer.transport.abort()

    def _suspect(self, link: _Link) -> None:
        _log.warning("peer_died", instance=link.instance)
        _suspected.inc()
        del self._links[link.instance]
        for other in self._links.values():
            if other.writer is not None:
                other.writer.write(wire.pack(wire.Died(link.instance)))  # a young node may have had no link to it yet
        if self._node is not None:
            self._node.node_died(link.instance)


async def _read(reader: asyncio.StreamReader) -> wire.Answer:
    """Return the next answer. Raises ``EOFError``, ``OSError``, ``ValueError``."""
    size = int.from_bytes(await reader.readexactly(4), "big")
    if size > CONTROL_FRAME_BYTES_MAX:
        raise ValueError("frame too long")
    return wire.unpack_answer(await reader.readexactly(size))
