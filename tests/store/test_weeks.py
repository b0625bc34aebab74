"""Seven simulated weeks of two nodes on one store, three of them an outage: who is mailed when, day by day."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from importlib.resources import files
from pathlib import Path

import pytest
from sqlalchemy import select

from escalation import commands
from escalation.app import App
from escalation.commands import Raise
from escalation.config import DatabaseSettings, MailSettings, Settings, SmtpConfig
from notifications.dispatch import dispatch_once
from notifications.gathering import REMINDERS
from notifications.message import Message, Outcome, Sent
from notifications.outbox import OUTBOX
from tests.town import OWNER, ZONE, at, sample

ROOT = Path(str(files("escalation") / "sample"))
#: Both nodes look at the same time at the first of these, one after the other at the others.
LOOKS = ("08:30", "09:01", "17:01", "21:00")
#: The holidays of September and October 2026 are in it, and two working Saturdays and Sundays.
BEGINS, DOWN, BACK, ENDS = at("2026-09-14 08:00"), at("2026-09-30 22:00"), at("2026-10-21 10:00"), at("2026-10-30 22:00")
#: All for one handler: more than are merged.
WAVE = 8


@dataclass(frozen=True)
class Taken:
    """A mail, and when it was taken."""

    at: datetime
    message: Message

    @property
    def day(self) -> date:
        return self.at.astimezone(ZONE).date()

    def says(self, *words: str) -> bool:
        return self.message.subject.startswith(words)


class Office:
    """Two nodes, and a mail server that keeps what it takes."""

    def __init__(self, url: str, root: Path) -> None:
        self.now = BEGINS
        self.taken: list[Taken] = []
        settings = Settings(
            database=DatabaseSettings(url=url),
            mail=MailSettings(base_url="https://tiji.example.com"),
            smtp=SmtpConfig(sender="tiji@example.com", domain="tiji.example.com"),
            root=root,
        )
        self.nodes = [App(settings), App(settings)]
        self.nodes[0].init(self.now)
        self.nodes[0].import_files([ROOT / f"{name}.csv" for name in ("parties", "projects")], self.now)
        self.pool = ThreadPoolExecutor(2)

    async def __aenter__(self) -> "Office":
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    async def send(self, message: Message) -> Outcome:
        await asyncio.sleep(0)
        self.taken.append(Taken(self.now, message))
        return Sent()

    def raised(self, count: int, severity: str, project: str) -> list[str]:
        """New issues of a project, dispatched at once; their numbers."""
        app = self.nodes[0]
        with app.store.transaction() as session:
            world = app.worlds.read(session)
            wanted = [Raise(project, "power", severity, f"第{n}条线路停电", OWNER) for n in range(count)]
            made = commands.raise_many(session, world, wanted, self.now, app.outgoing)
            lead = world.directory.by_id
            acts = [commands.Do(each.facts.number, "dispatch", lead[each.facts.responsible_id].code) for each in made]
            commands.act_many(session, world, acts, self.now, app.outgoing)
        return [each.facts.number for each in made]

    def look(self, *nodes: App) -> None:
        """What a worker does when it looks: it sweeps, sends, makes summaries and sends those."""

        async def dispatch() -> None:
            def sending(node: App):  # type: ignore[no-untyped-def]
                settings = replace(node.mailroom.dispatching(self.now), node=str(id(node)))
                return dispatch_once(node.mailroom.session, self, node.mailroom.renderer(), settings, self.now, 500)

            await asyncio.gather(*[sending(node) for node in nodes])

        list(self.pool.map(lambda node: node.sweep(self.now), nodes))
        asyncio.run(dispatch())
        list(self.pool.map(lambda node: node.summarise(self.now), nodes))
        asyncio.run(dispatch())

    def weeks(self) -> None:
        """All of it. Issues come in two waves, each to one handler, one at night, and two urgent ones on a Saturday night; nobody acts."""
        one, other = [row["project_code"] for row in sample("projects")][:2]
        events = {
            at("2026-09-14 09:01"): (WAVE, "major", one),
            at("2026-09-16 09:01"): (WAVE, "general", other),
            # not urgent, at night: told in the morning
            at("2026-09-17 21:00"): (1, "general", other),
            at("2026-09-19 21:00"): (2, "urgent", one),
        }
        self.urgent: set[str] = set()
        for number, moment in enumerate(_moments()):
            self.now = moment
            if moment in events:
                found = self.raised(*events[moment])
                self.urgent |= set(found) if events[moment][1] == "urgent" else set()
            both = moment in (BACK,) or moment.astimezone(ZONE).strftime("%H:%M") == LOOKS[0]
            self.look(*(self.nodes if both else [self.nodes[number % 2]]))

    def working(self, day: date) -> bool:
        return self.nodes[0].look(lambda session, world: world.calendar.is_working_day(day))

    def days(self) -> set[date]:
        """The days on which somebody looked."""
        return {moment.astimezone(ZONE).date() for moment in _moments()}

    def mails(self, *words: str) -> list[Taken]:
        """Those whose subject begins so."""
        return [each for each in self.taken if each.says(*words)]

    def close(self) -> None:
        self.pool.shutdown()
        for node in self.nodes:
            node.close()


def _moments() -> Iterator[datetime]:
    day = BEGINS.astimezone(ZONE).date()
    while day <= ENDS.astimezone(ZONE).date():
        if day == BACK.astimezone(ZONE).date():
            yield BACK
        for look in LOOKS:
            moment = at(f"{day} {look}")
            if moment < DOWN or moment > BACK:
                yield moment
        day += timedelta(days=1)


SUMMARIES = ("【日报】", "【周报】", "【月报】")


@pytest.fixture
def office(database: str, tmp_path: Path) -> Iterator[Office]:
    made = Office(database, tmp_path)
    made.weeks()
    yield made
    made.close()


def test_seven_weeks(office: Office) -> None:
    """One run, for it is the same weeks that every rule is looked at in."""
    _quiet_hours(office)
    _one_digest_a_day(office)
    _each_summary_once(office)
    _late_and_said_so(office)
    _no_storm(office)
    _all_of_it_once(office)


def _quiet_hours(office: Office) -> None:
    outside = [
        each for each in office.taken if not (office.working(each.day) and time(8) <= each.at.astimezone(ZONE).time() < time(18))
    ]
    assert outside, "the urgent ones of the Saturday night"
    assert {each.at for each in outside} >= {at("2026-09-19 21:00")}
    for each in outside:
        assert any(number in each.message.subject for number in office.urgent), (each.at, each.message.subject)


def _one_digest_a_day(office: Office) -> None:
    dailies = Counter((each.message.recipient, each.day) for each in office.mails("【日报】"))
    assert set(dailies.values()) == {1}
    days = {day for _, day in dailies}
    assert all(office.working(day) for day in days)
    assert len(days) > 15
    assert date(2026, 9, 20) in days, "a Sunday on which people work"
    with office.nodes[0].store.reading() as session:
        rows = session.connection().execute(select(OUTBOX).where(OUTBOX.c.kind.in_(REMINDERS), OUTBOX.c.urgent.is_(False))).all()
    assert len(rows) > WAVE
    assert {row.merged_into.rsplit(":", 2)[0] for row in rows if row.state == "sent"} == {"summary:daily"}
    # the last ones wait for the day after
    assert {row.queued_at.astimezone(ZONE).date() for row in rows if row.state != "sent"} <= {date(2026, 10, 30)}


def _each_summary_once(office: Office) -> None:
    with office.nodes[0].store.reading() as session:
        keys = session.connection().execute(select(OUTBOX.c.key).where(OUTBOX.c.key.like("summary:%"))).scalars().all()
    periods = {tuple(key.split(":")[1:3]) for key in keys if not key.startswith("summary:daily")}
    weeks = {("weekly", f"2026-W{week}") for week in (38, 39, 42, 43)}
    assert periods == weeks | {("monthly", "2026-09")}, "of those missed in the outage only the newest"
    for words, kind in (("【周报】", "weekly"), ("【月报】", "monthly")):
        made = Counter(key for key in keys if key.startswith(f"summary:{kind}:"))
        assert len(office.mails(words)) == len(made), "as many mails as there are periods and recipients"


def _late_and_said_so(office: Office) -> None:
    late = {each.at for each in office.mails(*SUMMARIES) if "补发" in each.message.text}
    assert late == {BACK}
    came = [each for each in office.mails(*SUMMARIES) if each.at == BACK]
    assert {each.message.subject[:4] for each in came} == set(SUMMARIES)
    assert all("补发" in each.message.text for each in came)


def _no_storm(office: Office) -> None:
    """In the first look after three weeks every issue goes up, and each person gets one mail about that."""
    # the late monthly drafts a circular, and the office is asked to approve it: that is of the summaries
    notices = [each for each in office.taken if each.at == BACK and not each.says(*SUMMARIES, "【请审核】")]
    digests = {each.message.recipient for each in notices if each.says("【合并通知】")}
    mails = Counter(each.message.recipient for each in notices)
    assert digests
    twice = [(each.message.recipient, each.message.subject) for each in notices if mails[each.message.recipient] > 1]
    assert not [each for each in twice if each[0] in digests], twice
    with office.nodes[0].store.reading() as session:
        told = select(OUTBOX.c.recipient).where(OUTBOX.c.sent_at == BACK, OUTBOX.c.merged_into.not_like("summary:%"))
        queued = Counter(session.connection().execute(told.where(OUTBOX.c.key.not_like("summary:%"))).scalars())
    assert {person for person, count in queued.items() if count > 5} == digests


def _all_of_it_once(office: Office) -> None:
    assert set(Counter(each.message.message_id for each in office.taken).values()) == {1}
    with office.nodes[0].store.reading() as session:
        waiting = session.connection().execute(select(OUTBOX.c.kind).where(OUTBOX.c.state.not_in(("sent", "draft")))).scalars()
        assert set(waiting) <= {*REMINDERS}
