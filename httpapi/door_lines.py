"""Tells nodes what the kernel knows of public sockets: round trip and its deviation, each second while they change.

One control connection to each node that has splices. A node that cannot be reached, or reads slowly, just gets less:
the lines' last known times stay.
"""

import asyncio
import socket as sockets
from collections.abc import Callable, Collection
from typing import Final, Protocol

from arena import logs
from arena.tasks import end
from protocol import door
from protocol.door import DoorHello, DoorLines, TcpTimes

SLICES: Final = 10  # of a second: each socket is looked at in one of them
CHANGED_US: Final = 1_000
CONNECT_S: Final = 2.0
RETRY_S: Final = 2.0
BUFFER_BYTES_MAX: Final = 256 * 1024

_TCP_INFO: Final = getattr(sockets, "TCP_INFO", None)  # Linux only
_log = logs.get("door")


def read_tcp(transport: asyncio.BaseTransport) -> TcpTimes | None:
    """Return the kernel's times of a connection; None where they are not known."""
    socket = transport.get_extra_info("socket")
    if _TCP_INFO is None or socket is None or socket.family not in (sockets.AF_INET, sockets.AF_INET6):
        return None
    try:
        return door.read_tcp_info(socket.getsockopt(sockets.IPPROTO_TCP, _TCP_INFO, door.TCP_INFO_BYTES))
    except OSError:  # the peer has just gone
        return None


class Spliced(Protocol):
    """A splice, as the reporter sees it."""

    number: int
    control: str  # of the node; "": it takes no reports, or the public socket is not ours
    told: TcpTimes | None

    def measure(self) -> TcpTimes | None:
        """Read the public socket's times now."""


class _Link:
    """A control connection to one node."""

    def __init__(self, address: str, hello: bytes) -> None:
        self._hello = hello
        self._address = address
        self._writer: asyncio.StreamWriter | None = None
        self._again_at = 0.0
        self._task: asyncio.Task[None] | None = None

    def send(self, lines: list[tuple[int, int, int, int]]) -> bool:
        """Write a report; False: not now."""
        writer = self._writer
        if writer is None or writer.is_closing():
            self._open()
            return False
        if writer.transport.get_write_buffer_size() > BUFFER_BYTES_MAX:
            return False
        for start in range(0, len(lines), door.LINES_IN_A_FRAME_MAX):
            writer.write(door.pack_control(DoorLines(lines[start : start + door.LINES_IN_A_FRAME_MAX])))
        return True

    def close(self) -> None:
        """Close it."""
        if self._task is not None:
            self._task.cancel()
        if self._writer is not None:
            self._writer.transport.abort()
            self._writer = None

    def _open(self) -> None:
        loop = asyncio.get_running_loop()
        if self._task is None and loop.time() >= self._again_at:
            self._again_at = loop.time() + RETRY_S
            self._task = loop.create_task(self._connect(), name=f"control-{self._address}")

    async def _connect(self) -> None:
        host, _, port = self._address.rpartition(":")
        try:
            async with asyncio.timeout(CONNECT_S):
                _, self._writer = await asyncio.open_connection(host.strip("[]"), int(port))
            self._writer.write(self._hello)
        except (OSError, TimeoutError, ValueError):
            _log.warning("control_unreachable", node=self._address)
        finally:
            self._task = None


class LineReporter:
    """Looks at all splices, a slice each tenth of a second. Its owner starts and stops it."""

    def __init__(self, *, door_id: str, secret: str, splices: Callable[[], Collection[Spliced]]) -> None:
        self._hello = door.pack_control(DoorHello(door_id, secret))
        self._splices = splices
        self._links: dict[str, _Link] = {}  # one a node that has splices
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to report."""
        self._task = asyncio.get_running_loop().create_task(self._run(), name="door-lines")

    async def stop(self) -> None:
        """Stop and close the control connections."""
        if self._task is not None:
            await end([self._task])
        for link in self._links.values():
            link.close()
        self._links.clear()

    async def _run(self) -> None:
        turn = 0
        while True:
            await asyncio.sleep(1.0 / SLICES)
            turn = (turn + 1) % SLICES
            self.report(turn)

    def report(self, turn: int) -> None:
        """Report the changes of one slice, and close links to nodes without splices."""
        reports: dict[str, list[tuple[int, int, int, int]]] = {}
        measured: dict[str, list[tuple[Spliced, TcpTimes]]] = {}
        splices = self._splices()
        for splice in splices:
            if not splice.control or splice.number % SLICES != turn:
                continue
            times = splice.measure()
            if times is not None and _differs(times, splice.told):
                reports.setdefault(splice.control, []).append((splice.number, *times))
                measured.setdefault(splice.control, []).append((splice, times))
        for address, lines in reports.items():
            link = self._links.setdefault(address, _Link(address, self._hello))
            if link.send(lines):
                for splice, times in measured[address]:
                    splice.told = times
        if turn == 0:
            for address in self._links.keys() - {splice.control for splice in splices}:
                self._links.pop(address).close()


def _differs(times: TcpTimes, told: TcpTimes | None) -> bool:
    return (
        told is None
        or abs(times.srtt_us - told.srtt_us) >= CHANGED_US
        or abs(times.rttvar_us - told.rttvar_us) >= CHANGED_US
    )
