"""Properties of the choice of questions."""

import random
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from httpapi.store.questions import Listed
from httpapi.worker.choose import STEPS, Choice, choose, quotas
from protocol.modes.base import ContentSpec

DIFFICULTIES = ("easy", "medium", "hard")
CATEGORIES = ("art", "books", "chess", "dance")
KINDS = ("choice", "boolean")

questions = st.builds(
    Listed,
    id=st.uuids().map(str),
    category=st.sampled_from(CATEGORIES),
    difficulty=st.sampled_from(DIFFICULTIES),
    kind=st.sampled_from(KINDS),
)
banks = st.lists(questions, max_size=60, unique_by=lambda one: one.id)
weights = st.dictionaries(st.sampled_from((*DIFFICULTIES, "odd")), st.integers(0, 5), max_size=4)
specs = st.builds(
    ContentSpec,
    kind=st.just("trivia"),
    count=st.integers(1, 20),
    categories=st.lists(st.sampled_from((*CATEGORIES, "none")), max_size=3),
    difficulties=weights,
    types=st.lists(st.sampled_from(KINDS), max_size=1),
)
seeds = st.integers(0, 2**32).map(random.Random)


@st.composite
def rooms(draw: st.DrawFn) -> tuple[list[Listed], ContentSpec, dict[str, tuple[int, int]]]:
    """Draw a bank, what a room asks for, and what its players saw."""
    bank = draw(banks)
    seen = draw(
        st.dictionaries(
            st.sampled_from([one.id for one in bank]) if bank else st.nothing(),
            st.tuples(st.integers(1, 8), st.integers(0, 300)),
        )
    )
    return bank, draw(specs), seen


def fits(one: Listed, spec: ContentSpec) -> bool:
    return (not spec.categories or one.category in spec.categories) and (not spec.types or one.kind in spec.types)


def chosen(bank: list[Listed], choice: Choice) -> list[Listed]:
    by_id = {one.id: one for one in bank}
    return [by_id[identity] for identity in choice.ids]


@given(rooms(), seeds)
def test_as_many_as_asked_each_once_or_none_with_a_reason(
    room: tuple[list[Listed], ContentSpec, dict[str, tuple[int, int]]], rng: random.Random
) -> None:
    bank, spec, seen = room
    choice = choose(bank, spec, seen, rng)
    if len(bank) < spec.count:
        assert choice.ids == []
        assert str(len(bank)) in choice.reason
    else:
        assert len(choice.ids) == len(set(choice.ids)) == spec.count
        assert choice.reason == ""
        assert set(choice.ids) <= {one.id for one in bank}


@given(rooms(), seeds)
def test_no_wish_gives_way_before_its_turn(
    room: tuple[list[Listed], ContentSpec, dict[str, tuple[int, int]]], rng: random.Random
) -> None:
    bank, spec, seen = room
    choice = choose(bank, spec, seen, rng)
    if not choice.ids:
        return
    taken = chosen(bank, choice)
    passed = STEPS.index(choice.step)
    if passed < STEPS.index("category"):
        assert all(not spec.categories or one.category in spec.categories for one in taken)
    if passed < STEPS.index("kind"):
        assert all(not spec.types or one.kind in spec.types for one in taken)
    if passed < STEPS.index("difficulty"):
        wanted = Counter(quotas(spec.count, spec.difficulties, random.Random(0)))
        if None not in wanted:
            got = Counter(one.difficulty for one in taken)
            assert all(abs(got[name] - wanted[name]) <= 1 for name in DIFFICULTIES)
    if passed < STEPS.index("seen"):
        assert not set(choice.ids) & set(seen)


@given(rooms(), seeds)
def test_a_step_is_taken_only_if_the_one_before_does_not_suffice(
    room: tuple[list[Listed], ContentSpec, dict[str, tuple[int, int]]], rng: random.Random
) -> None:
    """Count by hand what each step could draw from, without a mix of difficulties."""
    bank, spec, seen = room
    spec = ContentSpec(kind="trivia", count=spec.count, categories=spec.categories, types=spec.types)
    choice = choose(bank, spec, seen, rng)
    if not choice.ids:
        return
    reach = {
        "as asked": sum(fits(one, spec) and one.id not in seen for one in bank),
        "seen": sum(fits(one, spec) for one in bank),
        "difficulty": sum(fits(one, spec) for one in bank),
        "kind": sum(not spec.categories or one.category in spec.categories for one in bank),
        "category": len(bank),
    }
    assert choice.step == next(step for step in STEPS if reach[step] >= spec.count)


@given(rooms(), seeds)
def test_what_fits_is_taken_before_what_does_not(
    room: tuple[list[Listed], ContentSpec, dict[str, tuple[int, int]]], rng: random.Random
) -> None:
    bank, spec, seen = room
    spec = ContentSpec(kind="trivia", count=spec.count, categories=spec.categories, types=spec.types)
    taken = chosen(bank, choose(bank, spec, seen, rng))
    if taken:
        best = [one for one in bank if fits(one, spec) and one.id not in seen]
        got = sum(fits(one, spec) and one.id not in seen for one in taken)
        assert got == min(len(best), spec.count)


@given(banks, st.integers(1, 10), seeds, st.data())
def test_least_seen_and_longest_ago_come_first(
    bank: list[Listed], count: int, rng: random.Random, data: st.DataObject
) -> None:
    """In one category, all seen: what is taken was seen by fewer players, or longer ago, than what is left."""
    bank = [Listed(one.id, "art", one.difficulty, one.kind) for one in bank]
    seen = {one.id: data.draw(st.tuples(st.integers(1, 3), st.integers(0, 9))) for one in bank}
    taken = set(choose(bank, ContentSpec(kind="trivia", count=count), seen, rng).ids)
    if taken:
        worst = max((seen[identity][0], -seen[identity][1]) for identity in taken)
        assert all((users, -ago) >= worst for identity, (users, ago) in seen.items() if identity not in taken)


@given(st.integers(0, 50), weights, seeds)
def test_quotas_are_what_the_weights_say(count: int, asked: dict[str, int], rng: random.Random) -> None:
    slots = quotas(count, asked, rng)
    assert len(slots) == count
    good = {name: weight for name, weight in asked.items() if name in DIFFICULTIES and weight > 0}
    if not good:
        assert slots == [None] * count
        return
    for name in DIFFICULTIES:
        exact = count * good.get(name, 0) / sum(good.values())
        assert abs(slots.count(name) - exact) < 1


@given(st.integers(1, 16), seeds)
def test_a_match_is_spread_over_the_categories(count: int, rng: random.Random) -> None:
    """A category with hundreds of questions does not drown the others."""
    sizes = {"art": 300, "books": 20, "chess": 20, "dance": 20}
    bank = [Listed(f"{name}{n}", name, "easy", "choice") for name, size in sizes.items() for n in range(size)]
    taken = Counter(
        one.category for one in chosen(bank, choose(bank, ContentSpec(kind="trivia", count=count), {}, rng))
    )
    counts = [taken[name] for name in sizes]
    assert max(counts) - min(counts) <= 1


def test_every_question_has_its_turn() -> None:
    bank = [Listed(str(n), "art", "easy", "choice") for n in range(20)]
    rng = random.Random(7)
    drawn = Counter(
        identity for _ in range(400) for identity in choose(bank, ContentSpec(kind="trivia", count=5), {}, rng).ids
    )
    assert min(drawn.values()) > 50, "each is drawn about 100 times"


def test_the_nearest_difficulty_stands_in() -> None:
    bank = [Listed(f"{name}{n}", "art", name, "choice") for name in DIFFICULTIES for n in range(3)]
    spec = ContentSpec(kind="trivia", count=6, difficulties={"hard": 1})
    choice = choose(bank, spec, {}, random.Random(1))
    assert choice.step == "difficulty"
    assert Counter(one.difficulty for one in chosen(bank, choice)) == {"hard": 3, "medium": 3}


def test_nothing_asked_is_nothing() -> None:
    assert choose([], ContentSpec(kind="trivia", count=0), {}, random.Random(1)).reason == "no questions were asked for"
