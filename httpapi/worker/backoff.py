"""Waiting before trying again: longer each time, never for all at the same instant."""

import asyncio
import random

from httpapi.worker.limits import BACK_OFF_S


class BackOff:
    """Waits between tries: doubling, with jitter; a success starts it anew."""

    def __init__(self, first_s: float = BACK_OFF_S[0], most_s: float = BACK_OFF_S[1]) -> None:
        self._first_s = first_s
        self._most_s = most_s
        self.tries = 0

    async def wait(self, stopping: asyncio.Event | None = None) -> None:
        """Wait for the next try, or until ``stopping`` is set."""
        most = min(self._most_s, self._first_s * 2 ** min(self.tries, 16))
        self.tries += 1
        delay = most * random.uniform(0.5, 1.0)  # noqa: S311 - jitter needs no secrecy
        if stopping is None:
            await asyncio.sleep(delay)
        else:
            await wait_for(stopping, delay)

    def reset(self) -> None:
        """Begin with the shortest wait again."""
        self.tries = 0


async def wait_for(event: asyncio.Event, seconds: float) -> bool:
    """Wait until the event is set, at most so long; return whether it is."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        pass
    return event.is_set()
