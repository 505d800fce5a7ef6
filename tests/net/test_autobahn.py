"""The Autobahn suite's cases that are not about performance, against the same stack as a node's."""

import pytest

from bench import autobahn


@pytest.mark.timeout(500)
async def test_no_case_fails() -> None:
    try:
        index = await autobahn.run()
    except autobahn.Unavailable as unavailable:
        pytest.skip(str(unavailable))
    assert len(index) >= 247
    assert autobahn.failures(index) == []
