"""Clients: production's sans-I/O session and the bots' brain, with a person's habits, over simulated lines."""

from random import Random
from typing import TYPE_CHECKING, Any

from clients.python import events
from clients.python.brain import Brain, Decision
from clients.python.clock import stands_still
from clients.python.session import Phase, Plan, Session, Way
from protocol import client as commands
from protocol.ids import RoomCode
from protocol.modes.trivia import TriviaAnswer, TriviaSkip
from protocol.types import WireFormat
from tests.sim.loop import Process
from tests.sim.wire import Link

if TYPE_CHECKING:
    from tests.sim.run import Simulation

RETRY_S = 1.0


class Person:
    """One user in one room; plays on through any number of connections."""

    def __init__(
        self, sim: "Simulation", *, user: str, code: RoomCode, role: str = "player", matches: int = 0, tab: int = 1
    ) -> None:
        self.sim = sim
        self.user = user
        self.code = code
        self.role = role
        self.tab = tab
        self.random = Random(f"{sim.seed}/{user}/{tab}")
        self.process: Process = sim.crowd(f"{user}.{tab}")
        self.wire = WireFormat.JSON if self.random.random() < 0.2 else WireFormat.MSGPACK
        self.session = Session(draw=self.random.randint, client="sim", wire=self.wire, nonce=self.random.randbytes(16))
        self.brain = Brain(skill=50, random=self.random)
        self.link: Link | None = None
        self.over: int | None = None  # the close code with which it ended for good
        self.submitted: dict[int, tuple[type[Any], dict[str, Any]]] = {}
        self.accepted: dict[int, int] = {}  # order → command id
        self.held: list[int] = []  # command ids refused for now …
        self.turned: list[tuple[int, str]] = []  # … and for good
        self._matches = matches  # how many this one, as host, wants played
        self._skew = self.random.randrange(1_000_000)
        self._rate = self.random.uniform(0.999, 1.001)
        self._timer: Any = None
        self._answer_timer: Any = None
        self._planned: Decision | None = None
        self._answered: tuple[int, int] | None = None
        self._host_at = 0.0

    def now(self) -> int:
        """Return this machine's clock."""
        return self._skew + int(self.process.loop.time() * 1000 * self._rate)

    # ---- connecting ------------------------------------------------------------------------------------

    def arrive(self, delay_s: float) -> None:
        """Come, after a while."""
        self.process.call(delay_s, self._connect)

    def _connect(self) -> None:
        if self.over is not None or self.session.phase is not Phase.AWAY:
            return
        claims = None
        if self.session.way is Way.TICKET:
            claims = self.sim.desk.ticket(self.user, self.code, self.role)
            if isinstance(claims, int):
                self._follow(self.session.failed(claims))
                return
        node = self.sim.desk.door(self.code)
        if node is None:
            self._follow(self.session.failed())
            return
        self.sim.network.connect(
            client=self.process,
            node=node,
            code=self.code,
            claims=claims,
            wire=self.wire,
            opened=self._opened,
            failed=lambda: self._follow(self.session.failed()),
        )

    def _opened(self, link: Link) -> None:
        if self.over is not None:
            link.close()
            return
        self.link = link
        link.on_payload = lambda payload: self._payload(link, payload)
        link.on_lost = lambda code, reason: self._lost(link, code, reason)
        self.session.opened()
        self._flush()
        if not link.alive:
            self._lost(link, 1006, "")

    def _lost(self, link: Link, code: int, reason: str) -> None:
        if self.link is not link:
            return
        self.link = None
        self._forget_answer()
        self._follow(self.session.lost(code, reason))

    def _follow(self, plan: Plan) -> None:
        if plan.way is Way.STOP:
            self.over = plan.code
            self.sim.ended(self, plan)
            return
        self.process.call(plan.wait_ms / 1000, self._connect)

    def leave_silently(self) -> None:
        """Close the app: the seat stays."""
        self.over = 0
        link, self.link = self.link, None
        if link is not None:
            link.close()

    # ---- talking ---------------------------------------------------------------------------------------

    def submit(self, kind: type[Any], **fields: Any) -> None:
        """Want a command done."""
        number = self.session.submit(kind, **fields)
        self.submitted[number] = (kind, fields)
        self._flush()

    def _flush(self) -> None:
        link = self.link
        for payload in self.session.data_to_send():
            if link is not None:
                link.send(payload)
        due = self.session.due()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if due is not None and self.link is not None:
            self._timer = self.process.call(max(1, due - self.now()) / 1000, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self.session.tick(self.now())
        self._flush()

    def _payload(self, link: Link, payload: bytes) -> None:
        if self.link is not link:
            return
        for event in self.session.received(payload, self.now()):
            self._take(event)
        self.session.tick(self.now())
        self._flush()
        self._look()

    def _take(self, event: events.Event) -> None:
        match event:
            case events.Accepted():
                self.sim.claim(event.order not in self.accepted, f"{self.user}: order {event.order} counts twice")
                self.accepted[event.order] = event.command_id
            case events.Held():
                self.held.append(event.command_id)
            case events.Turned():
                self.turned.append((event.command_id, event.code))
                alone = not self.sim.other_tabs(self) and not self.sim.oracle.truth_of(self.code).lost
                # Sent again after its refusal was lost on the way, a command below an accepted one is stale (law 7).
                again = self.sim.network.heard.get((self.process.name, event.command_id), 0) > 1
                self.sim.claim(
                    event.code != "stale" or again or not alone, f"{self.user}: command {event.command_id} is stale"
                )
                self.sim.claim(event.code != "internal", f"{self.user}: command {event.command_id} failed")
                if event.code in ("too_early", "not_enough_players", "busy"):
                    self._answered = None
            case events.Lost():
                self.sim.claim(False, f"{self.user}: order {event.order} is lost with its seat")
            case _:
                pass

    # ---- playing ---------------------------------------------------------------------------------------

    def _look(self) -> None:
        if self.role != "player" or self.session.phase is not Phase.LIVE:
            return
        view = self.session.view
        self._plan()
        if view.get("host") == self.session.seat and self.process.loop.time() >= self._host_at:
            self._host(view)

    def host_again(self) -> None:
        """Look again, as the host, whether something is to be done."""
        if self.over is None:
            self._look()

    def _host(self, view: dict[str, Any]) -> None:
        """Start what is to be played; let a paused room run again."""
        self._host_at = self.process.loop.time() + RETRY_S
        if (view.get("standstill") or {}).get("kind") == "paused" and self.random.random() < 0.6:
            self.submit(commands.Unpause)
            return
        phase = view.get("phase")
        waiting = self.session.orders.unanswered + self.session.orders.waiting
        if waiting:
            return
        if phase in ("lobby", "results") and int(view["number"]) < self.sim.matches_wanted(self.code):
            here = sum(1 for seat in view["seats"].values() if seat["here"] and seat["playing"])
            if here >= 2:
                self.submit(commands.StartMatch if phase == "lobby" else commands.Rematch)
        elif phase == "match" and not stands_still(view) and self.sim.faulty:
            roll = self.random.random()
            if roll < 0.02:
                self.submit(commands.Pause)
            elif roll < 0.05 and view["game"]["stage"] in ("reveal", "scores"):
                self.submit(TriviaSkip)

    def _plan(self) -> None:
        session = self.session
        decision = self.brain.decide(session.view, session.private)
        if decision is None or self._key(decision) == self._answered or stands_still(session.view):
            self._forget_answer()
            return
        room = session.clock.room(session.view, self.now())
        if room is None or (decision == self._planned and self._answer_timer is not None):
            return
        self._forget_answer()
        self._planned = decision
        self._answer_timer = self.process.call(max(0, decision.due - room) / 1000, self._answer, decision)

    def _key(self, decision: Decision) -> tuple[int, int]:
        return int(self.session.view.get("number", 0)), decision.question

    def _answer(self, decision: Decision) -> None:
        self._answer_timer = None
        room = self.session.clock.room(self.session.view, self.now())
        if room is None or self.session.phase is not Phase.LIVE:
            return
        if room < decision.due:
            self._plan()
            return
        self._answered = self._key(decision)
        self.submit(
            TriviaAnswer,
            question=decision.question,
            option=decision.option,
            reaction_ms=max(0, room - decision.opens_at),
        )

    def _forget_answer(self) -> None:
        if self._answer_timer is not None:
            self._answer_timer.cancel()
            self._answer_timer = None
        self._planned = None

    def fidget(self) -> None:
        """Do something that changes little."""
        if self.session.phase is not Phase.LIVE or self.role != "player" or self.over is not None:
            return
        roll = self.random.random()
        if roll < 0.7:
            self.submit(commands.SetReady, ready=self.random.random() < 0.5)
        elif roll < 0.85:
            self.session.chat("hello")
            self._flush()
        else:
            self.session.react("👍")
            self._flush()
