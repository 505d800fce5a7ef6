"""Rate limits: failures count, good requests never do; headers; without Redis nothing is refused."""

import asyncio
import socket
from pathlib import Path

from redis.asyncio import Redis
from starlette.applications import Starlette

from arena.keys import SigningKeys
from httpapi.services.all import Services
from httpapi.services.rates import Counts, Rates, Rule
from protocol import keys as layout
from tests.support.api import (
    PASSWORD,
    NewClient,
    a_username,
    be_account,
    be_guest,
    fresh_address,
    settings_for,
    started,
)
from tests.support.asgi import Client
from tests.support.rooms_desk import a_card, put_card


async def test_twenty_unknown_codes_a_minute(client: Client, app: Starlette) -> None:
    await put_card(app, a_card("BCDF24"))
    for number in range(20):
        assert (await client.get("/api/games/rooms/BCDF24")).status == 200, "good ones do not count"
        answer = await client.get("/api/games/rooms/BBBBBB")
        assert answer.code == "room_not_found"
        assert answer.headers["ratelimit-limit"] == "20"
        assert answer.headers["ratelimit-remaining"] == str(20 - number)
    answer = await client.get("/api/games/rooms/BBBBBB")
    assert (answer.status, answer.code) == (429, "rate_limited")
    assert 1 <= int(answer.headers["retry-after"]) <= 60
    assert answer.headers["ratelimit-remaining"] == "0"
    assert answer.headers["ratelimit-policy"] == "20;w=60"
    await be_guest(client)
    joined = await client.post("/api/games/rooms/BCDF24/join", {})
    assert joined.code == "rate_limited", "joining by a code counts together with reading one"


async def test_a_classroom_joins_from_one_address(client: Client, app: Starlette) -> None:
    await put_card(app, a_card("BCDF24"))
    await be_guest(client)
    answers = await asyncio.gather(*(client.post("/api/games/rooms/BCDF24/join", {}) for _ in range(200)))
    assert {answer.status for answer in answers} == {200}


async def test_another_address_is_another_matter(client: Client, new_client: NewClient) -> None:
    for _ in range(21):
        answer = await client.get("/api/games/rooms/BBBBBB")
    assert answer.code == "rate_limited"
    assert (await new_client().get("/api/games/rooms/BBBBBB")).code == "room_not_found"


async def test_an_ipv6_customer_is_one_address(app: Starlette) -> None:
    for number in range(21):
        answer = await Client(app, address=f"2001:db8:77:1::{number:x}").get("/api/games/rooms/BBBBBB")
    assert answer.code == "rate_limited"
    assert (await Client(app, address="2001:db8:77:2::1").get("/api/games/rooms/BBBBBB")).code == "room_not_found"
    await app.state.services.cache.delete(layout.rate_limit("2001:db8:77:1::/64", "unknown_room"))


async def test_five_wrong_passwords_for_one_account(client: Client, new_client: NewClient) -> None:
    username = a_username()
    await be_account(client, username)
    thief = new_client()
    wrong = {"username": username, "password": "wrong password", "client": "bot"}
    right = {**wrong, "password": PASSWORD}
    for _ in range(5):
        assert (await thief.post("/api/auth/login", wrong)).code == "bad_credentials"
    assert (await thief.post("/api/auth/login", {**wrong, "username": username.upper()})).code == "rate_limited"
    assert (await thief.post("/api/auth/login", right)).code == "rate_limited", "nor may the right one be found"
    assert (await new_client().post("/api/auth/login", right)).status == 200, "the owner elsewhere is not locked out"


async def test_twenty_wrong_passwords_from_one_address(client: Client) -> None:
    for _ in range(20):
        body = {"username": a_username(), "password": "wrong password", "client": "bot"}
        assert (await client.post("/api/auth/login", body)).code == "bad_credentials"
    body = {"username": a_username(), "password": "wrong password", "client": "bot"}
    assert (await client.post("/api/auth/login", body)).code == "rate_limited"


async def test_asking_which_names_are_taken(client: Client, new_client: NewClient) -> None:
    username = a_username()
    await be_account(new_client(), username)
    body = {"username": username, "password": PASSWORD, "client": "bot"}
    codes = [(await client.post("/api/auth/register", body)).code for _ in range(21)]
    assert codes == ["username_taken"] * 20 + ["rate_limited"]


async def test_rooms_are_counted_for_each_user(client: Client) -> None:
    await be_guest(client)
    codes = [(await client.post("/api/games/rooms", {"mode": "trivia"})).code for _ in range(31)]
    assert codes == ["store_unavailable"] * 30 + ["rate_limited"]
    client.address = fresh_address()
    assert (await client.post("/api/games/rooms", {"mode": "trivia"})).code == "rate_limited", "wherever they are"
    await be_guest(client)
    assert (await client.post("/api/games/rooms", {"mode": "trivia"})).code == "store_unavailable"


async def test_a_window_ends(services: Services) -> None:
    rule = Rule("test_window", 1, 1, Counts.ALL)
    who = fresh_address()
    rates = Rates(services.cache)
    assert not (await rates.enter([(rule, who)]))[0].exceeded
    assert (await rates.enter([(rule, who)]))[0].exceeded
    await services.cache.pexpire(layout.rate_limit(who, rule.name), 0)  # a minute later
    assert not (await rates.enter([(rule, who)]))[0].exceeded


async def test_every_counter_has_an_end(services: Services) -> None:
    rule = Rule("test_ttl", 5, 60, Counts.FAILURES)
    who = fresh_address()
    rates = Rates(services.cache)
    await rates.enter([(rule, who)])
    await rates.failed([(rule, who)])
    assert 0 < await services.cache.pttl(layout.rate_limit(who, rule.name)) <= 60_000
    await services.cache.persist(layout.rate_limit(who, rule.name))  # as after a crash between the two commands
    (standing,) = await rates.enter([(rule, who)])
    assert (standing.used, standing.reset_s) == (1, 60)


async def test_without_redis_nothing_is_refused() -> None:
    rates = Rates(Redis.from_url("redis://127.0.0.1:1", socket_connect_timeout=1))
    rule = Rule("test_open", 0, 60, Counts.ALL)
    assert await rates.enter([(rule, "x")]) == []
    await rates.failed([(rule, "x")])


async def test_without_redis_the_api_refuses_nobody(database_url: str, keys: SigningKeys, tmp_path: Path) -> None:
    settings = settings_for(database_url, "redis://127.0.0.1:1/0")
    async with started(settings, keys, tmp_path) as app:
        client = Client(app, address=fresh_address())
        body = {"username": a_username(), "password": "wrong password", "client": "bot"}
        answers = [await client.post("/api/auth/login", body) for _ in range(25)]
    assert {answer.code for answer in answers} == {"bad_credentials"}
    assert not any(name.startswith("ratelimit") for answer in answers for name in answer.headers)


async def test_a_redis_that_never_answers_costs_seconds_and_no_more(
    database_url: str, keys: SigningKeys, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as hole:  # connections succeed, nobody takes them
        settings = settings_for(database_url, f"redis://127.0.0.1:{hole.getsockname()[1]}/0")
        async with started(settings, keys, tmp_path) as app:
            async with asyncio.timeout(15):
                await be_guest(Client(app, address=fresh_address()))
