"""Passwords: an honest small rule, and argon2id in a bounded pool of threads.

A hash costs 19 MiB and some 20 ms of a core: more than ``HASHES_WAITING_MAX`` waiting are refused (503), so that
a flood of sign-ins never takes the process down.
"""

import asyncio
import os
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, NamedTuple, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.low_level import Type

from arena import metrics
from httpapi.limits import HASHES_WAITING_MAX
from httpapi.problem import Code, Problem
from httpapi.services.names import username_key

CHARS_MIN: Final = 8
CHARS_MAX: Final = 128
DIFFERENT_MIN: Final = 4

_RUNS: Final = ("0123456789", "abcdefghijklmnopqrstuvwxyz", "qwertyuiop", "asdfghjkl", "zxcvbnm", "qwertzuiop")
_COMMON: Final = frozenset(
    [
        "password", "passw0rd", "p@ssword", "p@ssw0rd", "passwort", "kennwort", "baseball", "football", "superman",
        "sunshine", "princess", "iloveyou", "trustno1", "letmein", "welcome", "starwars", "whatever", "computer",
        "internet", "michelle", "jennifer", "corvette", "mercedes", "midnight", "liverpool", "chocolate", "butterfly",
        "changeme", "administrator", "svidnet", "svidnetarena", "1q2w3e4r", "1qaz2wsx", "q1w2e3r4", "zaq12wsx",
        "abcd1234", "qwerty123", "asdf1234", "pass1234", "test1234", "admin123", "monkey123", "dragon123",
    ]
)  # fmt: skip

QUEUED: Final = metrics.gauge("arena_password_hashes_waiting", "Passwords being hashed or waiting for it")

R = TypeVar("R")


class Cost(NamedTuple):
    """Parameters of argon2id; the defaults are OWASP's."""

    memory_kib: int = 19 * 1024
    time: int = 2
    lanes: int = 1


OWASP: Final = Cost()


def normalise(password: str) -> str:
    """Return the password as it is hashed: NFC, so that keyboards that compose differently agree."""
    return unicodedata.normalize("NFC", password)


def check_strength(password: str, username: str) -> None:
    """Raise ``Problem`` PASSWORD_WEAK when the password is among the first that anybody would try."""
    word = normalise(password)
    plain = word.casefold()
    if len(word) < CHARS_MIN or len(word) > CHARS_MAX:
        raise Problem(Code.PASSWORD_WEAK, f"{CHARS_MIN} to {CHARS_MAX} characters")
    if len(set(plain)) < DIFFERENT_MIN:
        raise Problem(Code.PASSWORD_WEAK, f"at least {DIFFERENT_MIN} different characters")
    if username_key(word) == username_key(username):
        raise Problem(Code.PASSWORD_WEAK, "not your user name")
    if plain in _COMMON or plain.rstrip("0123456789!.?") in _COMMON or _is_run(plain):
        raise Problem(Code.PASSWORD_WEAK, "one of the first that others would try")


def _is_run(plain: str) -> bool:
    return any(plain in run * 3 or plain in run[::-1] * 3 for run in _RUNS)


class Passwords:
    """Hashes and verifies in threads of its own. ``close`` when done."""

    def __init__(
        self, cost: Cost = OWASP, *, threads: int | None = None, waiting_max: int = HASHES_WAITING_MAX
    ) -> None:
        self._hasher = PasswordHasher(
            time_cost=cost.time, memory_cost=cost.memory_kib, parallelism=cost.lanes, hash_len=32, type=Type.ID
        )
        self._threads = ThreadPoolExecutor(threads or os.cpu_count() or 1, thread_name_prefix="argon2")
        self._waiting = 0
        self._waiting_max = waiting_max
        self._nobodys = self._hasher.hash(os.urandom(16).hex())

    async def hash(self, password: str) -> str:
        """Return the encoded hash. Raises ``Problem`` BUSY."""
        word = normalise(password)
        return await self._run(lambda: self._hasher.hash(word))

    async def verify(self, password: str, encoded: str | None) -> bool:
        """Return whether it is the password; None (no such user) takes as long. Raises ``Problem`` BUSY."""
        word = normalise(password)
        return await self._run(lambda: self._matches(encoded or self._nobodys, word)) and encoded is not None

    def outdated(self, encoded: str) -> bool:
        """Return whether the hash was made with other parameters and should be made anew."""
        return self._hasher.check_needs_rehash(encoded)

    def close(self) -> None:
        """Let running hashes end; drop the others."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _matches(self, encoded: str, word: str) -> bool:
        try:
            return self._hasher.verify(encoded, word)
        except (VerificationError, InvalidHashError):
            return False

    async def _run(self, work: Callable[[], R]) -> R:
        if self._waiting >= self._waiting_max:
            raise Problem(Code.BUSY, "too many are signing in")
        self._waiting += 1
        QUEUED.set(self._waiting)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._waiting -= 1
            QUEUED.set(self._waiting)
