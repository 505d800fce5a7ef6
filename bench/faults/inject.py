"""Doing the faults: each returns when its cause is gone (the process runs, the link is mended), recovered or not."""

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable
from random import Random
from typing import Final

from msgspec import Struct

from bench.faults.crowd import Awaited, Crowd
from bench.faults.plan import POINTS, Fault
from bench.faults.stack import Node, Stack

POINT_S: Final = 5.0
VICTIM_S: Final = 20.0
SETTLE_S: Final = 3.0
"""For so long a node that runs may have no room before it is given up as a victim."""

END_S: Final = 30.0
LONG: Final = 0.25
"""How often a node is stopped so long that nobody should wait for it to wake."""

READY_S: Final = 60.0


class Done(Struct):
    """A fault that was done."""

    who: str
    at: float  # when it began: the instant of the kill
    over_at: float = 0.0  # when its cause was gone
    awaited: list[Awaited] = []  # seats that must come back; each with the instant from which it is timed
    notes: str = ""


class Impossible(Exception):  # noqa: N818 - the conductor goes on to the next
    """This fault cannot be done now."""


class Injector:
    """Does faults to one installation."""

    def __init__(self, stack: Stack, crowd: Crowd, lease_ms: int) -> None:
        self._stack = stack
        self._crowd = crowd
        self._lease_s = lease_ms / 1000
        self._do: dict[str, Callable[[Random], Awaitable[Done]]] = {
            "kill": self._kill,
            "stop": self._stop,
            "drain": self._drain,
            "rolling": self._rolling,
            "api": self._api,
            "worker": self._worker,
            "redis": self._redis,
            "redis_stop": self._redis_stop,
            "flush": self._flush,
            "postgres": self._postgres,
            "cut_redis": self._cut_redis,
            "slow_redis": self._slow_redis,
            "cut_players": self._cut_players,
            "slow_players": self._slow_players,
            "kill_and_redis": self._kill_and_redis,
        }

    async def do(self, fault: Fault) -> Done:
        """Do it. Raises ``Impossible``, or ``TimeoutError`` when a process does not come back."""
        if fault.kind in POINTS:
            done = await self._at_point(fault.kind, fault.random)
        else:
            done = await self._do[fault.kind](fault.random)
        done.over_at = done.over_at or time.monotonic()
        return done

    # ---- nodes ---------------------------------------------------------------------------------------

    async def _victim(self, random: Random, point: str = "") -> tuple[Node, list[str]]:
        """Choose a node that owns rooms, with another one to take over, and return it with its rooms."""
        began = all_ready_at = time.monotonic()
        while time.monotonic() - began < VICTIM_S and time.monotonic() - all_ready_at < SETTLE_S:
            ready = [node for node in self._stack.nodes if node.ready]
            owned = {node.name: await self._stack.rooms_of(node, self._crowd.codes) for node in ready}
            fit = [node for node in ready if owned[node.name] and point in ("", node.point)]
            if fit and len(ready) >= min(3, len(self._stack.nodes)):
                node = random.choice(fit)
                return node, owned[node.name]
            if len(ready) < len(self._stack.nodes):
                all_ready_at = time.monotonic()
            await asyncio.sleep(0.05)
        raise Impossible(f"no {point or 'fitting'} node owns a room")

    async def _kill(self, random: Random) -> Done:
        node, rooms = await self._victim(random)
        at = time.monotonic()
        awaited = self._crowd.expect(rooms, at)
        os.kill(node.program.child.pid, signal.SIGKILL)
        return Done(node.name, at, awaited=[awaited])

    async def _at_point(self, point: str, random: Random) -> Done:
        node, rooms = await self._victim(random, point)
        deaths, armed = len(self._stack.deaths), time.monotonic()
        awaited = self._crowd.expect(rooms, armed)
        os.kill(node.program.child.pid, signal.SIGUSR1)
        try:
            at, _ = await self._death(node, deaths, POINT_S)
        except TimeoutError:
            os.kill(node.program.child.pid, signal.SIGKILL)
            raise Impossible(f"{node.name} did not come to {point} within {POINT_S:.0f} s; it was killed") from None
        awaited.since = at  # nobody can be back before the process was gone
        return Done(node.name, at, awaited=[awaited])

    async def _death(self, node: Node, deaths: int, seconds: float) -> tuple[float, int]:
        """Wait for the node's end; return its instant and the exit code. Raises ``TimeoutError``."""
        async with asyncio.timeout(seconds):
            while True:
                for when, name, code in self._stack.deaths[deaths:]:
                    if name == node.name:
                        return when, code
                await asyncio.sleep(0.002)

    async def _stop(self, random: Random) -> Done:
        node, rooms = await self._victim(random)
        pid, at = node.program.child.pid, time.monotonic()
        awaited = self._crowd.expect(rooms, at)
        os.kill(pid, signal.SIGSTOP)
        try:
            long = random.random() < LONG
            await asyncio.sleep(self._lease_s + random.uniform(*((3.0, 6.0) if long else (0.3, 1.5))))
        finally:
            os.kill(pid, signal.SIGCONT)
        woken = time.monotonic()
        return Done(node.name, at, awaited=[awaited], notes=f"woken after {woken - at:.2f} s")

    async def _drain(self, random: Random) -> Done:
        node, rooms = await self._victim(random)
        return await self._end(node, rooms)

    async def _end(self, node: Node, rooms: list[str]) -> Done:
        deaths, pid = len(self._stack.deaths), node.program.child.pid
        at = time.monotonic()
        awaited = self._crowd.expect(rooms, at)
        os.kill(pid, signal.SIGTERM)
        when, code = await self._death(node, deaths, END_S)
        return Done(node.name, at, when, awaited=[awaited], notes="" if code == 0 else f"ended with code {code}")

    async def _rolling(self, random: Random) -> Done:
        whole = Done("every node", time.monotonic())
        nodes = list(self._stack.nodes)
        random.shuffle(nodes)
        for node in nodes:
            for other in nodes:
                await self._stack.ready_again(other, READY_S)
            done = await self._end(node, await self._stack.rooms_of(node, self._crowd.codes))
            whole.awaited += done.awaited
            whole.notes += done.notes
            await self._stack.ready_again(node)
        whole.over_at = time.monotonic()
        return whole

    # ---- the other processes -------------------------------------------------------------------------

    async def _api(self, random: Random) -> Done:
        at = time.monotonic()
        awaited = self._crowd.expect(self._crowd.codes, at)
        os.kill(self._stack.api.child.pid, signal.SIGKILL)
        await asyncio.sleep(0.05)
        await self._stack.ready_again(self._stack.api)
        return Done("api", at, awaited=[awaited])

    async def _worker(self, random: Random) -> Done:
        at = time.monotonic()
        os.kill(self._stack.worker.child.pid, signal.SIGKILL)
        await asyncio.sleep(0.05)
        await self._stack.ready_again(self._stack.worker)
        return Done("worker", at)

    async def _redis(self, random: Random) -> Done:
        at = time.monotonic()
        os.kill(self._stack.valkey.child.pid, signal.SIGKILL)
        await asyncio.sleep(0.02)
        await self._stack.ready_again(self._stack.valkey)
        return Done("Redis", at)

    async def _redis_stop(self, random: Random) -> Done:
        pid, at = self._stack.valkey.child.pid, time.monotonic()
        os.kill(pid, signal.SIGSTOP)
        try:
            await asyncio.sleep(random.uniform(0.1, 2.0))
        finally:
            os.kill(pid, signal.SIGCONT)
        return Done("Redis", at, notes=f"stood for {time.monotonic() - at:.2f} s")

    async def _flush(self, random: Random) -> Done:
        at = time.monotonic()
        await asyncio.to_thread(self._stack.redis.flushall)
        return Done("Redis", at)

    async def _postgres(self, random: Random) -> Done:
        at = time.monotonic()
        os.kill(self._stack.postgres.child.pid, signal.SIGKILL)
        await asyncio.sleep(0.05)
        await self._stack.ready_again(self._stack.postgres)
        return Done("PostgreSQL", at)

    async def _kill_and_redis(self, random: Random) -> Done:
        node, rooms = await self._victim(random)
        at = time.monotonic()
        awaited = self._crowd.expect(rooms, at)
        os.kill(node.program.child.pid, signal.SIGKILL)
        os.kill(self._stack.valkey.child.pid, signal.SIGKILL)
        await asyncio.sleep(0.02)
        await self._stack.ready_again(self._stack.valkey)
        return Done(f"{node.name} and Redis", at, awaited=[awaited])

    # ---- links ---------------------------------------------------------------------------------------

    async def _cut_redis(self, random: Random) -> Done:
        node, _ = await self._victim(random)
        at, length = time.monotonic(), random.uniform(0.1, 2 * self._lease_s)
        node.link.cut()
        try:
            await asyncio.sleep(length)
        finally:
            node.link.mend(drop=random.random() < 0.5)
        return Done(f"{node.name} – Redis", at, notes=f"cut for {length:.2f} s")

    async def _slow_redis(self, random: Random) -> Done:
        node, _ = await self._victim(random)
        at, delay = time.monotonic(), random.uniform(0.02, 0.2)
        node.link.slow(delay)
        try:
            await asyncio.sleep(random.uniform(1.0, 4.0))
        finally:
            node.link.mend()
        return Done(f"{node.name} – Redis", at, notes=f"slowed by {delay * 1000:.0f} ms")

    async def _cut_players(self, random: Random) -> Done:
        at, length = time.monotonic(), random.uniform(0.5, 6.0)
        self._stack.door.cut(random.uniform(0.1, 0.9), random)
        try:
            await asyncio.sleep(length)
        finally:
            self._stack.door.mend(drop=random.random() < 0.5)
        return Done("players – door", at, notes=f"cut for {length:.2f} s")

    async def _slow_players(self, random: Random) -> Done:
        at, delay = time.monotonic(), random.uniform(0.05, 0.5)
        self._stack.door.slow(delay)
        try:
            await asyncio.sleep(random.uniform(1.0, 4.0))
        finally:
            self._stack.door.mend()
        return Done("players – door", at, notes=f"slowed by {delay * 1000:.0f} ms")
