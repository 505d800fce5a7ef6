"""Encodings are undone once, invisible things go, and the same question has the same fingerprint."""

import base64
import html
import json
import urllib.parse

import pytest
from hypothesis import given
from hypothesis import strategies as st

from httpapi.content.text import Encoding, TextError, clean, decode, detect, fingerprint, have_twins, slug
from tests.support.data import data_file

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
WORDS = frozenset({"multiple", "boolean"})


@given(TEXTS)
def test_base64_is_undone(text: str) -> None:
    assert decode(base64.b64encode(text.encode()).decode(), Encoding.BASE64) == text


@given(TEXTS)
def test_url_encodings_are_undone(text: str) -> None:
    assert decode(urllib.parse.quote(text, safe=""), Encoding.URL_3986) == text
    assert decode(urllib.parse.quote_plus(text), Encoding.URL_LEGACY) == text


@given(TEXTS)
def test_entities_are_undone_once(text: str) -> None:
    once = html.escape(text)
    assert decode(once, Encoding.HTML) == text
    assert decode(html.escape(once), Encoding.HTML) == once


@pytest.mark.parametrize(
    ("encoded", "text"),
    [
        ("AT&T", "AT&T"),
        ("a=1&copy=2", "a=1&copy=2"),
        ("&copy; 2000", "© 2000"),
        ("&amp;lt;b&amp;gt;", "&lt;b&gt;"),
        ("&#039;n&#x27;", "'n'"),
        ("&nothing;", "&nothing;"),
        ("<b>bold</b>", "<b>bold</b>"),
    ],
)
def test_only_whole_entities_are_entities(encoded: str, text: str) -> None:
    assert decode(encoded, Encoding.HTML) == text


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("no base64!", Encoding.BASE64),
        ("////", Encoding.BASE64),
        ("50%", Encoding.URL_LEGACY),
        ("%zz", Encoding.URL_3986),
        ("%ff%fe", Encoding.URL_3986),
    ],
)
def test_what_is_not_so_encoded_is_refused(text: str, encoding: Encoding) -> None:
    with pytest.raises(TextError):
        decode(text, encoding)


@pytest.mark.parametrize(
    ("samples", "encoding"),
    [
        (["boolean", "Is 2 &gt; 1?"], Encoding.HTML),
        (["Ym9vbGVhbg==", "V2h5Pw=="], Encoding.BASE64),
        (["boolean", "Is+it%3F"], Encoding.URL_LEGACY),
        (["boolean", "Is%20it%3F"], Encoding.URL_3986),
        (["boolean", "100%20 of it"], Encoding.HTML),
        (["boolean", "True", "False"], Encoding.HTML),
        ([], Encoding.HTML),
    ],
    ids=lambda value: str(value)[:30],
)
def test_the_encoding_is_found_out(samples: list[str], encoding: Encoding) -> None:
    assert detect(samples, WORDS) is encoding


@given(TEXTS)
def test_cleaning_again_changes_nothing(text: str) -> None:
    try:
        once = clean(text)
    except TextError:
        return
    assert clean(once) == once
    assert once == once.strip()
    assert "  " not in once


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("  two \t words\u00a0here\n", "two words here"),
        ("Llanfair\u00adpwll", "Llanfairpwll"),
        ("\u200eleft\u200f\ufeff \u2060to\u202e right", "left to right"),
        ("e\u0301", "é"),
        ("e\u00ad\u0301", "é"),
        ("a\u200db", "ab"),
        ("👩\u200d🔬", "👩\u200d🔬"),
        ("\x00\x07bell", "bell"),
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),
    ],
    ids=lambda text: text.encode("unicode_escape").decode()[:24],
)
def test_what_nobody_sees_goes(text: str, cleaned: str) -> None:
    assert clean(text) == cleaned


@pytest.mark.parametrize("text", ["lost \ufffd", "half \ud83d", "own \ue000", "\uffff"], ids=ascii)
def test_broken_characters_are_refused(text: str) -> None:
    with pytest.raises(TextError, match="broken character"):
        clean(text)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Who wrote “Emma”?", "who wrote 'Emma'"),
        ("What is Beyoncé's  home?", "What is Beyonce’s home?!"),
        ("In which year, exactly?", "In which year exactly…"),
        ("1914–1918?", "1914-1918"),
        ("ＷＩＤＥ?", "wide"),
    ],
)
def test_the_same_question_has_the_same_fingerprint(one: str, other: str) -> None:
    assert fingerprint(one) == fingerprint(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("What is 1.5?", "What is 15?"), ("Who made C?", "Who made C++?"), ("2+2?", "2-2?"), ("नि?", "न?")],
)
def test_other_questions_have_others(one: str, other: str) -> None:
    assert fingerprint(one) != fingerprint(other)


@given(st.text(st.characters(max_codepoint=0x17F, exclude_categories=["Cs"]), max_size=60))
def test_quotes_blanks_and_marks_around_a_question_do_not_count(text: str) -> None:
    assert fingerprint(f"  “{text}” ?") == fingerprint(text)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Food & Drink", "food-drink"),
        ("Japanese Anime & Manga", "japanese-anime-manga"),
        ("Café", "cafe"),
        ("Кино", "кино"),
        ("&", ""),
        ("x" * 60, "x" * 48),
    ],
)
def test_categories_have_names_for_settings(name: str, expected: str) -> None:
    assert slug(name) == expected


def test_twins_are_what_people_cannot_tell_apart() -> None:
    assert have_twins(["Mercury", "Venus", "MERCURY"])
    assert not have_twins(["1.5", "15", "Venus"])


def test_naughty_strings_come_through_clean_or_are_refused() -> None:
    entries = json.loads(data_file("security/blns/blns.json").read_text())
    assert len(entries) > 500
    for entry in entries:
        try:
            cleaned = clean(entry)
        except TextError:
            continue
        assert cleaned == clean(cleaned)
        assert not any(ord(character) < 32 for character in cleaned)
        decode(cleaned, Encoding.HTML)
