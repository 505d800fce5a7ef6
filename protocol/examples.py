"""One or more examples of every message: SPEC shows the first of each, the golden vectors hold them all.

Names are stable: a vector is never changed, only added. An example that has to change gets a new name.
"""

from typing import Any, Final

from protocol import bus, client, server
from protocol.modes import trivia

Named = dict[str, Any]

_SEAT: Final = {
    "name": "Ada",
    "avatar": "k3f9:2",
    "kind": "guest",
    "role": "host",
    "playing": True,
    "here": True,
    "ready": False,
}
_OTHER: Final = {**_SEAT, "name": "Grace 🚀", "avatar": "77:0", "kind": "account", "role": "player", "here": False}
_SETTINGS: Final = {
    "questions": 10,
    "seconds": 20,
    "categories": ["geography"],
    "difficulty": "mixed",
    "types": "any",
    "scoring": "speed",
    "streaks": True,
    "change_answers": False,
    "auto_advance": True,
    "reveal_seconds": 6,
    "late_join": True,
}
LOBBY_VIEW: Final = {
    "code": "BCDF23",
    "title": "Friday quiz",
    "phase": "lobby",
    "mode": "trivia",
    "settings": _SETTINGS,
    "public": False,
    "locked": False,
    "host": 1,
    "seats": {"1": _SEAT},
    "clock": {"offset": 4800, "stopped": None},
    "number": 0,
    "fairness": {"secret_hash": "9f" * 32},
}
_GAME: Final = {
    "mode": "trivia",
    "stage": "open",
    "number": 0,
    "of": 10,
    "until": 31500,
    "answered": {},
    "scores": {"1": {"score": 0, "rank": 1, "moved": 0, "gained": 0, "streak": 0}},
    "question": {
        "category": "Geography",
        "difficulty": "easy",
        "kind": "choice",
        "opens_at": 11500,
        "closes_at": 31500,
        "text": "Which of these capitals lies on the Danube?",
        "options": ["Prague", "Vienna", "Warsaw", "Bern"],
    },
}
_MATCH_VIEW: Final = {
    **LOBBY_VIEW,
    "phase": "match",
    "seats": {"1": _SEAT, "2": _OTHER},
    "number": 1,
    "fairness": {"secret_hash": "9f" * 32, "commitment": "4b" * 32},
    "game": _GAME,
}
_CARD: Final = {
    "code": "BCDF23",
    "state": "open",
    "mode": "trivia",
    "title": "Friday quiz",
    "public": True,
    "locked": False,
    "phase": "lobby",
    "players": 1,
    "seats_max": 500,
    "watchers": 0,
    "host_name": "Ada",
    "settings": _SETTINGS,
    "node": "",
    "created_at": 1790000000,
}

CLIENT: Final[Named] = {
    "hello with a ticket": client.Hello(client="reference 1.0", nonce=bytes(range(16))),
    "hello that resumes": client.Hello(
        client="reference 1.0",
        seat=2,
        secret="Zq4xWv1n8sK0b7tL3mYcUg",  # noqa: S106 - an example, of no seat
        at=client.ResumePoint(epoch=3, n=118),
    ),
    "hello that resumes, with the clock it was told": client.Hello(
        client="reference 1.0",
        seat=2,
        secret="Zq4xWv1n8sK0b7tL3mYcUg",  # noqa: S106 - an example, of no seat
        at=client.ResumePoint(epoch=3, n=118, clock=81_250),
    ),
    "hello with nothing": client.Hello(),
    "clock": client.ClockAsk(c=1234567),
    "clock at the greatest number": client.ClockAsk(c=2**53 - 1),
    "resync": client.ResyncAsk(),
    "chat": client.Chat(text="Good luck! 🍀"),
    "react": client.React(emoji="👏"),
    "room.ready": client.SetReady(id=1025, ready=True),
    "room.settings": client.SetSettings(id=1026, settings={"questions": 5, "seconds": 15}),
    "room.settings with another mode": client.SetSettings(id=1027, settings={}, mode="trivia"),
    "room.playing": client.SetPlaying(id=1028, playing=False),
    "room.start": client.StartMatch(id=1029),
    "room.cancel": client.CancelStart(id=1030),
    "room.lobby": client.BackToLobby(id=1031),
    "room.end": client.EndMatch(id=1032),
    "room.rematch": client.Rematch(id=1033),
    "room.kick": client.Kick(id=1034, seat=7),
    "room.lock": client.Lock(id=1035, locked=True),
    "room.host": client.HandOver(id=1036, seat=2),
    "room.cohost": client.SetCoHost(id=1037, seat=2, cohost=True),
    "room.pause": client.Pause(id=1038),
    "room.unpause": client.Unpause(id=1039),
    "room.leave": client.Leave(id=1040),
    "trivia.answer": trivia.TriviaAnswer(id=1041, question=0, option=1, reaction_ms=2345),
    "trivia.answer at its limits": trivia.TriviaAnswer(id=2**53 - 1, question=49, option=5, reaction_ms=2**53 - 1),
    "trivia.next": trivia.TriviaSkip(id=1042),
}

SERVER: Final[Named] = {
    "welcome to a new seat": server.Welcome(
        room="BCDF23",
        role="host",
        audience="players",
        epoch=3,
        n=0,
        clock=4810,
        view=LOBBY_VIEW,
        seat=1,
        secret="Zq4xWv1n8sK0b7tL3mYcUg",  # noqa: S106 - an example, of no seat
        next_id=1025,
    ),
    "welcome back in a match": server.Welcome(
        room="BCDF23",
        role="player",
        audience="players",
        epoch=4,
        n=12,
        clock=20000,
        view=_MATCH_VIEW,
        seat=2,
        next_id=2049,
        private={"answer": 1},
    ),
    "welcome that resumes": server.Welcome(
        room="BCDF23",
        role="player",
        audience="players",
        epoch=3,
        n=118,
        clock=20000,
        view={},
        seat=2,
        next_id=2049,
        private={"answer": 1},
        resumed=True,
    ),
    "welcome to a watcher": server.Welcome(
        room="BCDF23", role="watcher", audience="crowd", epoch=3, n=118, clock=20000, view=LOBBY_VIEW
    ),
    "resync": server.Resync(epoch=3, n=121, clock=20100, view=LOBBY_VIEW),
    "resync with a private view": server.Resync(epoch=3, n=121, clock=20100, view=_MATCH_VIEW, private={"answer": 0}),
    "delta that sets": server.Delta(e=3, f=118, n=119, c=20050, s={"game/answered/2": True}),
    "delta that sets, unsets and appends": server.Delta(
        e=3,
        f=119,
        n=120,
        c=20100,
        s={"game/stage": "reveal", "game/reveal": {"right": 1, "counts": [0, 2, 0, 0], "fastest": None}},
        u=["seats/2", "standstill"],
        a={"game/board/log": [{"seat": 1, "points": 0}]},
    ),
    "delta of nothing": server.Delta(e=3, f=120, n=121, c=20150),
    "private delta": server.PrivateDelta(e=3, n=120, s={"correct": True, "points": 918}),
    "private delta that unsets": server.PrivateDelta(e=3, n=121, u=["answer", "correct", "points"]),
    "ack": server.Ack(ids=[1041]),
    "ack of several": server.Ack(ids=[1025, 1026, 1041]),
    "refused": server.Refused(id=1041, code="too_late"),
    "refused with detail": server.Refused(id=1026, code="invalid", detail="Expected `int` >= 3 - at `$.questions`"),
    "clock": server.ClockTell(c=1234567, s=20075, e=3),
    "chat": server.ChatLine(seat=2, name="Grace 🚀", text="Good luck! 🍀"),
    "reactions": server.Reactions(counts={"👏": 12, "🔥": 3}),
    "notice": server.Notice(code="room_moved"),
    "farewell": server.Farewell(code=1012, reason="restart", after_ms=500),
    "farewell for good": server.Farewell(code=4005, reason="the host closed the room"),
    "lobby": server.LobbyRooms(rooms=[_CARD]),
    "lobby without rooms": server.LobbyRooms(rooms=[]),
}

BUS: Final[Named] = {
    "create": bus.CreateRoom(
        id="c1",
        code="BCDF23",
        host="11111111-2222-4333-8444-555555555555",
        mode="trivia",
        settings=_SETTINGS,
        public=True,
        entropy=bytes(range(32)),
        title="Friday quiz",
        created_at=1790000000,
    ),
    "content": bus.ContentPack(id="r1", code="BCDF23", items=[{"id": "q1", "right": 0}]),
    "content that cannot be had": bus.ContentPack(id="r1", code="BCDF23", items=[], reason="too_few"),
    "recorded": bus.Recorded(id="ab" * 16, code="BCDF23"),
    "close": bus.CloseRoom(id="x1", code="BCDF23", reason="by an administrator"),
    "moderate": bus.Moderate(id="m1", code="BCDF23", user="11111111-2222-4333-8444-555555555555", action="mute"),
    "want_content": bus.ContentRequest(
        id="r1",
        code="BCDF23",
        mode="trivia",
        spec={"kind": "trivia", "count": 10, "categories": [], "difficulties": {"easy": 2}, "types": []},
        users=["11111111-2222-4333-8444-555555555555"],
    ),
    "result": bus.MatchResult(
        id="ab" * 16,
        code="BCDF23",
        mode="trivia",
        rules_version=1,
        number=1,
        settings=_SETTINGS,
        started_ms=8000,
        ended_ms=208000,
        started_at=1790000008,
        rated=True,
        abandoned=False,
        players=[
            bus.MatchPlayer(
                seat=1,
                user="11111111-2222-4333-8444-555555555555",
                name="Ada",
                rank=1,
                score=918,
                correct=1,
                answered=1,
                facts=[{"question": 0, "option": 1, "ms": 2345}],
            )
        ],
        seed=bytes(32),
        salt=bytes(16),
        commitment=bytes(range(32)),
        content=[{"id": "q1"}],
        log=b"",
        digest=bytes(32),
    ),
}
