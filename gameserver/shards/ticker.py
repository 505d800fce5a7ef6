"""The node's beat: shards tick in five staggered groups over the period (DESIGN §8)."""

import asyncio
from typing import Final

import structlog

from gameserver.ports import Clocks
from gameserver.shards.keeper import Keeper
from gameserver.shards.metrics import ShardMetrics
from protocol.ids import ShardId

PHASES: Final = 5
log = structlog.get_logger("ticker")


class Ticker:
    """Calls ``Keeper.pulse`` for each group, once a period each. Late pulses are dropped, not caught up."""

    def __init__(self, keeper: Keeper, *, shards: int, tick_hz: int, clocks: Clocks, metrics: ShardMetrics) -> None:
        self._keeper = keeper
        self._clocks = clocks
        self._metrics = metrics
        self._groups = [[ShardId(number) for number in range(phase, shards, PHASES)] for phase in range(PHASES)]
        self._pulse_s = 1.0 / tick_hz / PHASES

    async def run(self) -> None:
        """Beat until cancelled."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        phase = 0
        while True:
            self._keeper.pulse(self._groups[phase], self._clocks.monotonic_ms())
            phase = (phase + 1) % PHASES
            due += self._pulse_s
            late = loop.time() - due
            if late > self._pulse_s * PHASES:
                self._metrics.overruns.inc()
                due = loop.time()
            await asyncio.sleep(max(0.0, due - loop.time()))
