"""For every mode of the registry: views converge (law 9), are what is declared, and tell truly what was touched."""

import random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gameserver.rooms.room import Room
from protocol import codec, delta
from protocol.ids import ModeId
from protocol.registry import WIRES
from protocol.room_view import RoomView
from protocol.server import Delta
from protocol.types import View, WireFormat
from tests.support.play import AUDIENCES, MODE_IDS, Player

SEEDS = st.integers(0, 2**32)
every_mode = pytest.mark.parametrize("mode", MODE_IDS)


def _same(one: Any, other: Any) -> bool:
    """Return whether two views are the same on the wire, where ``true`` is not ``1`` and order does not matter."""
    return codec.canonical(one) == codec.canonical(other)


def _over_the_wire(patch: delta.Patch) -> delta.Patch:
    payload = codec.encode_delta(1, 0, 1, 0, patch)
    message = codec.decode_server(payload, WireFormat.MSGPACK)
    assert isinstance(message, Delta)
    return delta.Patch(set=message.s, unset=message.u, append=message.a)


@every_mode
@given(seed=SEEDS)
@settings(max_examples=15, deadline=None)
def test_a_view_kept_by_deltas_is_a_fresh_view_for_every_audience(mode: str, seed: int) -> None:
    player = Player(mode, seed)
    rng = random.Random(seed)
    told = {audience: player.room.view(audience) for audience in AUDIENCES}
    kept: dict[Any, View] = {audience: msgspec.msgpack.decode(codec.canonical(view)) for audience, view in told.items()}
    for _ in player.play(200):
        if rng.random() < 0.3:
            continue  # several inputs in one tick
        fresh = Room.load(player.room.dump())
        for audience in AUDIENCES:
            if rng.random() < 0.2:
                continue  # a coalesced stream skips a tick
            view = player.room.view(audience)
            patch = _over_the_wire(delta.diff(told[audience], view, player.room.append_only))
            kept[audience] = delta.apply(kept[audience], patch)
            told[audience] = view
            assert _same(kept[audience], view)
            assert _same(view, fresh.view(audience)), "what is shared and kept is never stale"


@every_mode
@given(seed=SEEDS)
@settings(max_examples=15, deadline=None)
def test_what_was_not_touched_has_not_changed(mode: str, seed: int) -> None:
    player = Player(mode, seed)
    player.room.take_touched()
    seats = range(1, 12)
    shared = {audience: player.room.view(audience) for audience in AUDIENCES}
    private = {seat: player.room.private_view(seat) for seat in seats}
    for _ in player.play(200):
        touched, of_seats = player.room.take_touched()
        for audience in AUDIENCES:
            view = player.room.view(audience)
            if not touched:
                assert view is shared[audience]
            shared[audience] = view
        for seat in seats:
            view_of_seat = player.room.private_view(seat)
            if of_seats is not None and seat not in of_seats:
                assert view_of_seat == private[seat]
            private[seat] = view_of_seat


@every_mode
@given(seed=SEEDS)
@settings(max_examples=12, deadline=None)
def test_views_are_what_the_protocol_declares(mode: str, seed: int) -> None:
    wire = WIRES[ModeId(mode)]
    player = Player(mode, seed)
    for _ in player.play(150):
        for audience in AUDIENCES:
            view = player.room.view(audience)
            declared = msgspec.convert(view, RoomView)
            assert set(view) <= set(declared.__struct_fields__)
            if "game" in view:
                msgspec.convert(view["game"], wire.view)
                assert set(view["game"]) <= set(wire.view.__struct_fields__)
        for seat in player.room.state.seats:
            private = player.room.private_view(seat)
            if private is not None:
                msgspec.convert(private, wire.private)
                assert set(private) <= set(wire.private.__struct_fields__)


@every_mode
@given(seed=SEEDS)
@settings(max_examples=8, deadline=None)
def test_a_view_that_was_told_is_never_changed_afterwards(mode: str, seed: int) -> None:
    """Views share pieces with each other and with what waits to be committed: nobody may write into one."""
    player = Player(mode, seed)
    told: list[tuple[View, bytes]] = []
    for _ in player.play(150):
        for audience in AUDIENCES:
            view = player.room.view(audience)
            told.append((view, codec.canonical(view)))
    for view, packed in told:
        assert codec.canonical(view) == packed
