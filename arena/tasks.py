"""Ending tasks for certain, also those whose libraries lose a cancellation."""

import asyncio
from collections.abc import Iterable
from typing import Any, Final

AGAIN_S: Final = 0.25


def heed_cancellation() -> None:
    """Raise ``CancelledError`` if the current task was told to end; for loops that go on after errors.

    redis-py makes an error of its own of a cancellation that meets it while it connects: what catches such errors and
    tries again asks here first. To be called outside ``asyncio.timeout`` and in a task that opened no ``TaskGroup``:
    their own cancellations look the same.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


async def end(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel the tasks until each has ended; their results and errors count as seen.

    Once is not enough: redis-py turns a cancellation that meets it while it connects into a time-out of its own, and
    a loop that goes on after errors would then go on for ever.
    """
    left = {task for task in tasks if not task.done()}
    while left:
        for task in left:
            task.cancel()
        ended, left = await asyncio.wait(left, timeout=AGAIN_S)
        for task in ended:
            if not task.cancelled():
                task.exception()
