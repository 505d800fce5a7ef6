"""Hashing: real parameters by default, a bounded pool, the same time for nobody as for somebody."""

import asyncio
import threading

import pytest

from httpapi.problem import Code, Problem
from httpapi.services.passwords import OWASP, Passwords
from tests.support.api import CHEAP


async def test_the_default_is_what_owasp_asks_for() -> None:
    passwords = Passwords()
    encoded = await passwords.hash("correct horse battery")
    assert encoded.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert (OWASP.memory_kib, OWASP.time, OWASP.lanes) == (19_456, 2, 1)
    assert await passwords.verify("correct horse battery", encoded)
    assert not await passwords.verify("correct horse batterz", encoded)
    assert not passwords.outdated(encoded)
    passwords.close()


async def test_what_is_no_hash_matches_nothing() -> None:
    passwords = Passwords(CHEAP)
    for encoded in (None, "", "x", "$argon2id$v=19$m=8,t=1,p=1$", "$2b$12$abcdefghijklmnopqrstuv"):
        assert not await passwords.verify("anything", encoded)
    passwords.close()


async def test_more_than_can_wait_are_told_to_come_back() -> None:
    passwords = Passwords(CHEAP, threads=1, waiting_max=3)
    free = threading.Event()
    waiting = [asyncio.create_task(passwords._run(free.wait)) for _ in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(Problem) as refused:
        await passwords.hash("one too many")
    assert refused.value.code is Code.BUSY
    assert refused.value.retry_after == 2
    free.set()
    assert await asyncio.gather(*waiting) == [True] * 3
    assert await passwords.verify("x", await passwords.hash("x"))
    passwords.close()
