"""A room against a small model of it, in any order of people, hosts, owners and time."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from gameserver.games.mode import Role
from gameserver.rooms import inputs
from gameserver.rooms.limits import EMPTY_MS, HOST_GONE_MS
from gameserver.rooms.phases import Phase
from protocol import client
from protocol.errors import ErrorCode
from tests.support.rooms import Table

USERS = st.integers(1, 5)


class RoomMachine(RuleBasedStateMachine):
    """What a person would expect of a room, kept beside it."""

    @initialize()
    def begin(self) -> None:
        self.at = Table(people=0, late_join=True)
        self.seats: dict[int, int] = {}  # user → seat
        self.here: dict[int, bool] = {}
        self.banned: list[int] = []
        self.locked = False
        self.clock = self.at.now

    @property
    def closed(self) -> bool:
        return self.at.room.closed

    def host(self) -> int | None:
        return self.at.room.host_seat

    # ---- people ----

    @rule(user=USERS)
    def join(self, user: int) -> None:
        reply = self.at.join(user)
        if self.closed:
            assert reply.code is ErrorCode.WRONG_PHASE
        elif user in self.banned:
            assert reply.code is ErrorCode.BANNED
        elif user not in self.seats and self.locked and user != 1:
            assert reply.code is ErrorCode.LOCKED
        else:
            assert reply.code is None
            assert reply.seat is not None
            assert reply.seat == self.seats.get(user, reply.seat)
            self.seats[user] = reply.seat
            self.here[user] = True

    @rule(user=USERS)
    def back(self, user: int) -> None:
        reply = self.at.back(self.seats.get(user, 99))
        if user in self.seats and not self.closed:
            assert reply.code is None
            self.here[user] = True
        else:
            assert reply.code is not None

    @rule(user=USERS)
    def drop(self, user: int) -> None:
        reply = self.at.drop(self.seats.get(user, 99))
        accepted = self.here.get(user, False) and not self.closed
        assert (reply.code is None) is accepted
        if accepted:
            self.here[user] = False

    @rule(user=USERS)
    def leave(self, user: int) -> None:
        reply = self.at.send(self.seats.get(user, 99), client.Leave)
        accepted = self.here.get(user, False) and not self.closed
        assert (reply.code is None) is accepted
        if accepted:
            assert reply.kicked == (self.seats[user],)
            self._forget(user)

    @rule(user=USERS)
    def kick(self, user: int) -> None:
        host = self.host()
        if host is None:
            return
        seat = self.seats.get(user, 99)
        reply = self.at.send(host, client.Kick, seat=seat)
        host_here = any(self.here[other] for other, number in self.seats.items() if number == host)
        accepted = host_here and user in self.seats and seat != host and not self.closed
        assert (reply.code is None) is accepted
        if accepted:
            self.banned.append(user)
            self._forget(user)

    def _forget(self, user: int) -> None:
        del self.seats[user], self.here[user]

    # ---- hosts ----

    @precondition(lambda self: self.host() is not None)
    @rule(locked=st.booleans())
    def lock(self, locked: bool) -> None:
        if self.at.send(self.host() or 0, client.Lock, locked=locked).code is None:
            self.locked = locked

    @precondition(lambda self: self.host() is not None)
    @rule(user=USERS)
    def hand_over(self, user: int) -> None:
        seat = self.seats.get(user, 99)
        if self.at.send(self.host() or 0, client.HandOver, seat=seat).code is None:
            assert self.host() == seat

    @precondition(lambda self: self.host() is not None)
    @rule(user=USERS, cohost=st.booleans())
    def name_cohost(self, user: int, cohost: bool) -> None:
        self.at.send(self.host() or 0, client.SetCoHost, seat=self.seats.get(user, 99), cohost=cohost)

    @precondition(lambda self: self.host() is not None)
    @rule(kind=st.sampled_from([client.StartMatch, client.CancelStart, client.EndMatch, client.BackToLobby]))
    def turn(self, kind: type[client.Command]) -> None:
        self.at.send(self.host() or 0, kind)

    @precondition(lambda self: self.host() is not None and self.at.phase == "match")
    @rule(kind=st.sampled_from([client.Pause, client.Unpause]))
    def stop_and_go(self, kind: type[client.Command]) -> None:
        self.at.send(self.host() or 0, kind)

    # ---- the world ----

    @rule(ms=st.sampled_from([1, 400, 3_000, 5_000, HOST_GONE_MS, EMPTY_MS]))
    def time_passes(self, ms: int) -> None:
        before, stood = self.at.now, self.at.room.standing_still
        deadline = self.at.room.next_deadline()
        self.at.wait(ms)
        assert self.at.now >= before
        if stood and (deadline is None or deadline > self.at.at):
            assert self.at.now == before

    @rule(planned=st.booleans())
    def owner_changes(self, planned: bool) -> None:
        awaited = {seat for user, seat in self.seats.items() if self.here[user]}
        before = self.at.room.state.regrouping
        awaited |= set(before.awaited) if before is not None else set()
        if self.at.put(inputs.Adopt(epoch=1, planned=planned)).code is None:
            self.here = dict.fromkeys(self.here, False)
            after = self.at.room.state.regrouping
            assert set(after.awaited if after is not None else ()) == awaited

    @precondition(lambda self: self.at.content_request() is not None)
    @rule()
    def content_comes(self) -> None:
        self.at.deliver()

    @precondition(lambda self: bool(self.at.results()))
    @rule()
    def worker_records(self) -> None:
        self.at.put(inputs.Recorded(match=self.at.results()[0].id))

    # ---- what always holds ----

    @invariant()
    def seats_are_who_we_think(self) -> None:
        if self.closed:
            return
        room = self.at.room
        assert {user: room.seat_of_user(f"user-{user}") for user in self.seats} == self.seats
        assert sorted(room.state.seats) == sorted(self.seats.values())
        assert sorted(room.connected) == sorted(seat for user, seat in self.seats.items() if self.here[user])
        assert room.connected_count == len(room.connected)

    @invariant()
    def there_is_one_host_at_most_and_one_whenever_it_can_be(self) -> None:
        room = self.at.room
        hosts = [seat.number for seat in room.state.seats.values() if seat.role is Role.HOST]
        assert hosts == ([self.host()] if self.host() is not None else [])
        assert self.at.view["host"] == self.host()
        if room.connected and self.host() is None and not self.closed:
            assert room.state.creator_awaited
            assert room.state.host_due is not None or room.state.regrouping is not None

    @invariant()
    def the_clock_stands_exactly_when_something_holds_it(self) -> None:
        state = self.at.room.state
        held = state.paused or state.regrouping is not None or state.count_in is not None
        assert (state.stopped is not None) is held
        assert ("standstill" in self.at.view) is held
        if state.regrouping is not None and not self.closed:
            assert state.regrouping.awaited
            assert not any(state.seats[seat].here for seat in state.regrouping.awaited)
        if state.paused or state.count_in is not None:
            assert state.phase in (Phase.MATCH, Phase.CLOSED)

    @invariant()
    def an_empty_room_is_known_as_such(self) -> None:
        room = self.at.room
        if not self.closed:
            assert (room.state.empty_since is None) is bool(room.connected)

    @invariant()
    def no_deadline_lies_in_the_past(self) -> None:
        self.at.wait(0)
        due = self.at.room.next_deadline()
        assert due is None or due > self.at.at


RoomMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestRoomMachine = RoomMachine.TestCase
