"""No run of the suite hangs: what stands still for too long says where, and ends.

Each test, its fixtures included, has pytest-timeout's limit (``pyproject.toml``). This looks after the rest: workers
that do not end after their last test, and the whole run.
"""

import faulthandler
import os
from typing import IO, Final

import pytest

RUN_SECONDS: Final = 40 * 60
"""A whole run takes less than 12 minutes on two cores; slow machines have three times as long."""
END_SECONDS: Final = 90

_stderr = pytest.StashKey[IO[str]]()


def pytest_configure(config: pytest.Config) -> None:
    """Begin to watch; pytest captures nothing yet, so that the stacks reach the terminal."""
    config.stash[_stderr] = os.fdopen(os.dup(2), "w")
    faulthandler.dump_traceback_later(RUN_SECONDS, exit=True, file=config.stash[_stderr])


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> object:
    """Give a worker a time limit for its end. The process that leads the workers ends when they have."""
    if hasattr(session.config, "workerinput"):
        faulthandler.dump_traceback_later(END_SECONDS, exit=True, file=session.config.stash[_stderr])
    return (yield)
