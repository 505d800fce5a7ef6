"""One simulated node: production's keeper, ticker and hub, put together as ``gameserver.node`` does."""

from pathlib import Path
from random import Random
from typing import Any

from gameserver.shards.faults import RoomFaults
from gameserver.shards.hub import RoomHub
from gameserver.shards.keeper import Keeper, KeeperSettings
from gameserver.shards.metrics import ShardMetrics
from gameserver.shards.ticker import Ticker
from protocol.ids import InstanceId
from tests.sim.loop import Killed, Process, VirtualLoop
from tests.sim.peers import SimPeers
from tests.sim.store import SimDirectory, SimShardStore
from tests.sim.world import SimWorld

LEASE_MS = 2_000


class DriftingClocks:
    """A machine's clocks: they begin anywhere and run a little fast or slow."""

    def __init__(self, loop: VirtualLoop, *, start_ms: float, rate: float) -> None:
        self._loop = loop
        self._start_ms = start_ms
        self._rate = rate

    def monotonic_ms(self) -> float:
        return self._start_ms + self._loop.time() * 1000 * self._rate

    def boot_ms(self) -> float:
        return self._start_ms * 2 + self._loop.time() * 1000 * self._rate


class SimNode:
    """A life of one node process."""

    def __init__(
        self,
        loop: VirtualLoop,
        *,
        name: str,
        life: int,
        world: SimWorld,
        outside: Process,
        random: Random,
        shards: int,
        tick_hz: int,
        found_grace_ms: int,
        folder: Path,
        metrics: ShardMetrics,
        everybody: "list[SimNode]",
    ) -> None:
        self.name = name
        self.instance = InstanceId(f"{name}.{life}")
        self.process = Process(loop, self.instance)
        self.clocks = DriftingClocks(loop, start_ms=random.uniform(1_000, 1e9), rate=random.uniform(0.998, 1.002))
        self.armed = ""  # the fault point at which it dies
        self.died_at: float | None = None
        self.store = SimShardStore(
            world,
            process=self.process,
            outside=outside,
            random=random,
            boot_ms=self.clocks.boot_ms,
            fault=self._fault_point,
        )
        world.oracle.processes[self.instance] = self.process
        world.oracle.boot[self.instance] = self.clocks.boot_ms
        self.keeper = Keeper(
            KeeperSettings(
                name=name, instance=self.instance, shards=shards, lease_ms=LEASE_MS, found_grace_ms=found_grace_ms
            ),
            store=self.store,
            directory=SimDirectory(self.store),
            clocks=self.clocks,
            metrics=metrics,
            faults=RoomFaults(folder, metrics),
            connections=lambda: 0,
            fault_point=self._fault_point,
            peers=SimPeers(self, everybody, random),
        )
        self.hub = RoomHub(self.keeper, shards=shards)
        self.keeper.announce(f"{name}:1", f"{name}:2")
        self._ticker = Ticker(self.keeper, shards=shards, tick_hz=tick_hz, clocks=self.clocks, metrics=metrics)
        self.on_death: Any = None

    def start(self) -> None:
        """Begin to run."""
        self.process.spawn(self.keeper.run(), "keeper")
        self.process.spawn(self._ticker.run(), "ticker")

    def _fault_point(self, name: str) -> None:
        if self.armed == name:
            self.kill()
            raise Killed(name)

    def kill(self) -> None:
        """Die at once."""
        if self.died_at is None:
            self.armed = ""
            self.died_at = self.process.loop.time()
            self.process.kill()
            self.on_death(self)
