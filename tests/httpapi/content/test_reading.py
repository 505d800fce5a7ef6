"""Files are read whole or refused with the line."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from httpapi.content.importer import LISTS
from httpapi.content.model import FileError
from httpapi.content.reading import read_document
from tests.support.data import data_file

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
MEMBERS = st.dictionaries(st.text(max_size=5).filter(lambda name: name not in LISTS), JSON, max_size=3)


@given(MEMBERS, st.lists(JSON, max_size=4), st.sampled_from([None, 1, 2]))
def test_what_json_writes_is_read(members: dict[str, object], elements: list[object], indent: int | None) -> None:
    text = json.dumps({**members, "results": elements}, indent=indent)
    document = read_document(text.encode(), file="x", lists=LISTS)
    assert document.members == members
    assert [element.value for element in document.elements] == elements
    lines = text.split("\n")
    for element in document.elements:
        assert json.dumps(element.value, indent=indent).split("\n")[0] in lines[element.line - 1]


@given(st.data(), MEMBERS, st.lists(JSON, max_size=4))
def test_a_file_cut_anywhere_is_refused(
    data: st.DataObject, members: dict[str, object], elements: list[object]
) -> None:
    whole = json.dumps({**members, "results": elements}, ensure_ascii=False).encode()
    cut = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(FileError):
        read_document(whole[:cut], file="x", lists=LISTS)


@given(st.binary(max_size=40))
def test_nothing_but_file_errors_escape(data: bytes) -> None:
    with pytest.raises(FileError):
        read_document(data, file="x", lists=LISTS)


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ('{"results": [\n{"a": 1},\n{"a": \n', 4, "not JSON"),
        ('{"results": [\n1,\n2', 3, "ends where"),
        ('{"results": [1,\n]}', 2, "a comma before"),
        ('{"results": [1]}\n\nmore', 3, "text after the end"),
        ("[1]", 1, "expected '{'"),
        ('{"other": [1]}', 1, "no list named"),
        ('{"results": [],\n"results": []}', 2, "stands twice"),
        ('{"results": [\n{"a": 1, "a": 2}]}', 2, "stands twice"),
        ('{"results": [NaN]}', 1, "NaN is not JSON"),
        ('{"results": {"a": 1}}', 1, "expected '['"),
        ("{1: 2}", 1, "must be text"),
        ('{"results": [' + "[" * 100_000 + "\n", 1, "nested too deeply"),
    ],
    ids=lambda value: str(value)[:24],
)
def test_broken_files_are_refused_with_the_line(text: str, line: int, reason: str) -> None:
    with pytest.raises(FileError, match=reason.replace("[", r"\[")) as refused:
        read_document(text.encode(), file="questions.json", lists=LISTS)
    assert refused.value.line == line
    assert str(refused.value).startswith(f"questions.json:{line}: ")


def test_a_file_that_is_not_utf8_is_refused_with_the_line() -> None:
    with pytest.raises(FileError, match="x:3: not UTF-8"):
        read_document(b'{"results": [\n"a",\n"\xff"]}', file="x", lists=LISTS)


def test_a_byte_order_mark_is_no_harm() -> None:
    assert read_document(b'\xef\xbb\xbf{"results": []}', file="x", lists=LISTS).elements == []


def test_a_damaged_copy_of_the_real_file_is_refused_with_the_line() -> None:
    whole = data_file("trivia/opentdb/split_dev.json").read_bytes().replace(b'{"type"', b'\n{"type"')
    half = whole[: len(whole) // 2]
    with pytest.raises(FileError) as refused:
        read_document(half, file="x", lists=LISTS)
    assert refused.value.line == half.count(b"\n") + 1
