"""The view of a room (``protocol/room_view.py``) as plain builtins.

Every piece that has not changed is the same object as before, so that ``delta.diff`` skips it. Nobody changes a view
or a piece of one. Audiences that see the same share one view.
"""

from typing import Any

from gameserver.games import fairness
from gameserver.games.mode import Audience
from gameserver.rooms.core import Core
from gameserver.rooms.phases import Phase
from gameserver.rooms.state import Seat
from protocol.types import View


class Views:
    """What was last made of a room's views."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._pieces: dict[str, Any] = {}
        self._base: View = {}
        self._seats: View = {}
        self._views: dict[Audience, View] = {}

    def view(self, audience: Audience) -> View:
        """Return what the audience sees."""
        self._refresh()
        view = self._views.get(audience)
        if view is None:
            view = self._views[audience] = self._make(audience)
        return view

    def _refresh(self) -> None:
        touched = self._core.touched
        if touched.base:
            self._base = self._make_base()
        if touched.seats_all:
            self._seats = {str(seat.number): seat_view(seat) for seat in self._core.state.seats.values()}
        elif touched.seats:
            self._seats = self._renew_seats(touched.seats)
        if touched.base or touched.seats_all or touched.seats or touched.game:
            self._views.clear()
        touched.base = touched.seats_all = touched.game = False
        touched.seats = {}

    def _make(self, audience: Audience) -> View:
        run = self._core.run
        if run is None:
            for view in self._views.values():
                return view
            return {**self._base, "seats": self._seats}
        game = run.public_view(audience)
        for view in self._views.values():
            if view["game"] is game:
                return view
        return {**self._base, "seats": self._seats, "game": game}

    def _renew_seats(self, numbers: dict[int, bool]) -> View:
        seats = dict(self._seats)
        for number in numbers:
            seat = self._core.state.seats.get(number)
            key = str(number)
            if seat is None:
                seats.pop(key, None)
                continue
            seats[key] = seat_view(seat)
        return seats

    def _keep(self, name: str, fresh: Any) -> Any:
        """Return the piece as it was, when it is the same still."""
        if name not in self._pieces or self._pieces[name] != fresh:
            self._pieces[name] = fresh
        return self._pieces[name]

    def _make_base(self) -> View:
        state = self._core.state
        base: View = {
            "code": state.code,
            "title": state.title,
            "phase": str(state.phase),
            "mode": state.mode,
            "settings": state.settings,
            "public": state.public,
            "locked": state.locked,
            "host": state.host,
            "seats": {},
            "clock": self._keep("clock", {"offset": state.offset, "stopped": state.stopped}),
            "number": state.number,
            "fairness": self._keep("fairness", _fairness(self._core)),
        }
        optional: View = {
            "until": state.starting.until if state.starting is not None else None,
            "waiting_for": "content" if state.starting is not None and state.starting.until is None else None,
            "standstill": self._keep("standstill", _standstill(self._core)),
            "results": self._keep("results", _results(self._core)),
            "notice": state.notice,
        }
        base.update((key, value) for key, value in optional.items() if value is not None)
        return base


def seat_view(seat: Seat) -> View:
    """Return a seat as everybody sees it."""
    return {
        "name": seat.name,
        "avatar": seat.avatar,
        "kind": seat.kind,
        "role": str(seat.role),
        "playing": seat.playing,
        "here": seat.here,
        "ready": seat.ready,
    }


def _standstill(core: Core) -> View | None:
    state = core.state
    if state.regrouping is not None:
        awaited = {str(number): True for number in state.regrouping.awaited}
        return {"kind": "regrouping", "awaited": awaited, "until": state.regrouping.until}
    if state.paused:
        return {"kind": "paused", "awaited": {}, "until": None}
    if state.count_in is not None:
        return {"kind": "count_in", "awaited": {}, "until": state.count_in}
    return None


def _results(core: Core) -> View | None:
    last = core.state.last
    if last is None or core.state.phase is not Phase.RESULTS:
        return None
    return {"match": last.id, "abandoned": last.abandoned, "rated": last.rated, "rows": last.rows}


def _fairness(core: Core) -> View:
    """Return the promise: for the running match, the one whose results are shown, or the next."""
    state = core.state
    if state.match is not None:
        return {
            "secret_hash": fairness.secret_hash(state.match.secret).hex(),
            "commitment": state.match.commitment.hex(),
        }
    if state.last is not None:
        return {
            "secret_hash": fairness.secret_hash(state.last.secret).hex(),
            "commitment": state.last.commitment.hex(),
            "seed": state.last.seed.hex(),
            "secret": state.last.secret.hex(),
            "salt": fairness.salt_of(state.last.secret).hex(),
        }
    secret = fairness.server_secret(state.entropy, state.number + 1)
    return {"secret_hash": fairness.secret_hash(secret).hex()}
