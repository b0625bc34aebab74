"""The reminders that go out in a daily: a line for each issue that is on none of its lists."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import orjson

from escalation.summaries.periods import Times, next_daily
from escalation.summaries.telling import MOST, SAID
from notifications.claiming import Claimed
from notifications.dispatch import WaitsFor
from notifications.gathering import REMINDERS
from notifications.lanes import MAIL
from workflows.calendar import WorkCalendar

#: A reminder waits so long after the moment of the daily that should take it up; then it goes by itself.
PATIENCE = timedelta(hours=2)
#: What each kind of reminder asks for.
ASKED: Mapping[str, Mapping[str, str]] = {
    "zh_CN": {
        "reminder": "提醒",
        "due_warning": "即将到期",
        "report_reminder": "请反馈进展",
        "intake_reminder": "请受理交办",
        "review_reminder": "请审核销号",
        "request_reminder": "请审批申请",
    },
    "en": {
        "reminder": "Reminder",
        "due_warning": "due soon",
        "report_reminder": "report progress",
        "intake_reminder": "accept and dispatch",
        "review_reminder": "review",
        "request_reminder": "decide a request",
    },
}


def until_the_daily(calendar: WorkCalendar, times: Times) -> WaitsFor:
    """Until when a reminder that is not urgent waits to be taken up by a daily; None for everything else."""

    def until(each: Claimed) -> datetime | None:
        if each.urgent or each.channel != MAIL.name or each.kind not in REMINDERS:
            return None
        moment = next_daily(calendar, times, each.queued_at)
        return moment + PATIENCE if moment is not None else None

    return until


def listed(rows: Iterable[Any], lists: Mapping[str, Sequence[Any]], language: str) -> dict[str, Any]:
    """The facts `reminders` (how many) and their list, without the issues that the daily lists anyway."""
    there = {each.number for issues in lists.values() for each in issues}
    told = {(row.about, row.kind): orjson.loads(row.facts) for row in rows if row.about not in there}
    shown = list(told.items())[:MOST]
    said, asked = SAID[language], ASKED[language]
    grid = {
        "head": [said["number"], asked["reminder"], said["title"], said["due"]],
        "rows": [[number, asked[kind], facts.get("title", ""), facts.get("due", "")] for (number, kind), facts in shown],
        "links": [facts.get("link", "") for _, facts in shown],
        "more": len(told) - len(shown),
    }
    return {"reminders": str(len(told)), "grid": grid if told else {}}
