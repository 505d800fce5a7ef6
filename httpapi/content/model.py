"""A question on its way in, and what is said about one that may not come in. Pure."""

from collections.abc import Iterable
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct

from httpapi.content import text as texts
from httpapi.content.text import TextError
from protocol.modes.trivia import TriviaItem

EXPLANATION_CHARS_MAX: Final = 400
CATEGORY_CHARS_MAX: Final = 60
REF_CHARS_MAX: Final = 80
FILE_BYTES_MAX: Final = 64 * 1024 * 1024
DIFFICULTIES: Final = ("easy", "medium", "hard")
BOOLEAN_OPTIONS: Final = ("True", "False")


class FileError(Exception):
    """A file cannot be read as what it says it is: nothing of it comes in."""

    def __init__(self, file: str, line: int, reason: str) -> None:
        super().__init__(file, line, reason)
        self.file = file
        self.line = line
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.reason}"


class Refusal(Struct, frozen=True):
    """One question that may not come in, where it stands, and why."""

    file: str
    index: int  # place in the file, from 1
    line: int
    reason: str
    text: str = ""

    def __str__(self) -> str:
        shown = f": {self.text[:70]}" if self.text else ""
        return f"{self.file}:{self.line}: question {self.index}: {self.reason}{shown}"


class Draft(Struct, frozen=True):
    """A checked question: texts clean, one option right, lengths within the protocol's."""

    file: str
    index: int
    line: int
    ref: str  # the source's own name for it; "" when it has none
    kind: Literal["choice", "boolean"]
    text: str
    options: list[str]
    right: int
    category: str
    difficulty: str
    explanation: str

    @property
    def fingerprint(self) -> bytes:
        """What is equal for the same question from anywhere."""
        return texts.fingerprint(self.text)


class Raw(Struct, frozen=True):
    """A question as its file has it, decoded but neither cleaned nor checked."""

    ref: str
    kind: str
    text: str
    options: list[str]
    right: int
    category: str
    difficulty: str
    explanation: str


def check(raw: Raw, *, file: str, index: int, line: int) -> Draft | Refusal:
    """Clean and check one question."""

    def refuse(reason: str) -> Refusal:
        return Refusal(file=file, index=index, line=line, reason=reason, text=raw.text.strip())

    try:
        draft = Draft(
            file=file,
            index=index,
            line=line,
            ref=raw.ref.strip(),
            kind="boolean" if raw.kind == "boolean" else "choice",
            text=texts.clean(raw.text),
            options=[texts.clean(option) for option in raw.options],
            right=raw.right,
            category=texts.clean(raw.category),
            difficulty=raw.difficulty.strip().lower(),
            explanation=texts.clean(raw.explanation),
        )
    except TextError as error:
        return refuse(str(error))
    reason = _what_is_wrong(raw.kind, draft)
    return refuse(reason) if reason else draft


def _what_is_wrong(kind: str, draft: Draft) -> str | None:
    """Return the first thing that is wrong, or None."""
    faults: Iterable[tuple[bool, str]] = (
        (kind not in ("choice", "boolean"), f"unknown kind {kind!r}: choice or boolean"),
        (not texts.fold(draft.text), "no text"),
        (draft.difficulty not in DIFFICULTIES, f"unknown difficulty {draft.difficulty!r}: easy, medium or hard"),
        (not texts.slug(draft.category), "no category"),
        (len(draft.category) > CATEGORY_CHARS_MAX, f"category longer than {CATEGORY_CHARS_MAX} characters"),
        (len(draft.explanation) > EXPLANATION_CHARS_MAX, f"explanation longer than {EXPLANATION_CHARS_MAX} characters"),
        (len(draft.ref) > REF_CHARS_MAX, f"id longer than {REF_CHARS_MAX} characters"),
        (
            draft.kind == "boolean" and tuple(draft.options) != BOOLEAN_OPTIONS,
            "a true-or-false question whose answers are not True and False",
        ),
        (not all(draft.options), "an empty answer"),
        (texts.have_twins(draft.options), "two answers that are the same"),
        (not 0 <= draft.right < len(draft.options), "no right answer"),
    )
    return next((reason for wrong, reason in faults if wrong), None) or _what_the_protocol_refuses(draft)


def _what_the_protocol_refuses(draft: Draft) -> str | None:
    try:
        msgspec.convert(as_item(draft, identity="new"), TriviaItem)
    except msgspec.ValidationError as error:
        return str(error)
    return None


def as_item(draft: Draft, *, identity: str) -> dict[str, Any]:
    """Return the question as a content pack carries it."""
    return {
        "id": identity,
        "kind": draft.kind,
        "text": draft.text,
        "options": draft.options,
        "right": draft.right,
        "category": draft.category,
        "difficulty": draft.difficulty,
        "explanation": draft.explanation,
    }
