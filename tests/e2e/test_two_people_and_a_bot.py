"""The main job: two people in real browsers and a bot play real questions to the podium, over a path that breaks."""

import asyncio
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
from playwright.async_api import Locator, TimeoutError, expect

from tests.support.browser import LAPTOP, PATIENCE_MS, PHONE, People, Person, built_client, chromium, people
from tests.support.cluster import Cluster, Process, running_cluster
from tests.support.proxy import Proxy, running_proxy
from tests.support.recorded import failures, matches_of, the_match_of

QUESTIONS = 5
SECONDS = 40
"""A question may last this long; it ends as soon as all have answered."""
REVEAL_SECONDS = 10
"""Long enough to look at on a busy machine; the host does not wait for it."""
RELOADED_IN = 1
CUT_IN = 2
CUT_S = 8.0
PLAYERS = 3
TABS_MAX = 20
HURRY_MS = 1_000
PLAY_S = 120
"""It takes 40 s, on a busy machine twice that."""

expect.set_options(timeout=PATIENCE_MS)


class Player:
    """Somebody who plays at a page: looks for what a person looks for."""

    def __init__(self, person: Person) -> None:
        self.person = person
        self.page = person.page
        self.name = "Tom"
        self.came = time.monotonic()

    def says(self, what: str) -> None:
        """Leave a trace for whoever reads the failure."""
        print(f"{time.monotonic() - self.came:5.1f} s {self.person.device.name}: {what}")

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)

    @property
    def tiles(self) -> Locator:
        """What can be pressed."""
        return self.page.get_by_role("button", name=re.compile(r"^[A-F]: "))

    def tile(self, option: int) -> Locator:
        """One option, also at the reveal, when nothing can be pressed any more."""
        return self.page.locator(".tile").nth(option)

    async def sees_question(self, number: int) -> None:
        """The question with this number (from 0) is open, and nothing is chosen yet."""
        await expect(self.page.get_by_text(f"Question {number + 1} of {QUESTIONS}")).to_be_visible()
        await expect(self.tiles.first).to_be_enabled()
        await expect(self.page.get_by_role("timer")).to_be_visible()
        self.says(f"question {number}")

    async def answers(self, option: int) -> None:
        """Press a tile: it stays lit. The last answer may bring the reveal at once."""
        await self.tiles.nth(option).click(delay=150)  # a finger is not faster
        await expect(self.tile(option)).to_contain_text(re.compile("on its way|your answer"))
        self.says(f"pressed {option}")

    async def answers_by_letter(self, option: int) -> None:
        await self.page.keyboard.press("ABCDEF"[option])
        await self.has_answered(option)

    async def answers_by_tab_and_enter(self, option: int) -> None:
        """Walk to the tile as somebody without a mouse does."""
        for _ in range(TABS_MAX):
            await self.page.keyboard.press("Tab")
            if await self.tiles.nth(option).evaluate("tile => tile.matches(':focus-visible')"):
                break
        await self.page.keyboard.press("Enter")
        await self.has_answered(option)

    async def has_answered(self, option: int) -> None:
        """The server has the answer."""
        await expect(self.tile(option)).to_contain_text("your answer")

    async def sees_reveal(self) -> None:
        await expect(self.page.locator("#main").get_by_text(re.compile("right answer"))).to_be_visible()
        self.says("reveal")

    async def sees_podium(self) -> None:
        stands = self.page.get_by_role("list", name="Podium").get_by_role("listitem")
        await expect(stands).to_have_count(PLAYERS)
        for stand in await stands.all():
            await expect(stand).to_have_css("opacity", "1")


@asynccontextmanager
async def bot(cluster: Cluster, code: str) -> AsyncIterator[None]:
    """Have a bot in the room."""
    arguments = ["-m", "clients.python.bot", "--server", cluster.api_url, "--room", code, "--name", "Robo"]
    process = Process("bot", [*arguments, "--seed", "1", "--skill", "100"], {})  # the skilled are quick
    try:
        yield
        assert process.child.poll() is None, f"the bot left:\n{process.tail()}"
    finally:
        await asyncio.to_thread(process.stop)


@pytest.fixture
def client_built() -> None:
    chromium()
    built_client()


@pytest.mark.timeout(200)
@pytest.mark.usefixtures("client_built")
async def test_two_people_and_a_bot_play_to_the_podium(redis_url: str, fresh_database_url: str) -> None:
    with running_cluster(redis_url, fresh_database_url) as cluster:
        await asyncio.to_thread(cluster.wait_settled)
        async with running_proxy(cluster.api_port) as proxy, people() as everybody:
            try:
                async with asyncio.timeout(PLAY_S):
                    code = await _play(cluster, proxy, everybody)
            except BaseException:  # a time-out, too, shows what was seen; raised again
                _show(cluster, everybody)
                raise
            recorded = await the_match_of(fresh_database_url, code)
            complaints = {person.device.name: person.complaints for person in everybody.all}
        assert complaints == {"laptop": [], "phone": []}
        assert sorted(recorded.seats) == [1, 2, 3]
        assert sorted((seat, number) for seat, number, _ in recorded.answers) == [
            (seat, number) for seat in (1, 2, 3) for number in range(QUESTIONS)
        ]
        assert await failures(fresh_database_url) == []
        assert len(await matches_of(fresh_database_url, code)) == 1


def _show(cluster: Cluster, everybody: People) -> None:
    """Print what the processes and the pages said, for whoever reads the failure."""
    for name, process in cluster.processes.items():
        print(f"---- {name}\n{process.tail()}")
    for person in everybody.all:
        print(f"---- {person.device.name}: {person.page.url} {person.complaints}")


async def _play(cluster: Cluster, proxy: Proxy, everybody: People) -> str:
    """Play the match; return the room's code."""
    host = Player(await everybody.come(LAPTOP, cluster.api_url))
    phone = Player(await everybody.come(PHONE, proxy.url))
    code = await _host_opens(host)
    await _phone_joins(phone, code)
    async with bot(cluster, code):
        await _start(host, phone)
        for number in range(QUESTIONS):
            await asyncio.gather(host.sees_question(number), phone.sees_question(number))
            if number == CUT_IN:
                await _answer_over_a_cut_path(proxy, host, phone)
            else:
                await phone.answers(0)
            if number == RELOADED_IN:
                await _reload(phone)
            if number == 0:
                await _pictures(host, phone, "question")
            if number == QUESTIONS - 2:
                await host.answers_by_letter(1)
            elif number == QUESTIONS - 1:
                await host.answers_by_tab_and_enter(1)
            else:
                await host.answers(1)
            await _reveal(host, phone, number)
        await asyncio.gather(host.sees_podium(), phone.sees_podium())
        await _pictures(host, phone, "podium")
    return code


async def _host_opens(host: Player) -> str:
    """From the first page to a room in two taps, as a guest; then few and short questions."""
    page = host.page
    await page.goto("/")
    await expect(page.get_by_role("heading", name="Who knows it first?")).to_be_visible()
    await host.person.picture("home")
    await page.get_by_role("form", name="Play").get_by_role("link", name="Host a game").click()
    await host.button("Open the room").click()
    await page.wait_for_url(re.compile(r"/r/\w{6}$"))
    await host.button("Settings").click()
    dialog = page.get_by_role("dialog", name="Settings")
    for name, value in (
        ("Questions", QUESTIONS),
        ("Seconds to answer", SECONDS),
        ("Seconds to see the answer", REVEAL_SECONDS),
    ):
        await dialog.get_by_role("slider", name=name, exact=True).fill(str(value))
    await host.person.picture("settings")
    await dialog.get_by_role("button", name="Save").click()
    await expect(page.get_by_text(f"{QUESTIONS} questions, {SECONDS} seconds each")).to_be_visible()
    return page.url.rsplit("/", 1)[1]


async def _phone_joins(phone: Player, code: str) -> None:
    page = phone.page
    await page.goto("/")
    await page.get_by_role("textbox", name="Your name").fill(phone.name)
    await phone.person.picture("home")
    await page.get_by_role("textbox", name="Room code").fill(code)
    await phone.button("Join").click()
    await page.wait_for_url(f"**/r/{code}")
    await phone.button("I am ready").click()
    await expect(phone.button("Ready")).to_be_visible()


async def _start(host: Player, phone: Player) -> None:
    people_here = host.page.get_by_role("list", name="People").get_by_role("listitem")
    await expect(people_here).to_have_count(PLAYERS)
    await expect(people_here.filter(has_text=phone.name)).to_contain_text("Ready")
    await expect(people_here.filter(has_text="Robo")).to_contain_text("bot")
    await _pictures(host, phone, "lobby")
    await host.button("Start").click()


async def _reload(player: Player) -> None:
    """Reload in the middle of a question: the seat, the question and the answer are there again."""
    await player.has_answered(0)
    await player.page.reload()
    await expect(player.page.get_by_text(f"Question {RELOADED_IN + 1} of {QUESTIONS}")).to_be_visible()
    await player.has_answered(0)


async def _answer_over_a_cut_path(proxy: Proxy, host: Player, phone: Player) -> None:
    """Cut the phone off in the middle of the question. It answers meanwhile, and the answer counts."""
    (socket,) = [path for path in proxy.sockets if not path.is_cut]
    seats = host.page.get_by_role("dialog", name="People").get_by_role("listitem")
    banner = phone.page.get_by_test_id("banner-lost")
    await host.button("Room menu").click()
    await host.page.get_by_role("menuitem", name="People").click()
    await expect(seats.filter(has_text=phone.name)).not_to_contain_text("away")
    async with proxy.broken(CUT_S, at_ping_of=socket) as healed:
        phone.says("cut off")
        await phone.answers(0)
        await expect(seats.filter(has_text=phone.name)).to_contain_text("away")
        assert not healed.is_set(), "the server saw the drop only afterwards"
        await expect(banner).to_be_visible()
        assert not healed.is_set(), "the page saw the cut only afterwards"
        await _pictures(host, phone, "cut")
        await healed.wait()
        await expect(seats.filter(has_text=phone.name)).not_to_contain_text("away")
        await phone.has_answered(0)
        await expect(banner).to_be_hidden()
        phone.says("back again")
    await host.page.get_by_role("dialog", name="People").get_by_role("button", name="Close").click()


async def _reveal(host: Player, phone: Player, number: int) -> None:
    """See the right answer and the scores; the host does not wait for the clock."""
    await asyncio.gather(host.sees_reveal(), phone.sees_reveal())
    if number == 0:
        await _pictures(host, phone, "reveal")
    await host.button("Next").click()
    if number == QUESTIONS - 1:
        return
    for player in (host, phone):
        rows = player.page.get_by_role("region", name="Scores").get_by_role("listitem")
        await expect(rows).to_have_count(PLAYERS)
    if number == 0:
        await _pictures(host, phone, "scoreboard")
    with suppress(TimeoutError):  # the scores go by themselves, too
        await host.button("Next").click(timeout=HURRY_MS)


async def _pictures(host: Player, phone: Player, moment: str) -> None:
    await asyncio.gather(host.person.picture(moment), phone.person.picture(moment))
