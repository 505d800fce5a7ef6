"""Randomness as part of the state."""

from collections import Counter

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from gameserver.games.rng import Rng

SEED = bytes(range(32))


def test_the_same_seed_draws_the_same_everywhere() -> None:
    rng = Rng(SEED)
    assert [rng.below(1_000) for _ in range(8)] == [208, 891, 550, 168, 413, 653, 574, 135]


def test_another_seed_draws_another() -> None:
    assert Rng(SEED).bits64() != Rng(SEED[::-1]).bits64()


@given(st.integers(0, 50), st.integers(1, 2**32))
def test_a_stored_generator_goes_on_where_it_was(drawn: int, bound: int) -> None:
    rng = Rng(SEED)
    for _ in range(drawn):
        rng.bits64()
    stored = msgspec.msgpack.decode(msgspec.msgpack.encode(rng), type=Rng)
    draws = [rng.below(bound) for _ in range(5)]
    assert draws == [stored.below(bound) for _ in range(5)]
    assert all(0 <= draw < bound for draw in draws)


def test_shuffling_three_things_gives_all_six_orders_about_equally() -> None:
    rng = Rng(SEED)
    seen: Counter[str] = Counter()
    for _ in range(6_000):
        items = list("abc")
        rng.shuffle(items)
        seen["".join(items)] += 1
    assert len(seen) == 6
    assert all(800 < count < 1_200 for count in seen.values())
