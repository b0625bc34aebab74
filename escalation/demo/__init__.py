"""The main job on the shipped sample ledger: forty days on a simulated clock, with every mail through a real SMTP server."""

import asyncio
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from escalation import queries
from escalation.app import App
from escalation.config import DatabaseSettings, Settings, SmtpConfig
from escalation.demo import people
from escalation.demo.mailbox import Mailbox, serving

#: The day that the sample ledger describes.
START = date(2026, 11, 23)
#: When people sit down to work, and when the day is over for the mail.
WORK = (time(9, 30), time(14, 30))
EVENING = time(17, 30)

Tick = Callable[[int, datetime], None]


@dataclass(slots=True)
class Story:
    """What happened, for the report."""

    folder: Path
    began: datetime
    ended: datetime
    projects: int = 0
    issues: int = 0
    raised: list[str] = field(default_factory=list)
    deeds: Counter[str] = field(default_factory=Counter)
    escalated: Counter[str] = field(default_factory=Counter)
    swept: Counter[str] = field(default_factory=Counter)
    mails_sent: int = 0
    recipients: int = 0
    closed: int = 0
    verify: str = ""
    broken: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """The keys of the contract."""
        return {
            "projects": self.projects,
            "issues": self.issues,
            "raised": self.raised,
            "escalated": dict(self.escalated),
            "closed": self.closed,
            "mails_sent": self.mails_sent,
            "recipients": self.recipients,
            "actions": dict(self.deeds),
            "sweeps": dict(self.swept),
            "verify": self.verify,
            "broken": self.broken,
            "from": self.began.isoformat(),
            "until": self.ended.isoformat(),
            "mailbox": "mailbox",
            "database": "escalation.db",
        }


def run(days: int = 40, keep: Path | None = None, tick: Tick | None = None) -> tuple[Story, App]:
    """Plays the given number of days in `keep` or a scratch folder; the story and the installation it left behind."""
    folder = keep or Path(tempfile.mkdtemp(prefix="escalation-demo-"))
    folder.mkdir(parents=True, exist_ok=True)
    return asyncio.run(_play(folder, days, tick or (lambda day, now: None)))


async def _play(folder: Path, days: int, tick: Tick) -> tuple[Story, App]:
    async with serving(folder / "mailbox") as (mailbox, port):
        (folder / "escalation.db").unlink(missing_ok=True)
        settings = Settings(
            database=DatabaseSettings(url=f"sqlite:///{(folder / 'escalation.db').absolute()}"),
            smtp=SmtpConfig(host="127.0.0.1", port=port, security="none", sender="escalation@example.com"),
            root=folder,
        )
        app = App(settings)
        zone = ZoneInfo(settings.calendar.zone)
        began = datetime.combine(START, time(8, 30), zone).astimezone(UTC)
        story = Story(folder, began, began)
        _move_in(app, began)
        for day in range(days):
            await _day(app, story, day, START + timedelta(days=day), zone)
            tick(day + 1, story.ended)
        await _evening(app, story)
        _sum_up(app, story, mailbox)
    return story, app


def _move_in(app: App, now: datetime) -> None:
    app.init(now)
    report = app.import_sample(now)
    assert not report.rejected, report.rejected


async def _day(app: App, story: Story, day: int, today: date, zone: ZoneInfo) -> None:
    """Time does its part at every moment that something is due; people do theirs twice a working day."""
    calendar = app.look(lambda session, world: world.calendar)
    moments = [datetime.combine(today, each, zone).astimezone(UTC) for each in (*WORK, EVENING)]
    for moment in moments:
        await _until(app, story, moment)
        if calendar.is_working_day(today) and moment != moments[-1]:
            _people(app, story, day, moment)
        await app.mailroom.dispatch(moment)
    story.ended = datetime.combine(today + timedelta(days=1), time(0), zone).astimezone(UTC)
    await _until(app, story, story.ended)


async def _until(app: App, story: Story, moment: datetime) -> None:
    """Sweeps as the scheduler would: at each wake-up up to `moment`."""
    while (wake := app.next_wake_at()) is not None and wake <= moment:
        swept = app.sweep(wake)
        story.escalated += swept.escalated
        story.swept += swept.actions
        await app.mailroom.dispatch(wake)


def _people(app: App, story: Story, day: int, now: datetime) -> None:
    with app.store.transaction() as session:
        world = app.worlds.read(session)
        deeds = people.act_today(session, world, now, app.outgoing)
        if now.astimezone(world.calendar.zone).time() == WORK[0]:
            story.raised += people.raise_new(session, world, day, now, app.outgoing)
    story.deeds += Counter(deed.action for deed in deeds)


async def _evening(app: App, story: Story) -> None:
    """What quiet hours still hold back goes out the next working morning."""
    morning = app.mailroom.may_send(story.ended, urgent=False) or story.ended
    while (await app.mailroom.dispatch(morning)).sent:
        pass


def _sum_up(app: App, story: Story, mailbox: Mailbox) -> None:
    verified = app.verify()
    story.verify = "ok" if verified.ok else "broken"
    story.broken = [f"{each.number}: {each.invariant}: {each.detail}" for each in verified.broken]
    story.issues = verified.issues
    story.mails_sent, story.recipients = mailbox.total, len(mailbox.arrived)
    story.projects = app.look(lambda session, world: len(world.projects))
    story.closed = app.look(lambda session, world: queries.closed_since(session.connection(), story.began))
