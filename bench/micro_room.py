"""What a room costs: microseconds for an answer, a look at the clock, a view with its delta, a hash, a checkpoint.

``python -m bench.micro_room [--seats 8]``. Pure code in one process; no commits, no sockets.
"""

import argparse
import hashlib
import time
from collections.abc import Callable

from gameserver.games.mode import Audience
from gameserver.rooms import inputs
from gameserver.rooms.room import Room
from protocol import client, delta
from protocol.codec import encode_client
from protocol.modes.trivia import TriviaAnswer


def _items(count: int) -> list[dict[str, object]]:
    return [
        {"id": f"q{n}", "kind": "choice", "text": f"Question {n}?", "options": ["a", "b", "c", "d"], "right": n % 4}
        for n in range(count)
    ]


def playing_room(seats: int) -> tuple[Room, int]:
    """Return a room whose first question is open, and its shard clock."""
    settings = {"questions": 10, "seconds": 120, "change_answers": True}
    create = inputs.Create("BCDFGH", "u1", "trivia", settings, True, bytes(32))
    room, at = Room.create(create, 0), 0
    for number in range(1, seats + 1):
        digest = hashlib.sha256(b"%d" % number).digest()
        room.apply(inputs.Join(f"u{number}", f"Player {number}", "guest", "a1:1", digest, bytes(16)), at)
    room.apply(inputs.CommandInput(1, encode_client(client.StartMatch(id=1024))), at)
    request = room.pending()[0]
    room.apply(inputs.Content(request.id, _items(10)), at)
    while room.phase != "match" or room.view(Audience.PLAYERS)["game"]["stage"] != "open":
        at = room.next_deadline() or at
        room.advance(at)
    return room, at


def timed(what: str, times: int, do: Callable[[int], object]) -> None:
    """Print microseconds for one call, the best of three rounds."""
    best = min(_round(times, do) for _ in range(3))
    print(f"{what:<44}{best / times / 1_000:>10.2f} µs")


def _round(times: int, do: Callable[[int], object]) -> int:
    before = time.perf_counter_ns()
    for number in range(times):
        do(number)
    return time.perf_counter_ns() - before


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seats", type=int, default=8)
    seats = parser.parse_args().seats
    room, at = playing_room(seats)
    ids = dict.fromkeys(range(1, seats + 1), 2000)

    def answer(number: int) -> None:
        seat = number % seats + 1
        ids[seat] += 1
        command = TriviaAnswer(id=ids[seat], question=0, option=number % 4, reaction_ms=900)
        reply = room.apply(inputs.CommandInput(seat, b"r" * 48, 40, 5), at + 1_000, command)
        assert reply.code is None, reply

    def look(number: int) -> None:
        answer(number)
        room.take_touched()
        after = room.view(Audience.PLAYERS)
        delta.diff(seen[-1], after)
        seen[-1] = after

    seen = [room.view(Audience.PLAYERS)]
    print(f"{seats} seats, {len(room.dump())} bytes a checkpoint")
    timed("apply(answer), decoded already", 20_000, answer)
    timed("advance, nothing due", 100_000, lambda _: room.advance(at + 1_000))
    timed("apply(answer) + view + diff", 5_000, look)
    timed("view, nothing changed", 100_000, lambda _: room.view(Audience.PLAYERS))
    timed("private view", 100_000, lambda _: room.private_view(1))
    timed("state hash", 500, lambda _: room.state_hash())
    timed("dump", 20, lambda _: room.dump())
    blob = room.dump()
    timed("load", 20, lambda _: Room.load(blob))


if __name__ == "__main__":
    main()
