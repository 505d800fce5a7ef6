"""Bots that play: ``python -m clients.python.bot --room CODE``. Each is a guest with a seat of its own.

They stay through rematches, reconnects and restarts of servers, print a line for each notable event, and end when the
room closes. Exit code: 0 the room is over (or the bots were stopped), 1 a bot could not play, 2 bad arguments.
"""

import argparse
import asyncio
import secrets
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any, Final, NamedTuple, TextIO

from clients.python import events
from clients.python.api import Api, ApiError
from clients.python.brain import Brain, Decision, Knowledge, read_knowledge
from clients.python.clock import stands_still
from clients.python.room import Outcome, RoomClient, now_ms
from clients.python.session import BACKOFF_MAX_MS, BACKOFF_MS, Session
from protocol.client import SetReady
from protocol.errors import CLOSE_RULES, CloseCode, ErrorCode
from protocol.ids import normalise_room_code
from protocol.limits import NAME_CHARS_MAX
from protocol.modes.trivia import TriviaAnswer
from protocol.types import WireFormat

BOTS_MAX: Final = 500
START_EVERY_MS: Final = 20
SIGN_IN_TRIES: Final = 8
NAMES: Final = ("Ada", "Blaise", "Curie", "Darwin", "Euler", "Franklin", "Gauss", "Hopper", "Ibn Sina", "Joule")
WORTH_ANOTHER_TRY: Final = frozenset({ErrorCode.BUSY, ErrorCode.RATE_LIMITED, ErrorCode.STALE})
RETRY_S: Final = 1.0
OVER: Final = frozenset({CloseCode.NORMAL, CloseCode.ROOM_CLOSED})


class Voice(NamedTuple):
    """Where a bot's lines go."""

    say: Callable[[str], None]  # what happens
    complain: Callable[[str], None]  # what went wrong


class Bot:
    """One bot in one room."""

    def __init__(
        self, *, api: Api, code: str, name: str, brain: Brain, random: Random, voice: Voice, wire: WireFormat
    ) -> None:
        self._name = name
        self._api = api
        self._brain = brain
        self._random = random
        self._say, self._complain = voice
        self._timer: asyncio.TimerHandle | None = None
        self._retry: asyncio.TimerHandle | None = None
        self._planned: Decision | None = None
        self._answered: tuple[int, int] | None = None
        self._told: tuple[str, int, str] | None = None
        self.session = Session(draw=random.randint, client="arena-bot 1", wire=wire, nonce=secrets.token_bytes(16))
        self.client = RoomClient(api, code, self.session, self._handle)

    async def run(self) -> Outcome:
        """Sign in, play until the room is over, and say how it ended."""
        try:
            await self._sign_in()
            return await self.client.run()
        except ApiError as error:
            self._complain(f"{self._name}: cannot sign in: {error}")
            return Outcome(0, error.code)
        finally:
            self._cancel()
            if self._retry is not None:
                self._retry.cancel()

    async def _sign_in(self) -> None:
        for attempt in range(SIGN_IN_TRIES):
            try:
                await self._api.guest(self._name)
            except ApiError as error:
                if not error.passing or attempt == SIGN_IN_TRIES - 1:
                    raise
                most = min(BACKOFF_MS << attempt, BACKOFF_MAX_MS)
                await asyncio.sleep((error.retry_after_ms + self._random.randint(most // 2, most)) / 1000)
            else:
                return

    # ---- events ----------------------------------------------------------------------------------------

    def _handle(self, event: events.Event) -> None:
        match event:
            case events.Welcomed():
                self._say(f"{self._name}: in room {self.session.room} at seat {self.session.seat}")
                self._get_ready()
            case events.Turned():
                self._say(f"{self._name}: refused: {event.code}")
                if event.code in WORTH_ANOTHER_TRY:
                    self._retry = asyncio.get_running_loop().call_later(RETRY_S, self._try_again)
            case events.Noticed():
                self._say(f"{self._name}: told: {event.text or event.code}")
            case events.Away():
                self._say(f"{self._name}: connection lost ({event.code}), again in {event.wait_ms} ms")
            case events.Ended():
                tell = self._say if event.code in OVER else self._complain
                tell(f"{self._name}: {_farewell(event)}")
        self._tell_progress()
        self._plan()

    def _get_ready(self) -> None:
        view = self.session.view
        mine = view.get("seats", {}).get(str(self.session.seat), {})
        if view.get("phase") == "lobby" and not mine.get("ready"):
            self.session.submit(SetReady, ready=True)

    def _tell_progress(self) -> None:
        """Print what people would notice: a match begins, a question is revealed, a match is over."""
        view = self.session.view
        game = view.get("game") or {}
        now = (str(view.get("phase")), int(game.get("number", -1)), str(game.get("stage")))
        if now == self._told:
            return
        before, self._told = self._told, now
        phase, question, stage = now
        if phase == "match" and before is not None and before[0] != "match":
            self._say(f"{self._name}: match {view.get('number')} begins, {game.get('of')} questions")
        elif phase == "match" and stage == "reveal":
            self._tell_reveal(question, game)
        elif phase == "results" and before is not None and before[0] != "results":
            rows = (view.get("results") or {}).get("rows", [])
            mine: dict[str, Any] = next((row for row in rows if row["seat"] == self.session.seat), {})
            self._say(f"{self._name}: match over: rank {mine.get('rank', '–')} with {mine.get('score', 0)} points")
        elif phase == "lobby":
            self._get_ready()

    def _tell_reveal(self, question: int, game: dict[str, Any]) -> None:
        score = (game.get("scores") or {}).get(str(self.session.seat))
        if score is not None:
            self._say(f"{self._name}: question {question + 1}: +{score['gained']}, {score['score']} in all")

    # ---- answers ---------------------------------------------------------------------------------------

    def _plan(self) -> None:
        """Set the timer of the answer by the room clock; nothing runs while the room stands still."""
        session = self.session
        decision = self._brain.decide(session.view, session.private)
        if decision is None or self._key(decision) == self._answered or stands_still(session.view):
            self._cancel()
            return
        room = session.clock.room(session.view, now_ms())
        if room is None or (decision == self._planned and self._timer is not None):
            return
        self._cancel()
        self._planned = decision
        delay_s = max(0, decision.due - room) / 1000
        self._timer = asyncio.get_running_loop().call_later(delay_s, self._answer, decision)

    def _key(self, decision: Decision) -> tuple[int, int]:
        return int(self.session.view.get("number", 0)), decision.question

    def _answer(self, decision: Decision) -> None:
        self._timer = None
        room = self.session.clock.room(self.session.view, now_ms())
        if room is None:
            return
        if room < decision.due:  # the clock was corrected meanwhile
            self._plan()
            return
        self._answered = self._key(decision)
        self.session.submit(
            TriviaAnswer,
            question=decision.question,
            option=decision.option,
            reaction_ms=max(0, room - decision.opens_at),
        )
        self.client.wake()

    def _try_again(self) -> None:
        self._answered = None
        self._plan()

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._planned = None


def _farewell(event: events.Ended) -> str:
    if event.code in CloseCode._value2member_map_:
        return CLOSE_RULES[CloseCode(event.code)].meaning + (f" ({event.reason})" if event.reason else "")
    return f"cannot play: {event.reason or event.code}"


# ---- the program -----------------------------------------------------------------------------------------


def _number(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        value = int(text)
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{value} is not within {low} … {high}")
        return value

    parse.__name__ = "number"
    return parse


def _room(text: str) -> str:
    code = normalise_room_code(text)
    if code is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no room code: six letters and digits")
    return code


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    told = argparse.ArgumentParser(
        prog="arena bot",
        description="Sends bots into a room. They play trivia with human-like reaction times until the room closes.",
        epilog=(
            "A bot cannot see the right answer. With --knowledge it knows the questions of that file and answers them "
            "right with a probability of --skill percent. Without, or for other questions, it guesses: --skill percent "
            "of the time the longest option, which is right a little more often than its share, else any."
        ),
    )
    told.add_argument("--server", default="http://127.0.0.1:8000", help="where the arena is (%(default)s)")
    told.add_argument("--room", required=True, type=_room, metavar="CODE", help="the room's code")
    told.add_argument("--count", default=1, type=_number(1, BOTS_MAX), help="how many bots (%(default)s)")
    told.add_argument("--skill", default=70, type=_number(0, 100), help="0 … 100 (%(default)s)")
    told.add_argument("--name", help="the bots' name; numbered when they are several")
    told.add_argument("--seed", type=int, help="the same seed plays the same way")
    told.add_argument(
        "--knowledge",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="a question file of the project's own format; may be given several times",
    )
    told.add_argument("--json", action="store_true", help="speak the JSON subprotocol")
    told.add_argument("--quiet", action="store_true", help="print nothing but what went wrong")
    return told


def name_of(base: str | None, number: int, count: int) -> str:
    """Return the name of the bot with this number (from 0)."""
    if base is None:
        again = number // len(NAMES)
        return f"{NAMES[number % len(NAMES)]} bot" + (f" {again + 1}" if again else "")
    suffix = f" {number + 1}" if count > 1 else ""
    return base[: NAME_CHARS_MAX - len(suffix)] + suffix


async def play(options: argparse.Namespace, knowledge: Knowledge, voice: Voice) -> int:
    """Run the bots; return the exit code."""
    random = Random(options.seed)  # noqa: S311 - play, not secrets
    bots: list[Bot] = []
    for number in range(options.count):
        own = Random(random.getrandbits(64))  # noqa: S311 - play, not secrets
        bots.append(
            Bot(
                api=Api(options.server),
                code=options.room,
                name=name_of(options.name, number, options.count),
                brain=Brain(skill=options.skill, random=own, knowledge=knowledge),
                random=own,
                voice=voice,
                wire=WireFormat.JSON if options.json else WireFormat.MSGPACK,
            )
        )
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()

    def stop() -> None:
        stopping.set()
        for bot in bots:
            bot.client.close()

    for signum in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signum, stop)
    try:
        async with asyncio.TaskGroup() as group:
            tasks = []
            for bot in bots:
                if stopping.is_set():
                    break
                tasks.append(group.create_task(bot.run(), name="arena-bot"))
                await asyncio.sleep(START_EVERY_MS / 1000)
    finally:
        for signum in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(signum)
    outcomes = [task.result() for task in tasks]
    return 0 if all(outcome.code in OVER for outcome in outcomes) else 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; return the exit code."""
    told = parser()
    options = told.parse_args(arguments)
    try:
        knowledge = read_knowledge(options.knowledge)
        Api(options.server)
    except ValueError as error:
        told.error(str(error))

    def say(line: str) -> None:
        if not options.quiet:
            _write(sys.stdout, line)

    return asyncio.run(play(options, knowledge, Voice(say, lambda line: _write(sys.stderr, line))))


def _write(stream: TextIO, line: str) -> None:
    stream.write(f"{line}\n")
    stream.flush()


if __name__ == "__main__":
    sys.exit(main())
