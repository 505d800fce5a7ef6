"""Messages into and out of a shard, and what makes a store unsafe."""

import asyncio

from protocol import keys
from tests.contract.beds import OTHER, SHARD, WAIT_S, Bed


async def test_the_inbox_is_read_in_order_after_an_id(bed: Bed) -> None:
    ann = await bed.node("ann")
    entries = [await bed.post(b"message %d" % n) for n in range(5)]
    found = await ann.store.read_inbox({SHARD: "0", OTHER: "0"}, block_ms=0)
    assert [(entry.entry, entry.message) for entry in found[SHARD]] == [
        (entry, b"message %d" % n) for n, entry in enumerate(entries)
    ]
    assert OTHER not in found
    found = await ann.store.read_inbox({SHARD: entries[2]}, block_ms=0)
    assert [entry.entry for entry in found[SHARD]] == entries[3:]


async def test_several_inboxes_at_once_each_from_its_own_id(bed: Bed) -> None:
    ann = await bed.node("ann")
    first = await bed.post(b"here")
    await bed.post(b"there", OTHER)
    found = await ann.store.read_inbox({SHARD: first, OTHER: "0"}, block_ms=0)
    assert {shard: [entry.message for entry in entries] for shard, entries in found.items()} == {OTHER: [b"there"]}


async def test_a_blocked_read_wakes_with_the_message(bed: Bed) -> None:
    ann = await bed.node("ann")
    last = await bed.post(b"old")
    async with asyncio.timeout(WAIT_S), asyncio.TaskGroup() as tasks:
        reading = tasks.create_task(ann.store.read_inbox({SHARD: last}, block_ms=WAIT_S * 1000))
        for _ in range(5):
            await asyncio.sleep(0)
        new = await bed.post(b"new")
    assert [(entry.entry, entry.message) for entry in reading.result()[SHARD]] == [(new, b"new")]


async def test_a_blocked_read_ends_empty(bed: Bed) -> None:
    ann = await bed.node("ann")
    await bed.post(b"elsewhere", OTHER)
    assert await ann.store.read_inbox({SHARD: "0"}, block_ms=20) == {}
    assert await ann.store.read_inbox({}, block_ms=WAIT_S * 1000) == {}


async def test_a_cancelled_read_leaves_the_store_usable(bed: Bed) -> None:
    ann = await bed.node("ann")
    for _ in range(3):
        reading = asyncio.create_task(ann.store.read_inbox({SHARD: "0"}, block_ms=WAIT_S * 1000))
        await asyncio.wait((reading,), timeout=0.005)
        reading.cancel()
        await asyncio.wait((reading,), timeout=WAIT_S)
        assert reading.cancelled()
    await bed.post(b"message")
    assert await ann.store.read_inbox({SHARD: "0"}, block_ms=0)


async def test_requests_are_kept_up_to_the_limit(bed: Bed) -> None:
    ann = await bed.node("ann")
    await ann.store.request(SHARD, [])
    await ann.store.request(SHARD, [b"one", b"two"])
    assert await bed.requests() == [b"one", b"two"]
    many = [b"%d" % n for n in range(keys.REQUESTS_MAX + 5)]
    await ann.store.request(SHARD, many)
    assert await bed.requests() == many[5:]


async def test_a_safe_store_is_safe_and_an_unsafe_one_says_why(bed: Bed) -> None:
    ann = await bed.node("ann")
    assert await ann.store.check_safety() == []
    problems = await bed.unsafe()
    assert any("appendonly" in problem for problem in problems)
