"""One process of clients: raw sockets, one epoll, no task and no timer for each. Started by ``bench.crowd``.

Reads its orders as JSON lines from standard input (the first is an ``Orders``; then ``go``, ``measure``, ``stop``)
and tells its progress as JSON lines on standard output.
"""

import heapq
import json
import os
import random
import select
import socket
import sys
import time
from collections.abc import Callable
from typing import Any, Final

import msgspec
from msgspec import Struct

from bench import wire
from bench.entrance import Desk, Place, Target, entrance

PROGRESS_S: Final = 0.5
OPENS_S: Final = 150
LATENESS_US: Final = 10
"""Latencies are counted in steps of this many microseconds."""


class Orders(Struct, frozen=True, kw_only=True):
    """What one process plays."""

    profile: str  # ready, trivia, once, idle, reference
    people: str  # short and different for each process
    rooms: int
    players: int  # in each room
    watchers: int = 0  # in each room
    commands_s: float = 2.0  # of each player, where the profile leaves it open
    settings: dict[str, Any] = {}
    source: str = ""  # the address to connect from
    codes: list[str] = []  # rooms that are there already; else they are made
    first_user: int = 0
    target: Target = Target()
    reference: tuple[str, int] = ("", 0)
    command_bytes: int = 0  # reference: size of a command's payload
    opens_s: float = OPENS_S
    seed: int = 1


class Conn:
    """One client."""

    __slots__ = (
        "at",
        "closed",
        "first_view",
        "next_id",
        "opened",
        "ready",
        "rest",
        "role",
        "room",
        "seat",
        "seen",
        "sock",
        "user",
    )

    def __init__(self, room: "Room", user: int, role: str) -> None:
        self.room = room
        self.user = user
        self.role = role
        self.sock: socket.socket | None = None
        self.rest = b""
        self.opened = False  # the upgrade is through
        self.first_view = False
        self.seat = 0
        self.next_id = 0
        self.ready = False
        self.closed = ""
        self.at: dict[int, float] = {}  # command id → when it was sent
        self.seen = b""  # reference: the last frame


class Room:
    """The clients of one room, and what of their commands is under way."""

    __slots__ = ("code", "conns", "keys", "last", "number", "sent", "state")

    def __init__(self, number: int, code: str) -> None:
        self.number = number
        self.code = code
        self.conns: list[Conn] = []
        self.sent: dict[tuple[int, int], float] = {}  # what a frame will name → when its command was sent
        self.last = b""
        self.keys: list[tuple[int, int]] = []
        self.state: Any = None


class Counts(Struct):
    """What was seen since ``measure``."""

    frames: int = 0  # deltas: a change of a room, told to one member
    frame_bytes: int = 0
    other_frames: int = 0  # acknowledgements and the rest
    commands: int = 0
    command_bytes: int = 0
    acks: int = 0
    refused: int = 0
    dropped: int = 0  # connections closed on us
    lag_us: int = 0  # how late this process was itself, at worst
    receipts: dict[int, int] = {}  # latency in steps → how often; command to a member's receipt
    ack_times: dict[int, int] = {}
    worst_us: int = 0


class Swarm:
    """Opens, plays, counts."""

    def __init__(self, orders: Orders) -> None:
        # Profiles know the swarm's types; the swarm knows only their four methods.
        from bench.profiles import profile_of  # noqa: PLC0415 - profiles are made of this module's people

        self.orders = orders
        self.random = random.Random(orders.seed)
        self.poll = select.epoll()
        self.conns: dict[int, Conn] = {}
        self.rooms: list[Room] = []
        self.counts = Counts()
        self.measuring = False
        self.running = False
        self.heap: list[tuple[float, int, Callable[[float], None]]] = []
        self._serial = 0
        self._waiting: list[tuple[float, int, Conn]] = []
        self.inside = 0
        self.closes: dict[str, int] = {}
        self.profile = profile_of(self)
        self._orders_in = b""
        self._stopped = False
        self.opening_s = 0.0  # how long it took to let everybody in
        self._entrance = None if orders.profile == "reference" else entrance(orders.target, orders.people)

    # ---- rooms and opening -----------------------------------------------------------------------------

    def prepare(self) -> None:
        """Make the rooms and wait until they are open."""
        orders = self.orders
        each = orders.players + orders.watchers
        codes = list(orders.codes)
        if not codes and self._entrance is not None:
            mode, settings = self.profile.mode, orders.settings or self.profile.settings
            codes = [
                self._entrance.create(mode, settings, orders.first_user + number * each)
                for number in range(orders.rooms)
            ]
            for code in codes:
                self._entrance.wait_open(code)
        for number in range(orders.rooms):
            room = Room(number, codes[number] if codes else str(number))
            for slot in range(each):
                role = "player" if slot < orders.players else "watcher"
                room.conns.append(Conn(room, orders.first_user + number * each + slot, role))
            self.rooms.append(room)

    def open_all(self) -> None:
        """Connect everybody, paced, and wait until each has its first view."""
        start = time.perf_counter()
        gap = 1 / self.orders.opens_s
        everybody = [conn for room in self.rooms for conn in room.conns]
        self._waiting = [(start + n * gap, n, conn) for n, conn in enumerate(everybody)]
        told = start
        desk = None if self._entrance is None else Desk(self._entrance)
        while self.inside < len(everybody):
            now = time.perf_counter()
            while self._waiting and self._waiting[0][0] <= now:
                conn = heapq.heappop(self._waiting)[2]
                if desk is None:
                    host, port = self.orders.reference
                    self._open(conn, Place(host, port, f"/{conn.room.code}/{conn.room.conns.index(conn)}"))
                else:
                    desk.ask(conn, conn.room.code, conn.user, conn.role)
            for conn, place in desk.ready() if desk is not None else ():
                self._open(conn, place)
                self._look(0)  # whoever is in waits for an answer while others come
            self._look(0.005)
            if now - told > PROGRESS_S:
                told = now
                self.tell(event="opening", inside=self.inside, of=len(everybody), closes=self.closes)
        self.opening_s = time.perf_counter() - start

    def _open(self, conn: Conn, place: Place) -> None:
        sock = socket.socket()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.orders.source:
            sock.bind((self.orders.source, 0))
        sock.connect((place.host, place.port))
        sock.setblocking(False)
        conn.sock, conn.rest, conn.opened = sock, b"", False
        self.conns[sock.fileno()] = conn
        self.poll.register(sock.fileno(), select.EPOLLIN)
        sock.send(wire.upgrade(place.path, f"{place.host}:{place.port}"))

    def _lost(self, conn: Conn, why: str, again_s: float | None = None) -> None:
        if conn.sock is not None:
            self.poll.unregister(conn.sock.fileno())
            del self.conns[conn.sock.fileno()]
            conn.sock.close()
            conn.sock = None
        self.closes[why] = self.closes.get(why, 0) + 1
        if conn.first_view:
            self.counts.dropped += 1
            conn.closed = why
        elif again_s is not None:
            self._serial += 1
            when = time.perf_counter() + again_s + self.random.random()
            heapq.heappush(self._waiting, (when, 1_000_000 + self._serial, conn))
        else:
            raise RuntimeError(f"a client could not get in: {why}")

    # ---- bytes -----------------------------------------------------------------------------------------

    def _look(self, timeout: float) -> None:
        for fd, _ in self.poll.poll(timeout):
            conn = self.conns.get(fd)
            if conn is not None:
                self._readable(conn)
            elif fd == 0:
                self._ordered()

    def _readable(self, conn: Conn) -> None:
        assert conn.sock is not None
        try:
            data = conn.sock.recv(65536)
        except BlockingIOError:
            return
        except OSError as error:
            self._lost(conn, type(error).__name__)
            return
        now = time.perf_counter()
        if not data:
            self._lost(conn, "end of file")
            return
        if conn.rest:
            data = conn.rest + data
        if not conn.opened:
            head, end, data = data.partition(wire.HEAD_END)
            if not end:
                conn.rest = head
                return
            status, wait = wire.answer_of(head)
            if status != 101:
                self._lost(conn, f"http {status}", wait or 0.5 if status in (429, 503) else None)
                return
            conn.opened = True
            self.profile.opened(conn)
        frames, conn.rest = wire.split(data)
        for opcode, payload in frames:
            if opcode == wire.BINARY:
                self.profile.received(conn, payload, now)
            elif opcode == wire.PING:
                self.write(conn, wire.frame(wire.PONG, payload))
            elif opcode == wire.CLOSE:
                code = int.from_bytes(payload[:2], "big")
                self._lost(conn, f"close {code} {payload[2:].decode(errors='replace')}".strip(), 1.0)
                return

    def write(self, conn: Conn, data: bytes) -> None:
        """Send bytes; a client's few bytes always fit into an empty socket buffer."""
        if conn.sock is not None:
            try:
                conn.sock.send(data)
            except OSError as error:
                self._lost(conn, type(error).__name__)

    def command(self, conn: Conn, payload: bytes, now: float) -> None:
        """Send a command and count it."""
        data = wire.frame(wire.BINARY, payload)
        if self.measuring:
            self.counts.commands += 1
            self.counts.command_bytes += len(data)
        conn.at[conn.next_id] = now
        conn.next_id += 1
        self.write(conn, data)

    def got_in(self, conn: Conn) -> None:
        """A client has its first view."""
        conn.first_view = True
        self.inside += 1

    def delivered(self, conn: Conn, payload: bytes, now: float) -> None:
        """Count a room's change told to this member, and how old the commands are that it answers."""
        if self.measuring:
            counts, sent = self.counts, conn.room.sent
            counts.frames += 1
            counts.frame_bytes += len(payload) + (2 if len(payload) < 126 else 4)
            if conn.role != "player":
                return  # watchers' frames are coalesced: no command waits for them
            for key in conn.room.keys:
                at = sent.get(key)
                if at is not None:
                    count(counts.receipts, now - at)
                    counts.worst_us = max(counts.worst_us, int((now - at) * 1e6))

    # ---- time ------------------------------------------------------------------------------------------

    def at(self, when: float, do: Callable[[float], None]) -> None:
        """Call ``do(now)`` at a time of ``perf_counter``."""
        self._serial += 1
        heapq.heappush(self.heap, (when, self._serial, do))

    def play(self) -> None:
        """Run until told to stop."""
        told = 0.0
        while not self._stopped:
            now = time.perf_counter()
            while self.heap and self.heap[0][0] <= now:
                when, _, do = heapq.heappop(self.heap)
                do(now)
                now = time.perf_counter()
                if self.measuring:
                    self.counts.lag_us = max(self.counts.lag_us, int((now - when) * 1e6))
            if now - told > PROGRESS_S:
                told = now
                counts = self.counts
                self.tell(event="progress", frames=counts.frames, commands=counts.commands, dropped=counts.dropped)
            until = self.heap[0][0] if self.heap else now + 0.05
            self._look(min(max(until - now, 0.0), 0.05))

    # ---- orders ----------------------------------------------------------------------------------------

    def listen(self) -> None:
        """Take further orders from standard input."""
        os.set_blocking(0, False)
        self.poll.register(0, select.EPOLLIN)

    def _ordered(self) -> None:
        data = os.read(0, 4096)
        if not data:
            raise SystemExit(1)  # whoever started us is gone
        self._orders_in += data
        *lines, self._orders_in = self._orders_in.split(b"\n")
        for line in lines:
            if line == b"go":
                self.running = True
                self.profile.go(time.perf_counter())
            elif line == b"measure":
                self.counts = Counts()
                self.measuring = True
            elif line == b"stop":
                self.measuring = False
                self._stopped = True

    def tell(self, **fields: Any) -> None:
        """Write one line of progress."""
        sys.stdout.write(json.dumps(fields) + "\n")
        sys.stdout.flush()


def count(table: dict[int, int], seconds: float) -> None:
    """Count a latency."""
    step = int(seconds * 1e6) // LATENESS_US
    table[step] = table.get(step, 0) + 1


def main() -> None:
    """Play one process's part."""
    orders = msgspec.json.decode(sys.stdin.buffer.readline(), type=Orders)
    swarm = Swarm(orders)
    swarm.prepare()
    swarm.tell(event="rooms", codes=[room.code for room in swarm.rooms])
    swarm.listen()
    swarm.open_all()
    swarm.tell(event="inside", inside=swarm.inside, opening_s=round(swarm.opening_s, 2), closes=swarm.closes)
    swarm.play()
    swarm.tell(
        event="done",
        counts=msgspec.to_builtins(swarm.counts, str_keys=True),
        closes=swarm.closes,
        notes=swarm.profile.notes(),
    )


if __name__ == "__main__":
    main()
