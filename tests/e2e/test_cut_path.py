"""A player whose path falls silent in the middle of a question: seen by the server, back by itself, nothing lost."""

import asyncio

from protocol.client import StartMatch
from protocol.modes.trivia import TriviaSkip
from tests.support.cluster import running_cluster
from tests.support.players import Crowd, seated, signed_in
from tests.support.proxy import running_proxy
from tests.support.recorded import failures, the_match_of

QUESTIONS = 3
CUT_IN = 1
CUT_S = 8.0


async def test_an_answer_given_while_the_path_is_cut_counts(redis_url: str, fresh_database_url: str) -> None:
    with running_cluster(redis_url, fresh_database_url) as cluster:
        await asyncio.to_thread(cluster.wait_settled)
        async with running_proxy(cluster.api_port) as proxy:
            crowd = Crowd()
            (host,) = await signed_in(cluster.api_url, ["Host"], crowd)
            (guest,) = await signed_in(proxy.url, ["Guest"], crowd)
            settings = {"questions": QUESTIONS, "seconds": 30, "reveal_seconds": 2}
            code = await host.api.create_room("trivia", settings)
            async with seated(code, crowd, [host, guest]):
                seat = str(guest.session.seat)
                host.submit(StartMatch)
                for question in range(QUESTIONS):
                    await crowd.until(
                        lambda n=question: host.sees(n, "open") and guest.sees(n, "open"), lambda: f"{host.view}"
                    )
                    if question == CUT_IN:
                        async with proxy.broken(CUT_S, at_ping_of=proxy.sockets[-1]) as healed:
                            guest.answer(question, 1)
                            await crowd.until(lambda: not host.view["seats"][seat]["here"], lambda: f"{host.view}")
                            assert not healed.is_set(), "the server saw the drop only afterwards"
                            assert not host.at(question, "closing"), "it waits for who may come back"
                            await healed.wait()
                            await crowd.until(lambda: host.view["seats"][seat]["here"], lambda: f"{host.view}")
                            await crowd.until(lambda: seat in host.game["answered"], lambda: f"{host.game}")
                    else:
                        guest.answer(question, 0)
                    host.answer(question, 0)
                    await crowd.until(
                        lambda n=question: host.at(n, "reveal") and guest.at(n, "reveal"), lambda: f"{host.view}"
                    )
                    host.submit(TriviaSkip)
                await crowd.until(lambda: guest.phase == host.phase == "results", lambda: f"{guest.view}")
                assert guest.view == host.view
                assert guest.ended is None
            recorded = await the_match_of(fresh_database_url, code)
        # At least the cut itself: a busy machine may lose a ping more.
        assert guest.welcomed >= 2
        assert guest.away >= 1
        assert guest.double == []
        told = {(guest.session.seat, n, text) for n, text in guest.acknowledged.items()}
        assert {row for row in recorded.answers if row[0] == guest.session.seat} == told
        assert len(told) == QUESTIONS
        assert await failures(fresh_database_url) == []
