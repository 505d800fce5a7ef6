"""What the clients of a load do. Each knows which frames answer which commands, so that latency is measured exactly."""

import time
from typing import Any, Final, Protocol

import msgpack

from bench import wire
from bench.swarm import Conn, Room, Swarm, count
from protocol import delta
from protocol.client import Hello, Rematch, SetReady, StartMatch
from protocol.codec import encode_client
from protocol.delta import Patch
from protocol.modes.trivia import TriviaAnswer

_DELTA: Final = b"\xa1t\xa1d"
_ACK: Final = b"\xa1t\xa3ack"
_NO: Final = b"\xa1t\xa2no"
ANSWERED: Final = 2
"""In a key (seat, what): an answer; 0 and 1 are the values of ``ready``."""


class Profile(Protocol):
    """What a swarm asks of a profile."""

    mode: str
    settings: dict[str, Any]

    def opened(self, conn: Conn) -> None:
        """The upgrade is through."""

    def received(self, conn: Conn, payload: bytes, now: float) -> None:
        """A binary frame came."""

    def go(self, now: float) -> None:
        """Everybody is in: begin."""

    def notes(self) -> dict[str, Any]:
        """Return what this profile wants in the report."""


def profile_of(swarm: Swarm) -> Profile:
    """Return the profile that the orders name."""
    kinds: dict[str, type[_Arena] | type[Reference]] = {
        "ready": Ready,
        "trivia": Trivia,
        "once": Once,
        "idle": Idle,
        "reference": Reference,
    }
    return kinds[swarm.orders.profile](swarm)


class _Arena:
    """What all clients of a real server do."""

    mode = "trivia"
    settings: dict[str, Any] = {}

    def __init__(self, swarm: Swarm) -> None:
        self.swarm = swarm

    def opened(self, conn: Conn) -> None:
        """Say hello."""
        self.swarm.write(conn, wire.frame(wire.BINARY, encode_client(Hello(client="bench/1"))))

    def received(self, conn: Conn, payload: bytes, now: float) -> None:
        """Sort frames by their tag, cheaply: deltas are most of them, and the same for all members of a room."""
        if payload[1:5] == _DELTA:
            room = conn.room
            if payload != room.last:
                room.last = payload
                room.keys = answered_by(msgpack.unpackb(payload))
            self.swarm.delivered(conn, payload, now)
            return
        counts = self.swarm.counts
        if self.swarm.measuring:
            counts.other_frames += 1
        if payload[1:7] == _ACK:
            for number in msgpack.unpackb(payload)["ids"]:
                sent = conn.at.pop(number, None)
                self.acknowledged(conn, number)
                if sent is not None and self.swarm.measuring:
                    counts.acks += 1
                    count(counts.ack_times, now - sent)
        elif payload[1:6] == _NO:
            told = msgpack.unpackb(payload)
            conn.at.pop(told["id"], None)
            if self.swarm.measuring:
                counts.refused += 1
            self.refused(conn, told)
        else:
            self.other(conn, msgpack.unpackb(payload, strict_map_key=False))

    def other(self, conn: Conn, message: dict[str, Any]) -> None:
        """Take a Welcome or a Resync; pass over the rest."""
        if message["t"] == "welcome":
            conn.seat = message.get("seat") or 0
            conn.next_id = message.get("next_id") or 0
            self.whole(conn, message["view"])
            if not conn.first_view:
                self.swarm.got_in(conn)
        elif message["t"] == "resync":
            self.whole(conn, message["view"])

    def whole(self, conn: Conn, view: dict[str, Any]) -> None:
        """Take a whole view."""

    def refused(self, conn: Conn, message: dict[str, Any]) -> None:
        """Take a refusal."""

    def acknowledged(self, conn: Conn, number: int) -> None:
        """A command counts."""

    def go(self, now: float) -> None:
        """Begin."""

    def notes(self) -> dict[str, Any]:
        """Nothing to add."""
        return {}


def answered_by(message: dict[str, Any]) -> list[tuple[int, int]]:
    """Return which commands a delta answers."""
    keys = []
    for path, value in message.get("s", {}).items():
        parts = path.split("/")
        if len(parts) == 3 and parts[0] == "seats" and parts[2] == "ready":
            keys.append((int(parts[1]), int(value)))
        elif len(parts) == 3 and parts[1] == "answered":
            keys.append((int(parts[2]), ANSWERED))
    return keys


class Idle(_Arena):
    """Connected, and silent."""


class Ready(_Arena):
    """In the lobby, everybody changes their mind: each command changes what all see."""

    def go(self, now: float) -> None:
        """Spread everybody over the period."""
        period = 1 / self.swarm.orders.commands_s
        for room in self.swarm.rooms:
            for conn in room.conns:
                if conn.role == "player":
                    self._later(conn, now + self.swarm.random.random() * period, period)

    def _later(self, conn: Conn, when: float, period: float) -> None:
        def toggle(now: float) -> None:
            if conn.closed:
                return
            conn.ready = not conn.ready
            conn.room.sent[conn.seat, int(conn.ready)] = now
            self.swarm.command(conn, encode_client(SetReady(id=conn.next_id, ready=conn.ready)), now)
            self._later(conn, when + period, period)

        self.swarm.at(when, toggle)


class Trivia(_Arena):
    """Real matches, one after another. The first client of a room is its host and keeps the room's view."""

    settings: dict[str, Any] = {"questions": 10, "seconds": 10, "reveal_seconds": 2, "auto_advance": True}

    def __init__(self, swarm: Swarm) -> None:
        super().__init__(swarm)
        self.questions = self.matches = 0
        self.answers_sent = 0
        self.notices: dict[str, int] = {}  # why starts fell through

    def whole(self, conn: Conn, view: dict[str, Any]) -> None:
        """Keep the view."""
        if conn is conn.room.conns[0]:
            conn.room.state = {"view": view, "question": None, "asked": "", "notice": None}
            if self.swarm.running:
                self._look(conn.room)

    def received(self, conn: Conn, payload: bytes, now: float) -> None:
        """As all do; the host's frames also move the room's view on."""
        super().received(conn, payload, now)
        if payload[1:5] == _DELTA and conn is conn.room.conns[0]:
            message = msgpack.unpackb(payload)
            patch = Patch(set=message.get("s", {}), unset=message.get("u", []), append=message.get("a", {}))
            conn.room.state["view"] = delta.apply(conn.room.state["view"], patch)
            if self.swarm.running:
                self._look(conn.room)

    def go(self, now: float) -> None:
        """Start all matches, spread over two seconds."""
        for room in self.swarm.rooms:
            self.swarm.at(now + self.swarm.random.random() * 2, lambda _, room=room: self._look(room))  # type: ignore[misc]  # mypy cannot type a lambda's default

    def _look(self, room: Room) -> None:
        view, state, host = room.state["view"], room.state, room.conns[0]
        step = f"{view['phase']} {view['number']}"
        notice = view.get("notice")
        if notice and notice != state["notice"]:  # the start fell through (content came late): try again
            self.notices[notice] = self.notices.get(notice, 0) + 1
            state["asked"] = ""
        state["notice"] = notice
        if view["phase"] in ("lobby", "results") and state["asked"] != step:
            state["asked"] = step
            self.swarm.at(self._soon(1.0), lambda now: self._start(host, view["phase"], now))
        game = view.get("game") or {}
        if game.get("stage") == "open":
            question = (view["number"], game["number"])
            if state["question"] != question:
                state["question"] = question
                self.questions += 1
                self._answer_all(room, game)

    def _soon(self, most_s: float) -> float:
        return time.perf_counter() + self.swarm.random.random() * most_s

    def _start(self, host: Conn, phase: str, now: float) -> None:
        self.matches += 1
        kind = StartMatch if phase == "lobby" else Rematch
        self.swarm.command(host, encode_client(kind(id=host.next_id)), now)

    def _answer_all(self, room: Room, game: dict[str, Any]) -> None:
        seconds = self.swarm.orders.settings.get("seconds", self.settings["seconds"])
        options, number = len(game["question"]["options"]), game["number"]
        for conn in room.conns:
            if conn.role == "player" and not conn.closed:
                self.swarm.at(
                    self._soon(seconds * 0.8),
                    lambda now, conn=conn: self._answer(conn, number, options, now),  # type: ignore[misc]  # as above
                )

    def _answer(self, conn: Conn, number: int, options: int, now: float) -> None:
        answer = TriviaAnswer(
            id=conn.next_id, question=number, option=self.swarm.random.randrange(options), reaction_ms=300
        )
        conn.room.sent[conn.seat, ANSWERED] = now
        self.answers_sent += 1
        self.swarm.command(conn, encode_client(answer), now)

    def notes(self) -> dict[str, Any]:
        """How much was played."""
        return {
            "matches_started": self.matches,
            "questions": self.questions,
            "answers": self.answers_sent,
            "starts_that_fell_through": self.notices,
        }


class Once(Trivia):
    """One match to its end, with a record of what was acknowledged, to be held against the results."""

    def __init__(self, swarm: Swarm) -> None:
        super().__init__(swarm)
        self._answers: set[tuple[int, int]] = set()  # seat, command id
        self._acknowledged: dict[int, int] = {}  # seat → answers that count
        self._told: dict[int, int] = {}  # seat → answers that the results name
        self._match = ""

    def _look(self, room: Room) -> None:
        view = room.state["view"]
        if view["phase"] == "results" and not self._match:
            self._match = view["results"]["match"]
            self._told = {row["seat"]: row["answered"] for row in view["results"]["rows"]}
            self.swarm.tell(event="over", match=self._match)
        elif not self._match:
            super()._look(room)

    def _answer(self, conn: Conn, number: int, options: int, now: float) -> None:
        self._answers.add((conn.seat, conn.next_id))
        super()._answer(conn, number, options, now)

    def acknowledged(self, conn: Conn, number: int) -> None:
        """Remember answers that count."""
        if (conn.seat, number) in self._answers:
            self._acknowledged[conn.seat] = self._acknowledged.get(conn.seat, 0) + 1

    def notes(self) -> dict[str, Any]:
        """What was acknowledged, and what the results say."""
        missing = {
            seat: [count, self._told.get(seat)]
            for seat, count in self._acknowledged.items()
            if self._told.get(seat) != count
        }
        return super().notes() | {
            "match": self._match,
            "acknowledged": sum(self._acknowledged.values()),
            "counted": sum(self._told.values()),
            "players_in_results": len(self._told),
            "differing": missing,
        }


class Reference:
    """The same commands and the same frames, spoken to the C program."""

    mode = ""
    settings: dict[str, Any] = {}

    def __init__(self, swarm: Swarm) -> None:
        self.swarm = swarm
        self._padding = bytes(max(swarm.orders.command_bytes - 1, 0))

    def opened(self, conn: Conn) -> None:
        """There is no hello."""
        conn.seat = conn.room.conns.index(conn)
        conn.seen = bytes(self.swarm.orders.players)
        self.swarm.got_in(conn)

    def received(self, conn: Conn, payload: bytes, now: float) -> None:
        """Byte n of a frame is the first byte of the last command of slot n."""
        seen, before = payload[: self.swarm.orders.players], conn.seen
        conn.seen = seen
        conn.room.keys = [(slot, at) for slot, at in enumerate(seen) if at != before[slot]]
        self.swarm.delivered(conn, payload, now)

    def go(self, now: float) -> None:
        """Spread everybody over the period."""
        period = 1 / self.swarm.orders.commands_s
        for room in self.swarm.rooms:
            for conn in room.conns:
                self._later(conn, now + self.swarm.random.random() * period, period)

    def _later(self, conn: Conn, when: float, period: float) -> None:
        def send(now: float) -> None:
            number = conn.next_id & 255
            conn.room.sent[conn.seat, number] = now
            self.swarm.command(conn, bytes((number,)) + self._padding, now)
            self._later(conn, when + period, period)

        conn.next_id = max(conn.next_id, 1)
        self.swarm.at(when, send)

    def notes(self) -> dict[str, Any]:
        """Nothing to add."""
        return {}
