"""What people may be called. Pure.

A display name is shown to everybody: no control characters, no direction overrides, nothing invisible, no towers of
accents. A user name identifies: two that look the same are the same (``username_key``).
"""

import unicodedata
from typing import Final

from protocol.limits import NAME_CHARS_MAX

MARKS_IN_A_ROW_MAX: Final = 3
USERNAME_CHARS_MIN: Final = 3
KEY_CHARS_MAX: Final = 96

_JOINERS: Final = frozenset("\u200c\u200d")  # Persian and Indic spelling, and emoji made of several
_BLANK: Final = frozenset("\u115f\u1160\u2800\u3164\uffa0\u034f\u17b4\u17b5")  # not called format, but nothing to see
_REFUSED: Final = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))

_LOOK_ALIKES: Final = str.maketrans(
    {
        other: latin
        for latin, others in {
            "a": "аαɑ", "b": "вβƅ", "c": "сϲⅽ", "d": "ԁđ", "e": "еєε", "g": "ɡցγ", "h": "нһհħ", "i": "іιı", "j": "јϳ",
            "k": "кκ", "l": "ӏłǀ", "m": "м", "n": "ոην", "o": "оοօøσ", "p": "рρ", "q": "ԛ", "s": "ѕ",
            "t": "тτŧ", "u": "սυ", "w": "ԝω", "x": "хχ", "y": "уү",
        }.items()
        for other in others
    }
)  # fmt: skip
"""Letters of other scripts that are read as a Latin one, after casefolding."""

_DIGITS_AS_LETTERS: Final = str.maketrans("01", "ol")
_ACCENTS: Final = frozenset(chr(point) for point in range(0x300, 0x370))


class BadName(ValueError):  # noqa: N818 - read as a sentence where it is raised
    """The name cannot be taken; the text says why, to the person who chose it."""


def clean_name(text: str) -> str:
    """Return the display name as it is kept: NFC, blanks trimmed and single.

    Raises:
        BadName: it has characters nobody can see or that change how other text is shown, or the wrong length.
    """
    name = " ".join(unicodedata.normalize("NFC", text).split(" "))
    name = " ".join(part for part in name.split(" ") if part)
    marks = 0
    visible = False
    for character in name:
        category = unicodedata.category(character)
        if (category in _REFUSED and character not in _JOINERS) or character in _BLANK:
            raise BadName("it has a character that cannot be shown")
        if category == "Zs" and character != " ":
            raise BadName("it has an unusual blank")
        marks = marks + 1 if category.startswith("M") else 0
        if marks > MARKS_IN_A_ROW_MAX:
            raise BadName("it has too many accents on one letter")
        visible = visible or (category[0] in "LNPS")
    if not visible:
        raise BadName("it has nothing to see")
    if len(name) > NAME_CHARS_MAX:
        raise BadName(f"at most {NAME_CHARS_MAX} characters")
    return name


def clean_title(text: str) -> str:
    """Return a room's title as it is kept; it may be empty. Raises ``BadName``."""
    title = " ".join(part for part in unicodedata.normalize("NFC", text).split(" ") if part)
    for character in title:
        if unicodedata.category(character) in _REFUSED and character not in _JOINERS:
            raise BadName("it has a character that cannot be shown")
    return title


def clean_username(text: str) -> str:
    """Return the user name as it is shown: NFKC, letters and digits with single ``_``, ``-`` or ``.`` between.

    Raises:
        BadName: too short, too long, or other characters.
    """
    name = unicodedata.normalize("NFKC", text.strip(" "))
    if not USERNAME_CHARS_MIN <= len(name) <= NAME_CHARS_MAX:
        raise BadName(f"{USERNAME_CHARS_MIN} to {NAME_CHARS_MAX} characters")
    before = "_"
    for character in name:
        kind = unicodedata.category(character)[0]
        if character in "_-.":
            if before in "_-.":
                raise BadName("_ - . stand alone, between letters or digits")
        elif kind not in "LN" and not (kind == "M" and unicodedata.category(before)[0] == "L"):
            raise BadName("only letters, digits and _ - .")
        before = character
    if before in "_-.":
        raise BadName("_ - . stand alone, between letters or digits")
    if len(username_key(name)) > KEY_CHARS_MAX:
        raise BadName("too long")
    return name


def username_key(text: str) -> str:
    """Return what user names are compared by: case, width, accents, separators and look-alikes do not matter."""
    folded = unicodedata.normalize("NFKC", text.strip(" ")).casefold()
    bare = "".join(
        character
        for character in unicodedata.normalize("NFKD", folded)
        if character not in _ACCENTS and character not in "_-."
    )
    return unicodedata.normalize("NFKC", bare.translate(_LOOK_ALIKES).translate(_DIGITS_AS_LETTERS))
