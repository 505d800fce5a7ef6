"""Question files into PostgreSQL: all files of one call in one transaction, or nothing.

Importing the same files again changes nothing. What was edited or un-approved here since stays so, until the source
itself changes the question.
"""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from httpapi.content import opentdb, own
from httpapi.content import text as texts
from httpapi.content.model import FILE_BYTES_MAX, Draft, FileError, Refusal
from httpapi.content.reading import Document, read_document
from httpapi.content.text import Encoding
from httpapi.store import questions as store
from httpapi.store.questions import Known, Link, NewQuestion, Source

LISTS: Final = (own.LIST, opentdb.LIST)


class File(Struct, frozen=True):
    """A file that was read and checked."""

    name: str
    source: Source
    drafts: list[Draft]
    refused: list[Refusal]


class Report(Struct):
    """What became of one file's questions."""

    file: str
    read: int
    added: int = 0
    changed: int = 0
    approved: int = 0  # were there, and may be drawn from now on
    unchanged: int = 0
    refused: list[Refusal] = []

    @property
    def did_nothing(self) -> bool:
        """Whether the database is as it was before."""
        return not (self.added or self.changed or self.approved)


class Approval(Struct, frozen=True):
    """Which questions rooms may draw after an import."""

    new: bool
    known: bool  # questions that are there and not approved become so


def read_file(
    path: Path, *, encoding: Encoding | None = None, source: str | None = None, licence: str | None = None
) -> File:
    """Read and check a file. ``source`` and ``licence`` replace what the file says. Raises ``FileError``."""
    try:
        size = path.stat().st_size
        if not path.is_file():
            raise FileError(str(path), 1, "not a file")  # reading a pipe may wait for ever, a device never end
        if size > FILE_BYTES_MAX:
            raise FileError(str(path), 1, f"larger than {FILE_BYTES_MAX // 1024**2} MiB")
        data = path.read_bytes()
    except OSError as error:
        raise FileError(str(path), 1, f"cannot be read: {error.strerror}") from error
    document = read_document(data, file=str(path), lists=LISTS)
    if document.list_name == own.LIST:
        told, found = _own(document, str(path))
    else:
        told = Source(
            name=opentdb.SOURCE,
            licence=opentdb.LICENCE,
            url=opentdb.URL,
            credit=f"{opentdb.SOURCE} (opentdb.com), {opentdb.LICENCE}",
        )
        found = opentdb.read(document, file=str(path), encoding=encoding)
    checked = list(found)
    return File(
        name=str(path),
        source=_replaced(told, source, licence),
        drafts=[draft for draft in checked if isinstance(draft, Draft)],
        refused=[refusal for refusal in checked if isinstance(refusal, Refusal)],
    )


def _own(document: Document, name: str) -> tuple[Source, Iterable[Draft | Refusal]]:
    head = own.heading(document, file=name)
    told = Source(name=head.source, licence=head.licence, url=head.url, credit=head.credit)
    return told, own.read(document, file=name)


def _replaced(told: Source, name: str | None, licence: str | None) -> Source:
    if not name and not licence:
        return told
    named = Source(name=name or told.name, licence=licence or told.licence, url=told.url if not name else "")
    return msgspec.structs.replace(named, credit=f"{named.name}, {named.licence}"[:200])


async def import_files(link: Link, files: Sequence[File], *, approval: Approval) -> list[Report]:
    """Store the files' questions in one transaction; return a report for each file."""
    async with link.transaction():
        await store.lock_imports(link)
        met: dict[object, str] = {}
        reports = [await _import(link, file, met, approval) for file in files]
        if not all(report.did_nothing for report in reports):
            await store.raise_version(link)
    return reports


async def _import(link: Link, file: File, met: dict[object, str], approval: Approval) -> Report:
    report = Report(file=file.name, read=len(file.drafts) + len(file.refused), refused=list(file.refused))
    wanted: dict[str, tuple[Draft, NewQuestion]] = {}
    for draft in file.drafts:
        new = as_new(draft)
        name = (file.source.name, new.ref)
        if new.fingerprint in met:
            report.refused.append(_refused(draft, f"the same question as {met[new.fingerprint]}"))
        elif name in met:
            report.refused.append(_refused(draft, f"its id belongs to {met[name]}"))
        else:
            met[new.fingerprint] = met[name] = f"question {draft.index} ({draft.file}:{draft.line})"
            wanted[new.ref] = (draft, new)
    if wanted:
        await _store(link, file.source, wanted, report, approval)
    report.refused.sort(key=lambda refusal: refusal.index)
    return report


async def _store(
    link: Link, source: Source, wanted: dict[str, tuple[Draft, NewQuestion]], report: Report, approval: Approval
) -> None:
    source_id = await store.put_source(link, source)
    names = {new.category: draft.category for draft, new in wanted.values()}
    fingerprints = [new.fingerprint for _, new in wanted.values()]
    known = await store.find_known(link, source_id, list(wanted), fingerprints)
    by_ref = {one.ref: one for one in known if one.source == source.name}
    by_text = {one.fingerprint: one for one in known}
    category_ids = await store.put_categories(link, names)
    adding: list[NewQuestion] = []
    approving: list[Known] = []
    for ref, (draft, new) in wanted.items():
        here, same_text = by_ref.get(ref), by_text.get(new.fingerprint)
        if here is not None and here.source_hash == new.source_hash:
            report.unchanged += 1
            if approval.known and not here.approved:
                approving.append(here)
        elif same_text is not None and same_text is not here:
            report.refused.append(_refused(draft, f"the same question came from {same_text.source} already"))
        elif here is not None:
            await store.replace_question(link, here.id, category_ids[new.category], new)
            report.changed += 1
        else:
            adding.append(new)
    await store.add_questions(link, source_id, category_ids, adding, approved=approval.new)
    await store.approve(link, [one.id for one in approving])
    report.added = len(adding)
    report.approved = len(approving)


def _refused(draft: Draft, reason: str) -> Refusal:
    return Refusal(file=draft.file, index=draft.index, line=draft.line, reason=reason, text=draft.text)


def as_new(draft: Draft) -> NewQuestion:
    """Return the question as it is stored. A source without names of its own gets them from the texts."""
    fingerprint = draft.fingerprint
    content = (draft.kind, draft.text, draft.options, draft.right, draft.category, draft.difficulty, draft.explanation)
    return NewQuestion(
        ref=draft.ref or f"text:{fingerprint.hex()[:32]}",
        source_hash=hashlib.sha256(msgspec.json.encode(content)).digest(),
        fingerprint=fingerprint,
        kind=draft.kind,
        difficulty=draft.difficulty,
        category=texts.slug(draft.category),
        text=draft.text,
        explanation=draft.explanation,
        options=draft.options,
        right=draft.right,
    )
