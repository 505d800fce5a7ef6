"""What only a real server can do to us: forget scripts, restart, hang, refuse."""

import asyncio
import os
import signal
import socket
import time
from collections.abc import AsyncIterator, Iterator

import pytest
from redis.asyncio import Redis

from arena.embedded.valkey import Valkey
from gameserver.adapters.redis_client import client
from gameserver.adapters.redis_directory import RedisDirectory
from gameserver.adapters.redis_endpoint import Endpoint
from gameserver.adapters.redis_link import DEADLINE_S
from gameserver.adapters.redis_store import RedisShardStore
from gameserver.ports import CommitOutcome, StoreUnavailable
from tests.contract.beds import LEASE, SHARD, Node, RedisBed
from tests.support.services import running_valkey, short_folder

OK = CommitOutcome.OK


@pytest.fixture(scope="module")
def own_valkey() -> Iterator[Valkey]:
    """Give a server that tests may stop, kill and misconfigure."""
    with running_valkey() as server:
        yield server


@pytest.fixture
async def raw(own_valkey: Valkey) -> AsyncIterator[Redis]:
    connection = client(own_valkey.url)
    await connection.flushall()
    yield connection
    await connection.aclose()


@pytest.fixture
async def ann(own_valkey: Valkey, raw: Redis) -> AsyncIterator[Node]:
    """Give an owner at seq 2."""
    with short_folder() as folder:
        bed = RedisBed(own_valkey.url, folder)
        node = await bed.node("ann")
        await node.found()
        await node.play(1, 2)
        yield node
        await bed.close()


def store_of(node: Node) -> RedisShardStore:
    assert isinstance(node.store, RedisShardStore)
    return node.store


async def test_a_forgotten_script_is_loaded_again_and_the_records_sent_again(ann: Node, raw: Redis) -> None:
    await raw.script_flush()
    three = [ann.commit(seq) for seq in (3, 4, 5)]
    ann.store.send(three, lease_ms=LEASE)
    await ann.sink.until(lambda: ann.sink.lost == 1)
    assert store_of(ann).lost_reason == "NOSCRIPT"
    await ann.store.reconnect()
    assert [reply.outcome for reply in await ann.ask(*three)] == [OK] * 3


async def test_forgotten_scripts_of_the_cold_paths_are_sent_whole(ann: Node, raw: Redis) -> None:
    await raw.script_flush()
    assert await ann.store.trim(SHARD, "g1", nonce=ann.nonce, before_seq=2) == 1
    await raw.script_flush()
    assert len(await ann.store.read_journal(SHARD, "g1", after_seq=-1, count=9)) == 1
    await raw.script_flush()
    assert await ann.store.release(SHARD, nonce=ann.nonce)
    await raw.script_flush()
    assert (await ann.claim()).head is not None


async def test_a_restart_in_the_middle_loses_nothing_confirmed(ann: Node, own_valkey: Valkey) -> None:
    process = own_valkey.child.pid
    assert process is not None
    ann.store.send([ann.commit(3)], lease_ms=LEASE)
    await ann.sink.until(lambda: len(ann.sink.told) == 3)
    os.kill(process, signal.SIGKILL)
    await ann.sink.until(lambda: ann.sink.lost == 1)
    with pytest.raises(StoreUnavailable):
        ann.store.send([ann.commit(4)], lease_ms=LEASE)
    with pytest.raises(StoreUnavailable):
        await ann.store.reconnect()
    with pytest.raises(StoreUnavailable):
        await ann.claim()
    own_valkey.stop()
    own_valkey.start()
    await ann.store.reconnect()
    replies = await ann.ask(ann.commit(3), ann.commit(4))
    assert [reply.outcome for reply in replies] == [CommitOutcome.DUPLICATE, OK]
    entries = await ann.store.read_journal(SHARD, "g1", after_seq=-1, count=9)
    assert [entry.seq for entry in entries] == [1, 2, 3, 4]


async def test_a_server_that_hangs_is_lost_at_the_deadline(ann: Node, own_valkey: Valkey) -> None:
    process = own_valkey.child.pid
    assert process is not None
    loop = asyncio.get_running_loop()
    os.kill(process, signal.SIGSTOP)
    try:
        sent = loop.time()
        ann.store.send([ann.commit(3), ann.commit(4)], lease_ms=LEASE)
        await ann.sink.until(lambda: ann.sink.lost == 1)
        took = loop.time() - sent
        with pytest.raises(StoreUnavailable):
            ann.store.send([ann.commit(3)], lease_ms=LEASE)
    finally:
        os.kill(process, signal.SIGCONT)
    assert DEADLINE_S <= took < 3 * DEADLINE_S
    assert store_of(ann).lost_reason == "deadline"
    await ann.store.reconnect()
    replies = await ann.ask(ann.commit(3), ann.commit(4))
    assert {reply.outcome for reply in replies} <= {OK, CommitOutcome.DUPLICATE}, "it may have read them on waking"
    told = len(ann.sink.told)
    await ann.store.reconnect()
    assert len(ann.sink.told) == told


async def test_a_loop_that_was_stuck_itself_reads_before_it_judges(ann: Node) -> None:
    """After a stall in a socket's callback, uvloop runs due timers before it looks at the sockets again."""
    loop = asyncio.get_running_loop()
    here, there = socket.socketpair()

    def stall() -> None:
        here.recv(1)
        time.sleep(1.5 * DEADLINE_S)

    with here, there:
        loop.add_reader(here, stall)
        ann.store.send([ann.commit(3)], lease_ms=LEASE)
        there.send(b"x")
        await ann.sink.until(lambda: len(ann.sink.told) == 3 or ann.sink.lost > 0)
        loop.remove_reader(here)
    assert (ann.sink.lost, ann.sink.outcomes[-1]) == (0, OK)


@pytest.mark.parametrize(("setting", "reason"), [("maxmemory", "OOM"), ("min-replicas-to-write", "NOREPLICAS")])
async def test_a_passing_refusal_is_in_doubt_and_goes_on_afterwards(
    ann: Node, raw: Redis, setting: str, reason: str
) -> None:
    await raw.config_set(setting, "1")
    try:
        ann.store.send([ann.commit(3)], lease_ms=LEASE)
        await ann.sink.until(lambda: ann.sink.lost == 1)
        assert store_of(ann).lost_reason == reason
        with pytest.raises(StoreUnavailable, match=reason):
            await ann.claim()
    finally:
        await raw.config_set(setting, "0")
    await ann.store.reconnect()
    await ann.play(3, 4)


async def test_a_full_server_still_lets_go_trims_and_renews(ann: Node, raw: Redis) -> None:
    await raw.config_set("maxmemory", "1")
    try:
        assert (await ann.ask(ann.renewal(2)))[0].outcome is OK
        assert await ann.store.trim(SHARD, "g1", nonce=ann.nonce, before_seq=2) == 1
        assert await ann.store.release(SHARD, nonce=ann.nonce)
    finally:
        await raw.config_set("maxmemory", "0")


async def test_a_replica_refuses_everything(ann: Node, raw: Redis) -> None:
    await raw.execute_command("REPLICAOF", "127.0.0.1", "1")
    try:
        ann.store.send([ann.commit(3)], lease_ms=LEASE)
        await ann.sink.until(lambda: ann.sink.lost == 1)
        assert store_of(ann).lost_reason == "READONLY"
        with pytest.raises(StoreUnavailable):
            await ann.claim()
    finally:
        await raw.execute_command("REPLICAOF", "NO", "ONE")
    await ann.store.reconnect()
    await ann.play(3, 3)


async def test_killed_connections_are_noticed_and_replaced(ann: Node, raw: Redis) -> None:
    await ann.claim()
    await raw.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    await ann.sink.until(lambda: ann.sink.lost == 1)
    await ann.store.reconnect()
    await ann.claim()
    await ann.play(3, 4)


async def test_wrong_credentials_and_wrong_addresses_are_unavailable(own_valkey: Valkey) -> None:
    secret = own_valkey.url.split("@")[0].rsplit(":", 1)[1]
    for url in (own_valkey.url.replace(secret, "wrong"), "redis://127.0.0.1:1/0", "unix:///nowhere.sock"):
        store, directory = RedisShardStore(url), RedisDirectory(url)
        for asked in (store.reconnect(), store.check_safety(), directory.read_revoked()):
            with pytest.raises(StoreUnavailable):
                await asked
        await store.close()
        await directory.close()


def test_urls_are_read_as_redis_py_reads_them() -> None:
    assert Endpoint.from_url("redis://u:p%40ss@h:7/3") == Endpoint("h", 7, "", 3, "u", "p@ss")
    assert Endpoint.from_url("redis://h") == Endpoint("h", 6379, "", 0, "", "")
    assert Endpoint.from_url("unix://:pw@/run/v.sock?db=1") == Endpoint("localhost", 6379, "/run/v.sock", 1, "", "pw")
    with pytest.raises(ValueError, match="rediss"):
        Endpoint.from_url("rediss://h")
