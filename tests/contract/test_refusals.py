"""Errors that say how a server is, not that we were wrong: stand still, try again; nothing lost, nothing twice."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

import pytest
from redis.asyncio import Redis

from arena import metrics
from gameserver.adapters import redis_scripts as scripts
from gameserver.adapters.redis_client import client
from gameserver.adapters.redis_store import RedisShardStore
from gameserver.ports import ClaimOutcome, CommitOutcome, StoreUnavailable
from protocol import keys
from tests.contract.beds import GENESIS, LEASE, OTHER, SHARD, Node
from tests.support.refusing import RefusingServer
from tests.support.services import short_folder

ERRORS: Final = {
    "READONLY": "READONLY You can't write against a read only replica.",
    "LOADING": "LOADING Redis is loading the dataset in memory",
    "CLUSTERDOWN": "CLUSTERDOWN The cluster is down",
    "TRYAGAIN": "TRYAGAIN Multiple keys request during rehashing of slot",
    "MOVED": "MOVED 3999 127.0.0.1:6381",
    "ASK": "ASK 3999 127.0.0.1:6381",
    "NOREPLICAS": "NOREPLICAS Not enough good replicas to write.",
    "MISCONF": "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk.",
    "OOM": "OOM command not allowed when used memory > 'maxmemory'.",
    "BUSY": "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
    "MASTERDOWN": "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
    "NOSCRIPT": "NOSCRIPT No matching script. Please use EVAL.",
}
COMMITS: Final = (scripts.COMMIT.sha, scripts.RENEW.sha)
OK = CommitOutcome.OK


@pytest.fixture
async def raw(redis_url: str) -> AsyncIterator[Redis]:
    connection = client(redis_url)
    await connection.flushall()
    yield connection
    await connection.aclose()


@pytest.fixture
async def server(redis_url: str, raw: Redis) -> AsyncIterator[tuple[RefusingServer, Node]]:
    """Give the server, and an owner at seq 2 whose way leads over it."""
    with short_folder() as folder:
        refusing, url = await RefusingServer.start(redis_url, folder)
        store = RedisShardStore(url)
        node = Node("ann", store)
        await store.reconnect()
        await node.found()
        await node.play(1, 2)
        yield refusing, node
        await store.close()
        await refusing.close()


def lost_for(reason: str) -> float:
    counter = metrics.counter("arena_store_lost", "Commit connections that broke, by reason", ("reason",))
    return float(counter.labels(reason)._value.get())


@pytest.mark.parametrize("which", [1, 3])
@pytest.mark.parametrize("word", ERRORS)
async def test_a_commit_that_is_refused_for_now(
    server: tuple[RefusingServer, Node], raw: Redis, word: str, which: int
) -> None:
    refusing, ann = server
    commits = [
        ann.commit(seq, results=(b"result %d" % seq,), consumed=(f"{seq}-0",) if seq == 4 else ())
        for seq in range(3, 7)
    ]
    before = lost_for(word)
    refusing.refuse(ERRORS[word], COMMITS, which=which)
    ann.store.send(commits, lease_ms=LEASE)
    await ann.sink.until(lambda: ann.sink.lost == 1)
    told = [request.seq for request, _ in ann.sink.told]
    assert told == list(range(1, 2 + which)), "what was answered before the refusal, and nothing after it"
    with pytest.raises(StoreUnavailable):
        ann.store.send(commits[which - 1 :], lease_ms=LEASE)
    outcomes = {reply.outcome for reply in await ann.insist(*commits[which - 1 :])}
    assert outcomes <= {OK, CommitOutcome.DUPLICATE}
    assert lost_for(word) == before + 1
    entries = await ann.store.read_journal(SHARD, GENESIS, after_seq=-1, count=99)
    assert [entry.seq for entry in entries] == [1, 2, 3, 4, 5, 6]
    results = await raw.xrange(keys.results(SHARD))
    assert [fields[keys.MESSAGE.encode()] for _, fields in results] == [b"result %d" % seq for seq in range(3, 7)]


@pytest.mark.parametrize("word", [word for word in ERRORS if word != "NOSCRIPT"])
async def test_a_claim_that_is_refused_for_now(server: tuple[RefusingServer, Node], word: str) -> None:
    refusing, ann = server
    refusing.refuse(ERRORS[word], (scripts.CLAIM.sha, scripts.FOUND.sha), times=2)
    with pytest.raises(StoreUnavailable):
        await ann.store.claim(SHARD, instance=ann.instance, nonce=ann.nonce, lease_ms=LEASE)
    with pytest.raises(StoreUnavailable):
        await ann.store.found(OTHER, instance=ann.instance, nonce=ann.nonce, lease_ms=LEASE, genesis=GENESIS)
    assert (await ann.claim()).outcome is ClaimOutcome.CLAIMED
    assert (await ann.found(OTHER)).outcome is ClaimOutcome.CLAIMED


async def test_a_server_that_goes_on_refusing_is_not_hammered(server: tuple[RefusingServer, Node]) -> None:
    """Each try waits about twice as long as the last, so that a store in trouble is left alone."""
    refusing, ann = server
    refusing.refuse(ERRORS["OOM"], COMMITS, times=6)
    loop = asyncio.get_running_loop()
    began = loop.time()
    replies = await ann.insist(ann.commit(3))
    assert replies[0].outcome is OK
    assert ann.sink.lost == 6
    assert loop.time() - began >= (0.02 + 0.04 + 0.08 + 0.16 + 0.32) / 2
