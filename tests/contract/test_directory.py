"""Heartbeats, room cards, tickets, revocations."""

from gameserver.adapters.cards import LISTED_MAX
from gameserver.ports import NodeCard
from protocol import keys
from protocol.ids import InstanceId
from tests.contract.beds import Bed


def card(instance: str, **changes: object) -> NodeCard:
    fields: dict[str, object] = {
        "name": instance.split("-", maxsplit=1)[0],
        "instance": instance,
        "address": "127.0.0.1:9001",
        "control": "127.0.0.1:9002",
        "since_ms": 0,
        "beat_ms": 0,
        "shards": [1, 2],
        "connections": 3,
        "rooms": 4,
    }
    return NodeCard(**(fields | changes))  # type: ignore[arg-type]  # the fields of a NodeCard


async def test_a_heartbeat_is_stamped_with_the_stores_time_and_seen_by_all(bed: Bed) -> None:
    directory, other = await bed.directory(), await bed.directory()
    now_ms = await bed.now_s() * 1000
    (mine,) = await directory.beat(card("a-1"))
    assert now_ms <= mine.beat_ms < now_ms + 10_000
    assert mine.since_ms == mine.beat_ms
    both = await other.beat(card("b-1", since_ms=77, shards=[]))
    assert [seen.instance for seen in both] == ["a-1", "b-1"]
    assert both[0] == mine
    assert (both[1].since_ms, both[1].shards) == (77, [])


async def test_a_node_dead_for_a_minute_is_removed_by_whoever_beats(bed: Bed) -> None:
    directory = await bed.directory()
    await directory.beat(card("a-1"))
    await bed.age_beat("a-1", 59_000)
    assert len(await directory.beat(card("b-1"))) == 2
    await bed.age_beat("a-1", 2_000)
    assert [seen.instance for seen in await directory.beat(card("b-1"))] == ["b-1"]


async def test_a_node_that_leaves_is_gone_at_once(bed: Bed) -> None:
    directory = await bed.directory()
    await directory.beat(card("a-1"))
    await directory.leave(InstanceId("a-1"))
    await directory.leave(InstanceId("nobody"))
    assert [seen.instance for seen in await directory.beat(card("b-1"))] == ["b-1"]


async def test_room_cards_are_written_listed_and_deleted_together(bed: Bed) -> None:
    directory = await bed.directory()
    await directory.put_cards({}, {})
    await directory.put_cards({"AAAAAA": b"a", "BBBBBB": b"b", "CCCCCC": b"c"}, {"AAAAAA": True, "BBBBBB": False})
    assert [await bed.room_card(code) for code in ("AAAAAA", "BBBBBB", "CCCCCC", "DDDDDD")] == [b"a", b"b", b"c", None]
    assert await bed.public_rooms() == ["AAAAAA"]
    await directory.put_cards({"AAAAAA": None, "BBBBBB": b"b2"}, {"AAAAAA": True, "BBBBBB": True})
    assert [await bed.room_card(code) for code in ("AAAAAA", "BBBBBB")] == [None, b"b2"]
    assert await bed.public_rooms() == ["BBBBBB"]
    await directory.put_cards({"BBBBBB": b"b3"}, {"BBBBBB": False})
    assert await bed.public_rooms() == []


async def test_connections_are_counted_by_room_and_node(bed: Bed) -> None:
    directory = await bed.directory()
    await directory.put_connections("a", {})
    await directory.put_connections("a", {"AAAAAA": 3, "BBBBBB": 1})
    await directory.put_connections("b", {"AAAAAA": 4})
    assert [await bed.connections(code) for code in ("AAAAAA", "BBBBBB", "CCCCCC")] == [{"a": 3, "b": 4}, {"a": 1}, {}]
    await directory.put_connections("a", {"AAAAAA": 0, "BBBBBB": 0})
    assert [await bed.connections(code) for code in ("AAAAAA", "BBBBBB")] == [{"b": 4}, {}]


async def test_public_rooms_are_read_newest_first_without_those_whose_card_is_gone(bed: Bed) -> None:
    directory = await bed.directory()
    assert await directory.list_public() == []
    codes = [f"ROOM{n:02}" for n in range(LISTED_MAX + 10)]
    await directory.put_cards({code: b'{"code":"%s"}' % code.encode() for code in codes}, dict.fromkeys(codes, True))
    await directory.put_cards({"ROOM05": None, codes[-1]: None}, {})
    listed = [card["code"] for card in await directory.list_public()]
    assert listed == sorted(codes[:-1], reverse=True)[:LISTED_MAX]


async def test_a_ticket_is_used_once(bed: Bed) -> None:
    directory, other = await bed.directory(), await bed.directory()
    assert await directory.use_ticket("jti-1")
    assert not await directory.use_ticket("jti-1")
    assert not await other.use_ticket("jti-1")
    assert await other.use_ticket("jti-2")


async def test_revocations_are_read_while_they_matter(bed: Bed) -> None:
    directory = await bed.directory()
    assert await directory.read_revoked() == []
    now = await bed.now_s()
    await bed.revoke("session-1", now + 900)
    await bed.revoke("session-2", now - 1)
    assert await directory.read_revoked() == ["session-1"]
    assert keys.REVOKED == "arena:revoked"
