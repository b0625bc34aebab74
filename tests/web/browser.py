"""A real browser at a real server: Debian's Chromium, driven by Playwright, and what is checked on every page it opens."""

import asyncio
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.programs import needed
from tests.web.office import PASSWORD

ARGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
AXE = (Path(__file__).parent / "vendor" / "axe.min.js").read_text(encoding="utf-8")
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
DESK, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
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
    """Somebody at the browser. Whatever the page asks for elsewhere, and whatever it complains of, is remembered."""

    def __init__(self, browser: Browser, address: str, login: str, size: dict[str, int], scheme: str) -> None:
        self.address, self.login = address, login
        self.context: BrowserContext = browser.new_context(
            reduced_motion="reduce", viewport=size, color_scheme=scheme, locale="zh-CN"
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
        self.page.fill("[name=login]", self.login)
        self.page.fill("[name=password]", PASSWORD)
        self.page.click("button.primary")
        expect(self.page.locator("nav.main")).to_be_visible()

    def go(self, path: str) -> Page:
        """Opens a page."""
        self.page.goto(self.address + path)
        return self.page

    def checked(self) -> None:
        """Nothing on this page breaks WCAG 2.2 AA, is wider than the screen, was asked for elsewhere, or complained."""
        found = self.page.evaluate(
            f"async (rules) => {{ {AXE}; return (await axe.run(document, {{runOnly: rules}})).violations }}", RULES
        )
        told = [f"{each['id']}: {each['help']}: {[node['html'][:160] for node in each['nodes'][:3]]}" for each in found]
        assert told == [], f"{self.page.url}: " + "\n".join(told)
        wide = self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, f"{self.page.url} is {wide} px wider than the screen"
        assert self.elsewhere == []
        assert self.complaints == []

    def shot(self, name: str) -> None:
        """A picture of the page, where the environment variable SHOTS names a folder for them."""
        if folder := os.environ.get("SHOTS"):
            self.page.screenshot(path=f"{folder}/{name}.png", full_page=True)
