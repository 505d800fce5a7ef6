"""The supervisor by itself: lives, pauses, order of stopping, who is told."""

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from signal import SIGKILL

import pytest

from arena.supervisor import BAD_SETTINGS, FIRST_TRIES, Death, StartError, Supervisor, how_it_ended
from arena.units import Program, environment_with, last_words_of, rotate, says

READY = "import json, sys; print(json.dumps({'event': 'up'}), flush=True); "
SLEEPS = READY + "import time; time.sleep(600)"
DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + SLEEPS
NOTES = (
    "import signal, sys, time; name = sys.argv[1]; "
    "signal.signal(signal.SIGTERM, lambda *_: (open('order', 'a').write(name + ' '), sys.exit(0))); " + SLEEPS
)


class Bench:
    """A supervisor with notes of what it said and told."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.said: list[str] = []
        self.deaths: list[Death] = []
        self.supervisor = Supervisor(self.said.append, on_death=[self.deaths.append], back_off_s=(0.0, 0.01, 0.02))

    def program(self, name: str, text: str) -> Program:
        command = ["/bin/sh", "-c", 'cd "$0" && exec "$@"', str(self.folder), sys.executable, "-c", text, name]
        log = self.folder / f"{name}.log"
        return Program(name, command, environment=environment_with({}), log=log, ready=says("up"))

    async def until_said(self, text: str) -> str:
        await until(lambda: any(text in line for line in self.said))
        return next(line for line in self.said if text in line)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - what is waited for happens in other processes
            await asyncio.sleep(0.005)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    made = Bench(tmp_path)

    async def look() -> None:  # the tests' loop (uvloop) keeps SIGCHLD for itself
        while True:
            made.supervisor.look()
            await asyncio.sleep(0.005)

    looking = asyncio.create_task(look())
    yield made
    await made.supervisor.stop([])
    looking.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await looking


async def test_a_unit_that_dies_is_started_again_and_everybody_is_told(bench: Bench) -> None:
    unit = bench.program("one", SLEEPS)
    await bench.supervisor.start([unit])
    first = unit.child.pid
    unit.child.kill()
    line = await bench.until_said("one was ended by SIGKILL; starting it again")
    assert str(unit.log) in line
    assert [(death.unit, death.pid, death.code) for death in bench.deaths] == [("one", first, -SIGKILL)]
    await until(lambda: unit.child.pid != first and unit.child.running)


async def test_pauses_grow_while_lives_are_short(bench: Bench) -> None:
    unit = bench.program("brief", SLEEPS)
    await bench.supervisor.start([unit])
    for life in range(1, 5):
        await until(lambda: unit.child.running)
        unit.child.kill()
        await until(lambda life=life: len(bench.said) == life)
    pauses = [line.partition("again")[2].split("(")[0].strip() for line in bench.said]
    assert pauses == ["", "in 0.01 s", "in 0.02 s", "in 0.02 s"]


async def test_a_unit_that_never_becomes_ready_ends_the_start_after_some_tries(bench: Bench) -> None:
    unit = bench.program("broken", "raise SystemExit('it hurts')")
    with pytest.raises(StartError, match=r"broken .*it hurts.*log:") as failed:
        await bench.supervisor.start([unit])
    assert failed.value.code == 1
    assert len(bench.deaths) == FIRST_TRIES - 1


async def test_a_unit_with_wrong_settings_is_not_tried_again(bench: Bench) -> None:
    unit = bench.program("wrong", "import sys; print('REDIS_URL is odd', file=sys.stderr); sys.exit(2)")
    with pytest.raises(StartError, match="wrong cannot start: REDIS_URL is odd") as failed:
        await bench.supervisor.start([unit])
    assert failed.value.code == BAD_SETTINGS
    assert bench.deaths == []


async def test_units_stop_group_after_group(bench: Bench) -> None:
    units = [bench.program(name, NOTES) for name in ("c", "a", "b")]
    await bench.supervisor.start(units)
    await bench.supervisor.stop([(["a"], 10), (["b"], 10), (["c"], 10)])
    assert (bench.folder / "order").read_text() == "a b c "
    assert not any(unit.child.running for unit in units)
    assert bench.said == []


async def test_a_unit_that_does_not_listen_is_killed_in_time(bench: Bench) -> None:
    unit = bench.program("deaf", DEAF)
    await bench.supervisor.start([unit])
    started = time.monotonic()
    await bench.supervisor.stop([(["deaf"], 0.1)])
    assert time.monotonic() - started < 5
    assert unit.child.poll() == -SIGKILL
    assert bench.deaths == []


async def test_a_unit_waiting_for_its_next_life_stops_at_once(bench: Bench) -> None:
    bench.supervisor = Supervisor(bench.said.append, back_off_s=(600.0,))
    unit = bench.program("brief", SLEEPS)
    await bench.supervisor.start([unit])
    unit.child.kill()
    await bench.until_said("starting it again in 600 s")
    async with asyncio.timeout(5):
        await bench.supervisor.stop([])


@pytest.mark.parametrize(
    ("code", "words"),
    [(0, "ended with code 0"), (-9, "was ended by SIGKILL"), (-123, "was ended by 123"), (None, "ended")],
)
def test_ends_are_told_in_words(code: int | None, words: str) -> None:
    assert how_it_ended(code) == words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("plain\nlast line\n\n", "last line"),
        ('{"event": "redis_lost", "error": "gone", "level": "error"}\n', "redis_lost gone"),
        ('{"other": 1}\n', '{"other": 1}'),
        ("[1, 2]\n", "[1, 2]"),
        ("", ""),
        ("x" * 9000, "x" * 300),
    ],
)
def test_last_words_are_one_line_for_people(text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "log").write_text(text)
    assert last_words_of(tmp_path / "log") == words


def test_a_missing_log_has_no_last_words(tmp_path: Path) -> None:
    assert last_words_of(tmp_path / "none") == ""


def test_a_log_that_has_grown_too_large_is_put_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("arena.units.LOG_BYTES_MAX", 10)
    log = tmp_path / "a.log"
    log.write_text("0123456789")
    rotate(log)
    assert log.exists()
    log.write_text("0123456789x")
    rotate(log)
    assert not log.exists()
    assert (tmp_path / "a.log.1").read_text() == "0123456789x"
