"""Which questions a match gets. Pure but for the generator it is given.

As asked for: of the categories, the kinds and the mix of difficulties, each question once, none that one of the players
saw lately; spread over the categories. Where there are too few, the wishes give way in this order (``STEPS``): what was
seen lately (least seen and longest ago first), the difficulty (nearest first), the kind, the category.
"""

import random
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from msgspec import Struct

from httpapi.store.questions import Listed
from protocol.modes.base import ContentSpec

Seen = Mapping[str, tuple[int, int]]
"""Question → (how many of the players saw it lately, how many questions ago; 0 is the last one)."""

STEPS: Final = ("as asked", "seen", "difficulty", "kind", "category")
"""Which wish has given way when a step is reached; each step keeps what the ones before it gave up."""

_SCALE: Final = {"easy": 0, "medium": 1, "hard": 2}


class Choice(Struct, frozen=True):
    """The questions, in no particular order, and the step that was needed; none with a reason when too few exist."""

    ids: list[str]
    step: str = STEPS[0]
    reason: str = ""


def quotas(count: int, weights: Mapping[str, int], rng: random.Random) -> list[str | None]:
    """Return the difficulty of each of ``count`` questions (None: any), in a random order.

    Largest remainders; which of equal remainders is served first is drawn.
    """
    wanted = {difficulty: weights[difficulty] for difficulty in _SCALE if weights.get(difficulty, 0) > 0}
    total = sum(wanted.values())
    if not total:
        return [None] * count
    slots: list[str | None] = []
    for difficulty, weight in wanted.items():
        slots += [difficulty] * (count * weight // total)
    remainders = sorted(wanted, key=lambda difficulty: (-(count * wanted[difficulty] % total), rng.random()))
    slots += remainders[: count - len(slots)]
    rng.shuffle(slots)
    return slots


def choose(listed: Sequence[Listed], spec: ContentSpec, seen: Seen, rng: random.Random) -> Choice:
    """Return ``spec.count`` different questions, or none with a reason."""
    if spec.count < 1:
        return Choice([], reason="no questions were asked for")
    if len(listed) < spec.count:
        return Choice([], reason=f"{spec.count} questions were asked for, {len(listed)} are there")
    table = _Table(listed, seen, rng)
    slots = quotas(spec.count, spec.difficulties, rng)
    categories, kinds = frozenset(spec.categories), frozenset(spec.types)
    for number, step in enumerate(STEPS):

        def fits(one: Listed, passed: int = number) -> bool:
            return (
                (passed >= STEPS.index("seen") or one.id not in seen)
                and (passed >= STEPS.index("kind") or not kinds or one.kind in kinds)
                and (passed >= STEPS.index("category") or not categories or one.category in categories)
            )

        slots = table.fill(slots, fits, any_difficulty=number >= STEPS.index("difficulty"))
        if not slots:
            return Choice(list(table.chosen), step=step)
    raise AssertionError("the last step takes every question there is")


class _Table:
    """The questions by difficulty and category, best first, and what was taken so far."""

    def __init__(self, listed: Sequence[Listed], seen: Seen, rng: random.Random) -> None:
        self._seen = seen
        self._rng = rng
        self._best_first = sorted(listed, key=lambda one: (self._times(one), rng.random()))
        self._from_category: Counter[str] = Counter()
        self.chosen: dict[str, Listed] = {}

    def _times(self, one: Listed) -> tuple[int, int]:
        users, ago = self._seen.get(one.id, (0, 0))
        return users, -ago

    def _liking(self, one: Listed) -> tuple[int, int, int, float]:
        users, ago = self._times(one)
        return users, self._from_category[one.category], ago, self._rng.random()

    def fill(
        self, slots: Sequence[str | None], fits: Callable[[Listed], bool], *, any_difficulty: bool
    ) -> list[str | None]:
        """Fill what slots can be filled; return the others."""
        pools: dict[str, dict[str, deque[Listed]]] = {}
        for one in self._best_first:
            if one.id not in self.chosen and fits(one):
                pools.setdefault(one.difficulty, {}).setdefault(one.category, deque()).append(one)  # bounded by listed
        left: list[str | None] = []
        for slot in slots:
            taken = self._take(pools, self._order(slot, any_difficulty=any_difficulty))
            if taken is None:
                left.append(slot)
        return left

    def _order(self, slot: str | None, *, any_difficulty: bool) -> list[list[str]]:
        """Return groups of difficulties, the nearest first; one group is taken from as a whole."""
        if slot is None:
            return [list(_SCALE)]
        if not any_difficulty:
            return [[slot]]
        return [[one] for one in sorted(_SCALE, key=lambda other: (abs(_SCALE[other] - _SCALE[slot]), _SCALE[other]))]

    def _take(self, pools: Mapping[str, dict[str, deque[Listed]]], groups: Sequence[Sequence[str]]) -> Listed | None:
        for difficulties in groups:
            places = [
                (category, difficulty)
                for difficulty in difficulties
                for category, pool in pools.get(difficulty, {}).items()
                if pool
            ]
            if places:
                category, difficulty = min(places, key=lambda place: self._liking(pools[place[1]][place[0]][0]))
                one = pools[difficulty][category].popleft()
                self._from_category[category] += 1
                self.chosen[one.id] = one
                return one
        return None
