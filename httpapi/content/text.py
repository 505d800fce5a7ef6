"""Text as people wrote it → text as we keep it. Pure.

Three steps, each done exactly once: the source's encoding is undone (``Encoding``), what nobody can see is removed and
blanks are tidied (``clean``), and for comparing, what two writers would do differently is folded (``fingerprint``).
HTML stays text: an answer ``<b>`` is an answer, escaping is the reader's business.
"""

import base64
import binascii
import enum
import hashlib
import html
import html.entities
import re
import unicodedata
import urllib.parse
from collections.abc import Iterable, Sequence
from typing import Final


class TextError(ValueError):
    """A text cannot be what its source says it is. The message is for people."""


class Encoding(enum.StrEnum):
    """How a file's strings are encoded. The names are those of the Open Trivia DB interface."""

    HTML = "html"  # its default: HTML entities
    BASE64 = "base64"
    URL_LEGACY = "urlLegacy"  # blanks are "+"
    URL_3986 = "url3986"  # blanks are "%20"
    PLAIN = "plain"  # decoded already


# Only entities with their semicolon: "AT&T" and "a=1&copy=2" are text.
_ENTITY: Final = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_BASE64: Final = re.compile(r"[A-Za-z0-9+/]+={0,2}")
_URL: Final = re.compile(r"[A-Za-z0-9._~+*()!'-]*(?:%[0-9A-Fa-f]{2}[A-Za-z0-9._~+*()!'-]*)*")
_PERCENT: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")


def decode(text: str, encoding: Encoding) -> str:
    """Undo one layer of ``encoding``. Raises ``TextError`` when the text is not so encoded."""
    if encoding is Encoding.PLAIN:
        return text
    if encoding is Encoding.HTML:
        return _ENTITY.sub(_character, text)
    if encoding is Encoding.BASE64:
        try:
            return base64.b64decode(text, validate=True).decode("utf-8")
        except (binascii.Error, UnicodeDecodeError, ValueError) as error:
            raise TextError(f"not base64 of UTF-8: {text[:40]!r}") from error
    if _PERCENT.search(text):
        raise TextError(f"a % without two hexadecimal digits: {text[:40]!r}")
    unquote = urllib.parse.unquote_plus if encoding is Encoding.URL_LEGACY else urllib.parse.unquote
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError as error:
        raise TextError(f"percent signs that are not UTF-8: {text[:40]!r}") from error


def _character(found: re.Match[str]) -> str:
    """Return what an entity stands for; an unknown name (``&nothing;``, which HTML reads as ``¬hing;``) is text."""
    name = found[0][1:]
    return html.unescape(found[0]) if name[0] == "#" else html.entities.html5.get(name, found[0])


def detect(samples: Iterable[str], words: frozenset[str]) -> Encoding:
    """Return how a file's strings are encoded. ``words``: what some of them must be once decoded (such as "multiple").

    A URL-encoded text has no blank; base64 turns even the fixed words into something else. Anything else is HTML.
    """
    texts = [text for text in samples if text]
    if any(_is_base64_of(text, words) for text in texts) and all(_BASE64.fullmatch(text) for text in texts):
        return Encoding.BASE64
    if texts and all(_URL.fullmatch(text) for text in texts):
        if any("%20" in text for text in texts):
            return Encoding.URL_3986
        if any("+" in text for text in texts):
            return Encoding.URL_LEGACY
        if any("%" in text for text in texts):
            return Encoding.URL_3986
    return Encoding.HTML


def _is_base64_of(text: str, words: frozenset[str]) -> bool:
    return any(base64.b64encode(word.encode()).decode() == text for word in words)


_JOINERS: Final = "\u200c\u200d"
_FIRST_JOINING_SCRIPT: Final = 0x0590  # Hebrew; Latin, Greek and Cyrillic lie below and join nothing


def clean(text: str) -> str:
    """Return the text in NFC, with no invisible or control characters, with single blanks and none at the ends.

    Joiners stay where they mean something (emoji, Arabic, Indic scripts). Raises ``TextError`` for text that lost
    characters on its way here (U+FFFD), unpaired surrogates and characters that no standard assigns.
    """
    kept: list[str] = []
    for character in text:
        category = unicodedata.category(character)
        if category in ("Zs", "Zl", "Zp") or character in "\t\n\r\v\f":
            kept.append(" ")
        elif character in _JOINERS:
            if kept and (ord(kept[-1]) >= _FIRST_JOINING_SCRIPT and kept[-1] != " "):
                kept.append(character)
        elif category in ("Cs", "Co", "Cn") or character == "\ufffd":
            raise TextError(f"a broken character (U+{ord(character):04X})")
        elif category not in ("Cc", "Cf"):
            kept.append(character)
    return unicodedata.normalize("NFC", " ".join("".join(kept).split()))


_QUOTES: Final = frozenset("\"'`´‘’‚‛“”„‟«»‹›′″")
_DASHES: Final = frozenset("‐‑‒–—―−")
_SENTENCE_MARKS: Final = re.compile(r"[.,;:!?…¿¡]+(?=\s|$)|(?<=\s)[.,;:!?…¿¡]+|^[.,;:!?…¿¡]+")


def fold(text: str) -> str:
    """Return what two people would both have written: no case, accents, quotes, sentence marks; one kind of dash.

    Marks inside a word or a number stay (``1.5`` is not ``15``, ``C++`` is not ``C``).
    """
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
    letters = [
        "-" if character in _DASHES else character
        for character in plain
        if character not in _QUOTES and not "\u0300" <= character <= "\u036f"
    ]
    return unicodedata.normalize("NFC", " ".join(_SENTENCE_MARKS.sub(" ", "".join(letters)).split()))


def fingerprint(text: str) -> bytes:
    """Return 32 bytes that are equal for questions with the same text, however it was typed."""
    return hashlib.sha256(fold(text).encode("utf-8")).digest()


def have_twins(options: Sequence[str]) -> bool:
    """Return whether two options are the same to somebody who sees them (case and blanks apart)."""
    return len({unicodedata.normalize("NFKC", option).casefold() for option in options}) < len(options)


_NOT_IN_SLUG: Final = re.compile(r"[\W_]+")
SLUG_CHARS_MAX: Final = 48


def slug(name: str) -> str:
    """Return a category's name for settings: ``Food & Drink`` → ``food-drink``. Empty when it has no letters."""
    return _NOT_IN_SLUG.sub("-", fold(name)).strip("-")[:SLUG_CHARS_MAX].strip("-")
