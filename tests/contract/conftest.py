"""Each test of the contract runs on memory and on a real server."""

from collections.abc import AsyncIterator

import pytest

from tests.contract.beds import Bed, MemoryBed, RedisBed
from tests.support.services import short_folder


@pytest.fixture(params=["memory", "redis"])
async def bed(request: pytest.FixtureRequest) -> AsyncIterator[Bed]:
    """Give an empty store."""
    with short_folder() as folder:
        made: Bed = MemoryBed() if request.param == "memory" else RedisBed(request.getfixturevalue("redis_url"), folder)
        await made.wipe()
        yield made
        await made.close()
