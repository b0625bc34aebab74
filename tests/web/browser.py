"""A real browser at a real server: Debian's Chromium, driven by Playwright, and what is checked on every page it opens."""

import asyncio
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import uvicorn
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect, sync_playwright

from tests.programs import needed
from tests.web.office import PASSWORD

ARGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
AXE = (Path(__file__).parent / "vendor" / "axe.min.js").read_text(encoding="utf-8")
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
DESK, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
#: No page has more that can be reached.
MOST_TABS = 300
expect.set_options(timeout=15_000)


@contextmanager
def served(web: Any) -> Iterator[str]:
    """The application on a port of this machine; its address."""
    server = uvicorn.Server(uvicorn.Config(web, host="127.0.0.1", port=0, log_config=None, lifespan="off", ws="none"))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()), daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        threading.Event().wait(0.02)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join()


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser."""
    path = needed("chromium", "chromium", "fonts-noto-cjk")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGS)
        yield browser
        browser.close()


class Visitor:
    """Somebody at the browser, with a mouse, a finger, or a keyboard and nothing else.

    Whatever the page asks for elsewhere, and whatever it complains of, is remembered.
    """

    def __init__(
        self, browser: Browser, address: str, login: str, size: dict[str, int], scheme: str, hand: str = "mouse"
    ) -> None:
        self.address, self.login, self.hand = address, login, hand
        self.context: BrowserContext = browser.new_context(
            reduced_motion="reduce", viewport=size, color_scheme=scheme, locale="zh-CN", has_touch=hand == "finger"
        )  # type: ignore[arg-type]
        self.page: Page = self.context.new_page()
        self.elsewhere: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", lambda request: self._asked(request.url))
        self.page.on("console", lambda said: self._said(said.type, said.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: dialog.accept())

    def _asked(self, url: str) -> None:
        if not url.startswith((self.address, "data:")):
            self.elsewhere.append(url)

    def _said(self, kind: str, text: str) -> None:
        # a form that is refused comes back with its status, and Chromium says so
        if kind in ("error", "warning") and "the server responded with a status of 4" not in text:
            self.complaints.append(text)

    def enter(self) -> None:
        """Logs in."""
        self.go("/login")
        self.write(self.page.locator("[name=login]"), self.login)
        self.write(self.page.locator("[name=password]"), PASSWORD)
        self.press(self.page.locator("button.primary"))
        expect(self.page.locator("nav.main")).to_be_visible()

    def come_in(self, cookies: Any) -> None:
        """Has logged in already, and has the cookies of it."""
        self.context.add_cookies([{"name": each.name, "value": str(each.value), "url": self.address} for each in cookies.jar])

    def go(self, path: str) -> Page:
        """Opens a page."""
        self.page.goto(self.address + path)
        return self.page

    # ---- what hands do

    def _reach(self, what: Locator) -> None:
        """Goes from one thing to the next until it is there."""
        expect(what).to_be_visible()
        there = what.element_handle()
        for _ in range(MOST_TABS):
            if self.page.evaluate("(what) => document.activeElement === what", there):
                return
            self.page.keyboard.press("Tab")
        raise AssertionError(f"{what} cannot be reached by keyboard")

    def press(self, what: Locator) -> None:
        """A button, a link, something that unfolds."""
        match self.hand:
            case "mouse":
                what.click()
            case "finger":
                what.tap()
            case _:
                self._reach(what)
                self.page.keyboard.press("Enter")

    def write(self, what: Locator, text: str) -> None:
        """Into a field."""
        if self.hand == "keyboard":
            self._reach(what)
            self.page.keyboard.insert_text(text)
        else:
            what.fill(text)

    def choose(self, what: Locator, value: str) -> None:
        """One of a list."""
        if self.hand != "keyboard":
            what.select_option(value)
            return
        self._reach(what)
        while what.input_value() != value:
            before = what.input_value()
            self.page.keyboard.press("ArrowDown")
            assert what.input_value() != before, f"{value} is not in the list"

    def tick(self, what: Locator) -> None:
        """A box."""
        if self.hand == "keyboard":
            self._reach(what)
            self.page.keyboard.press("Space")
        else:
            what.check()

    def day(self, what: Locator, day: date) -> None:
        """Into a field for a date: month, day and year, in the order of an English Chromium."""
        if self.hand == "keyboard":
            self._reach(what)
            self.page.keyboard.type(f"{day:%m%d%Y}")
            expect(what).to_have_value(day.isoformat())
        else:
            what.fill(day.isoformat())

    # ---- what is checked

    def quiet(self) -> None:
        """Nothing was asked for elsewhere, nothing complained."""
        assert self.elsewhere == []
        assert self.complaints == []

    def checked(self) -> None:
        """Nothing on this page breaks WCAG 2.2 AA, is wider than the screen, was asked for elsewhere, or complained."""
        found = self.page.evaluate(
            f"async (rules) => {{ {AXE}; return (await axe.run(document, {{runOnly: rules}})).violations }}", RULES
        )
        told = [f"{each['id']}: {each['help']}: {[node['html'][:160] for node in each['nodes'][:3]]}" for each in found]
        assert told == [], f"{self.page.url}: " + "\n".join(told)
        wide = self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, f"{self.page.url} is {wide} px wider than the screen"
        self.quiet()

    def shot(self, name: str) -> None:
        """A picture of the page, where the environment variable SHOTS names a folder for them."""
        if folder := os.environ.get("SHOTS"):
            self.page.screenshot(path=f"{folder}/{name}.png", full_page=True)
