"""Bots: they join, play, stay through rematches and broken lines, say what happens, and end with the room."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from clients.python import bot
from clients.python.brain import normalise
from protocol.client import SetReady
from protocol.errors import CloseCode, ErrorCode
from protocol.limits import NAME_CHARS_MAX
from protocol.modes.trivia import TriviaAnswer
from protocol.server import Notice, Refused
from tests.clients.fake_room import SEAT
from tests.clients.fake_server import FakeServer, fake_server

KNOWLEDGE = {normalise("Which lies on the Danube?"): "Vienna"}
SCORES = {str(SEAT): {"score": 900, "rank": 1, "moved": 0, "gained": 900, "streak": 1}}


class Run:
    """Bots against a fake server."""

    def __init__(self, server: FakeServer, *arguments: str) -> None:
        self.server = server
        self.lines: list[str] = []
        self.complaints: list[str] = []
        self.options = bot.parser().parse_args(["--server", server.address, "--room", "bcd-f23", *arguments])
        self.task = asyncio.create_task(
            bot.play(self.options, KNOWLEDGE, bot.Voice(self.say, self.complain)), name="bots"
        )

    def say(self, line: str) -> None:
        self.lines.append(line)
        self.server.happened.set()

    def complain(self, line: str) -> None:
        self.complaints.append(line)
        self.say(line)

    async def says(self, part: str, times: int = 1) -> None:
        await self.server.until(lambda: sum(part in line for line in self.lines) >= times)

    def change(self, **changes: Any) -> None:
        self.server.room.change(**changes)
        self.server.flush()

    def ask(self, number: int, *, match: int = 1, stage: str = "open") -> None:
        """Show a question that has been open for a while."""
        clock = self.server.room.clock
        question = {
            "text": "Which lies on the Danube?",
            "options": ["Prague", "Vienna", "Bern"],
            "opens_at": clock - 60_000,
            "closes_at": clock + 60_000,
        }
        game = {"mode": "trivia", "stage": stage, "number": number, "of": 3, "question": question, "scores": SCORES}
        self.change(phase="match", number=match, game=game)

    def answers(self) -> list[TriviaAnswer]:
        return [command for command in self.server.room.received if isinstance(command, TriviaAnswer)]

    async def end(self, code: CloseCode = CloseCode.ROOM_CLOSED) -> int:
        for peer in self.server.room.peers:
            peer.close(code)
        self.server.flush()
        async with asyncio.timeout(10):
            return await self.task


@asynccontextmanager
async def bots(*arguments: str) -> AsyncIterator[Run]:
    async with fake_server() as server:
        run = Run(server, *arguments)
        try:
            await run.says("in room BCDF23 at seat 7")
            yield run
        finally:
            run.task.cancel()
            await asyncio.gather(run.task, return_exceptions=True)


@pytest.mark.parametrize("wire", [(), ("--json",)])
async def test_a_match_and_a_rematch(wire: tuple[str, ...]) -> None:
    async with bots("--skill", "100", "--seed", "1", "--name", "Robo", *wire) as run:
        await run.server.until(lambda: any(isinstance(each, SetReady) for each in run.server.room.received))
        for match in (1, 2):
            run.ask(0, match=match)
            await run.server.until(lambda match=match: len(run.answers()) == match)
            run.ask(0, match=match, stage="reveal")
            await run.says("Robo: question 1: +900, 900 in all", match)
            run.change(phase="results", results={"rows": [{"seat": SEAT, "rank": 1, "score": 900}]})
            await run.says("Robo: match over: rank 1 with 900 points", match)
        assert [answer.option for answer in run.answers()] == [1, 1]
        assert all(answer.reaction_ms >= 700 for answer in run.answers())
        assert sum("begins, 3 questions" in line for line in run.lines) == 2
        assert await run.end() == 0
        assert run.lines[-1] == "Robo: The room is closed. (room_closed)"
        assert run.complaints == []


async def test_a_broken_line_in_a_question() -> None:
    async with bots() as run:
        next(iter(run.server.connections)).cut()
        run.ask(0)
        await run.says("in room BCDF23", 2)
        await run.server.until(lambda: len(run.answers()) == 1)
        assert any("connection lost (1006), again in" in line for line in run.lines)
        assert len(run.server.paths) == 2
        assert "token" not in run.server.paths[1]


async def test_nothing_is_answered_while_the_room_stands_still() -> None:
    async with bots() as run:
        run.server.room.stand_still(True)
        run.ask(0)
        for said in ("once", "twice"):  # by the second one an answer to the question would have arrived
            run.server.room.peers[0].tell(Notice(code="n", text=said))
            run.server.flush()
            await run.says(f"told: {said}")
        assert run.answers() == []
        run.server.room.stand_still(False)
        run.server.flush()
        await run.server.until(lambda: len(run.answers()) == 1)


async def test_a_question_that_is_ready_is_answered_after_it_opened() -> None:
    async with bots("--seed", "5") as run:
        run.ask(0)
        await run.server.until(lambda: len(run.answers()) == 1)
        run.ask(1, stage="ready")
        run.ask(1, stage="open")
        await run.server.until(lambda: len(run.answers()) == 2)
        assert [answer.question for answer in run.answers()] == [0, 1]


async def test_a_busy_server_gets_the_answer_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bot, "RETRY_S", 0.0)
    async with bots() as run:
        room = run.server.room
        refuse = [ErrorCode.BUSY, ErrorCode.TOO_LATE]
        take = room.command

        def command(peer: Any, message: Any) -> None:
            if isinstance(message, TriviaAnswer) and refuse:
                room.received.append(message)
                peer.tell(Refused(id=message.id, code=refuse.pop(0)))
            else:
                take(peer, message)

        monkeypatch.setattr(room, "command", command)
        run.ask(0)
        await run.says("refused: too_late")
        assert next(line for line in run.lines if "refused" in line).endswith("busy")
        assert len(run.answers()) == 2, "what is final is not tried again"


async def test_what_people_should_read_is_printed() -> None:
    async with bots() as run:
        run.server.room.peers[0].tell(Notice(code="no_content", text="There are too few questions."))
        run.server.flush()
        await run.says("told: There are too few questions.")


async def test_several_bots_have_names_of_their_own() -> None:
    async with bots("--count", "3", "--name", "Robo") as run:
        await run.says("at seat 7", 3)
        names = [body["name"] for path, _, body in run.server.requests if path == "/api/auth/guest"]
        assert names == ["Robo 1", "Robo 2", "Robo 3"]
        assert await run.end() == 0


async def test_who_is_removed_could_not_play() -> None:
    async with bots() as run:
        assert await run.end(CloseCode.KICKED) == 1
        assert "removed" in run.lines[-1]


async def test_a_room_that_is_not_there() -> None:
    async with fake_server() as server:
        server.answers["/api/games/rooms/BCDF23/join"] = [(404, {}, {"code": "room_not_found"})]
        run = Run(server)
        async with asyncio.timeout(10):
            assert await run.task == 1
        assert run.complaints == ["Ada bot: cannot play: room_not_found"]


async def test_signing_in_is_tried_again_while_there_is_hope(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bot, "BACKOFF_MS", 2)
    async with fake_server() as server:
        server.answers["/api/auth/guest"] = [(503, {}, {"code": "busy"}), (403, {}, {"code": "forbidden"})]
        run = Run(server)
        async with asyncio.timeout(10):
            assert await run.task == 1
        assert run.complaints == ["Ada bot: cannot sign in: forbidden (403)"]
        assert len(server.requests) == 2


async def test_a_signal_ends_the_bots() -> None:
    async with bots("--count", "2") as run:
        os.kill(os.getpid(), signal.SIGTERM)
        async with asyncio.timeout(10):
            assert await run.task == 0
        assert run.lines[-1].endswith("You left.")


@pytest.mark.parametrize(
    ("base", "number", "count", "name"),
    [
        (None, 0, 1, "Ada bot"),
        (None, 10, 20, "Ada bot 2"),
        ("Robo", 0, 1, "Robo"),
        ("Robo", 4, 5, "Robo 5"),
        ("x" * 40, 0, 1, "x" * NAME_CHARS_MAX),
        ("x" * 40, 9, 10, "x" * 21 + " 10"),
    ],
)
def test_names(base: str | None, number: int, count: int, name: str) -> None:
    assert bot.name_of(base, number, count) == name


def test_every_name_fits() -> None:
    assert all(1 <= len(bot.name_of(None, number, 500)) <= NAME_CHARS_MAX for number in range(500))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "--room"),
        (["--room", "ABC"], "no room code"),
        (["--room", "BCDF23", "--count", "0"], "1 … 500"),
        (["--room", "BCDF23", "--count", "many"], "invalid number"),
        (["--room", "BCDF23", "--skill", "101"], "0 … 100"),
        (["--room", "BCDF23", "--server", "here"], "not an address"),
        (["--room", "BCDF23", "--knowledge", "missing.json"], "missing.json"),
    ],
)
def test_bad_arguments(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        bot.main(arguments)
    assert caught.value.code == 2
    assert said in capsys.readouterr().err


def test_help_says_what_skill_is(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        bot.main(["--help"])
    assert "cannot see the right answer" in capsys.readouterr().out


def test_the_program(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Any] = []

    async def play(options: Any, knowledge: Any, voice: bot.Voice) -> int:
        told.append(knowledge)
        voice.say("a line")
        voice.complain("a complaint")
        return 3

    monkeypatch.setattr(bot, "play", play)
    bank = tmp_path / "bank.json"
    bank.write_text('{"questions":[{"text":"A?","right":true}]}', encoding="utf-8")
    assert bot.main(["--room", "BCDF23", "--knowledge", str(bank)]) == 3
    assert bot.main(["--room", "BCDF23", "--quiet"]) == 3
    assert told == [{"a": "True"}, {}]
    printed = capsys.readouterr()
    assert printed.out == "a line\n"
    assert printed.err == "a complaint\n" * 2
