"""One issue's whole life in a real browser, by mouse, on a phone and by keyboard alone in English.

A reporter raises it, a coordinator dispatches, the party acknowledges, reports, asks for an extension and resolves; it is sent
back and closed; the reporter disputes, it is reopened, and a deputy solves it while the party is away. What each of them does is
seen on another person's page and in a mailbox.
"""

import asyncio
import email
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from email.message import EmailMessage
from email.policy import default

import pytest
from playwright.sync_api import Browser, Locator, expect

from tests.town import CITY_COORDINATOR, DEPARTMENT_COORDINATOR, OFFICE, OWNER
from tests.web.browser import DESK, PHONE, Visitor, chromium, served
from tests.web.office import Office

HANDLER, DEPUTY = "PT0033", "PT0034"
PEOPLE = {
    "owner": OWNER, "city": CITY_COORDINATOR, "handler": HANDLER, "deputy": DEPUTY, "dept": DEPARTMENT_COORDINATOR, "admin": OFFICE,
}  # fmt: skip
#: The words that are looked for, in each language.
WORDS = {
    "zh_CN": {"in_work": "办理中", "review": "待销号审核", "closed": "已销号"},
    "en": {"in_work": "in progress", "review": "under review", "closed": "closed"},
}
#: Two working days later than the deadline that the rules give.
UNTIL = date(2026, 9, 23)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as made:
        yield made


class Story:
    """Six people at six browsers, and the mailboxes that their mail goes to."""

    def __init__(self, office: Office, browser: Browser, address: str, size: dict[str, int], language: str, hand: str) -> None:
        self.office, self.words = office, WORDS[language]
        self.number = ""
        self.read: set[str] = set()
        directory = office.town.look(lambda session, world: world.directory)
        self.address = {login: directory.by_code[code].email for login, code in PEOPLE.items()}
        self.people = {}
        for login, party in PEOPLE.items():
            self.people[login] = visitor = Visitor(browser, address, login, size, "dark" if size is PHONE else "light", hand)
            person = {"language": language, "admin": login == "admin"}
            if login == "owner":
                office.user(login, party, **person)
                visitor.enter()
            else:  # what a login is like has been seen; the others bring its cookie
                visitor.come_in(office.person(login, party, **person).client.cookies)

    def act(self, login: str, action: str, reason: str = "", until: date | None = None) -> None:
        """Opens the issue, unfolds the form of an action, fills it in and sends it."""
        visitor = self.people[login]
        page = visitor.go(f"/issues/{self.number}")
        unfolds = page.locator(f"details#act-{action}")
        if unfolds.get_attribute("open") is None:
            visitor.press(unfolds.locator("summary"))
        form = unfolds.locator("form")
        if reason:
            visitor.write(form.locator("[name=reason]"), reason)
        if until:
            visitor.day(form.locator("[name=until]"), until)
        self.done(login, form.locator("button.primary"))

    def done(self, login: str, button: Locator) -> None:
        """Presses what acts; the page says that it is done, and whoever gets a mail has it."""
        visitor = self.people[login]
        visitor.press(button)
        expect(visitor.page.locator(".notice.good")).to_be_visible()
        visitor.quiet()
        self.post()

    def post(self) -> None:
        """Two minutes later, what waits is sent; in a thread of its own, because the browser's driver has this one's loop."""
        self.office.town.now += timedelta(minutes=2)
        with ThreadPoolExecutor(1) as thread:
            thread.submit(lambda: asyncio.run(self.office.app.mailroom.dispatch(self.office.town.now))).result()

    def mail(self, login: str, *words: str) -> str:
        """A mail about the issue that has come to somebody since they looked last, with these words in it."""
        folder = self.office.app.settings.path(self.office.app.settings.smtp.folder)
        new = [path for path in sorted(folder.glob("*.eml")) if path.name not in self.read]
        found = []
        for path in new:
            message = email.message_from_bytes(path.read_bytes(), EmailMessage, policy=default)
            if self.address[login] in message["To"]:
                self.read.add(path.name)
                found.append(f"{message['Subject']}\n{message.get_body(('plain',)).get_content()}")
        fitting = [text for text in found if self.number in text and all(word in text for word in words)]
        assert fitting, f"{login} has no mail about {self.number} with {words}: {found}"
        return fitting[0]

    def stands(self, login: str, status: str) -> Locator:
        """Where it stands on another person's page; the page whole."""
        page = self.people[login].go(f"/issues/{self.number}")
        expect(page.locator(".flow .here")).to_have_text(self.words[status])
        return page.locator("main")

    def todo(self, login: str, kind: str) -> Locator:
        """Their to-do, where the issue waits under this heading."""
        page = self.people[login].go("/")
        section = page.locator(f"section#{kind}")
        expect(section).to_contain_text(self.number)
        return section


@pytest.mark.parametrize(
    ("size", "language", "hand"),
    [(DESK, "zh_CN", "mouse"), (PHONE, "zh_CN", "finger"), (DESK, "en", "keyboard")],
    ids=["desk", "phone", "keyboard-English"],
)
def test_an_issue_from_raising_to_its_second_end(
    small: Office, browser: Browser, size: dict[str, int], language: str, hand: str
) -> None:
    with served(small.web) as address:
        story = Story(small, browser, address, size, language, hand)
        raised(story)
        worked_on(story)
        solved(story)
        disputed(story)
        for each in story.people.values():
            each.context.close()
    assert small.town.verify().ok


def raised(story: Story) -> None:
    owner = story.people["owner"]
    page = owner.go("/issues/new")
    owner.choose(page.locator("[name=project]"), "HLJ26-001")
    owner.choose(page.locator("[name=category]"), "power")
    expect(page.locator("#suggest")).to_contain_text("哈尔滨市工信局")
    owner.write(page.locator("[name=title]"), "二期车间缺电")
    owner.write(page.locator("[name=text]"), "两台新炉不能通电\n<b>三周</b>没有答复")
    owner.tick(page.locator("[name=open]"))
    owner.press(page.locator("form.form button.primary"))
    expect(page.locator("h1")).to_have_text("二期车间缺电")
    owner.checked()
    story.number = page.locator(".crumb .num").inner_text()
    expect(page.locator(".text")).to_contain_text("<b>三周</b>没有答复")
    story.post()
    story.mail("city", "二期车间缺电")


def worked_on(story: Story) -> None:
    people = story.people
    waits = story.todo("city", "intake")
    expect(people["city"].page.locator(".badge")).to_have_text("1")
    people["city"].press(waits.locator("a.button"))
    story.mail("owner", "待受理")
    story.done("city", people["city"].page.locator("details.act[open] button.primary"))
    story.mail("handler", "二期车间缺电")
    story.mail("owner", "待签收")

    story.done("handler", story.todo("handler", "acknowledge").locator("button"))
    story.mail("owner", "办理中")
    story.stands("owner", "in_work")

    story.act("handler", "report_progress", "变压器已到货")
    expect(story.stands("owner", "in_work")).to_contain_text("变压器已到货")

    story.act("handler", "request_extension", "变压器晚到两天", UNTIL)
    story.mail("city", "变压器晚到两天")
    people["city"].press(story.todo("city", "decide").locator("a.button"))
    form = people["city"].page.locator("form[action$='/actions/approve']")
    expect(form).to_contain_text("变压器晚到两天")
    story.done("city", form.locator("button.primary"))
    story.mail("handler", "9月23日")
    expect(story.stands("handler", "in_work").locator(".due .big")).to_contain_text("23")


def solved(story: Story) -> None:
    story.act("handler", "resolve", "已送电")
    story.mail("owner", "待销号审核")
    story.stands("owner", "review")

    story.todo("dept", "review")
    story.act("dept", "return_for_rework", "只送了一台")
    story.mail("handler", "只送了一台")
    expect(story.stands("handler", "in_work").locator(".timeline")).to_contain_text("只送了一台")

    story.act("handler", "resolve", "两台均已送电")
    story.act("dept", "close")
    story.mail("owner", "【销号】")
    story.stands("owner", "closed")


def disputed(story: Story) -> None:
    story.act("owner", "give_opinion", "第二台又停了")
    story.mail("city", "第二台又停了")
    expect(story.stands("city", "closed").locator(".timeline")).to_contain_text("第二台又停了")
    story.act("city", "reopen", "项目单位反映第二台停电,情况属实")
    story.mail("handler", "情况属实")
    story.stands("owner", "in_work")

    admin = story.people["admin"]
    page = admin.go(f"/admin/parties/{HANDLER}")
    admin.write(page.locator("[name=deputy]"), "哈尔滨市金融服务部门")
    admin.day(page.locator("[name=deputy_from]"), date(2026, 9, 1))
    admin.day(page.locator("[name=deputy_until]"), date(2026, 9, 30))
    story.done("admin", page.locator("form.form button.primary"))

    expect(story.people["deputy"].go("/").locator("#tasks")).to_contain_text(story.number)
    story.act("deputy", "resolve", "第二台已恢复送电")
    entry = story.stands("owner", "review").locator(".timeline li").first
    expect(entry).to_contain_text("第二台已恢复送电")
    expect(entry).to_contain_text("哈尔滨市金融服务部门")
    story.mail("owner", "第二台已恢复送电")
    story.act("dept", "close")
    story.mail("deputy", "【销号】")
    story.stands("handler", "closed")
