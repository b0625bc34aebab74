"""One workflow version together with one calendar: what a decision is made by, and how it arms an issue's clocks."""

from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from workflows.calendar import WorkCalendar
from workflows.deadlines import Deadline, Duration, due, overdue_working_days, remaining, warning
from workflows.definition import SEVERITIES, Severity, Workflow
from workflows.facts import Facts, Request
from workflows.machine import LifeCycle, State

#: A limit has run out strictly after its deadline (`now > due`), so a sweep looks one tick of the stores later.
JUST_AFTER = timedelta(microseconds=1)

#: What a stay begins with, whoever it falls to.
BLANK: dict[str, Any] = {
    "acknowledged_at": None,
    "auto_acknowledged": False,
    "suspended_wd": 0,
    "ack_due_at": None,
    "warn_at": None,
    "report_due_at": None,
    "review_due_at": None,
    "remind_at": None,
    "resume_at": None,
    "hold_until": None,
    "remaining": "",
    "overdue_at": None,
    "reminders": 0,
    "reports_missed": 0,
    "letters": 0,
    "confirmed": False,
    "delegate_id": None,
    "delegate_until": None,
}


class Rules:
    """A workflow version and a calendar: all that a decision needs beside the facts and the moment."""

    def __init__(self, workflow: Workflow, calendar: WorkCalendar, life: LifeCycle | None = None) -> None:
        self.workflow = workflow
        self.calendar = calendar
        self.life = life or LifeCycle(workflow)
        # One sweep has one `now`: what it arms is the same for all issues of a stage and severity.
        self.dispatch_clocks = lru_cache(maxsize=512)(self._dispatch_clocks)
        self.overdue_wd = lru_cache(maxsize=4096)(self._overdue_wd)
        self.next_after = lru_cache(maxsize=4096)(self._next_after)

    def forget(self) -> None:
        """Lets go of the answers that were kept; they are worked out again when somebody asks."""
        for kept in (self.dispatch_clocks, self.overdue_wd, self.next_after):
            kept.cache_clear()

    def state(self, facts: Facts, trigger: str) -> State:
        """Where `trigger` leads from the issue's state. Raises NoSuchMove."""
        return self.life.after(facts.stage, facts.status, trigger)

    def limit(self, stage: str, severity: str) -> Duration:
        """How long a stage has to resolve an issue of this severity."""
        return self.workflow.stage(stage).resolve[_severity(severity)]

    def _dispatch_clocks(self, stage: str, severity: str, now: datetime) -> dict[str, Any]:
        """The clocks of a stay that begins with a dispatch at `now`: resolve runs from here, not from signing."""
        limit = self.limit(stage, severity)
        deadline = due(now, limit, self.calendar)
        acknowledge = due(now, self.workflow.stage(stage).acknowledge, self.calendar).at
        return BLANK | {
            "dispatched_at": now,
            "clock_from": now,
            "clock_span": str(limit),
            "due_at": deadline.at,
            "due_provisional": deadline.provisional,
            "ack_due_at": min(acknowledge, deadline.at),
            "warn_at": self.warn_at(severity, now, deadline.at),
        }

    def warn_at(self, severity: str, now: datetime, due_at: datetime) -> datetime | None:
        """When the issue turns yellow; None if that moment is not ahead of `now`."""
        return warning(now, due_at, self.workflow.warning[_severity(severity)], self.calendar)

    def report_due_at(self, severity: str, now: datetime) -> datetime:
        """When the next progress report is due."""
        return due(now, self.workflow.progress[_severity(severity)], self.calendar).at

    def after(self, now: datetime, limit: Duration) -> datetime:
        """The end of `limit`, counted from `now` as every limit is."""
        return due(now, limit, self.calendar).at

    def deadline(self, now: datetime, limit: Duration) -> Deadline:
        """The end of `limit` counted from `now`, and whether a year that is not published yet was counted."""
        return due(now, limit, self.calendar)

    def _next_after(self, now: datetime, limit: Duration) -> datetime:
        """The morning after `limit` is over: when a repeated reminder is given."""
        calendar = self.calendar
        if limit.unit != "wd":
            return due(now, limit, calendar).at
        return calendar.opening(calendar.add_working_days(calendar.local_day(now), limit.amount))

    def left(self, now: datetime, due_at: datetime) -> str:
        """What is left of the limit when the clock stops, as a span; one working day at least."""
        return str(remaining(now, due_at, self.calendar))

    def _overdue_wd(self, due_at: datetime, now: datetime) -> int:
        """Working days since the deadline."""
        return overdue_working_days(due_at, now, self.calendar)

    def restarted(self, facts: Facts, now: datetime) -> dict[str, Any]:
        """The clocks when work goes on after a stop. A deadline that was missed stays missed."""
        report = self.report_due_at(facts.severity, now)
        common: dict[str, Any] = {
            "report_due_at": report,
            "review_due_at": None,
            "resume_at": None,
            "remaining": "",
            "reminders": 0,
            "suspended_wd": facts.suspended_wd + self._paused_days(facts, now),
        }
        if facts.overdue_at is not None:
            return common | {"remind_at": self.next_after(now, self.workflow.top_overdue.repeat)}
        span = Duration.parse(facts.remaining or "1wd")
        deadline = due(now, span, self.calendar)
        return common | {
            "clock_from": now,
            "clock_span": str(span),
            "due_at": deadline.at,
            "due_provisional": deadline.provisional,
            "warn_at": self.warn_at(facts.severity, now, deadline.at),
            "remind_at": None,
        }

    def _paused_days(self, facts: Facts, now: datetime) -> int:
        """Working days that a suspended issue has stood still."""
        if facts.status != "suspended" or facts.clock_from is None:
            return 0
        day = self.calendar.local_day
        return self.calendar.working_days_between(day(facts.clock_from), day(now))

    def stopped(self, facts: Facts, now: datetime) -> dict[str, Any]:
        """The clocks when the owner's time stops, for a review or a pause."""
        return {
            "clock_from": now,
            "remaining": self.left(now, facts.due_at) if facts.due_at else "1wd",
            "warn_at": None,
            "report_due_at": None,
            "remind_at": None,
            "hold_until": None,
            "reminders": 0,
        }


def _severity(text: str) -> Severity:
    if text not in SEVERITIES:
        raise KeyError(f"unknown severity {text}")
    return text


Running = list[tuple[datetime | None, str]]


def clocks(facts: Facts, requests: tuple[Request, ...] = ()) -> list[tuple[datetime, str]]:
    """Every moment at which something happens by itself if nobody acts, with the name of its clock, soonest first."""
    return sorted((at, name) for at, name in _running(facts, requests) if at is not None)


def wake_at(facts: Facts, requests: tuple[Request, ...] = ()) -> datetime | None:
    """The one timer of an issue: the soonest of its clocks; None for an issue that is over."""
    return min([at for at, _ in _running(facts, requests) if at is not None], default=None)


def deadline_passed(facts: Facts, now: datetime) -> bool:
    """Has the resolve clock run out and not been acted upon?"""
    if facts.overdue_at is not None or facts.due_at is None or facts.status not in ("pending_ack", "processing"):
        return False
    return now > facts.due_at if facts.hold_until is None else now >= facts.hold_until


def _running(facts: Facts, requests: tuple[Request, ...]) -> Running:
    found: Running
    match facts.status:
        case "pending_ack" | "processing":
            found = _working(facts)
        case "pending_intake":
            found = [(facts.remind_at, "intake_repeat") if facts.overdue_at else (_past(facts.due_at), "intake")]
        case "pending_review":
            first = facts.reminders == 0
            found = [(_past(facts.review_due_at), "review") if first else (facts.remind_at, "review_repeat")]
        case "suspended":
            found = [(facts.resume_at, "resume")]
        case _:
            return []
    if requests:
        found += [(_past(request.decide_by), f"request:{request.no}") for request in requests if not request.reminded]
    return found


def _working(facts: Facts) -> Running:
    if facts.overdue_at is None:
        deadline = _past(facts.due_at) if facts.hold_until is None else facts.hold_until
        found: Running = [(deadline, "resolve"), (facts.warn_at, "warning")]
    else:
        found = [(facts.remind_at, "letter")]
    if facts.status == "pending_ack":
        found.append((_past(facts.ack_due_at), "acknowledge"))
    else:
        found.append((_past(facts.report_due_at), "report"))
    return found


def _past(limit: datetime | None) -> datetime | None:
    return None if limit is None else limit + JUST_AFTER
