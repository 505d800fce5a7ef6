"""Hypothesis strategies shared by the protocol's tests."""

from typing import Any

from hypothesis import strategies as st

INT_MAX = 2**53 - 1

keys = st.text(st.characters(codec="utf-8"), min_size=1, max_size=6) | st.sampled_from(
    ["a", "b", "a/b", "~", "~1", "~0", "/", "*", "1", "2"]
)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-INT_MAX, INT_MAX)
    | st.sampled_from([0, 1])
    | st.text(st.characters(codec="utf-8"), max_size=8)
)
values: st.SearchStrategy[Any] = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=12,
)
views: st.SearchStrategy[dict[str, Any]] = st.dictionaries(keys, values, max_size=6)
