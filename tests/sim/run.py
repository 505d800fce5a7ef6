"""One run: a cluster, its clients, what befalls them, and whether everything came out right."""

import asyncio
import contextlib
import random as chance
import secrets
import shutil
import tempfile
import traceback
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from random import Random
from typing import Any
from unittest import mock

import structlog
from msgspec import Struct

from clients.python.session import Phase, Plan
from gameserver.games.mode import Audience
from gameserver.shards.metrics import ShardMetrics
from protocol.ids import ROOM_ALPHABET, RoomCode, ShardId
from tests.sim import faults, finish
from tests.sim.desk import Desk
from tests.sim.loop import Killed, Process, State, VirtualLoop
from tests.sim.node import LEASE_MS, SimNode
from tests.sim.oracle import Oracle
from tests.sim.peers import tell_death
from tests.sim.people import Person
from tests.sim.plan import draw
from tests.sim.room_truth import Violation
from tests.sim.store import Weather
from tests.sim.wire import Network, Road
from tests.sim.world import Log, SimWorld

LIVENESS_S = 240.0
QUIET_S = 40.0
FOUND_GRACE_MS = 4_000
EPOCH_US = 1_700_000_000_000_000
ALARMS = frozenset({"room_fault", "journal_broken", "replay_differs", "room_create_failed"})


class Outcome(Struct):
    """What came of a run."""

    seed: int
    failure: str  # "" when all oracles held
    digest: str
    virtual_s: float
    steps: int
    counts: dict[str, int]
    lines: list[str]


@lru_cache(maxsize=1)
def _metrics() -> ShardMetrics:
    return ShardMetrics()


class Simulation:
    """The parts, and the script."""

    def __init__(self, seed: int, *, losses: bool | None, trace: bool, folder: Path) -> None:
        self.seed = seed
        self.plan = draw(seed, losses=losses)
        self.random = Random(f"run/{seed}")
        self.loop = VirtualLoop(Random(f"loop/{seed}"))
        self.log = Log(self.loop.time, keep=trace)
        self.oracle = Oracle(self.log, shards=self.plan.shards, lease_ms=LEASE_MS, now_s=self.loop.time)
        self.world = SimWorld(self._store_time, self.log)
        self.world.oracle = self.oracle
        self.outside = Process(self.loop, "store")
        self.network = Network(random=Random(f"network/{seed}"), log=self.log, oracle=self.oracle)
        self.nodes: list[SimNode] = []
        self.lives: dict[str, int] = {}
        self.people: list[Person] = []
        self.past: list[Person] = []
        self.codes: list[RoomCode] = []
        self.faulty = True
        self.downs = 0  # reasons why the store is down
        self.snapshots: list[tuple[float, Any]] = []
        self._folder = folder
        self._wanted: dict[RoomCode, int] = {}
        self._crowd: dict[str, Process] = {}
        self.desk = Desk(
            self.world,
            process=Process(self.loop, "desk"),
            random=Random(f"desk/{seed}"),
            shards=self.plan.shards,
            nodes=self.nodes,
        )

    def _store_time(self) -> int:
        return EPOCH_US + int(self.loop.time() * 1e6) + self.world.skew_us

    # ---- parts -----------------------------------------------------------------------------------------

    def crowd(self, name: str) -> Process:
        """Return a client's process."""
        return self._crowd.setdefault(name, Process(self.loop, name))

    def start_node(self, name: str) -> SimNode:
        """Start a node, or start it again."""
        life = self.lives[name] = self.lives.get(name, 0) + 1
        node = SimNode(
            self.loop,
            name=name,
            life=life,
            world=self.world,
            outside=self.outside,
            random=Random(f"node/{self.seed}/{name}/{life}"),
            shards=self.plan.shards,
            tick_hz=self.plan.tick_hz,
            found_grace_ms=0 if life == 1 and self.loop.time() == 0 else FOUND_GRACE_MS,
            folder=self._folder,
            metrics=_metrics(),
            everybody=self.nodes,
        )
        node.on_death = self._node_died
        node.store.weather = self.fair_weather()
        self.nodes.append(node)
        self.log.next("start", node.instance)
        node.start()
        return node

    def fair_weather(self) -> Weather:
        """Return what a node's link is like when nothing is wrong."""
        return Weather(low_ms=0.2, high_ms=self.plan.latency_ms if self.faulty else 3.0)

    def live_nodes(self) -> list[SimNode]:
        """Return the nodes that are not dead."""
        return [node for node in self.nodes if node.process.state is not State.DEAD]

    def _node_died(self, node: SimNode) -> None:
        self.log.next("died", node.instance)
        self.network.node_died(node, silently=False)
        tell_death(node.instance, self.nodes, self.random)

    def matches_wanted(self, code: RoomCode) -> int:
        """Return how many matches the host of this room is to start."""
        return self._wanted[code]

    def ended(self, person: Person, plan: Plan) -> None:
        """A client was told to stop."""
        self.log.next("stopped", person.user, person.tab, plan.code)
        expected = plan.code == 4003 and any(
            other.user == person.user and other.over is None for other in [*self.people, *self.past]
        )
        expected = expected or bool(self.oracle.truth_of(person.code).lost)
        self.claim(expected, f"{person.user} was told to stop: {plan.code} {plan.reason}")

    def other_tabs(self, person: Person) -> bool:
        """Say whether the same user was, or is, here by another client, too."""
        return any(other.user == person.user and other is not person for other in [*self.people, *self.past])

    def claim(self, holds: bool, text: str) -> None:
        """Fail the run unless this holds."""
        if not holds:
            raise Violation(text)

    def processes(self) -> list[Process]:
        """Return every process there ever was."""
        return [*(node.process for node in self.nodes), *self._crowd.values(), self.outside, self.desk.process]

    # ---- the script ------------------------------------------------------------------------------------

    async def script(self) -> None:
        """Set up, trouble, rest, judge."""
        plan = self.plan
        for number in range(plan.nodes):
            self.start_node("abcd"[number])
        self.desk.start()
        for number in range(plan.rooms):
            self._open_room(number)
        self.outside.call(0.5, self._every_second)
        for fault in plan.faults:
            self.outside.call(fault.at, faults.strike, self, fault)
        await asyncio.sleep(plan.safety_s)
        self._calm()
        await self._until(self._all_over, LIVENESS_S, "a match does not end")
        await self._until(lambda: self._all_over() or self._all_same(), QUIET_S + LIVENESS_S, "clients do not converge")
        finish.check(self)

    def _open_room(self, number: int) -> None:
        random = self.random
        code = RoomCode("".join(random.choice(ROOM_ALPHABET) for _ in range(6)))
        self.codes.append(code)
        self._wanted[code] = 3
        users = [f"user-{number}-{each}" for each in range(self.plan.people)]
        self.outside.call(random.uniform(0.5, 3.0), self.desk.create, code, users[0], self.plan.questions)
        for user in users:
            self._bring(Person(self, user=user, code=code), random.uniform(1.0, 4.0))
        for each in range(self.plan.watchers):
            role = random.choice(("watcher", "screen"))
            self._bring(Person(self, user=f"watcher-{number}-{each}", code=code, role=role), random.uniform(1.0, 9.0))

    def _bring(self, person: Person, delay_s: float) -> None:
        self.people.append(person)
        person.arrive(delay_s)

    def second_tab(self, person: Person, delay_s: float) -> None:
        """Let a user open the room once more."""
        fresh = Person(self, user=person.user, code=person.code, role=person.role, tab=person.tab + 1)
        self.people.remove(person)
        self.past.append(person)
        self._bring(fresh, delay_s)

    def _every_second(self) -> None:
        for person in [*self.people, *self.past]:
            person.host_again()
            if self.faulty and self.random.random() < 0.25:
                person.fidget()
        for code in self.codes:
            if self.faulty and self.oracle.truth_of(code).find(code) is not None and self.random.random() < 0.1:
                self.desk.moderate(code)
        self.outside.call(1.0, self._every_second)

    def _calm(self) -> None:
        """Stop all trouble; what is broken is started again."""
        self.faulty = False
        self.log.next("calm")
        self.world.down = False
        self.oracle.away = [(start, min(end, self.loop.time())) for start, end in self.oracle.away]
        self.network.road = Road()
        for node in self.nodes:
            node.armed = ""
            node.store.weather = self.fair_weather()
            node.process.go_on()
        for name in sorted(self.lives):
            if not any(node.name == name and not node.keeper.draining for node in self.live_nodes()):
                self.start_node(name)
        for code in self.codes:
            room = self.oracle.truth_of(code).find(code)
            self._wanted[code] = max(1, room.room.state.number if room is not None else 1)

    async def _until(self, holds: Callable[[], str], limit_s: float, what: str) -> None:
        """Wait until a condition says nothing any more."""
        end = self.loop.time() + limit_s
        while why := holds():
            if self.loop.time() > end:
                raise Violation(f"{what} within {limit_s:.0f} s: {why}")
            await asyncio.sleep(0.25)

    def _all_over(self) -> str:
        for code in self.codes:
            truth = self.oracle.truth_of(code)
            room = truth.find(code)
            if truth.lost or (room is None and self.oracle.losses):
                continue
            if room is None:
                return f"room {code} does not exist"
            state = room.room.state
            if state.number < self._wanted[code] or state.phase not in ("lobby", "results") or room.room.pending():
                kinds = [type(effect).__name__ for effect in room.room.pending()]
                return f"room {code} is in {state.phase} of match {state.number}, waits for {kinds}"
        return ""

    def owner_of(self, code: RoomCode) -> SimNode | None:
        """Return the live node that rightfully owns the room."""
        epochs = self.oracle.truth_of(code).epochs
        return next((node for node in self.live_nodes() if epochs and node.instance == epochs[-1].instance), None)

    def _all_same(self) -> str:
        waiting = (self._differs(person) for person in [*self.people, *self.past] if person.over is None)
        return next((why for why in waiting if why), "")

    def _differs(self, person: Person) -> str:
        """Say what this client lacks of what is committed; nothing when it has it all."""
        session, code = person.session, person.code
        room = self.oracle.truth_of(code).find(code)
        if self.oracle.truth_of(code).lost or (room is None and self.oracle.losses):
            return ""
        if session.phase is not Phase.LIVE:
            return f"{person.user} is {session.phase}"
        assert room is not None
        truth = room.snapshots[-1]
        if session.view != truth.views[session.audience]:
            return f"{person.user} sees {session.view}, committed is {truth.views[session.audience]}"
        if session.seat is not None and (session.private or {}) != truth.privates.get(session.seat, {}):
            return f"{person.user} privately sees {session.private}, not {truth.privates.get(session.seat)}"
        if session.orders.unanswered or session.orders.waiting:
            return f"{person.user} waits for {session.orders.unanswered} answers"
        node = self.owner_of(code)
        shard = node.keeper.shards.get(ShardId(self.oracle.truth_of(code).shard)) if node is not None else None
        own = shard.rooms[code].room.view(Audience(session.audience)) if shard is not None else None
        return "" if own == session.view else f"{person.user} sees {session.view}, the owner has {own}"


# ---- running one ---------------------------------------------------------------------------------------


@contextlib.contextmanager
def _one_world(seed: int, alarms: list[str], log: Log | None) -> Iterator[None]:
    """Make chance, secrets and logs those of the run."""
    draw_bits = Random(f"secrets/{seed}")

    def collect(_logger: object, method: str, event: dict[str, Any]) -> Any:
        if event["event"] in ALARMS:
            alarms.append(f"{event}")
        if log is not None and log.lines is not None:
            log.lines.append(f"      {method} {event}")
        raise structlog.DropEvent

    state, config = chance.getstate(), structlog.get_config()
    chance.seed(f"global/{seed}")
    structlog.configure(
        processors=[collect],
        wrapper_class=structlog.make_filtering_bound_logger("debug" if log is not None else "error"),
        cache_logger_on_first_use=False,
    )
    try:
        with (
            mock.patch.object(secrets, "token_hex", lambda size=32: draw_bits.randbytes(size).hex()),
            mock.patch.object(secrets, "token_bytes", lambda size=32: draw_bits.randbytes(size)),
            mock.patch.object(
                secrets, "token_urlsafe", lambda size=32: draw_bits.randbytes(size).hex()[: size * 4 // 3]
            ),
        ):
            yield
    finally:
        chance.setstate(state)
        structlog.configure(**config)


def run(seed: int, *, losses: bool | None = None, trace: bool = False) -> Outcome:
    """Run one seed; what came of it says whether an oracle found something.

    ``losses``: whether the store may fall back or be emptied; None: the seed decides.
    """
    folder = Path(tempfile.mkdtemp(prefix="arena-sim-"))
    Violation.seen.clear()
    alarms: list[str] = []
    simulation = Simulation(seed, losses=losses, trace=trace, folder=folder)
    loop = simulation.loop
    failures: list[str] = []

    def unhandled(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if loop.ending or isinstance(error, Killed | Violation):
            return
        failures.append(f"{context.get('message')}: {error!r}")
        if error is not None:
            Violation("nobody handles " + "".join(traceback.format_exception(error)))

    loop.set_exception_handler(unhandled)
    loop.stop_for = Violation.seen
    try:
        with _one_world(seed, alarms, simulation.log if trace else None):
            try:
                loop.run_until_complete(simulation.script())
                if simulation.oracle.losses == 0:
                    lost = simulation.oracle.counts.get("healed", 0) + simulation.oracle.counts.get("founded again", 0)
                    simulation.claim(not lost, "something was given back to a store that lost nothing")
                else:  # a claim that the store forgot finds a journal that does not lead to its head
                    alarms = [alarm for alarm in alarms if "journal_broken" not in alarm]
                if alarms:
                    Violation(f"an alarm: {alarms[0]}")
            except Violation:
                pass
            found = [str(each) for each in Violation.seen]
            virtual, steps, digest = loop.time(), loop.steps, simulation.log.digest()
            simulation.oracle.silent = True
            loop.stop_for = []
            loop.end([*simulation.processes()])
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return Outcome(
        seed=seed,
        failure=found[0] if found else "",
        digest=digest,
        virtual_s=virtual,
        steps=steps,
        counts=simulation.oracle.counts,
        lines=simulation.log.lines or [],
    )
