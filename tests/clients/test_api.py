"""The HTTP part: tickets, refreshing, and what may go wrong."""

import pytest

from clients.python.api import Api, ApiError, Ticket, retry_after_ms
from tests.clients.fake_server import fake_server


async def test_guest_room_ticket() -> None:
    async with fake_server() as server:
        api = Api(server.address)
        await api.guest("Ada")
        assert await api.create_room("trivia", {"questions": 5}, title="x") == "BCDF23"
        assert await api.join("BCDF23", "watcher") == Ticket("/ws/game/BCDF23", "t1")
        assert await api.lobby() == Ticket("/ws/lobby", "lobby")
        (_, _, who), (_, made_by, made), (_, _, role), _ = server.requests
        assert who == {"name": "Ada", "client": "bot"}
        assert made == {"mode": "trivia", "settings": {"questions": 5}, "public": False, "title": "x"}
        assert made_by["authorization"] == "Bearer access"
        assert role == {"role": "watcher"}


async def test_an_access_token_that_is_over_is_refreshed_once() -> None:
    async with fake_server() as server:
        api = Api(server.address)
        await api.login("ada", "secret")
        server.answers["/api/games/lobby"] = [(401, {}, {"code": "unauthenticated"})]
        assert (await api.lobby()).token == "lobby"
        paths = [path for path, _, _ in server.requests]
        assert paths == ["/api/auth/login", "/api/games/lobby", "/api/auth/refresh", "/api/games/lobby"]
        assert server.requests[2][2] == {"refresh_token": "refresh"}
        server.answers["/api/games/lobby"] = [(401, {}, {"code": "unauthenticated"})] * 2
        with pytest.raises(ApiError):
            await api.lobby()


async def test_without_a_session_there_is_nothing_to_refresh() -> None:
    async with fake_server() as server:
        server.answers["/api/games/lobby"] = [(401, {}, {"code": "unauthenticated"})]
        with pytest.raises(ApiError) as caught:
            await Api(server.address).lobby()
        assert (caught.value.status, caught.value.passing) == (401, False)


@pytest.mark.parametrize(
    ("answer", "code", "passing", "retry_after"),
    [
        ((503, {"Retry-After": "2"}, {"code": "room_starting", "title": "Soon."}), "room_starting", True, 2000),
        ((429, {"Retry-After": "Wed"}, {"code": "rate_limited"}), "rate_limited", True, 0),
        ((422, {}, {"code": "invalid", "detail": "name"}), "invalid", False, 0),
        ((500, {}, b"<html>"), "http_500", True, 0),
        ((404, {}, []), "http_404", False, 0),
        ((200, {}, b"<html>"), "bad_answer", False, 0),
        ((200, {}, {"token": 1}), "bad_answer", False, 0),
    ],
    ids=lambda value: str(value)[:30],
)
async def test_what_may_be_answered(
    answer: tuple[int, dict[str, str], object], code: str, passing: bool, retry_after: int
) -> None:
    async with fake_server() as server:
        server.answers["/api/auth/guest"] = [answer]
        with pytest.raises(ApiError) as caught:
            await Api(server.address).guest("Ada")
        error = caught.value
        assert (error.code, error.passing, error.retry_after_ms) == (code, passing, retry_after)
        assert code in str(error)


async def test_nobody_listens() -> None:
    async with fake_server() as server:
        address = server.address
    with pytest.raises(ApiError) as caught:
        await Api(address).guest("Ada")
    assert (caught.value.status, caught.value.code, caught.value.passing) == (0, "unreachable", True)


@pytest.mark.parametrize("server", ["", "localhost:8000", "ftp://x", "http://"])
def test_what_is_no_address(server: str) -> None:
    with pytest.raises(ValueError, match="address"):
        Api(server)


def test_addresses() -> None:
    assert Api("http://127.0.0.1:8000/").websocket == "ws://127.0.0.1:8000"
    assert Api("https://arena.example").websocket == "wss://arena.example"


@pytest.mark.parametrize(
    ("header", "wait"), [("", 0), ("1", 1000), ("99999", 3_600_000), ("-1", 0), ("1.5", 0), ("²", 0)]
)
def test_retry_after(header: str, wait: int) -> None:
    assert retry_after_ms(header) == wait
