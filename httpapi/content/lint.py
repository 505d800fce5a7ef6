"""The checker of question files: what the import accepts and a quizmaster would not. Pure."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from rapidfuzz import fuzz, process

from httpapi.content import text as texts
from httpapi.content.model import Draft, Refusal

_AGES: Final = re.compile(
    r"\b(current(?:ly)?|at present|at the moment|nowadays|today|so far|up to now|to date|as of|latest|newest"
    r"|most recent|this year|last year|next year|reigning|incumbent|still)\b",
    re.IGNORECASE,
)
_NEAR: Final = 92  # of 100: the likeness above which two questions ask the same
_PLACES_JUDGED_FROM: Final = 40  # questions of one number of options: fewer say nothing about balance
_UNEVEN: Final = 1.5  # times the even share


def lint(drafts: Sequence[Draft]) -> list[Refusal]:
    """Return what should be better, in the order of the files."""
    found = [*_one_by_one(drafts), *_near_duplicates(drafts)]
    found.sort(key=lambda finding: (finding.file, finding.index))
    return found + list(_uneven_places(drafts))


def _finding(draft: Draft, reason: str) -> Refusal:
    return Refusal(file=draft.file, index=draft.index, line=draft.line, reason=reason, text=draft.text)


def _one_by_one(drafts: Sequence[Draft]) -> Iterator[Refusal]:
    for draft in drafts:
        if not draft.explanation:
            yield _finding(draft, "no explanation")
        elif not draft.explanation.endswith((".", "!", "?")):
            yield _finding(draft, "an explanation that is no sentence")
        if ages := _AGES.search(draft.text):
            yield _finding(draft, f"ages: {ages[0]!r}")
        if draft.kind == "choice" and not draft.text.rstrip("”»\"'").endswith(("?", "…", ":")):
            yield _finding(draft, "a choice that is no question")
        if _tells_itself(draft):
            yield _finding(draft, "the right answer stands in the question")
        if _stands_out(draft):
            yield _finding(draft, "the right answer is longer than all others by far")


def _tells_itself(draft: Draft) -> bool:
    if draft.kind == "boolean":
        return False
    right = texts.fold(draft.options[draft.right])
    asked = f" {texts.fold(draft.text)} "
    others = [texts.fold(option) for option in draft.options]
    return len(right) > 3 and f" {right} " in asked and sum(f" {option} " in asked for option in others) == 1


def _stands_out(draft: Draft) -> bool:
    lengths = sorted((len(option) for option in draft.options), reverse=True)
    return len(draft.options[draft.right]) == lengths[0] and lengths[0] > 20 and lengths[0] > 2 * lengths[1]


def _near_duplicates(drafts: Sequence[Draft]) -> Iterator[Refusal]:
    asked = [texts.fold(draft.text) for draft in drafts]
    for place, draft in enumerate(drafts):
        for _, _, other in process.extract(
            asked[place], asked[:place], scorer=fuzz.token_sort_ratio, score_cutoff=_NEAR, limit=3
        ):
            twin = drafts[other]
            yield _finding(draft, f"asks nearly what {twin.file}:{twin.line} asks")


def _uneven_places(drafts: Sequence[Draft]) -> Iterator[Refusal]:
    groups: dict[int, Counter[int]] = {}
    for draft in drafts:
        groups.setdefault(len(draft.options), Counter())[draft.right] += 1
    for options, places in sorted(groups.items()):
        total = places.total()
        if total < _PLACES_JUDGED_FROM:
            continue
        for place in range(options):
            share = places[place] * options / total
            if not 1 / _UNEVEN <= share <= _UNEVEN:
                reason = f"of {total} questions with {options} options, {places[place]} have the right one at {place}"
                yield Refusal(file="(all)", index=0, line=0, reason=reason)
