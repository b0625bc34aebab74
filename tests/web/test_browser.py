"""In a real browser: every page is fit for everybody, shortcuts, drafts, and what happens when two are at one issue."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import product
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.town import CITY_COORDINATOR, OFFICE, OWNER
from tests.web.browser import DESK, PHONE, Visitor, chromium, served
from tests.web.office import Office


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as made:
        yield made


def test_by_keyboard_alone(small: Office, browser: Browser) -> None:
    number = small.town.raise_issue()
    with served(small.web) as address:
        small.user("city", CITY_COORDINATOR)
        visitor = Visitor(browser, address, "city", DESK, "light")
        page = visitor.go("/login")
        page.keyboard.type("city")
        page.keyboard.press("Tab")
        page.keyboard.type("correct horse battery staple")
        page.keyboard.press("Enter")
        expect(page.locator("nav.main")).to_be_visible()
        page.wait_for_load_state()
        page.keyboard.press("Tab")
        expect(page.locator(".skip")).to_be_focused()
        page.keyboard.press("Enter")
        page.keyboard.press("j")
        expect(page.locator("a.title").first).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.locator(".crumb .num")).to_have_text(number)
        for _ in range(40):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.matches('details.act[open] button')"):
                break
        page.keyboard.press("Enter")
        expect(page.locator(".notice.good")).to_be_visible()
        visitor.context.close()
    assert small.town.facts(number).status == "pending_ack"


def test_a_page_says_that_somebody_else_was_faster_and_keeps_what_was_typed(small: Office, browser: Browser) -> None:
    number = small.town.raise_issue()
    with served(small.web) as address:
        small.user("city", CITY_COORDINATOR)
        visitor = Visitor(browser, address, "city", DESK, "light")
        visitor.enter()
        page = visitor.go(f"/issues/{number}")
        page.locator("#dispatch-reason").fill("请工信局办理")
        small.town.act(number, "urge", OWNER, reason="急")
        page.locator("details.act[open] button.primary").click()
        expect(page.locator(".notice.bad")).to_contain_text("急")
        expect(page.locator("#dispatch-reason")).to_have_value("请工信局办理")
        visitor.checked()
        page.locator("details.act[open] button.primary").click()
        expect(page.locator(".notice.good")).to_be_visible()
        visitor.context.close()
    assert small.town.facts(number).status == "pending_ack"


def test_what_others_do_appears_without_reloading(small: Office, browser: Browser) -> None:
    number = small.town.raise_issue()
    with served(small.web) as address:
        small.user("city", CITY_COORDINATOR)
        visitor = Visitor(browser, address, "city", DESK, "light")
        visitor.page.clock.install()
        visitor.enter()
        page = visitor.go(f"/issues/{number}")
        expect(page.locator(".badge")).to_have_text("1")
        small.town.raise_issue()
        small.town.act(number, "urge", OWNER, reason="请抓紧")
        page.clock.fast_forward(61_000)
        expect(page.locator(".live")).to_contain_text("请抓紧")
        expect(page.locator(".badge")).to_have_text("2")
        visitor.checked()
        visitor.context.close()


def test_a_draft_its_files_and_many_at_once_by_keyboard(small: Office, browser: Browser, tmp_path: Path) -> None:
    photo, program = tmp_path / "现场照片.png", tmp_path / "程序.pdf"
    photo.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(70_000))
    program.write_bytes(b"MZ")
    small.town.raise_issue()
    with served(small.web) as address:
        small.user("owner", OWNER)
        visitor = Visitor(browser, address, "owner", PHONE, "dark")
        visitor.enter()
        page = visitor.go("/issues/new?project=HLJ26-001")
        page.select_option("[name=category]", "power")
        page.fill("[name=title]", "二期车间缺电")
        expect(page.locator("#saved time")).to_be_visible()
        page.set_input_files("[name=files]", [str(photo), str(program)])
        page = visitor.go("/issues/new")
        expect(page.locator("[name=title]")).to_have_value("二期车间缺电")
        expect(page.locator("#suggest")).to_contain_text("power is stuck")
        page.set_input_files("[name=files]", [str(photo), str(program)])
        page.check("[name=open]")
        page.locator("#raise button.primary").click()
        expect(page.locator(".notice.bad")).to_contain_text("程序.pdf")
        expect(page.locator(".files .check")).to_contain_text("现场照片.png")
        visitor.checked()
        page.locator("#raise button.primary").click()
        with page.expect_download() as saved:
            page.locator("#h-files ~ ul a").click()
        assert saved.value.suggested_filename == "现场照片.png"
        assert Path(saved.value.path()).read_bytes() == photo.read_bytes()
        visitor.checked()

        page = visitor.go("/issues")
        for key in "jxjx":
            page.keyboard.press(key)
        expect(page.locator("#ticked")).to_have_text("2")
        page.keyboard.press("?")
        expect(page.locator("dialog")).to_be_visible()
        visitor.checked()
        page.keyboard.press("Escape")
        page.locator("#bulk button[value=urge]").click()
        expect(page.locator(".chip.done")).to_have_count(2)
        visitor.checked()
        visitor.context.close()
    assert small.town.verify().ok


PAGES = {
    "todo": "/", "issues": "/issues?state=all", "issue": "/issues/WT26-0024", "narrowed": "/issues?light=red&stage=province",
    "empty": "/issues?q=没有这样的问题", "new": "/issues/new?project=HLJ26-001", "board": "/board", "charts": "/charts", "projects": "/projects",
    "project": "/projects/HLJ26-001", "summaries": "/summaries", "nodes": "/admin/nodes", "outbox": "/admin/outbox?state=queued",
    "users": "/admin/users", "account": "/account", "missing": "/nothing",
}  # fmt: skip
#: Pages of the same make as those: two ways are enough.
ALIKE = {
    "user": "/admin/users/chen", "parties": "/admin/parties", "party": "/admin/parties/PT0013", "categories": "/admin/categories",
    "calendar": "/admin/calendar", "workflows": "/admin/workflows", "workflow": "/admin/workflows/provincial@1",
    "audit": "/admin/audit",
}  # fmt: skip


@pytest.fixture
def lively(sqlite: str, new_store, tmp_path: Path) -> Iterator[Office]:  # type: ignore[no-untyped-def]
    """The sample ledger on the day that it describes, after a sweep, with a worker beside it."""
    from escalation.nodes import Node

    made = Office(new_store(sqlite), tmp_path, empty=True)
    made.town.now = datetime(2026, 11, 24, 2, 30, tzinfo=UTC)
    made.app.init(made.town.now)
    made.app.import_sample(made.town.now)
    made.app.sweep(made.town.now)
    made.app.sign(Node("worker", made.town.now), made.town.now)
    made.user("chen", OFFICE, admin=True)
    made.user("liu", OFFICE, admin=True, language="en")
    yield made
    made.app.close()


#: Four of the eight ways: every pair of a language, a scheme and a device is among them. It takes half a minute a way. For
#: pictures that people will look at, all eight.
WAYS = (("zh", "light", "desk"), ("zh", "dark", "phone"), ("en", "light", "phone"), ("en", "dark", "desk"))
if os.environ.get("SHOTS"):
    WAYS = tuple(product(("zh", "en"), ("light", "dark"), ("desk", "phone")))


@pytest.mark.parametrize(("language", "scheme", "device"), WAYS)
def test_every_page_is_fit_for_everybody(lively: Office, browser: Browser, language: str, scheme: str, device: str) -> None:
    with served(lively.web) as address:
        login = "liu" if language == "en" else "chen"
        visitor = Visitor(browser, address, login, DESK if device == "desk" else PHONE, scheme)
        visitor.go("/login")
        visitor.checked()
        visitor.shot(f"login-{language}-{scheme}-{device}")
        visitor.enter()
        alike = ALIKE if (language, device) in (("zh", "desk"), ("en", "phone")) else {}
        for name, path in (PAGES | alike).items():
            page = visitor.go(path)
            expect(page.locator(".htmx-request")).to_have_count(0)
            page.evaluate("document.querySelectorAll('details.act, details.why').forEach((d) => { d.name = ''; d.open = true })")
            visitor.checked()
            visitor.shot(f"{name}-{language}-{scheme}-{device}")
        # on a page with nothing under the menu: what it half covers is no target of its own
        visitor.go(PAGES["missing"])
        visitor.page.locator("details.menu summary").click()
        visitor.checked()
        visitor.context.close()
