"""Random messages of every kind, made from the declarations."""

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st
from msgspec import inspect

from protocol import limits
from tests.protocol.strategies import INT_MAX, values


def messages_of(kinds: dict[str, type[Any]]) -> st.SearchStrategy[Any]:
    return st.sampled_from(sorted(kinds)).flatmap(lambda tag: built(kinds[tag]))


def built(kind: type[Any]) -> st.SearchStrategy[Any]:
    """Return messages of one kind with random fields inside their limits."""
    info: Any = inspect.type_info(kind)
    return st.fixed_dictionaries({field.name: of_type(field.type) for field in info.fields}).map(
        lambda chosen: kind(**chosen)
    )


def of_type(kind: Any) -> st.SearchStrategy[Any]:
    return STRATEGIES[type(kind)](kind)


def texts(kind: Any) -> st.SearchStrategy[str]:
    chosen = st.text(st.characters(codec="utf-8"), min_size=kind.min_length or 0, max_size=kind.max_length or 20)
    return chosen.filter(lambda text: len(text.encode()) <= limits.STR_BYTES_MAX)


STRATEGIES: dict[Any, Callable[[Any], st.SearchStrategy[Any]]] = {
    inspect.Metadata: lambda kind: of_type(kind.type),
    inspect.IntType: lambda kind: st.integers(
        kind.ge if kind.ge is not None else -INT_MAX, kind.le if kind.le is not None else INT_MAX
    ),
    inspect.StrType: texts,
    inspect.BytesType: lambda kind: st.binary(min_size=kind.min_length or 0, max_size=kind.max_length or 20),
    inspect.BoolType: lambda _: st.booleans(),
    inspect.NoneType: lambda _: st.none(),
    inspect.AnyType: lambda _: values,
    inspect.UnionType: lambda kind: st.one_of(*map(of_type, kind.types)),
    inspect.DictType: lambda kind: st.dictionaries(of_type(kind.key_type), of_type(kind.value_type), max_size=5),
    inspect.ListType: lambda kind: st.lists(of_type(kind.item_type), max_size=5),
    inspect.StructType: lambda kind: built(kind.cls),
}
