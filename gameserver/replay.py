"""``python -m gameserver.replay FILE``: plays a saved journal or match log again, a line for each step.

FILE is what a fault of ours left behind (``*.fault``), a match log as stored with a result, or a golden journal of
the tests (JSON with ``journal``: packed inputs in hexadecimal). Exit 0: played to the end; 1: it failed on the way
(the step that failed is the last line); 2: the file cannot be read.
"""

import json
import sys
import traceback
from collections.abc import Sequence
from typing import TextIO

import msgspec

from gameserver.files import read_named
from gameserver.games.log import LogError, read
from gameserver.games.mode import Rejected
from gameserver.games.replay import ReplayError, steps
from gameserver.rooms import inputs
from gameserver.rooms.dump import DumpError
from gameserver.rooms.record import RecordError, unpack_input
from gameserver.rooms.room import Room
from gameserver.shards.faults import SavedFault


class Unreadable(Exception):  # noqa: N818 - the file's fault
    """The file is none of the kinds known here."""


class Journal(msgspec.Struct, frozen=True):
    """A room's beginning and what entered it since."""

    base: bytes
    inputs: list[bytes]
    then_advance: bool = False  # what failed was the room's next deadline


def read_journal(content: bytes) -> Journal | None:
    """Return the journal in a file; None when it is something else. Raises ``Unreadable``."""
    if content[:1] == b"{":
        try:
            packed = [bytes.fromhex(text) for text in json.loads(content)["journal"]]
        except (ValueError, KeyError, TypeError) as error:
            raise Unreadable(f"not a golden journal: {error}") from None
        return Journal(b"", packed)
    try:
        saved = msgspec.msgpack.decode(content, type=SavedFault)
    except msgspec.DecodeError:
        return None
    failed = [saved.failed] if saved.failed else []
    return Journal(saved.base, [*saved.tail, *failed], then_advance=saved.where == "advance")


def replay_journal(journal: Journal, out: TextIO) -> Room:
    """Play a journal, a line for each input: time, kind, answer, phase, state hash. What fails is raised."""
    room = Room.load(journal.base) if journal.base else None
    if room is not None:
        out.write(f"{'':>12}  {'checkpoint':<14}{'':<20}{room.phase:<10}{room.state_hash().hex()}\n")
    for packed in journal.inputs:
        at_ms, given = unpack_input(packed)
        out.write(f"{at_ms:>12}  {type(given).__name__:<14}")
        out.flush()
        answer = ""
        if room is None:
            if not isinstance(given, inputs.Create):
                raise Unreadable("the journal does not begin with a room's creation")
            room = Room.create(given, at_ms)
        else:
            reply = room.apply(given, at_ms)
            answer = "repeated" if reply.repeated else str(reply.code or "")
        out.write(f"{answer:<20}{room.phase:<10}{room.state_hash().hex()}\n")
    if room is None:
        raise Unreadable("the journal is empty")
    due = room.next_deadline() if journal.then_advance else None
    if due is not None:
        out.write(f"{due:>12}  {'deadline':<34}")
        out.flush()
        room.advance(due)
        out.write(f"{room.phase:<10}{room.state_hash().hex()}\n")
    return room


def replay_log(content: bytes, out: TextIO) -> None:
    """Play a match log, a line for each entry. Raises ``LogError`` or ``ReplayError``."""
    header, entries = read(content)
    out.write(f"{header.mode} rules {header.rules_version}, {len(header.seats)} seats, {len(entries)} entries\n")
    for step in steps(header, entries):
        at_ms = header.started_ms if step.entry is None else step.entry.at_ms
        kind = "start" if step.entry is None else type(step.entry).__name__
        out.write(f"{at_ms:>12}  {kind:<14}{step.run.state.log.digest.hex()}\n")
        for row in step.outcome.players if step.outcome is not None else []:
            out.write(f"{row.rank:>4}.  seat {row.seat:<6}{row.score:>8} points\n")


def main(arguments: Sequence[str]) -> int:
    """Replay the file named; return the exit code."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m gameserver.replay FILE\n")
        return 2
    try:
        content = read_named(arguments[0])
        journal = read_journal(content)
        if journal is not None:
            replay_journal(journal, sys.stdout)
        else:
            replay_log(content, sys.stdout)
    except (OSError, Unreadable, RecordError, DumpError, LogError) as error:
        sys.stderr.write(f"cannot read {arguments[0]}: {error}\n")
        return 2
    except (AssertionError, LookupError, ValueError, TypeError, AttributeError, Rejected, ReplayError):
        sys.stdout.write("\n")
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
