"""Waiting for what other tasks bring about."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Any

LOOK_EVERY_S = 0.005


async def eventually(condition: Callable[[], Any | Awaitable[Any]], what: str, seconds: float = 10.0) -> None:
    """Wait until the condition holds; fail with ``what`` when it does not in time."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while True:
        found = condition()
        if inspect.isawaitable(found):
            found = await found
        if found:
            return
        assert loop.time() < end, f"waited {seconds} s in vain: {what}"
        await asyncio.sleep(LOOK_EVERY_S)
