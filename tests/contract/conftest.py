"""Each test of the contract runs on memory, on a real server, and, where that means the same, on a real cluster."""

from collections.abc import AsyncIterator, Iterator
from typing import Final

import pytest

from tests.contract.beds import Bed, ClusterBed, MemoryBed, RedisBed
from tests.support.redis_group import SmallCluster, clustered
from tests.support.services import short_folder

ONE_SERVER: Final = {"shaky_node", "unsafe", "directory"}
"""What the cluster's bed does not have: lines that break, other settings, the directory (it is never on a cluster)."""

ACROSS: Final = {"test_answers_come_in_the_order_sent_for_all_shards_of_one_write"}
"""What no cluster promises: only a shard's answers come in order, each master answers for itself."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Choose the beds of a test by what it asks of them."""
    if "bed" in metafunc.fixturenames:
        beds = ["memory", "redis"]
        asks = ONE_SERVER & set(metafunc.function.__code__.co_names)
        if not asks and metafunc.function.__name__ not in ACROSS:
            beds.append("cluster")
        metafunc.parametrize("bed", beds, indirect=True)


@pytest.fixture(scope="session")
def small_cluster() -> Iterator[SmallCluster]:
    """Give three masters without replicas, for tests that leave them as they are."""
    with clustered(replicas=0) as cluster:
        yield cluster


@pytest.fixture
async def bed(request: pytest.FixtureRequest) -> AsyncIterator[Bed]:
    """Give an empty store."""
    with short_folder() as folder:
        made: Bed
        if request.param == "memory":
            made = MemoryBed()
        elif request.param == "redis":
            made = RedisBed(request.getfixturevalue("redis_url"), folder)
        else:
            made = ClusterBed(request.getfixturevalue("small_cluster").url, folder)
        await made.wipe()
        yield made
        await made.close()
