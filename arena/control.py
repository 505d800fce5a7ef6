"""Telling a node something over its control connection, as a supervisor or an operator (``protocol/peers.py``)."""

import asyncio
import contextlib

from protocol import peers
from protocol.door import CONTROL_FRAME_BYTES_MAX, DoorHello


async def tell(
    control: str, secret: str, message: peers.Died | peers.Drain, *, seconds: float, until_end: bool = False
) -> bool:
    """Tell the node at ``control`` (host:port); whether it noted it. ``until_end``: and its process has ended."""
    host, _, port = control.rpartition(":")
    writer: asyncio.StreamWriter | None = None
    try:
        async with asyncio.timeout(seconds):
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(peers.pack(DoorHello("operator", secret)) + peers.pack(message))
            noted = isinstance(await _read(reader), peers.Noted)
            if until_end:
                with contextlib.suppress(OSError, EOFError):
                    await _read(reader)
            return noted
    except (OSError, EOFError, TimeoutError, ValueError):
        return False
    finally:
        if writer is not None:
            writer.transport.abort()


async def _read(reader: asyncio.StreamReader) -> peers.Answer:
    size = int.from_bytes(await reader.readexactly(4), "big")
    if size > CONTROL_FRAME_BYTES_MAX:
        raise ValueError("frame too long")
    return peers.unpack_answer(await reader.readexactly(size))
