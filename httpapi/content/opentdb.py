"""The JSON of the Open Trivia Database (opentdb.com), in each of its encodings. Pure.

``{"response_code": 0, "results": [{type, difficulty, category, question, correct_answer, incorrect_answers}]}``; every
string is encoded, type and category included. The right answer's place is drawn from the question's fingerprint: the
same at every import, and even over many.
"""

from collections.abc import Iterator
from typing import Any, Final

import msgspec
from msgspec import Struct

from httpapi.content import text as texts
from httpapi.content.model import BOOLEAN_OPTIONS, Draft, FileError, Raw, Refusal, check
from httpapi.content.reading import Document, Element
from httpapi.content.text import Encoding, TextError

LIST: Final = "results"
SOURCE: Final = "Open Trivia Database"
LICENCE: Final = "CC BY-SA 4.0"
URL: Final = "https://opentdb.com"
_KINDS: Final = {"multiple": "choice", "boolean": "boolean"}
_FIXED_WORDS: Final = frozenset({"multiple", "boolean"})
_GROUPS: Final = ("Entertainment: ", "Science: ")


class Record(Struct, frozen=True):
    """One question as the database tells it."""

    type: str
    difficulty: str
    category: str
    question: str
    correct_answer: str
    incorrect_answers: list[str]


def read(document: Document, *, file: str, encoding: Encoding | None) -> Iterator[Draft | Refusal]:
    """Decode and check every question. ``encoding`` None: found out from the file. Raises ``FileError``."""
    code = document.members.get("response_code", 0)
    if code != 0:
        raise FileError(file, 1, f"an answer without questions (response_code {code!r})")
    used = encoding or texts.detect(_strings(document), _FIXED_WORDS)
    for element in document.elements:
        yield _question(element, file=file, encoding=used)


def _question(element: Element, *, file: str, encoding: Encoding) -> Draft | Refusal:
    def refuse(reason: str) -> Refusal:
        return Refusal(file=file, index=element.index, line=element.line, reason=reason)

    try:
        record = decoded(element.value, encoding)
    except msgspec.ValidationError as error:
        return refuse(str(error))
    except TextError as error:
        return refuse(str(error))
    kind = _KINDS.get(record.type.strip())
    if kind is None:
        return refuse(f"unknown type {record.type!r}: multiple or boolean")
    options, right = _options(kind, record)
    raw = Raw(
        ref="",
        kind=kind,
        text=record.question,
        options=options,
        right=right,
        category=_category(record.category),
        difficulty=record.difficulty,
        explanation="",
    )
    return check(raw, file=file, index=element.index, line=element.line)


def decoded(value: Any, encoding: Encoding) -> Record:
    """Return the question with its strings decoded once. Raises ``ValidationError`` or ``TextError``."""
    record = msgspec.convert(value, Record)
    return Record(
        type=texts.decode(record.type, encoding),
        difficulty=texts.decode(record.difficulty, encoding),
        category=texts.decode(record.category, encoding),
        question=texts.decode(record.question, encoding),
        correct_answer=texts.decode(record.correct_answer, encoding),
        incorrect_answers=[texts.decode(answer, encoding) for answer in record.incorrect_answers],
    )


def _options(kind: str, record: Record) -> tuple[list[str], int]:
    right, wrong = record.correct_answer, list(record.incorrect_answers)
    if kind == "boolean" and sorted([right.strip(), *(answer.strip() for answer in wrong)]) == ["False", "True"]:
        return list(BOOLEAN_OPTIONS), BOOLEAN_OPTIONS.index(right.strip())
    place = int.from_bytes(texts.fingerprint(record.question)[:4], "big") % (len(wrong) + 1)
    return [*wrong[:place], right, *wrong[place:]], place


def _category(name: str) -> str:
    for group in _GROUPS:
        name = name.removeprefix(group)
    return name


def _strings(document: Document) -> Iterator[str]:
    for element in document.elements:
        if isinstance(element.value, dict):
            for value in element.value.values():
                if isinstance(value, str):
                    yield value
                elif isinstance(value, list):
                    yield from (item for item in value if isinstance(item, str))
