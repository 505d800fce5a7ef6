"""The system's Chromium for tests: people at their pages, what the pages complain of, and pictures of them."""

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

import pytest
from playwright.async_api import Browser, ConsoleMessage, Page, Playwright, async_playwright

from tests.support.services import REPOSITORY

ARTIFACTS = REPOSITORY / "tests" / "artifacts"
"""Where pictures go (not in the repository)."""

AXE = REPOSITORY / "clients" / "web" / "node_modules" / "axe-core" / "axe.min.js"

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Several pages are in front at once here; none of them is "in the background".
    "--disable-renderer-backgrounding",
    "--disable-backgrounding-occluded-windows",
    "--disable-background-timer-throttling",
]
BUILD_S = 600
FAILED = "when-it-failed"
CLOSE_S = 20
PATIENCE_MS = 20_000


class Device(NamedTuple):
    """What a person holds, and how they like it."""

    name: str
    width: int
    height: int
    touch: bool = False
    light: bool = False
    calm: bool = False  # nothing should move


LAPTOP = Device("laptop", 1280, 800)
PHONE = Device("phone", 390, 844, touch=True, light=True, calm=True)


def chromium() -> str:
    """Return the browser's program. Without one a test is skipped, and fails where CI says that nothing may be."""
    for name in PROGRAMS:
        if found := shutil.which(name):
            return found
    why = "no Chromium on this machine (Debian: apt-get install chromium)"
    if os.environ.get("CI"):
        pytest.fail(f"browser tests cannot run: {why}")
    pytest.skip(why)


def built_client() -> None:
    """Build the web client when it is missing or older than its sources."""
    done = subprocess.run(
        [sys.executable, "-m", "arena.webbuild"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=BUILD_S,
        check=False,
    )
    assert done.returncode == 0, f"the web client cannot be built:\n{done.stdout}{done.stderr}"


class Person:
    """Somebody at a page of their own."""

    def __init__(self, device: Device, page: Page) -> None:
        self.device = device
        self.page = page
        self.complaints: list[str] = []
        self._pictures = 0
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.complaints.append(f"uncaught: {error}"))

    def _said(self, message: ConsoleMessage) -> None:
        url = message.location.get("url", "")
        if "status of 503" in message.text and url.endswith("/join"):
            return  # a room that is still opening: the page asks again, the browser says so all the same
        if message.text.startswith("WebSocket connection to"):
            return  # a room that is being handed over, or a path that is cut: likewise
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.type}: {message.text} ({message.location.get('url', '')})")

    async def barriers(self) -> list[str]:
        """Return what keeps people out of this page, as axe-core finds it: serious and critical only."""
        await self.page.evaluate(AXE.read_text(encoding="utf-8"))
        found = await self.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        return [
            f"{each['impact']} {each['id']}: {[node['target'] for node in each['nodes']]}"
            for each in found["violations"]
            if each["impact"] in ("serious", "critical")
        ]

    async def picture(self, moment: str) -> None:
        """Keep what the page looks like now; where nothing moves, look for barriers, too: they are complaints."""
        ARTIFACTS.mkdir(parents=True, exist_ok=True)
        self._pictures += 1
        path = ARTIFACTS / f"{self.device.name}-{self._pictures:02}-{moment}.png"
        await self.page.screenshot(path=path, scale="css")
        if self.device.calm and moment != FAILED:
            self.complaints += [f"{moment}: {barrier}" for barrier in await self.barriers()]


class People:
    """Opens pages in one browser, each in a profile of its own."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self.all: list[Person] = []

    async def come(self, device: Device, url: str) -> Person:
        """Open a page on a device."""
        context = await self._browser.new_context(
            base_url=url,
            viewport={"width": device.width, "height": device.height},
            has_touch=device.touch,
            is_mobile=device.touch,
            device_scale_factor=2 if device.touch else 1,
            locale="en-GB",
            color_scheme="light" if device.light else "dark",
            reduced_motion="reduce" if device.calm else "no-preference",
        )
        context.set_default_timeout(PATIENCE_MS)
        person = Person(device, await context.new_page())
        self.all.append(person)
        return person


@asynccontextmanager
async def people() -> AsyncIterator[People]:
    """Give a running browser."""
    program = chromium()
    async with async_playwright() as playwright, _launched(playwright, program) as browser:
        found = People(browser)
        try:
            yield found
        except BaseException:  # an interrupted test leaves its pictures, too; raised again
            for person in found.all:
                await person.picture(FAILED)
            raise


@asynccontextmanager
async def _launched(playwright: Playwright, program: str) -> AsyncIterator[Browser]:
    browser = await playwright.chromium.launch(executable_path=program, headless=True, args=FLAGS)
    try:
        yield browser
    finally:
        async with asyncio.timeout(CLOSE_S):
            await browser.close()
