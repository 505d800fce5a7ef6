"""Keeps units running: one that dies is started again with back-off; all stop in order when told to.

One event loop on the main thread, because the kernel ties children to the thread that starts them. A child's end
is noticed by SIGCHLD, so whoever asks (``on_death``) knows at once: nodes are told of a dead neighbour that way
(deaths.py).
"""

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from msgspec import Struct

from arena.embedded.errors import EmbeddedError
from arena.units import Unit, last_words_of

READY_SECONDS: Final = 60.0
FIRST_TRIES: Final = 4
"""A unit that was never ready ends the start after so many lives; afterwards it is tried for ever."""

BACK_OFF_SECONDS: Final = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
STEADY_SECONDS: Final = 10.0
"""A life of that length starts the back-off anew."""

BAD_SETTINGS: Final = 2
"""The exit code with which our programs say that starting them again would not help."""

_LOOK_SECONDS = 0.02


class StartError(Exception):
    """A unit cannot be started at all. The text is for the operator; ``code`` is the exit code to end with."""

    def __init__(self, text: str, code: int = 1) -> None:
        super().__init__(text)
        self.code = code


class Death(Struct, frozen=True):
    """A unit's process has ended without being asked to."""

    unit: str
    pid: int
    code: int  # negative: the signal that ended it
    lived_s: float


class Supervisor:
    """Runs units until told to stop.

    ``say`` takes one line for the operator. ``on_death`` are called at once when a child ends unasked, before it is
    started again; they must not block.
    """

    def __init__(
        self,
        say: Callable[[str], None],
        *,
        on_death: Sequence[Callable[[Death], None]] = (),
        back_off_s: Sequence[float] = BACK_OFF_SECONDS,
    ) -> None:
        self._say = say
        self._on_death = list(on_death)
        self._back_off_s = back_off_s
        self._keepers: dict[str, _Keeper] = {}
        self.stopping = False

    def tell_deaths_to(self, told: Callable[[Death], None]) -> None:
        """Call it for each death from now on."""
        self._on_death.append(told)

    def watch_children(self, loop: asyncio.AbstractEventLoop) -> None:
        """Notice ends of children by SIGCHLD. Call once, on the main thread."""
        loop.add_signal_handler(signal.SIGCHLD, self.look)

    def look(self) -> None:
        """See which children have ended."""
        for keeper in self._keepers.values():
            keeper.look()

    async def start(self, units: Sequence[Unit]) -> None:
        """Start units together; return when all are ready.

        Raises:
            StartError: one ended again and again before it was ready, or said that its settings are wrong.
        """
        keepers = [_Keeper(unit, self) for unit in units]
        for keeper in keepers:
            self._keepers[keeper.unit.name] = keeper
            keeper.task = asyncio.create_task(keeper.keep(), name=f"keep {keeper.unit.name}")
        await together([keeper.wait_ready() for keeper in keepers])

    async def failed(self) -> None:
        """Wait for ever, unless a keeper itself fails (a bug): then raise its error."""
        tasks = [keeper.task for keeper in self._keepers.values() if keeper.task]
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()

    async def stop(self, groups: Sequence[tuple[Sequence[str], float]]) -> None:
        """Stop units by name, group after group, each within its time (seconds); then whatever is left."""
        self.stopping = True
        for names, timeout_s in groups:
            chosen = [self._keepers[name] for name in names if name in self._keepers]
            await asyncio.gather(*(keeper.stop(timeout_s) for keeper in chosen))
        await asyncio.gather(*(keeper.stop(5.0) for keeper in self._keepers.values()))

    def kill_all(self) -> None:
        """End every child at once."""
        self.stopping = True
        for keeper in self._keepers.values():
            keeper.unit.child.kill()

    # ---- what keepers tell ----

    def say(self, line: str) -> None:
        """Tell the operator, unless everything is stopping anyway."""
        if not self.stopping:
            self._say(line)

    def tell_death(self, death: Death) -> None:
        """Tell everybody who asked."""
        for told in self._on_death:
            told(death)

    def pause_before(self, life: int) -> float:
        """Return how long to wait before a unit's next life (1: the first repetition)."""
        return self._back_off_s[min(life, len(self._back_off_s)) - 1]


class _Keeper:
    """Keeps one unit running."""

    def __init__(self, unit: Unit, supervisor: Supervisor) -> None:
        self.unit = unit
        self.task: asyncio.Task[None] | None = None
        self._supervisor = supervisor
        self._ended = asyncio.Event()
        self._was_ready = asyncio.Event()

    def look(self) -> None:
        """See whether the child has ended."""
        if self.unit.child.poll() is not None:
            self._ended.set()

    async def wait_ready(self) -> None:
        """Return when the unit was ready for the first time; raise what its keeper raised instead."""
        assert self.task is not None
        ready = asyncio.create_task(self._was_ready.wait())
        try:
            await asyncio.wait([ready, self.task], return_when=asyncio.FIRST_COMPLETED)
        finally:
            ready.cancel()
        if self.task.done():
            self.task.result()

    async def keep(self) -> None:
        """Start the unit, watch it, start it again, until everything stops."""
        lives = 0
        while not self._supervisor.stopping:
            self._ended.clear()
            started = time.monotonic()
            trouble = await self._live()
            if self._supervisor.stopping:
                return
            lived = time.monotonic() - started
            code = self.unit.child.poll()
            lives = 1 if lived >= STEADY_SECONDS and self._was_ready.is_set() else lives + 1
            self._give_up_if_useless(lives, code, trouble)
            self._supervisor.tell_death(Death(self.unit.name, self.unit.child.pid, code or 0, lived))
            pause = self._supervisor.pause_before(lives)
            again = f"starting it again in {pause:g} s" if pause else "starting it again"
            self._supervisor.say(f"{self.unit.name} {trouble}; {again} (log: {self.unit.log})")
            await asyncio.sleep(pause)

    async def _live(self) -> str:
        """Run one life; return how it ended, in words."""
        try:
            self.unit.launch()
            if await self._get_ready():
                self._was_ready.set()
                await self._ended.wait()
                return how_it_ended(self.unit.child.poll())
            self.unit.child.kill()
            await self._ended.wait()
        except EmbeddedError as error:
            return f"could not be started: {error}"
        else:
            return f"was not ready after {READY_SECONDS:.0f} s"

    async def _get_ready(self) -> bool:
        until = time.monotonic() + READY_SECONDS
        while not self.unit.is_ready():
            if time.monotonic() >= until:
                return False
            await asyncio.sleep(_LOOK_SECONDS)
            self.look()
        return True

    def _give_up_if_useless(self, lives: int, code: int | None, trouble: str) -> None:
        if self._was_ready.is_set():
            return
        words = last_words_of(self.unit.log)
        said = f": {words}" if words and words not in trouble else ""
        if code == BAD_SETTINGS:
            raise StartError(f"{self.unit.name} cannot start{said} (log: {self.unit.log})", BAD_SETTINGS)
        if lives >= FIRST_TRIES:
            raise StartError(f"{self.unit.name} {trouble}{said} (log: {self.unit.log})")

    async def stop(self, timeout_s: float) -> None:
        """Ask the unit to stop, wait, kill it when it takes longer; its task ends."""
        child = self.unit.child
        if child.running:
            child.send(self.unit.stop_signal)
            try:
                async with asyncio.timeout(timeout_s):
                    await self._ended.wait()
            except TimeoutError:
                child.kill()
                await self._ended.wait()
        child.close()
        if self.task and not self.task.done():
            self.task.cancel()
            await asyncio.wait([self.task])


async def together(waits: Sequence[Awaitable[None]]) -> None:
    """Wait for all; at the first error cancel the others and raise it as it is."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()


def how_it_ended(code: int | None) -> str:
    """Return an exit code in words."""
    if code is None:
        return "ended"
    if code < 0:
        return f"was ended by {signal.Signals(-code).name}" if -code in set(signal.Signals) else f"was ended by {-code}"
    return f"ended with code {code}"
