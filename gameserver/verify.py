"""``python -m gameserver.verify FILE_OR_URL``: checks that a match was what was promised, and came out as told.

Takes the JSON that ``GET /api/games/matches/{id}`` serves. It recomputes the commitment, the seed and the content's
hashes, replays the match log through the rules and compares ranks and scores. A line for each verdict.
Exit 0: all hold; 1: one does not; 2: it cannot be checked (unreadable, no log kept, other rules).
"""

import base64
import binascii
import enum
import hashlib
import json
import re
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from msgspec import Struct, ValidationError, convert

from gameserver.files import FILE_BYTES_MAX, read_named
from gameserver.games import fairness
from gameserver.games.log import Header, LogError, read
from gameserver.games.replay import OtherRules, ReplayError, replay

FETCH_S_MAX: Final = 10
_HEX: Final = re.compile(r"(?:[0-9a-f]{2})*")


class Verdict(enum.Enum):
    """What came of one check."""

    HOLDS = "ok"
    BROKEN = "BROKEN"
    UNKNOWN = "unknown"


class Line(NamedTuple):
    """One check and its verdict."""

    verdict: Verdict
    text: str


class Unreadable(Exception):  # noqa: N818 - the file's fault
    """There is no match to check in what was given."""


class ToldPlayer(Struct, frozen=True):
    """One player's part, as told."""

    seat: int
    rank: int
    score: int
    correct: int
    answered: int


class Told(Struct, frozen=True):
    """A match as told. Bytes are hexadecimal or base64."""

    mode: str
    rules_version: int
    settings: dict[str, Any]
    seed: str
    salt: str
    commitment: str
    content: list[dict[str, Any]]
    log: str
    players: list[ToldPlayer]


def read_told(payload: bytes) -> Told:
    """Return the match in the JSON, wherever in it the fields stand. Raises ``Unreadable``."""
    try:
        whole = json.loads(payload)
        fields: dict[str, Any] = {}
        for part in [whole, *(value for value in whole.values() if isinstance(value, dict))]:
            fields.update({name: part[name] for name in Told.__struct_fields__ if name in part and name not in fields})
        return convert(fields, Told)
    except (ValueError, AttributeError, ValidationError) as error:
        raise Unreadable(str(error)) from None


def _bytes(text: str) -> bytes:
    if _HEX.fullmatch(text):
        return bytes.fromhex(text)
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise Unreadable(f"neither hexadecimal nor base64: {error}") from None


def check(told: Told) -> Iterator[Line]:
    """Yield a line for each check."""
    seed, salt = _bytes(told.seed), _bytes(told.salt)
    promised = fairness.commitment(
        salt=salt,
        seed=seed,
        content=told.content,
        mode=told.mode,
        rules_version=told.rules_version,
        settings=told.settings,
    )
    yield _verdict(promised == _bytes(told.commitment), f"the commitment told at the start is {promised.hex()}")
    log = _bytes(told.log)
    if not log:
        yield Line(Verdict.UNKNOWN, "no match log was kept: the match cannot be replayed")
        return
    try:
        header, _ = read(log)
    except LogError as error:
        yield Line(Verdict.BROKEN, f"the match log cannot be read: {error}")
        return
    yield from _check_header(told, header, seed, salt)
    yield from _check_outcome(told, log)


def _verdict(holds: bool, text: str) -> Line:
    return Line(Verdict.HOLDS if holds else Verdict.BROKEN, text)


def _check_header(told: Told, header: Header, seed: bytes, salt: bytes) -> Iterator[Line]:
    same = (header.mode, header.rules_version, header.settings) == (told.mode, told.rules_version, told.settings)
    yield _verdict(same, f"mode {header.mode}, rules {header.rules_version} and settings are those of the log")
    hashes = fairness.content_hashes(told.content)
    yield _verdict(hashes == fairness.content_hashes(header.content), f"{len(hashes)} content items have their hashes")
    drawn = fairness.seed_of(header.secret, header.nonces)
    count = sum(1 for nonce in header.nonces if nonce)
    yield _verdict(drawn == seed == header.seed, f"the seed is made of the server's secret and {count} players' nonces")
    yield _verdict(fairness.salt_of(header.secret) == salt, "the salt is derived from the server's secret")
    secret_hash = fairness.secret_hash(header.secret).hex()
    yield Line(Verdict.HOLDS, f"compare with what your lobby showed: secret hash {secret_hash}")


def _check_outcome(told: Told, log: bytes) -> Iterator[Line]:
    try:
        replayed = replay(log)
    except OtherRules as error:
        yield Line(Verdict.UNKNOWN, f"the match cannot be replayed here: {error}")
        return
    except ReplayError as error:
        yield Line(Verdict.BROKEN, f"the match log contradicts the rules: {error}")
        return
    played = {row.seat: (row.rank, row.score, row.correct, row.answered) for row in replayed.outcome.players}
    said = {row.seat: (row.rank, row.score, row.correct, row.answered) for row in told.players}
    yield _verdict(sorted(played) == sorted(said), f"{len(played)} players took part")
    for seat, row in said.items():
        if seat in played and played[seat] != row:
            yield Line(Verdict.BROKEN, f"seat {seat}: told rank {row[0]} with {row[1]}, replayed {played[seat][:2]}")
    yield _verdict(played == said, "every rank and score comes out of the replay")


def fetch(source: str) -> bytes:
    """Return the JSON from a file or a URL. Raises ``Unreadable``."""
    try:
        if not source.startswith(("http://", "https://")):
            return read_named(source)
        with urllib.request.urlopen(source, timeout=FETCH_S_MAX) as answer:  # noqa: S310 - http(s) only, checked above
            body: bytes = answer.read(FILE_BYTES_MAX + 1)
        if len(body) > FILE_BYTES_MAX:
            raise Unreadable(f"larger than {FILE_BYTES_MAX >> 20} MiB")
        return body
    except (OSError, urllib.error.URLError, ValueError) as error:
        raise Unreadable(str(error)) from None


def main(arguments: Sequence[str]) -> int:
    """Check the match named; return the exit code."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m gameserver.verify FILE_OR_URL\n")
        return 2
    try:
        payload = fetch(arguments[0])
        lines = list(check(read_told(payload)))
    except Unreadable as error:
        sys.stderr.write(f"cannot check {arguments[0]}: {error}\n")
        return 2
    for line in lines:
        sys.stdout.write(f"{line.verdict.value:<8}{line.text}\n")
    verdicts = [line.verdict for line in lines]
    sys.stdout.write(f"sha256 of what was checked: {hashlib.sha256(payload).hexdigest()}\n")
    if Verdict.BROKEN in verdicts:
        sys.stdout.write("This match is NOT what was promised.\n")
        return 1
    if Verdict.UNKNOWN in verdicts:
        sys.stdout.write("What could be checked holds; not everything could be.\n")
        return 2
    sys.stdout.write("This match was what was promised, and came out as told.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
