"""The session keeps its promises whatever the line does: cut anywhere, moved to other owners, stopped and started."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from clients.python import events
from clients.python.session import Phase, Way
from protocol.client import Command, Kick
from protocol.errors import CloseCode, ErrorCode
from protocol.limits import UNANSWERED_COMMANDS_MAX
from tests.clients.fake_room import BAD_MARK
from tests.clients.line import Line


class Connections(RuleBasedStateMachine):
    """Random play over a line that breaks anywhere."""

    @initialize()
    def begin(self) -> None:
        self.line = Line()
        self.line.connect()
        self.marks: list[int] = []  # of answers, in the order given
        self.kicks: list[int] = []

    @rule()
    def answer(self) -> None:
        mark = len(self.marks) + len(self.kicks) + 1
        self.marks.append(mark)
        self.line.answer(mark)

    @rule()
    def host_command(self) -> None:
        mark = len(self.marks) + len(self.kicks) + 1
        self.kicks.append(mark)
        self.line.session.submit(Kick, seat=mark)

    @rule(count=st.integers(1, 4))
    def deliver_up(self, count: int) -> None:
        self.line.up(count)

    @rule(count=st.integers(1, 4))
    def deliver_down(self, count: int) -> None:
        self.line.down(count)

    @rule()
    def room_changes(self) -> None:
        self.line.room.change(title=f"at {self.line.room.clock}")

    @rule(still=st.booleans())
    def clock_stops_or_runs(self, still: bool) -> None:
        self.line.room.stand_still(still)

    @rule(ms=st.integers(1, 20_000))
    def time_passes(self, ms: int) -> None:
        self.line.now += ms
        self.line.room.clock += ms
        self.line.session.tick(self.line.now)

    @precondition(lambda self: self.line.peer is not None)
    @rule()
    def cut(self) -> None:
        plan = self.line.cut()
        assert plan.way is (Way.RESUME if self.line.session.seat else Way.TICKET)

    @rule()
    def another_owner(self) -> None:
        self.line.room.move()
        if self.line.peer is not None:
            self.line.cut(CloseCode.MOVED)

    @precondition(lambda self: self.line.peer is None)
    @rule()
    def come_back(self) -> None:
        self.line.connect()

    @invariant()
    def at_most_sixteen_are_unanswered(self) -> None:
        assert self.line.session.orders.unanswered <= UNANSWERED_COMMANDS_MAX

    @invariant()
    def an_id_means_one_command(self) -> None:
        by_id: dict[int, Command] = {}
        for command in self.line.room.received:
            assert by_id.setdefault(command.id, command) == command

    def teardown(self) -> None:
        """In the end everything heals, and nothing was lost, doubled or reordered."""
        line = self.line
        line.room.stand_still(False)
        if line.peer is None:
            line.connect()
        for _ in range(40):
            line.settle()
            line.now += 2_000
            line.session.tick(line.now)
        assert line.session.phase is Phase.LIVE
        assert line.session.view == line.room.view
        assert line.session.private == line.room.private
        assert (line.session.mirror.epoch, line.session.mirror.n) == (line.room.epoch, line.room.n)
        assert line.session.orders.unanswered == line.session.orders.waiting == 0
        applied = line.room.applied
        assert len(set(applied)) == len(applied), "a command counted twice"
        codes = {event.order: event.code for event in line.seen if isinstance(event, events.Turned)}
        turned = set(codes)
        accepted = {event.order for event in line.seen if isinstance(event, events.Accepted)}
        given = sorted(self.marks + self.kicks)
        assert turned | accepted == set(given), "a command was never answered"
        assert not turned & accepted
        assert set(applied) == accepted, "what was acknowledged is what counts"
        for mark, code in codes.items():
            # Stale: refused FROZEN on a line that broke, while a host command behind it counted.
            overtaken = code == ErrorCode.STALE and any(kick > mark for kick in self.kicks)
            assert overtaken or (code == ErrorCode.INVALID and mark % BAD_MARK == 0)
        held = {event.order for event in line.seen if isinstance(event, events.Held)}
        # One that met a standstill comes behind those that were on their way with it.
        answers = [mark for mark in applied if mark in set(self.marks) - held]
        assert answers == sorted(answers), "answers count in the order given"
        assert list(line.session.orders.accepted) == list(line.room.ids)


Connections.TestCase.settings = settings(max_examples=80, stateful_step_count=60, deadline=None)
TestConnections = Connections.TestCase
