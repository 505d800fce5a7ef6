"""A room: what enters it, what follows, and what is seen of it. Pure: time and randomness come in from outside.

All times given to and told by ``Room`` are shard clock unless they say otherwise.
"""

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from gameserver.games.mode import Audience, Rejected, Role
from gameserver.rooms import commands, deadlines, inputs, intake, matches
from gameserver.rooms import dump as dumps
from gameserver.rooms.core import Core
from gameserver.rooms.inputs import Input
from gameserver.rooms.limits import HOST_GONE_MS
from gameserver.rooms.phases import Phase
from gameserver.rooms.reply import Effect, Reply
from gameserver.rooms.state import RoomState
from gameserver.rooms.views import Views
from protocol import codec
from protocol.bus import RoomCard
from protocol.client import Command
from protocol.errors import ErrorCode
from protocol.limits import SEATS_MAX
from protocol.types import View

__all__ = ["Effect", "Reply", "Room"]

STATE_HASH_BYTES: Final = 16
_NONE: Final[frozenset[str]] = frozenset()


@lru_cache(maxsize=16)
def _in_the_room(append_only: frozenset[str]) -> frozenset[str]:
    """Return a mode's path patterns as they are in the room's view; asked for at every tick."""
    return frozenset(f"game/{path}" for path in append_only)


class Room:
    """A room in memory."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._views = Views(core)
        self._soonest: tuple[int, deadlines.Deadline] | None = None
        self._soonest_known = False

    # ---- beginning and storing ----

    @classmethod
    def create(cls, create: inputs.Create, at_ms: int) -> "Room":
        """Return a new room whose clock starts at 0. Raises ``Rejected(INVALID)`` on settings that do not fit."""
        return cls(
            Core(
                RoomState(
                    code=create.code,
                    title=create.title,
                    public=create.public,
                    creator=create.host,
                    created_at=create.created_at,
                    entropy=create.entropy,
                    mode=create.mode,
                    settings=matches.read_settings(create.mode, create.settings),
                    offset=at_ms,
                    host_due=at_ms + HOST_GONE_MS,
                    empty_since=at_ms,
                )
            )
        )

    @classmethod
    def load(cls, blob: bytes) -> "Room":
        """Return the room as dumped. Raises ``DumpError``."""
        return cls(dumps.load(blob))

    def dump(self) -> bytes:
        """Return the whole room: state, match log, results that wait."""
        return dumps.dump(self._core)

    def state_hash(self) -> bytes:
        """Return BLAKE2b-128 of the state; the log and waiting results are in it by their digests."""
        return hashlib.blake2b(dumps.pack_state(self.state), digest_size=STATE_HASH_BYTES).digest()

    # ---- time and inputs ----

    def advance(self, to_ms: int) -> bool:
        """Fire every deadline ≤ ``to_ms`` at its own time; return whether anything changed."""
        changed = False
        while True:
            due = self._next()
            if due is None or due[0] > to_ms:
                return changed
            at_ms, deadline = due
            self._soonest_known = False
            changed = True
            deadline.fire(self._core, at_ms)
            matches.settle(self._core, at_ms)

    def next_deadline(self) -> int | None:
        """Return when to look again; None: never, unless something enters."""
        due = self._next()
        return due[0] if due is not None else None

    def _next(self) -> tuple[int, deadlines.Deadline] | None:
        if not self._soonest_known:
            self._soonest = deadlines.soonest(self._core)
            self._soonest_known = True
        return self._soonest

    def apply(self, given: Input, at_ms: int, command: Command | None = None) -> Reply:
        """Advance to ``at_ms``, then take an input in. ``command`` is ``given.raw`` decoded, where it is a command.

        A reply with a code means: refused, and the input has changed nothing.
        """
        if not self._soonest_known or (self._soonest is not None and self._soonest[0] <= at_ms):
            self.advance(at_ms)
        self._soonest_known = False
        if isinstance(given, inputs.CommandInput):
            if command is None:
                decoded = codec.decode_client(given.raw)
                assert isinstance(decoded, Command)
                command = decoded
            if self._core.state.phase is Phase.CLOSED:
                return Reply(given.seat, command.id, ErrorCode.WRONG_PHASE, "the room is closed")
            reply = commands.apply(self._core, given, command, at_ms)
        else:
            try:
                reply = intake.take(self._core, given, at_ms)
            except Rejected as refusal:
                return Reply(code=refusal.code, detail=refusal.detail)
        if self._core.run is not None and reply.code is None and not reply.repeated:
            matches.settle(self._core, at_ms)
        return reply

    # ---- what is seen ----

    def view(self, audience: Audience) -> View:
        """Return what the audience sees; the same object while nothing changed. Not to be changed by anybody."""
        return self._views.view(audience)

    def private_view(self, seat: int) -> View | None:
        """Return what only this seat sees besides, or None."""
        run = self._core.run
        return run.private_view(seat) if run is not None else None

    def take_touched(self) -> tuple[bool, frozenset[int] | None]:
        """Return and reset (shared views may have changed, seats whose private view may have: None means all)."""
        return self._core.touched.take()

    def audience_of(self, seat: int) -> Audience:
        """Return whose view a seat gets. It changes with SetPlaying and with roles (see ``audiences_changed``)."""
        holder = self.state.seats[seat]
        return Audience.PLAYERS if holder.playing or holder.role is Role.PLAYER else Audience.HOST

    @property
    def audiences_changed(self) -> int:
        """A count that grows whenever a seat's audience may have changed; never stored."""
        return self._core.touched.audiences

    def card(self) -> RoomCard:
        """Return the room's card, but for what the shell knows: watchers and node."""
        state = self.state
        host = state.seats.get(state.host) if state.host is not None else None
        return RoomCard(
            code=state.code,
            state="closed" if self.closed else "open",
            mode=state.mode,
            title=state.title,
            public=state.public,
            locked=state.locked,
            phase=str(state.phase),
            players=self._core.here,
            seats_max=min(SEATS_MAX, self._core.players_max()),
            watchers=0,
            host_name=host.name if host is not None else "",
            settings=state.settings,
            created_at=state.created_at,
        )

    # ---- what the shell needs to know ----

    @property
    def state(self) -> RoomState:
        """The whole state. Only ``apply`` and ``advance`` change it."""
        return self._core.state

    @property
    def code(self) -> str:
        """The room's code."""
        return self.state.code

    @property
    def phase(self) -> Phase:
        """Where the room is."""
        return self.state.phase

    @property
    def closed(self) -> bool:
        """Whether the room is over. It may be forgotten once ``pending`` is empty."""
        return self._core.state.phase is Phase.CLOSED

    @property
    def mode(self) -> str:
        """The id of the mode of the running or next match."""
        return self.state.mode

    @property
    def host_seat(self) -> int | None:
        """The host's seat."""
        return self.state.host

    @property
    def connected(self) -> Sequence[int]:
        """The seats that are connected, by number."""
        return [seat.number for seat in self.state.seats.values() if seat.here]

    @property
    def connected_count(self) -> int:
        """How many seats are connected."""
        return self._core.here

    @property
    def running_match(self) -> str | None:
        """The id of the running match."""
        match = self._core.state.match
        return match.id if match is not None else None

    @property
    def standing_still(self) -> bool:
        """Whether the room clock stands still."""
        return self.state.stopped is not None

    @property
    def between_questions(self) -> bool:
        """Whether a hand-over would hurt nobody now."""
        return self._core.run is None or self._core.run.between_questions()

    @property
    def append_only(self) -> frozenset[str]:
        """The patterns of lists in the view that only grow, for ``delta.diff``."""
        run = self._core.run
        return _in_the_room(run.mode.append_only) if run is not None else _NONE

    def now(self, at_ms: int) -> int:
        """Return the room clock at a shard clock."""
        return self._core.now(at_ms)

    def rules_version(self) -> tuple[str, int] | None:
        """Return mode and rules version of the running match."""
        run = self._core.run
        return (run.state.mode, run.state.rules_version) if run is not None else None

    @property
    def waits(self) -> bool:
        """Whether ``pending`` is not empty."""
        core = self._core
        starting = core.state.starting
        return bool(core.results) or (starting is not None and starting.request is not None)

    def pending(self) -> tuple[Effect, ...]:
        """Return what the room waits for; a function of state, ids included."""
        return matches.pending(self._core)

    def next_id(self, seat: int) -> int:
        """Return the first command id that a seat's present connection may use."""
        holder = self.state.seats[seat]
        return max(holder.id_base, holder.accepted + 1)

    def secret_hash(self, seat: int) -> bytes | None:
        """Return SHA-256 of the seat's resume secret; None when there is no such seat."""
        holder = self.state.seats.get(seat)
        return holder.secret_hash if holder is not None else None

    def seat_of_user(self, user: str) -> int | None:
        """Return the user's seat."""
        return self._core.by_user.get(user)

    def role_of(self, seat: int) -> Role:
        """Return what a seat may do. Raises ``Rejected(NOT_FOUND)``."""
        return self._core.seat(seat).role
