"""Production runs on uvloop; without it the same code runs on asyncio's own loop."""

import asyncio

from gameserver.net.limits import EdgeLimits
from protocol import frames
from protocol.client import ClockAsk
from protocol.errors import CloseCode
from tests.net.bed import close_frame, message, node


async def story() -> str:
    """Play a connection, a slow reader and a stop through."""
    async with node(limits=EdgeLimits(outbox_bytes=64 * 1024, sweep_s=0.02)) as running:
        client, member = await running.join()
        client.writer.write(message(ClockAsk(c=1)))
        await running.hub.until(lambda: bool(member.received))
        member.connection.send(frames.binary(b"told"))
        assert await client.next() == (2, b"told")
        slow, slow_member = await running.join()
        slow.writer.transport.pause_reading()  # type: ignore[attr-defined]  # a stream's transport reads
        for _ in range(2000):
            slow_member.connection.send(frames.binary(bytes(16 * 1024)))
            await asyncio.sleep(0)
            if slow_member.gone_count:
                break
        slow.writer.transport.resume_reading()  # type: ignore[attr-defined]  # as above
        assert await slow.close_code() == CloseCode.SLOW_READER
        client.writer.write(close_frame())
        await client.ended()
        await running.hub.until(lambda: member.gone_count == 1)
    return type(asyncio.get_running_loop()).__module__


def on_asyncio() -> str:
    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        return runner.run(story())


async def test_on_uvloop() -> None:
    assert (await story()).startswith("uvloop")


async def test_on_asyncio() -> None:
    assert (await asyncio.to_thread(on_asyncio)).startswith("asyncio")
