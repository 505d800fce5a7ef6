"""What people may be called, and which passwords are too well known. Pure."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from httpapi.problem import Problem
from httpapi.services.names import BadName, clean_name, clean_title, clean_username, username_key
from httpapi.services.passwords import check_strength
from protocol.limits import NAME_CHARS_MAX


@given(st.text(max_size=40))
def test_a_cleaned_name_is_clean(text: str) -> None:
    try:
        name = clean_name(text)
    except BadName:
        return
    assert 1 <= len(name) <= NAME_CHARS_MAX
    assert clean_name(name) == name
    assert name == name.strip(" ")
    assert unicodedata.is_normalized("NFC", name)
    assert not {unicodedata.category(character) for character in name} & {"Cc", "Cs", "Co", "Cn", "Zl", "Zp"}


@given(st.text(max_size=30))
def test_a_cleaned_user_name_is_clean(text: str) -> None:
    try:
        name = clean_username(text)
    except BadName:
        return
    assert clean_username(name) == name
    assert username_key(name)
    assert "\x00" not in username_key(name)


@given(st.text(alphabet=st.characters(categories=["L", "Nd"]), max_size=30))
def test_keys_do_not_depend_on_how_it_is_typed(text: str) -> None:
    key = username_key(text)
    assert username_key(unicodedata.normalize("NFD", text)) == key
    assert username_key(f" {text} ") == key
    assert username_key(key) == key


@pytest.mark.parametrize(
    "name", ["Ann", "Zoë", "Ляля", "李小龍", "नेहा", "O'Brien", "👩‍👩‍👧", "x", "<b>", "Robert'); --", "مرحبا"]
)
def test_names_that_people_have(name: str) -> None:
    assert clean_name(name) == unicodedata.normalize("NFC", name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "\t",
        "a\nb",
        "a\x00b",
        "a\x1b[31mb",
        "\u202eevil",
        "a\u2066b",
        "\u200b",
        "a\u200eb",
        "\ufeffa",
        "\u3164",
        "\u2800",
        "a\u00a0b",
        "\u0301",
        "Z\u0335\u0336\u0337\u0338",
        "\ue000",
        "\ud800",
        "a\u2028b",
        "\u200d",
        "x" * 25,
    ],
    ids=ascii,
)
def test_names_that_are_none(name: str) -> None:
    with pytest.raises(BadName):
        clean_name(name)


@pytest.mark.parametrize("title", ["", "  ", "Quiz  night", "🎉 Party 🎉"])
def test_titles(title: str) -> None:
    assert clean_title(title) == " ".join(title.split())


@pytest.mark.parametrize("name", ["ann", "Ann-Marie", "a_b.c", "Ляля", "李小龍", "x2y", "नेहा1"])
def test_user_names(name: str) -> None:
    assert clean_username(f" {name} ") == name


@pytest.mark.parametrize(
    "name", ["", "ab", "a b", "-ann", "ann-", "a__b", "a.-b", "a@b", "ann!", "\u0301ab", "a\u200bb", "x" * 25, "ﷺ" * 20]
)
def test_user_names_that_are_none(name: str) -> None:
    with pytest.raises(BadName):
        clean_username(name)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Admin", "аdmin"),
        ("paypal", "раураl"),
        ("bob", "ВОВ"),
        ("Zoe", "Zoë"),
        ("ann", "ａｎｎ"),
        ("a.n.n", "a_n-n"),
        ("hello", "he11o"),
        ("hello", "hell0"),
        ("straße", "STRASSE"),
        ("ﬁsh", "fish"),
        ("omega", "οmega"),
    ],
)
def test_names_that_look_alike_are_one(one: str, other: str) -> None:
    assert username_key(one) == username_key(other)


@pytest.mark.parametrize(("one", "other"), [("ann", "anna"), ("किरण", "करण"), ("bob", "rob"), ("李", "季")])
def test_names_that_differ_differ(one: str, other: str) -> None:
    assert username_key(one) != username_key(other)


@pytest.mark.parametrize(
    "word",
    ["1234567", "x" * 129, "abababab", "PASSWORD", "password2024", "Sunshine!!", "87654321", "abcdefghij", "Some.User"],
)
def test_passwords_that_are_refused(word: str) -> None:
    with pytest.raises(Problem):
        check_strength(word, "someuser")


@pytest.mark.parametrize("word", ["correct horse", "kbd4 sa9", "пароль мой", "x1" * 60 + "abc", "🎲🎯🎪🎨🎭🎬🎤🎧"])
def test_passwords_that_are_fine(word: str) -> None:
    check_strength(word, "someuser")
