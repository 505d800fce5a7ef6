"""An event loop whose time is virtual, and processes in it that can be paused and killed.

Nothing sleeps: when nothing is ready, time jumps to the next timer. What runs belongs to a process (a context
variable that every task, timer and callback inherits); what belongs to one that is paused or dead waits aside.
"""

import asyncio
import contextvars
import enum
import heapq
from asyncio.events import Handle, TimerHandle
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from random import Random
from typing import Any, Final

JITTER_S: Final = 0.0008
"""Timers fire up to this much late, as on any machine; which of two comes first depends on the seed."""


class State(enum.Enum):
    """What a process does."""

    RUNS = "runs"
    PAUSED = "paused"
    DEAD = "dead"


class Killed(BaseException):
    """Ends the callback or task step in which a process killed itself."""


class Stuck(AssertionError):  # noqa: N818 - a state of the simulation
    """Nothing will ever happen again."""


class Process:
    """One simulated process: everything that was started in its context."""

    def __init__(self, loop: "VirtualLoop", name: str) -> None:
        self.loop = loop
        self.name = name
        self.state = State.RUNS
        self.parked: deque[Handle] = deque()
        self.paused_s = 0.0  # in all, without a pause that goes on
        self.pauses = 0
        self.trouble_at = 0.0  # when it was last in trouble, or will have been
        self.context = contextvars.Context()
        self.context.run(PROCESS.set, self)
        self._paused_at = 0.0

    def spawn(self, work: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        """Start a task of this process."""
        task = self.loop.create_task(work, name=f"{self.name}/{name}", context=self.context)
        task.add_done_callback(self._done, context=self.context)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        """What ends with an error is for the loop's handler to judge."""
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self.loop.call_exception_handler({"message": f"{task.get_name()} ended", "exception": error})

    def call(self, delay_s: float, function: Callable[..., object], *arguments: Any) -> TimerHandle:
        """Call a function as this process, later."""
        return self.loop.exact(self.loop.time() + max(0.0, delay_s), function, arguments, self.context)

    def pause(self) -> None:
        """Stop it (SIGSTOP)."""
        if self.state is State.RUNS:
            self.state = State.PAUSED
            self.pauses += 1
            self._paused_at = self.loop.time()

    def go_on(self) -> None:
        """Let it run again (SIGCONT): what came due meanwhile happens now, in order."""
        if self.state is State.PAUSED:
            self.state = State.RUNS
            self.paused_s += self.loop.time() - self._paused_at
            self.loop.unpark(self)

    def kill(self) -> None:
        """End it at once. What it had under way never happens."""
        self.state = State.DEAD

    def awake_s(self) -> float:
        """Return how long it has been awake since the loop's time 0."""
        asleep = self.paused_s + (self.loop.time() - self._paused_at if self.state is State.PAUSED else 0.0)
        return self.loop.time() - asleep


PROCESS: contextvars.ContextVar[Process | None] = contextvars.ContextVar("process", default=None)


class VirtualLoop(asyncio.BaseEventLoop):
    """Runs callbacks one after another; ``time`` is virtual seconds since the beginning."""

    def __init__(self, random: Random) -> None:
        super().__init__()
        self._virtual = 0.0
        self._random = random.random
        self._ready: deque[Handle]
        self._scheduled: list[TimerHandle]
        self.steps = 0
        self.ending = False
        self.stop_for: Sequence[BaseException] = ()  # the loop ends as soon as there is one

    def time(self) -> float:
        """Return the virtual time."""
        return self._virtual

    def call_at(self, when: float, callback: Any, *args: Any, context: contextvars.Context | None = None) -> Any:
        """Schedule a timer, a little late as on any machine."""
        return self.exact(when + self._random() * JITTER_S, callback, args, context)

    def exact(
        self, when: float, callback: Any, args: tuple[Any, ...], context: contextvars.Context | None
    ) -> TimerHandle:
        """Schedule a timer for exactly this time."""
        timer = TimerHandle(when, callback, args, self, context)
        heapq.heappush(self._scheduled, timer)
        timer._scheduled = True
        return timer

    def unpark(self, process: Process) -> None:
        """Put what waited for a paused process back, in order."""
        while process.parked:
            self._ready.append(process.parked.popleft())

    def _timer_handle_cancelled(self, handle: TimerHandle) -> None:
        """Cancelled timers are passed over when their time comes."""

    def _process_events(self, event_list: object) -> None:
        """There is nothing to select."""

    def _write_to_self(self) -> None:
        """There is one thread."""

    def _run_once(self) -> None:
        ready, scheduled = self._ready, self._scheduled
        while scheduled and scheduled[0]._cancelled:
            heapq.heappop(scheduled)._scheduled = False
        if not ready:
            if not scheduled:
                raise Stuck("nothing will ever happen again")
            self._virtual = max(self._virtual, scheduled[0]._when)
        while scheduled and scheduled[0]._when <= self._virtual:
            timer = heapq.heappop(scheduled)
            timer._scheduled = False
            ready.append(timer)
        for _ in range(len(ready)):
            handle = ready.popleft()
            if handle._cancelled:
                continue
            self.steps += 1
            process = handle._context.get(PROCESS)
            if process is not None and process.state is not State.RUNS and not self.ending:
                process.parked.append(handle)
                continue
            handle._run()
            if self.stop_for:
                raise self.stop_for[0]

    def end(self, processes: list[Process]) -> None:
        """Cancel every task, also those of dead processes, and let them end; no time passes for anybody."""
        self.ending = True
        for process in processes:
            self.unpark(process)
        for _ in range(200):
            tasks = [task for task in asyncio.all_tasks(self) if not task.done()]
            if not tasks:
                break
            for task in tasks:
                task.cancel()
            for _ in range(10):
                self.call_soon(self.stop)
                self.run_forever()
        left = [task.get_name() for task in asyncio.all_tasks(self) if not task.done()]
        assert not left, f"these tasks do not end: {left}"
        self.close()
