"""Small parts, one at a time: codec, delta, room step, fan-out, commit. CPU microseconds of one core.

``python -m bench micro [codec room fanout commit]``. Pure parts are the best of five rounds; the commit runs against
the embedded server with ``appendfsync always``.
"""

import asyncio
import os
import socket
import time
from collections.abc import Callable, Sequence
from typing import Final

import uvloop
from msgspec import Struct

from bench import micro_commit
from bench.micro_room import playing_room
from gameserver.games.mode import Audience
from gameserver.rooms import inputs
from protocol import delta
from protocol.client import ClientMessage, SetReady
from protocol.codec import decode_client, encode_client, encode_server
from protocol.frames import frame_for
from protocol.modes.trivia import TriviaAnswer
from protocol.server import Ack, Delta
from protocol.types import WireFormat

PARTS: Final = ("codec", "room", "fanout", "commit")
ROUNDS: Final = 5


class Line(Struct, frozen=True):
    """One measured thing."""

    part: str
    what: str
    us: float
    note: str = ""


def best_us(times: int, do: Callable[[int], object]) -> float:
    """Return microseconds of one call: the best of ``ROUNDS`` rounds of ``times`` calls."""
    best = min(_round(times, do) for _ in range(ROUNDS))
    return round(best / times / 1000, 3)


def _round(times: int, do: Callable[[int], object]) -> int:
    before = time.process_time_ns()
    for number in range(times):
        do(number)
    return time.process_time_ns() - before


def codec() -> list[Line]:
    """Messages to bytes and back."""
    told: list[ClientMessage] = [
        SetReady(id=1100, ready=True),
        TriviaAnswer(id=1100, question=3, option=2, reaction_ms=2140),
    ]
    change = Delta(
        e=1_790_000_000_000_000, f=812, n=813, c=1_234_567, s={"seats/3/ready": True, "seats/5/ready": False}
    )
    lines = []
    for message in told:
        raw = encode_client(message)
        name = type(message).__name__
        lines.append(Line("codec", f"decode {name}", best_us(20_000, lambda _, raw=raw: decode_client(raw))))  # type: ignore[misc]  # mypy cannot type a lambda's default
    raw = frame_for(WireFormat.MSGPACK, encode_server(change))
    lines.append(
        Line(
            "codec",
            "encode and frame a delta of two paths",
            best_us(20_000, lambda _: frame_for(WireFormat.MSGPACK, encode_server(change))),
            f"{len(raw)} bytes",
        )
    )
    lines.append(Line("codec", "encode an Ack", best_us(20_000, lambda n: encode_server(Ack(ids=[n])))))
    return lines


def room(seats: int = 8) -> list[Line]:
    """One answer through a room in a running question."""
    playing, at = playing_room(seats)
    ids = dict.fromkeys(range(1, seats + 1), 2000)
    seen = [playing.view(Audience.PLAYERS)]

    def answer(number: int) -> None:
        seat = number % seats + 1
        ids[seat] += 1
        command = TriviaAnswer(id=ids[seat], question=0, option=number % 4, reaction_ms=900)
        reply = playing.apply(inputs.CommandInput(seat, b"r" * 48, 40, 5), at + 1_000, command)
        assert reply.code is None, reply

    def step(number: int) -> None:
        answer(number)
        playing.take_touched()
        after = playing.view(Audience.PLAYERS)
        delta.diff(seen[-1], after)
        seen[-1] = after

    return [
        Line("room", f"apply an answer, {seats} seats", best_us(5_000, answer)),
        Line("room", "apply, view, diff", best_us(2_000, step)),
        Line("room", "look at a room that has nothing due", best_us(20_000, lambda _: playing.advance(at + 1_000))),
        Line("room", "checkpoint", best_us(20, lambda _: playing.dump()), f"{len(playing.dump())} bytes"),
    ]


def fanout() -> list[Line]:
    """The same frame to each of many sockets, through the event loop's transports as the edge does."""
    return [uvloop.run(_fanout(sockets)) for sockets in (8, 500)]


async def _fanout(sockets: int) -> Line:
    loop = asyncio.get_running_loop()
    frame = bytes(60)
    pairs = [socket.socketpair() for _ in range(sockets)]
    transports = []
    for here, _ in pairs:
        transport, _protocol = await loop.create_connection(asyncio.Protocol, sock=here)
        transports.append(transport)
    rounds, cpu = max(2, 20_000 // sockets), 0.0
    for _ in range(rounds):
        before = time.process_time()
        for transport in transports:
            transport.write(frame)
        await asyncio.sleep(0)  # uvloop writes at the end of its turn
        await asyncio.sleep(0)
        cpu += time.process_time() - before
        for _, there in pairs:
            os.read(there.fileno(), 4096)
    for transport in transports:
        transport.abort()
    for _, there in pairs:
        there.close()
    await asyncio.sleep(0)
    return Line("fanout", f"write to {sockets} sockets, each", round(cpu * 1e6 / rounds / sockets, 3), "unix sockets")


def commit() -> list[Line]:
    """A record made durable."""
    return [
        Line(
            "commit",
            f"{row.commits_a_write} commit{'s' * (row.commits_a_write > 1)} a write, each",
            row.cpu_us,
            f"to the last answer p50 {row.p50_ms} ms, p99 {row.p99_ms} ms",
        )
        for row in micro_commit.measure()
    ]


def run(parts: Sequence[str]) -> list[Line]:
    """Measure the parts named (all when none is)."""
    table: dict[str, Callable[[], list[Line]]] = {"codec": codec, "room": room, "fanout": fanout, "commit": commit}
    return [line for part in parts or PARTS for line in table[part]()]
