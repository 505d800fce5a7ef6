"""Randomness as part of the state: a seed and a counter; the same draws on every machine and version."""

import hashlib
from collections.abc import MutableSequence
from typing import Any

from msgspec import Struct


class Rng(Struct, array_like=True):
    """A counter-mode generator over BLAKE2b. Never in a view: who knows the seed knows the future."""

    seed: bytes
    counter: int = 0

    def bits64(self) -> int:
        """Return the next 64 random bits."""
        block = hashlib.blake2b(self.counter.to_bytes(8, "big"), key=self.seed[:64], digest_size=8).digest()
        self.counter += 1
        return int.from_bytes(block, "big")

    def below(self, bound: int) -> int:
        """Return an integer in 0 … bound − 1, without modulo bias."""
        assert 0 < bound <= 1 << 32
        limit = (1 << 64) - (1 << 64) % bound
        while True:
            value = self.bits64()
            if value < limit:
                return value % bound

    def shuffle(self, items: MutableSequence[Any]) -> None:
        """Shuffle in place (Fisher–Yates)."""
        for last in range(len(items) - 1, 0, -1):
            other = self.below(last + 1)
            items[last], items[other] = items[other], items[last]
