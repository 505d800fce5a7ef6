"""The delta algorithm: what it promises, for any two views."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import golden
from protocol.delta import Patch, PatchError, apply, diff, escape, same, unescape
from tests.protocol.strategies import keys, values, views

PATTERNS = frozenset({"log", "*/log", "seats/*/marks"})


def exactly(a: Any, b: Any) -> bool:
    """Deep equality that tells true from 1, written another way than ``same``."""
    return repr_of(a) == repr_of(b)


def repr_of(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ",".join(f"{key!r}:{repr_of(value[key])}" for key in sorted(value)) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(repr_of, value)) + "]"
    return repr(value)


@given(views, views)
def test_apply_of_diff_gives_the_new_view(old: dict[str, Any], new: dict[str, Any]) -> None:
    before = copy.deepcopy(old)
    assert exactly(apply(old, diff(old, new)), new)
    assert exactly(old, before), "the old view must not change"


@given(views)
def test_a_view_does_not_differ_from_its_copy(view: dict[str, Any]) -> None:
    assert not diff(view, copy.deepcopy(view))
    assert not diff(view, view)


@given(views, views)
def test_a_patch_is_falsy_only_between_equal_views(old: dict[str, Any], new: dict[str, Any]) -> None:
    assert bool(diff(old, new)) is not exactly(old, new)


@given(views, views)
def test_no_path_is_inside_another(old: dict[str, Any], new: dict[str, Any]) -> None:
    patch = diff(old, new, PATTERNS)
    paths = [path.split("/") for path in [*patch.set, *patch.unset, *patch.append]]
    for a in paths:
        assert sum(b[: len(a)] == a for b in paths) == 1


@given(views, views)
def test_every_part_of_a_patch_is_needed(old: dict[str, Any], new: dict[str, Any]) -> None:
    patch = diff(old, new)
    for path in patch.set:
        less = Patch({key: value for key, value in patch.set.items() if key != path}, patch.unset)
        assert not exactly(apply(old, less), new)
    for path in patch.unset:
        less = Patch(patch.set, [each for each in patch.unset if each != path])
        assert not exactly(apply(old, less), new)


@given(
    st.dictionaries(
        st.integers(1, 500).map(str), st.fixed_dictionaries({"here": st.booleans(), "n": st.integers(0, 3)})
    ),
    st.data(),
)
def test_a_change_of_one_seat_costs_one_path(seats: dict[str, Any], data: st.DataObject) -> None:
    seats = {**seats, "501": {"here": True, "n": 0}}
    seat = data.draw(st.sampled_from(sorted(seats)))
    after = {**seats, seat: {**seats[seat], "here": not seats[seat]["here"]}}
    assert diff({"seats": seats}, {"seats": after}) == Patch({f"seats/{seat}/here": after[seat]["here"]})


@given(st.lists(values, max_size=4), st.lists(values, min_size=1, max_size=3))
def test_an_append_only_list_that_grew_sends_its_tail(old: list[Any], tail: list[Any]) -> None:
    patch = diff({"x": {"log": old}}, {"x": {"log": old + tail}}, PATTERNS)
    assert patch == Patch(append={"x/log": tail})
    assert apply({"x": {"log": old}}, patch) == {"x": {"log": old + tail}}


@given(st.lists(st.integers(), max_size=5), st.lists(st.integers(), max_size=5))
def test_an_append_only_list_of_any_change_still_converges(old: list[int], new: list[int]) -> None:
    patch = diff({"log": old}, {"log": new}, PATTERNS)
    assert apply({"log": old}, patch) == {"log": new}
    grew = len(new) > len(old) and new[: len(old)] == old
    assert bool(patch.append) is grew


def test_subtrees_without_a_change_are_shared() -> None:
    old = {"seats": {"1": {"x": 1}, "2": {"x": 1}}, "game": {"deep": {"a": 1}}}
    new = apply(old, Patch({"seats/1/x": 2}))
    assert new["game"] is old["game"]
    assert new["seats"]["2"] is old["seats"]["2"]
    assert new["seats"]["1"] is not old["seats"]["1"]


def test_the_same_object_is_skipped_unseen() -> None:
    class Untouchable(dict[str, Any]):
        def items(self) -> Any:
            raise AssertionError("looked into")

        __iter__ = items

    shared = Untouchable(a=1)
    assert diff({"a": shared, "b": 1}, {"a": shared, "b": 2}) == Patch({"b": 2})


def test_several_paths_into_one_map() -> None:
    old = {"a": {"b": 1, "c": {"d": 1, "e": 2}, "f": [1]}}
    patch = Patch({"a/b": 2, "a/c/d": 3}, ["a/c/e"], {"a/f": [2]})
    assert apply(old, patch) == {"a": {"b": 2, "c": {"d": 3}, "f": [1, 2]}}
    assert old == {"a": {"b": 1, "c": {"d": 1, "e": 2}, "f": [1]}}


@pytest.mark.parametrize(
    "patch",
    [
        Patch({"": 1}),
        Patch({"/a": 1}),
        Patch({"a/": 1}),
        Patch({"nowhere/x": 1}),
        Patch({"text/x": 1}),
        Patch({"list/0": 1}),
        Patch(unset=["nowhere"]),
        Patch(unset=["a/nowhere"]),
        Patch(append={"nowhere": [1]}),
        Patch(append={"text": [1]}),
        Patch(append={"a": [1]}),
    ],
    ids=repr,
)
def test_a_patch_that_does_not_fit_is_refused(patch: Patch) -> None:
    view = {"a": {"b": 1}, "text": "x", "list": [1]}
    with pytest.raises(PatchError):
        apply(view, patch)
    assert view == {"a": {"b": 1}, "text": "x", "list": [1]}


@given(keys)
def test_escaping_round_trips(key: str) -> None:
    assert unescape(escape(key)) == key
    assert "/" not in escape(key)


@given(values, values)
def test_same_is_equality_on_the_wire(a: Any, b: Any) -> None:
    assert same(a, b) is exactly(a, b)
    assert same(a, copy.deepcopy(a))


def test_equal_text_need_not_be_one_object() -> None:
    assert same("".join(["a", "b", "c"]), "abc")


def test_true_is_not_one_however_deep() -> None:
    assert not same([{"a": [1]}], [{"a": [True]}])
    assert not same(0, False)


@pytest.mark.parametrize("vector", golden.read("delta"), ids=lambda vector: vector["name"])
def test_golden(vector: golden.Vector) -> None:
    told = vector["patch"]
    patch = diff(vector["old"], vector["new"], frozenset(vector["append_only"]))
    assert exactly(patch.set, told["set"])
    assert sorted(patch.unset) == sorted(told["unset"])
    assert exactly(patch.append, told["append"])
    assert exactly(apply(vector["old"], Patch(told["set"], told["unset"], told["append"])), vector["new"])


@given(st.dictionaries(st.text(min_size=1, max_size=4), st.integers(0, 2), min_size=32, max_size=60), st.data())
def test_large_maps_differ_as_small_ones_do(old: dict[str, int], data: st.DataObject) -> None:
    changed = data.draw(st.dictionaries(st.sampled_from(sorted(old)), st.integers(0, 2), max_size=5))
    new = {**old, **changed}
    if data.draw(st.booleans()):
        new = dict(reversed(new.items()))
    patch = diff(old, new)
    assert apply(old, patch) == new
    assert patch.set == {escape(key): value for key, value in new.items() if old[key] != value}
    assert not patch.unset
