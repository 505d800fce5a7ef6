"""JSON files whose questions are known by their lines. Pure.

A file is one object; one of its members is the list of questions. Every element is parsed by itself, so that a report
can name the line it begins on, and a file that is cut off is refused with the line where it ends.
"""

import json
import re
from collections.abc import Sequence
from typing import Any, Final, NoReturn

from msgspec import Struct

from httpapi.content.model import FileError

_BLANKS: Final = re.compile(r"[ \t\r\n]*")


class Element(Struct, frozen=True):
    """One element of the file's list."""

    index: int  # from 1
    line: int
    value: Any


class Document(Struct, frozen=True):
    """A file: its members besides the list, and the list."""

    members: dict[str, Any]
    list_name: str
    elements: list[Element]


def read_document(data: bytes, *, file: str, lists: Sequence[str]) -> Document:
    """Parse a file whose list has one of the names in ``lists``. Raises ``FileError`` with the line."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FileError(file, data.count(b"\n", 0, error.start) + 1, "not UTF-8") from error
    return _Scanner(text, file, lists).document()


class _Scanner:
    def __init__(self, text: str, file: str, lists: Sequence[str]) -> None:
        self.text = text
        self.file = file
        self.lists = lists
        self.decoder = json.JSONDecoder(parse_constant=self._constant, object_pairs_hook=self._pairs)
        self.at = 0
        self._counted_to = 0
        self._line = 1

    def line(self) -> int:
        """The line of the current place; places are asked for in rising order."""
        if self.at < self._counted_to:
            return self.text.count("\n", 0, self.at) + 1
        self._line += self.text.count("\n", self._counted_to, self.at)
        self._counted_to = self.at
        return self._line

    def document(self) -> Document:
        members: dict[str, Any] = {}
        found: tuple[str, list[Element]] | None = None
        self.expect("{")
        while self.peek() != "}":
            name = self.value()
            if not isinstance(name, str):
                self.fail("a member's name must be text")
            if name in members or (found and found[0] == name):
                self.fail(f"{name!r} stands twice")
            self.expect(":")
            if name in self.lists:
                found = (name, self.elements())
            else:
                members[name] = self.value()
            if not self.more("}"):
                break
        self.expect("}")
        if self.peek():
            self.fail("text after the end")
        if found is None:
            self.fail(f"no list named {' or '.join(repr(name) for name in self.lists)}")
        return Document(members=members, list_name=found[0], elements=found[1])

    def elements(self) -> list[Element]:
        found: list[Element] = []
        self.expect("[")
        while self.peek() != "]":
            line = self.line()
            found.append(Element(index=len(found) + 1, line=line, value=self.value()))
            if not self.more("]"):
                break
        self.expect("]")
        return found

    def more(self, closing: str) -> bool:
        """Step over a comma; a comma before the closing bracket is an error."""
        if self.peek() != ",":
            return False
        self.at += 1
        if self.peek() == closing:
            self.fail(f"a comma before {closing!r}")
        return True

    def peek(self) -> str:
        blanks = _BLANKS.match(self.text, self.at)
        assert blanks is not None, "a pattern that matches nothing always matches"
        self.at = blanks.end()
        return self.text[self.at : self.at + 1]

    def expect(self, mark: str) -> None:
        found = self.peek()
        if found != mark:
            self.fail(f"expected {mark!r}, found {found!r}" if found else f"ends where {mark!r} was expected")
        self.at += 1

    def value(self) -> Any:
        if not self.peek():
            self.fail("ends in the middle")
        try:
            value, self.at = self.decoder.raw_decode(self.text, self.at)
        except json.JSONDecodeError as error:
            self.at = error.pos
            self.fail(f"not JSON: {error.msg}")
        except RecursionError:
            self.fail("nested too deeply")
        except _TwiceError as error:
            self.fail(f"{error} stands twice")
        return value

    def fail(self, reason: str) -> NoReturn:
        raise FileError(self.file, self.line(), reason)

    def _constant(self, name: str) -> NoReturn:
        self.fail(f"{name} is not JSON")

    @staticmethod
    def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        members = dict(pairs)
        if len(members) < len(pairs):
            names = [name for name, _ in pairs]
            raise _TwiceError(next(repr(name) for name in names if names.count(name) > 1))
        return members


class _TwiceError(Exception):
    """An object has the same member twice."""
