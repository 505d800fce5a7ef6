"""The conductor: starts everything, does fault after fault, waits until all have recovered, and adds up."""

import asyncio
import contextlib
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.live import Live

from arena.settings import Settings
from arena.tasks import end
from bench.faults import show, stack
from bench.faults.books import RECORDED_S, Books
from bench.faults.crowd import Crowd, playing
from bench.faults.inject import Done, Impossible, Injector
from bench.faults.outcome import Moment, Outcome, Violation, figures, quantiles
from bench.faults.plan import KILLS, Fault, Plan, fault
from bench.faults.told import WAIT_STEP_S, Broken

LOOK_S: Final = 0.5
FINISH_S: Final = 120.0
IMPOSSIBLE_MAX: Final = 10
CLOCK_SLACK_MS: Final = 260
"""A tick, and the rounding of clocks."""


class Run:
    """One run against one installation."""

    def __init__(self, plan: Plan, say: Callable[[str], None]) -> None:
        self.plan = plan
        self.moments: list[Moment] = []
        self.violations: list[Violation] = []
        self.books: Books
        self.crowd: Crowd
        self.commands_s = 0.0
        self.began = time.monotonic()
        self._say = say
        self._stack: stack.Stack
        self._present: Fault | None = None

    async def go(self, folder: Path, show_state: Callable[[], None]) -> Outcome:
        """Do everything."""
        plan = self.plan
        settings = Settings.from_env({**plan.environment, "ARENA_DATA": str(folder)})
        async with stack.running(folder, nodes=plan.nodes, environment=dict(plan.environment), say=self._say) as there:
            self._stack, self.books = there, Books(there)
            try:
                async with playing(plan, there.servers, self.books) as crowd:
                    self.crowd = crowd
                    await self._play(Injector(there, crowd, settings.lease_ms), show_state)
            finally:
                await self.books.close()
            return self._outcome()

    async def _play(self, injector: Injector, show_state: Callable[[], None]) -> None:
        looking = asyncio.create_task(self._keep_looking(), name="hold books against the database")
        try:
            await self.crowd.all_answered(time.monotonic(), self.plan.recover_s)
            self.began, accepted = time.monotonic(), self.crowd.total("accepted")
            await self._faults(injector, show_state)
            seconds = time.monotonic() - self.began
            self.commands_s = (self.crowd.total("accepted") - accepted) / seconds
            self._say(f"{len(self.moments)} faults are done; the last matches end …")
            if not await self.crowd.finish(FINISH_S):
                self._violation(Broken(what="matches do not end", code="", detail="", at=time.monotonic()))
            until = time.monotonic() + RECORDED_S + 10
            while self.books.waiting and time.monotonic() < until:  # noqa: ASYNC110 - the worker's doing
                await asyncio.sleep(0.1)
        finally:
            await end([looking])
        await self.books.at_the_end()
        self._collect()

    async def _keep_looking(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            await self.books.look()
            self._collect()

    async def _faults(self, injector: Injector, show_state: Callable[[], None]) -> None:
        plan, number, impossible = self.plan, self.plan.first, 0
        until = self.began + plan.minutes * 60
        while time.monotonic() < until and (not plan.count or len(self.moments) < plan.count):
            self._present = fault(plan, number)
            number += 1
            await asyncio.sleep(self._present.pause_s)
            try:
                self.moments.append(await self._one(injector, self._present))
                impossible = 0
            except Impossible as why:
                self._say(f"#{self._present.number} {self._present.kind}: {why}")
                impossible += 1
            except TimeoutError:
                self._violation(self._now("a process does not come back", self._present.kind))
                impossible += 1
            if impossible > IMPOSSIBLE_MAX:
                raise RuntimeError(f"{impossible} faults one after another could not be done")
            self._collect()
            show_state()

    async def _one(self, injector: Injector, what: Fault) -> Moment:
        crowd = self.crowd
        crowd.waited.clear()
        crowd.stood.clear()
        done = await injector.do(what)
        for awaited in done.awaited:
            if not await crowd.all_back(awaited, self.plan.recover_s):
                missing = sorted({code for code, _ in awaited.missing_back + awaited.missing_runs})
                detail = (
                    f"{len(awaited.missing_back)} seats not back, {len(awaited.missing_runs)} without a running clock"
                )
                self._violation(self._now("not all came back", f"{what.kind}: {detail} in {missing}"))
        left = await crowd.all_answered(done.over_at, self.plan.recover_s)
        if left:
            self._violation(self._now("rooms do not answer", f"{what.kind}: {left}"))
        if what.kind in KILLS:
            self._look_at_clocks(done)
        crowd.awaited.clear()
        moment = self._moment(what, done)
        self._say(show.line(moment))
        return moment

    def _look_at_clocks(self, done: Done) -> None:
        """See that no clock ran between the kill and the next owner."""
        killed = {code for awaited in done.awaited for code, _ in awaited.back}
        for stood in self.crowd.stood:
            if stood.code in killed and stood.at > done.at:
                most = done.at * 1000 + stood.lead_ms - stood.offset_ms + CLOCK_SLACK_MS
                if not stood.before_ms <= stood.stood_ms <= most:
                    self._violation(self._now("clock ran without an owner", f"{stood}, at most {most:.0f} ms"))

    def _moment(self, what: Fault, done: Done) -> Moment:
        back, runs, pause = [], [], []
        for awaited in done.awaited:
            back += [at - awaited.since for at in awaited.back.values() if at is not None]
            runs += [at - awaited.since for at in awaited.runs.values() if at is not None]
            pause += [at - awaited.lost[seat] for seat, at in awaited.back.items() if at is not None]
        last = max(
            ((at, code, seat, one) for one in done.awaited for (code, seat), at in one.back.items() if at is not None),
            default=None,
            key=lambda found: found[0],
        )
        waits = [line.at - max(line.wanted_at, done.at) for line in self.crowd.waited if line.at > done.at]
        return Moment(
            number=what.number,
            kind=what.kind,
            who=done.who,
            at_s=round(done.at - self.began, 3),
            lasted_s=round(done.over_at - done.at, 3),
            back_s=[round(value, 4) for value in sorted(back)],
            pause_s=[round(value, 4) for value in sorted(pause)],
            runs_s=[round(value, 4) for value in sorted(runs)],
            longest_wait_s=round(max(waits, default=0.0), 3),
            last_back="" if last is None else f"{last[1]} seat {last[2]}: " + "; ".join(last[3].tries[last[1:3]]),
            notes=done.notes,
        )

    # ---- what must not be ----------------------------------------------------------------------------

    def _now(self, what: str, detail: str) -> Broken:
        return Broken(what=what, code="", detail=detail, at=time.monotonic())

    def _collect(self) -> None:
        found, self.crowd.found = self.crowd.found, []
        books, self.books.found = self.books.found, []
        for one in found + books:
            self._violation(one)

    def _violation(self, one: Broken) -> None:
        present = self._present
        violation = Violation(
            what=one.what,
            seed=self.plan.seed,
            fault=present.number if present else -1,
            kind=present.kind if present else "",
            at_s=round(one.at - self.began, 3),
            room=one.code,
            seat=one.seat,
            detail=one.detail,
        )
        self.violations.append(violation)
        self._say(show.violation(violation))

    def _outcome(self) -> Outcome:
        crowd = self.crowd
        waits: dict[int, int] = {}
        for done in crowd.done:
            for step, times in done.waits.items():
                waits[step] = waits.get(step, 0) + times
        return Outcome(
            plan=self.plan,
            seconds=round(time.monotonic() - self.began, 1),
            faults=len(self.moments),
            next_fault=self.plan.first if not self.moments else self.moments[-1].number + 1,
            commands_s=round(self.commands_s, 1),
            accepted=crowd.total("accepted"),
            refused=crowd.total("refused"),
            frames=crowd.total("frames"),
            answer_ms=quantiles(waits, WAIT_STEP_S * 1000),
            epochs_checked=crowd.epochs_checked,
            sums=self.books.sums,
            kinds=figures(self.moments, self.plan.kinds),
            violations=self.violations,
            players_late_ms=crowd.late_ms,
            moments=self.moments,
        )


def run(console: Console, plan: Plan, *, keep: bool = False) -> tuple[Outcome, Path | None]:
    """Do everything; return what came out, and the folder with the logs if something went wrong."""
    folder = Path(tempfile.mkdtemp(prefix="arena-faults-"))
    folder.chmod(0o711)  # root's PostgreSQL runs as another user and must pass through
    kept: Path | None = folder
    try:
        with Live(console=console, refresh_per_second=2, transient=True) if console.is_terminal else _still() as live:
            one = Run(plan, lambda text: console.print(text, highlight=False, markup=False))

            def show_state() -> None:
                if live is not None:
                    live.update(show.state(one.moments, one.violations, plan, time.monotonic() - one.began))

            outcome = asyncio.run(one.go(folder, show_state))
        if not outcome.violations and not keep:
            kept = None
    finally:
        if kept is None:
            shutil.rmtree(folder, ignore_errors=True)
        else:
            console.print(f"logs are kept in {folder / 'logs'}")
    return outcome, kept


def _still() -> contextlib.AbstractContextManager[None]:
    return contextlib.nullcontext()
