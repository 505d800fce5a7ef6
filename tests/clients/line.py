"""A session, a room and a line between them, without sockets."""

from collections import deque
from typing import Any

from clients.python import events
from clients.python.session import Plan, Session, Way
from protocol import server
from protocol.client import ClientMessage, Hello
from protocol.codec import decode_client, encode_server
from protocol.modes.trivia import TriviaAnswer
from protocol.types import WireFormat
from tests.clients.fake_room import FakePeer, FakeRoom


def new_session(**options: Any) -> Session:
    return Session(draw=lambda low, high: high, **options)


class Line:
    """A session, a room and a line between them that delivers what it is told to."""

    def __init__(self, wire: WireFormat = WireFormat.MSGPACK) -> None:
        self.room = FakeRoom(wire)
        self.session = new_session(wire=wire)
        self.now = 50_000
        self.peer: FakePeer | None = None
        self.sent: deque[bytes] = deque()  # by the client, not yet delivered
        self.seen: list[events.Event] = []

    def connect(self) -> None:
        assert self.peer is None
        self.peer = FakePeer(self.room, ticket=self.session.way is Way.TICKET)
        self.session.opened()

    def pump(self) -> None:
        self.sent.extend(self.session.data_to_send())

    def up(self, count: int = 1 << 30) -> None:
        """Deliver to the server."""
        self.pump()
        while self.sent and count > 0 and self.peer is not None:
            self.peer.take(self.sent.popleft())
            count -= 1

    def down(self, count: int = 1 << 30) -> None:
        """Deliver to the client."""
        while self.peer is not None and self.peer.outgoing and count > 0:
            self.seen += self.session.received(self.peer.outgoing.popleft(), self.now)
            self.pump()
            count -= 1
            if not self.peer.outgoing and self.peer.closed is not None:
                self.cut(self.peer.closed)

    def cut(self, code: int = 1006) -> Plan:
        """The connection ends; what was on its way is gone."""
        assert self.peer is not None
        if self.peer in self.room.peers:
            self.room.peers.remove(self.peer)
        self.peer = None
        self.sent.clear()
        return self.session.lost(code)

    def settle(self) -> None:
        """Deliver until nothing is on its way."""
        for _ in range(1000):
            self.pump()
            if not self.sent and (self.peer is None or not self.peer.outgoing):
                return
            self.up()
            self.down()
        raise AssertionError("the two never come to rest")

    def answer(self, mark: int) -> int:
        return self.session.submit(TriviaAnswer, question=0, option=0, reaction_ms=mark)


def hello_of(line: Line) -> Hello:
    line.pump()
    message = decode_client(line.sent[0], line.room.wire)
    assert isinstance(message, Hello)
    return message


def live_line(wire: WireFormat = WireFormat.MSGPACK) -> Line:
    line = Line(wire)
    line.connect()
    line.settle()
    return line


def tell(line: Line, message: server.ServerMessage) -> list[events.Event]:
    told = line.session.received(encode_server(message, line.room.wire), line.now)
    line.pump()
    return told


def sent_messages(line: Line) -> list[ClientMessage]:
    line.pump()
    return [decode_client(payload, line.room.wire) for payload in line.sent]
