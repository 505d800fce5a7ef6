"""One clock for all connections: the keep-alive wheel and the sweeper, instead of timers of their own.

Each step (100 ms) looks only at: the connections whose turn it is to be pinged (each once in ``ping_every_s``),
those pinged ``pong_within_s`` ago, and the *watched* ones: still in their handshake, closing, or with unsent bytes.
An idle connection is therefore looked at twice in ten seconds.
"""

import asyncio
import secrets
from collections.abc import Callable
from typing import Protocol

from gameserver.net.limits import EdgeLimits

NONCE_BYTES = 8


class Rider(Protocol):
    """What the wheel asks of a connection."""

    def ping(self, nonce: bytes) -> bool:
        """Send a ping; False when it cannot take one now (then no pong is expected)."""

    def awaits(self, nonce: bytes) -> bool:
        """Say whether the pong to this ping is still missing."""

    def pong_missed(self) -> None:
        """The pong did not come in time."""

    def sweep(self, now: float) -> bool:
        """Apply deadlines; True while it needs watching."""


class Wheel:
    """Turns while started. ``clock`` tells monotonic seconds."""

    def __init__(self, loop: asyncio.AbstractEventLoop, limits: EdgeLimits, clock: Callable[[], float]) -> None:
        self._loop = loop
        self._clock = clock
        self._step_s = limits.sweep_s
        slots = max(1, round(limits.ping_every_s / limits.sweep_s))
        self._patience = min(max(1, round(limits.pong_within_s / limits.sweep_s)), slots)
        self._slots: list[set[Rider]] = [set() for _ in range(slots)]
        self._due: list[list[tuple[Rider, bytes]]] = [[] for _ in range(self._patience + 1)]
        self._watched: set[Rider] = set()
        self._turn = 0
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to turn."""
        self._timer = self._loop.call_later(self._step_s, self._run, self._loop.time() + self._step_s)

    def stop(self) -> None:
        """Stand still."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def add(self, rider: Rider) -> int:
        """Ping the connection now and from then on; returns its slot, for ``remove``."""
        slot = self._turn % len(self._slots)
        self._slots[slot].add(rider)
        self._ping(rider, secrets.token_bytes(NONCE_BYTES))
        return slot

    def remove(self, rider: Rider, slot: int) -> None:
        """Ping it no more, watch it no more."""
        if slot >= 0:
            self._slots[slot].discard(rider)
        self._watched.discard(rider)

    def watch(self, rider: Rider) -> None:
        """Look at the connection at each step until its ``sweep`` says that this is not needed."""
        self._watched.add(rider)

    def _run(self, due: float) -> None:
        # After a stall the wheel does not hurry: pings would bunch up, and nobody could have answered.
        following = max(due + self._step_s, self._loop.time())
        self._timer = self._loop.call_at(following, self._run, following)
        self.step()

    def step(self) -> None:
        """Turn by one slot. A connection may be removed by what is asked of it."""
        now = self._clock()
        for rider in tuple(self._watched):
            if not rider.sweep(now):
                self._watched.discard(rider)
        self._turn += 1
        index = self._turn % len(self._due)
        expected, self._due[index] = self._due[index], []
        for rider, nonce in expected:
            if rider.awaits(nonce):
                rider.pong_missed()
        riders = tuple(self._slots[self._turn % len(self._slots)])
        if riders:
            nonces = secrets.token_bytes(NONCE_BYTES * len(riders))
            for place, rider in enumerate(riders):
                self._ping(rider, nonces[place * NONCE_BYTES : (place + 1) * NONCE_BYTES])

    def _ping(self, rider: Rider, nonce: bytes) -> None:
        if rider.ping(nonce):
            self._due[(self._turn + self._patience) % len(self._due)].append((rider, nonce))
