"""The project's own JSON of questions (``FORMAT.md``). Pure."""

from collections.abc import Iterator
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

from httpapi.content.model import BOOLEAN_OPTIONS, Draft, FileError, Raw, Refusal, check
from httpapi.content.reading import Document, Element

LIST: Final = "questions"
FORMAT: Final = "svidnet.arena/trivia"
VERSION: Final = 1

Label = Annotated[str, Meta(min_length=1, max_length=120)]


class Heading(Struct, frozen=True, forbid_unknown_fields=True):
    """What a file says of all its questions."""

    format: Literal["svidnet.arena/trivia"]
    version: Literal[1]
    source: Label
    licence: Label
    url: Annotated[str, Meta(max_length=200)] = ""
    credit: Annotated[str, Meta(max_length=200)] = ""
    category: Annotated[str, Meta(max_length=60)] = ""  # for questions that name none


class Question(Struct, frozen=True, forbid_unknown_fields=True):
    """One question. ``right`` is the place of the right option, from 0; or true/false without options."""

    id: Annotated[str, Meta(min_length=1, max_length=80, pattern=r"^[a-z0-9][a-z0-9-]*$")]
    text: str
    right: bool | int
    difficulty: str
    options: list[str] | None = None
    category: str = ""
    explanation: str = ""


def heading(document: Document, *, file: str) -> Heading:
    """Return what the file says of itself. Raises ``FileError``."""
    try:
        return msgspec.convert(document.members, Heading)
    except msgspec.ValidationError as error:
        raise FileError(file, 1, str(error)) from error


def read(document: Document, *, file: str) -> Iterator[Draft | Refusal]:
    """Check every question. Raises ``FileError``."""
    head = heading(document, file=file)
    seen: dict[str, int] = {}
    for element in document.elements:
        yield _question(element, head, seen, file=file)


def _question(element: Element, head: Heading, seen: dict[str, int], *, file: str) -> Draft | Refusal:
    def refuse(reason: str) -> Refusal:
        return Refusal(file=file, index=element.index, line=element.line, reason=reason)

    try:
        question = msgspec.convert(element.value, Question)
    except msgspec.ValidationError as error:
        return refuse(str(error))
    if question.id in seen:
        return refuse(f"the id {question.id} stands on line {seen[question.id]} already")
    seen[question.id] = element.line
    if isinstance(question.right, bool) != (question.options is None):
        return refuse("right is true or false without options, or the place of one of the options")
    boolean = question.options is None
    raw = Raw(
        ref=question.id,
        kind="boolean" if boolean else "choice",
        text=question.text,
        options=list(BOOLEAN_OPTIONS) if question.options is None else question.options,
        right=(0 if question.right else 1) if boolean else int(question.right),
        category=question.category or head.category,
        difficulty=question.difficulty,
        explanation=question.explanation,
    )
    return check(raw, file=file, index=element.index, line=element.line)
