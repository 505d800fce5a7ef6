"""Recorded matches over HTTP: one with all that it takes to check it, and somebody's list."""

import base64
import binascii
import re
from typing import Final
from uuid import UUID

from arena.tokens import AccessClaims
from httpapi.bodies import MatchPart, MatchTold, PlayCard, Plays
from httpapi.problem import Code, Problem, invalid
from httpapi.store import matches as store
from httpapi.store.database import Database
from httpapi.store.matches import MatchRow, PlayRow

PAGE: Final = 20
_ID: Final = re.compile(r"[0-9a-f]{32}")
_SESSION_MAX: Final = 2**63


def pack_cursor(session: int) -> str:
    """Return the cursor of the page below this session."""
    return base64.urlsafe_b64encode(str(session).encode()).decode().rstrip("=")


def parse_cursor(text: str | None) -> int | None:
    """Return below which session a page begins. Raises ``Problem`` INVALID for a cursor that is not one of ours."""
    if text is None:
        return None
    try:
        digits = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode("ascii")
    except (ValueError, binascii.Error):
        raise invalid("cursor", "not one of ours") from None
    if not (digits.isdigit() and len(digits) < 20 and 0 < int(digits) < _SESSION_MAX):
        raise invalid("cursor", "not one of ours")
    return int(digits)


class Matches:
    """Reads recorded matches. Methods raise ``Problem`` and ``DatabaseUnavailable``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(self, match_id: str) -> MatchTold:
        """Return a match; who knows its id (who was there) may read it, and user ids are not in it."""
        if not _ID.fullmatch(match_id):
            raise Problem(Code.NOT_FOUND, "a match id has 32 hexadecimal digits")
        async with self._database.connection() as link:
            row = await store.read_match(link, match_id)
        if row is None:
            raise Problem(Code.NOT_FOUND, "no such match is recorded (yet)")
        return _told(row)

    async def list_mine(self, user: AccessClaims, cursor: str | None) -> Plays:
        """Return a page of the user's matches."""
        before = parse_cursor(cursor)
        async with self._database.connection() as link:
            rows = await store.list_plays(link, UUID(user.sub), before=before, count=PAGE + 1)
        more = len(rows) > PAGE
        rows = rows[:PAGE]
        return Plays(matches=[_card(row) for row in rows], next=pack_cursor(rows[-1].session) if more else None)


def _told(row: MatchRow) -> MatchTold:
    return MatchTold(
        id=row.id,
        recorded_no=row.recorded_no,
        code=row.code,
        mode=row.mode,
        number=row.number,
        started_at=row.started_at,
        started_ms=row.started_ms,
        ended_ms=row.ended_ms,
        rated=row.rated,
        abandoned=row.abandoned,
        players=[
            MatchPart(
                seat=player.seat,
                name=player.name,
                rank=player.rank,
                score=player.score,
                correct=player.correct,
                answered=player.answered,
                completed=player.completed,
            )
            for player in row.players
        ],
        rules_version=row.rules_version,
        settings=row.settings,
        seed=row.seed.hex(),
        salt=row.salt.hex(),
        commitment=row.commitment.hex(),
        content=row.content,
        log=base64.b64encode(row.log).decode(),
        digest=row.digest.hex(),
    )


def _card(row: PlayRow) -> PlayCard:
    return PlayCard(
        match=row.match_id,
        mode=row.mode,
        started_at=row.started_at,
        ended_at=row.ended_at,
        completed=row.completed,
        rank=row.rank,
        score=row.score,
        correct=row.correct,
        answered=row.answered,
        players=row.players,
    )
