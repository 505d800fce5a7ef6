"""One audience's stream: what a client that comes back is given."""

import itertools
from typing import Any

import pytest

from gameserver.games.mode import Audience
from gameserver.shards.stream import Step, Stream
from protocol import codec, delta, frames, limits
from protocol.delta import Patch
from protocol.server import Delta
from protocol.types import View, WireFormat


def make(stream: Stream, view: View, clock: int = 5) -> Step:
    step = stream.build(view, clock, frozenset(), told=clock)
    assert step is not None
    stream.confirm(step)
    return step


def told(frame: bytes, wire: WireFormat) -> Delta:
    message = codec.decode_server(frames.payload_of(frame), wire)
    assert isinstance(message, Delta)
    return message


VIEWS: list[dict[str, Any]] = [{"a": n, "long": "x" * n, f"k{n}": {"deep": [n]}} for n in range(300)]


@pytest.mark.parametrize("wire", list(WireFormat))
def test_what_was_missed_leads_to_the_view_of_now(wire: WireFormat) -> None:
    stream = Stream(Audience.PLAYERS, 7)
    for view in VIEWS[:60]:
        make(stream, view)
    for had in (20, 59, 60):
        missed = stream.since(had, wire)
        assert missed is not None
        view = VIEWS[had - 1]
        for frame, n in zip(missed, itertools.count(had), strict=False):
            message = told(frame, wire)
            assert (message.e, message.f, message.n) == (7, n, n + 1)
            view = delta.apply(view, Patch(message.s, message.u, message.a))
        assert view == VIEWS[59]


def test_what_is_not_kept_any_more_is_not_given_in_part() -> None:
    stream = Stream(Audience.PLAYERS, 7)
    for view in VIEWS:
        make(stream, view)
    kept = limits.HISTORY_FRAMES_MAX
    assert stream.since(300 - kept - 1, WireFormat.MSGPACK) is None
    assert len(stream.since(300 - kept, WireFormat.MSGPACK) or []) <= kept
    assert stream.since(300, WireFormat.MSGPACK) == []
    assert stream.since(301, WireFormat.MSGPACK) is None


def test_frames_from_before_a_rest_lead_nowhere() -> None:
    """The first step after a rest is made from nothing: given to somebody who has a view, it would leave old keys."""
    stream = Stream(Audience.CROWD, 7)
    make(stream, {"a": 1, "gone": 2})
    stream.rest()
    make(stream, {"a": 2})
    assert stream.since(1, WireFormat.MSGPACK) is None
    make(stream, {"a": 3})
    assert len(stream.since(2, WireFormat.MSGPACK) or []) == 1


@pytest.mark.parametrize("wire", list(WireFormat))
def test_a_step_says_the_same_in_both_formats(wire: WireFormat) -> None:
    stream = Stream(Audience.PLAYERS, 7)
    make(stream, VIEWS[0])
    for view in VIEWS[1:]:
        before = stream.live
        step = make(stream, view, clock=9)
        message = told(step.frame(wire), wire)
        assert delta.apply(before or {}, Patch(message.s, message.u, message.a)) == view
        assert message.c == 9
