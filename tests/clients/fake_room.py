"""A room as SPEC describes it, built from ``protocol`` alone: what clients are tested against without I/O.

One seat, one view that counts, law 7 of command ids, epochs, a bounded history. Every accepted command is kept in
``applied``: a command that counted twice, or was lost after its acknowledgement, shows there.
"""

from collections import deque
from typing import Any, Final

from protocol import client, server
from protocol.client import ClientMessage, Command
from protocol.codec import decode_client, encode_server
from protocol.delta import diff
from protocol.errors import CloseCode, ErrorCode
from protocol.limits import COMMAND_ID_STEP, COMMAND_IDS_REMEMBERED
from protocol.modes.trivia import TriviaAnswer
from protocol.types import View, WireFormat

SECRET: Final = "the-secret-of-seat-7"
SEAT: Final = 7
HISTORY: Final = 5
BAD_MARK: Final = 13
"""Answers whose mark is a multiple of this are refused for good."""


class FakeRoom:
    """The server's side. ``clock`` is the shard clock; tests move it."""

    def __init__(self, wire: WireFormat = WireFormat.MSGPACK) -> None:
        self.wire = wire
        self.epoch = 3
        self.n = 0
        self.clock = 1_000
        self.stopped = False
        self.view: View = {"code": "BCDF23", "phase": "lobby", "count": 0, "clock": {"offset": 0, "stopped": None}}
        self.private: View | None = None
        self.applied: list[int] = []  # marks, in the order in which they were accepted
        self.ids: list[int] = []  # the ids they were accepted under
        self.received: list[Command] = []
        self.next_id = 1
        self.history: deque[server.Delta] = deque(maxlen=HISTORY)
        self.peers: list[FakePeer] = []

    # ---- what happens to the room ---------------------------------------------------------------------

    def change(self, **changes: Any) -> None:
        """Change the view and tell everybody."""
        self.clock += 10
        new = {**self.view, **changes}
        patch = diff(self.view, new)
        if not patch:
            return
        delta = server.Delta(
            e=self.epoch, f=self.n, n=self.n + 1, c=self.clock, s=patch.set, u=patch.unset, a=patch.append
        )
        self.view = new
        self.n += 1
        self.history.append(delta)
        for peer in self.peers:
            if peer.welcomed:
                peer.tell(delta)

    def stand_still(self, still: bool) -> None:
        """Stop or start the room's clock."""
        self.stopped = still
        self.change(clock={"offset": 0, "stopped": self.clock if still else None})

    def move(self) -> None:
        """Another owner takes over: a new epoch, no history, no connections."""
        self.epoch += 1
        self.n = 0
        self.history.clear()
        self.peers.clear()

    # ---- commands (law 7) -----------------------------------------------------------------------------

    def command(self, peer: "FakePeer", command: Command) -> None:
        self.received.append(command)
        mark = command.reaction_ms if isinstance(command, TriviaAnswer) else getattr(command, "seat", 1)
        highest = max(self.ids, default=0)
        if command.id in self.ids[-COMMAND_IDS_REMEMBERED:]:
            peer.tell(server.Ack(ids=[command.id]))
        elif command.id <= highest:
            peer.tell(server.Refused(id=command.id, code=ErrorCode.STALE))
        elif self.stopped and isinstance(command, TriviaAnswer):
            peer.tell(server.Refused(id=command.id, code=ErrorCode.FROZEN))
        elif mark % BAD_MARK == 0:
            peer.tell(server.Refused(id=command.id, code=ErrorCode.INVALID))
        else:
            self.ids.append(command.id)
            self.applied.append(mark)
            peer.tell(server.Ack(ids=[command.id]))
            self.change(count=self.view["count"] + 1, last=mark)
            self.private = {"last": mark}
            peer.tell(server.PrivateDelta(e=self.epoch, n=self.n, s={"last": mark}))


class FakePeer:
    """One connection as the server sees it. ``outgoing`` holds what was sent and not yet delivered."""

    def __init__(self, room: FakeRoom, *, ticket: bool = False) -> None:
        self.room = room
        self.ticket = ticket
        self.welcomed = False
        self.closed: CloseCode | None = None
        self.outgoing: deque[bytes] = deque()
        room.peers.append(self)

    def tell(self, message: server.ServerMessage) -> None:
        self.outgoing.append(encode_server(message, self.room.wire))

    def close(self, code: CloseCode) -> None:
        self.tell(server.Farewell(code=int(code), reason=code.name.lower()))
        self.closed = code

    def take(self, payload: bytes) -> None:
        """Take one message; strict, as the server is."""
        message = decode_client(payload, self.room.wire)
        if self.closed is not None:
            return
        if not self.welcomed:
            assert isinstance(message, client.Hello), "hello comes first"
            self._hello(message)
        else:
            self._live(message)

    def _hello(self, hello: client.Hello) -> None:
        room = self.room
        secret: str | None = None
        if self.ticket:
            assert hello.secret is None, "a ticket needs no secret"
            secret = SECRET
        elif hello.seat != SEAT or hello.secret != SECRET:
            self.close(CloseCode.RESUME_REFUSED)
            return
        room.next_id = max([room.next_id, *(each + 1 for each in room.ids)]) + COMMAND_ID_STEP
        missing = None
        if hello.at is not None and hello.at.epoch == room.epoch:
            kept = [delta for delta in room.history if delta.f >= hello.at.n]
            if hello.at.n == room.n or (kept and kept[0].f == hello.at.n):
                missing = kept
        resumed = missing is not None and hello.at is not None
        self.tell(
            server.Welcome(
                room="BCDF23",
                role="player",
                audience="players",
                epoch=room.epoch,
                n=hello.at.n if resumed and hello.at is not None else room.n,
                clock=room.clock,
                view={} if resumed else room.view,
                seat=SEAT,
                secret=secret,
                next_id=room.next_id,
                private=room.private,
                resumed=resumed,
            )
        )
        for delta in missing or []:
            self.tell(delta)
        self.welcomed = True

    def _live(self, message: ClientMessage) -> None:
        room = self.room
        if isinstance(message, Command):
            room.command(self, message)
        elif isinstance(message, client.ClockAsk):
            self.tell(server.ClockTell(c=message.c, s=room.clock, e=room.epoch))
        elif isinstance(message, client.ResyncAsk):
            self.tell(server.Resync(epoch=room.epoch, n=room.n, clock=room.clock, view=room.view, private=room.private))
        elif isinstance(message, client.Chat):
            self.tell(server.ChatLine(seat=SEAT, name="Ada", text=message.text))
        elif isinstance(message, client.React):
            self.tell(server.Reactions(counts={message.emoji: 1}))
        else:
            raise AssertionError(f"{message} at this time")
