"""A pair of connections in strict mode, whatever the order in which the server and its replicas answer."""

from collections import defaultdict, deque
from collections.abc import Sequence
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from gameserver.adapters.redis_lane import TOO_FEW, Hears, PairLane, Request
from gameserver.adapters.redis_link import CommitLink, Wait
from gameserver.ports import Commit, CommitOutcome, CommitReply
from protocol.ids import Nonce, ShardId

OK, FENCED = CommitReply(CommitOutcome.OK), CommitReply(CommitOutcome.FENCED)


class Link:
    """A connection whose server answers when the test says so, in order; WAIT blocks it."""

    def __init__(self) -> None:
        self.waiting: deque[Request | Wait] = deque()
        self.alive = True

    def write(self, data: bytes, requests: Sequence[Request | Wait]) -> None:
        assert self.alive
        assert not self.waiting, "a connection that is blocked by WAIT was written to"
        assert data.endswith(b"WAIT\r\n$1\r\n2\r\n$3\r\n150\r\n")
        self.waiting.extend(requests)

    def drop(self) -> None:
        self.alive = False


class Bench:
    """A lane on two such links, and what was told."""

    def __init__(self) -> None:
        self.told: list[tuple[Request, CommitReply]] = []
        self.broken: list[str] = []
        hears = Hears(
            lambda request, reply: self.told.append((request, reply)), lambda _lane, reason: self.broken.append(reason)
        )
        self.lane = PairLane(hears, replicas=2, deadline_s=0.25)
        self.links = [Link(), Link()]
        self.lane.links = cast(list[CommitLink], self.links)
        self.seqs: dict[int, int] = defaultdict(int)
        self.sent: list[Commit] = []
        self.applied: list[Commit] = []  # as the master took them
        self.covered = 0  # how many of these the replicas have
        self.epoch = 1

    def send(self, shards: Sequence[int]) -> None:
        commits = []
        for shard in shards:
            self.seqs[shard] += 1
            fields: dict[str, Any] = {"previous": b"", "digest": b"", "clock": 0, "record": b"", "genesis": "g"}
            commits.append(Commit(ShardId(shard), nonce=Nonce("n"), epoch=1, seq=self.seqs[shard], **fields))
        self.sent += commits
        self.lane.write(commits, 1000)

    def answer(self, number: int, replicas: int) -> None:
        """Give the next answer of this link's server."""
        waiting = self.links[number].waiting
        if not waiting or not self.lane.alive:
            return
        request = waiting.popleft()
        if isinstance(request, Wait):
            if replicas >= 2:
                self.covered = len(self.applied)
            self.lane.answered(number, request, replicas)
            return
        assert isinstance(request, Commit)
        before = [one for one in self.applied if one.shard == request.shard]
        assert len(before) == request.seq - 1, "a record reached the master before its predecessor"
        self.applied.append(request)
        self.lane.answered(number, request, OK)


STEPS = st.lists(
    st.one_of(
        st.lists(st.integers(0, 4), min_size=1, max_size=6),
        st.tuples(st.integers(0, 1), st.sampled_from((2, 2, 2, 2, 2, 2, 3, 1))),
    ),
    max_size=60,
)


@given(STEPS)
def test_nothing_is_told_before_replicas_have_it_and_each_shard_in_order(steps: list[Any]) -> None:
    bench = Bench()
    for step in steps:
        if bench.broken:
            break
        if isinstance(step, list):
            bench.send(step)
        else:
            bench.answer(*step)
        for request, _ in bench.told:
            place = bench.applied.index(cast(Commit, request))
            assert place < bench.covered, "told, and no replica has it"
    told = [cast(Commit, request) for request, _ in bench.told]
    for shard in range(5):
        seqs = [one.seq for one in told if one.shard == shard]
        assert seqs == list(range(1, len(seqs) + 1))
    if bench.broken:
        assert bench.broken == [TOO_FEW]
        assert not any(link.alive for link in bench.links)
        return
    for _ in range(1000):
        for number in range(2):
            bench.answer(number, 2)
    assert len(bench.told) == len(bench.sent), "something was never sent, or never told"
    assert bench.lane.waiting == 0


def test_the_next_record_leaves_while_the_first_still_waits_for_replicas() -> None:
    bench = Bench()
    bench.send([1])
    bench.send([1, 2])
    assert [len(link.waiting) for link in bench.links] == [2, 2], "another shard's need not wait"
    assert [cast(Commit, one).shard for one in list(bench.links[1].waiting)[:1]] == [2], "… the same shard's must"
    bench.answer(1, 2)
    bench.answer(1, 2)
    assert bench.told == [], "in the order sent"
    bench.answer(0, 2)
    assert [cast(Commit, one).seq for one in list(bench.links[1].waiting)[:1]] == [2], "answered: now its successor may"
    bench.answer(0, 2)
    assert len(bench.told) == 2


def test_a_refusal_is_told_at_once() -> None:
    bench = Bench()
    bench.send([1])
    request = bench.links[0].waiting.popleft()
    bench.lane.answered(0, cast(Commit, request), FENCED)
    assert bench.told == [(request, FENCED)]
