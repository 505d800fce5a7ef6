"""Each screen outside a match, on phone and laptop, by day and by night: no barriers, nothing beyond the edge."""

import re

import pytest
from playwright.async_api import Page, expect

from tests.support.browser import LAPTOP, PATIENCE_MS, PHONE, Device, People, built_client, chromium, people
from tests.support.cluster import running_cluster

expect.set_options(timeout=PATIENCE_MS)

LOOKS: tuple[Device, ...] = (
    PHONE,
    PHONE._replace(name="phone-at-night", light=False),
    LAPTOP._replace(name="laptop-by-day", light=True, calm=True),
)


@pytest.fixture
def client_built() -> None:
    chromium()
    built_client()


@pytest.mark.usefixtures("client_built")
async def test_no_screen_keeps_anybody_out(redis_url: str, fresh_database_url: str) -> None:
    with running_cluster(redis_url, fresh_database_url, nodes=1) as cluster:
        async with people() as everybody:
            code = await _room(everybody, cluster.api_url)
            for look in LOOKS:
                person = await everybody.come(look, cluster.api_url)
                page = person.page
                for path, heading in (
                    ("/", "Who knows it first?"),
                    ("/host", "Host a game"),
                    ("/account", "Account"),
                    (f"/j/{code}", "Room of ours"),
                    (f"/screen/{code}", "Room of ours"),
                    ("/nowhere", "Nothing here"),
                ):
                    await page.goto(path)
                    await expect(page.get_by_role("heading", level=1, name=heading)).to_be_visible()
                    await _fits(page, path)
                    await person.picture(path.strip("/").replace("/", "-") or "first")
            complaints = {person.device.name: person.complaints for person in everybody.all}
    assert complaints == {device.name: [] for device in (LAPTOP, *LOOKS)}


async def _room(everybody: People, url: str) -> str:
    """Open a room by keys alone, as whoever was named on the first page; return its code."""
    page = (await everybody.come(LAPTOP, url)).page
    await page.goto("/")
    await page.get_by_role("textbox", name="Your name").fill("Grace")
    await page.get_by_role("form", name="Play").get_by_role("link", name="Host a game").focus()
    await page.keyboard.press("Enter")
    await page.get_by_role("textbox", name="Name of the room").fill("Room of ours")
    await page.keyboard.press("Enter")
    await page.wait_for_url(re.compile(r"/r/\w{6}$"))
    here = page.get_by_role("list", name="People").get_by_role("listitem")
    await expect(here).to_contain_text("Grace")
    return page.url.rsplit("/", 1)[1]


async def _fits(page: Page, path: str) -> None:
    """Nothing makes the page wider than the screen."""
    beyond = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert beyond <= 0, f"{path} is {beyond} px too wide at {page.viewport_size}"
