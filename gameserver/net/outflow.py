"""The way out of a connection: straight to the kernel while nothing is buffered, else in order through an outbox.

The transport's high-water mark is 0, so ``pause_writing`` means "the kernel did not take everything" and
``resume_writing`` "it has now". While it is paused nothing is given to the transport, so any byte it still holds
that goes is progress.

While nothing waits, frames of rooms are given to the kernel without the transport between: it is the greatest part of a
fan-out, and the transport's bookkeeping costs a third of the ``send`` itself (DECISIONS 25). What the kernel does not
take, and every error, is the transport's.
"""

import asyncio
import socket as sockets
from collections.abc import Callable

from gameserver.net.limits import EdgeLimits


def _takes_nothing(_data: bytes) -> int:
    """Stand for a kernel that may not be asked: all bytes go to the transport."""
    return 0


class Outflow(asyncio.Protocol):
    """Bytes out, in order, bounded."""

    __slots__ = (
        "_clear",
        "_direct",
        "_half_closed",
        "_held",
        "_kernel",
        "_outbox",
        "_paused",
        "_stuck_at",
        "_stuck_bytes",
        "_transport",
    )

    _transport: asyncio.Transport

    def __init__(self) -> None:
        self._clear = False  # nothing waits: frames may go straight to the kernel
        self._direct: sockets.socket | None = None  # the transport's own descriptor
        self._kernel: Callable[[bytes], int] = _takes_nothing
        self._paused = False
        self._half_closed = False  # no byte may follow what is queued
        self._outbox: list[bytes] | None = None  # made when it is first needed: most connections never do
        self._held = 0  # bytes in the outbox
        self._stuck_at = 0.0  # when a byte was last taken while paused
        self._stuck_bytes = 0  # what the transport held then

    def _open_direct(self) -> None:
        """Have the transport's descriptor at hand, until ``_close_direct``."""
        socket = self._transport.get_extra_info("socket")
        if socket is not None:
            self._direct = sockets.socket(socket.family, socket.type, socket.proto, fileno=socket.fileno())
            self._kernel = self._direct.send

    def _close_direct(self) -> None:
        """Let the descriptor go unclosed: the transport closes it, and its number may come again at once."""
        self._kernel = _takes_nothing
        if self._direct is not None:
            self._direct.detach()
            self._direct = None

    def _put(self, frames: bytes) -> None:
        """Send bytes while nothing waits (``_clear``)."""
        try:
            taken = self._kernel(frames)
        except OSError:
            taken = 0  # full, or broken: the transport meets the same, and acts on it
        if taken != len(frames):
            self._transport.write(frames[taken:])

    def pause_writing(self) -> None:
        """The kernel did not take everything."""
        self._paused = True
        self._clear = False
        self._stuck_bytes = self._transport.get_write_buffer_size()
        self._stuck_at = self._now()
        self._watch()

    def resume_writing(self) -> None:
        """The kernel has taken everything: on with what waits."""
        self._paused = False
        self._clear = self._is_open()
        if self._held:
            waiting, self._outbox, self._held = self._outbox, None, 0
            assert waiting is not None
            self._transport.write(b"".join(waiting))
        if self._half_closed and not self._held:
            self._transport.write_eof()

    def _write(self, data: bytes) -> None:
        """Send bytes after all that were sent before."""
        if self._half_closed:
            return
        if self._paused:
            if self._outbox is None:
                self._outbox = []
            self._outbox.append(data)
            self._held += len(data)
        else:
            self._transport.write(data)

    def _half_close(self) -> None:
        """Let nothing follow what is queued, and tell the peer so."""
        if self._half_closed:
            return
        self._half_closed = True
        if not self._paused:
            self._transport.write_eof()

    def _drop_outbox(self) -> None:
        """Forget what the transport does not hold yet: whole frames only, so what it holds stays decodable."""
        self._outbox, self._held = None, 0

    def unsent(self) -> int:
        """Return how many bytes the kernel has not taken yet."""
        return self._held + self._transport.get_write_buffer_size()

    def _is_stuck(self, now: float, limits: EdgeLimits) -> bool:
        """Say whether no byte was taken for ``stuck_s`` while some wait."""
        if not self._paused:
            return False
        size = self._transport.get_write_buffer_size()
        if size != self._stuck_bytes:
            self._stuck_bytes, self._stuck_at = size, now
        return now - self._stuck_at >= limits.stuck_s

    # ---- what the connection around it says ---------------------------------------------------------

    def _now(self) -> float:
        raise AssertionError("told by the connection")

    def _is_open(self) -> bool:
        raise AssertionError("told by the connection")

    def _watch(self) -> None:
        raise AssertionError("told by the connection")
