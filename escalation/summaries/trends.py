"""What the charts show: what came in, was closed and lapsed week by week, how long stays take, where open issues stand.

Like the summaries every figure is the length of a list of issue numbers. The archive is not counted: it ended long before.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, and_, select
from sqlmodel import Session

from escalation.browsing import is_overdue
from escalation.queries import ASSIGNMENT, ISSUE, JOURNAL
from escalation.scope import Sight, visible
from escalation.world import World

#: Half a year.
WEEKS = 26
#: The organs with the most open issues are told, so many.
ORGANS = 12
#: Journal entries that say that an issue was closed, or that it was not solved in time.
CLOSED = ("close",)
LAPSED = ("escalate_auto", "overdue_top")
Numbers = tuple[str, ...]


class Week(NamedTuple):
    """What happened from a Monday to the Sunday after it, in the calendar's zone; an issue that lapsed twice is there twice."""

    monday: date
    raised: Numbers
    closed: Numbers
    lapsed: Numbers


class Spent(NamedTuple):
    """The stays that ended at a stage, the shortest first: working days, and the issue of each."""

    stage: str
    days: tuple[int, ...]
    numbers: Numbers
    #: Those that ended because the deadline had passed.
    lapsed: Numbers

    def at(self, share: float) -> int:
        """So many working days are enough for this share of the stays (0.5: the median)."""
        return self.days[min(len(self.days) - 1, int(share * len(self.days)))] if self.days else 0


class Standing(NamedTuple):
    """Open issues that stand somewhere: with an organ, or at a stage in a status."""

    key: str
    overdue: Numbers
    others: Numbers

    @property
    def total(self) -> int:
        """All of them."""
        return len(self.overdue) + len(self.others)


@dataclass(frozen=True, slots=True)
class Trends:
    """The figures behind the charts, of what somebody sees. `since`: the first Monday."""

    at: datetime
    since: date
    weeks: tuple[Week, ...]
    #: In the ladder's order.
    spent: tuple[Spent, ...]
    #: By the organ that leads, the most first.
    organs: tuple[Standing, ...]
    #: By `stage.status`.
    places: tuple[Standing, ...]

    @property
    def is_empty(self) -> bool:
        """Is there nothing to draw?"""
        return not self.organs and not any(week.raised or week.closed or week.lapsed for week in self.weeks)


def trends(session: Session, world: World, seen: Sight, now: datetime, weeks: int = WEEKS) -> Trends:
    """The figures of the last `weeks` weeks, the present one included."""
    today = world.calendar.local_day(now)
    monday = today - timedelta(days=today.weekday() + 7 * (weeks - 1))
    since = datetime.combine(monday, time(), world.calendar.zone)
    standing = _standing(session, seen, now)
    return Trends(
        now,
        monday,
        _weeks(session, world, seen, since, now, [monday + timedelta(days=7 * number) for number in range(weeks)]),
        _spent(session, world, seen, since, now),
        _grouped((world.directory.by_id[row.lead_id].organ, row) for row in standing)[:ORGANS],
        _grouped((f"{row.stage}.{row.status}", row) for row in standing),
    )


def _weeks(session: Session, world: World, seen: Sight, since: datetime, now: datetime, mondays: list[date]) -> tuple[Week, ...]:
    found: dict[tuple[date, str], list[str]] = {}

    def put(at: datetime, what: str, number: str) -> None:
        day = world.calendar.local_day(at)
        found.setdefault((day - timedelta(days=day.weekday()), what), []).append(number)

    connection = session.connection()
    raised = select(ISSUE.c.number, ISSUE.c.raised_at).where(visible(seen), _within(ISSUE.c.raised_at, since, now))
    for number, at in connection.execute(raised.order_by(ISSUE.c.raised_at, ISSUE.c.id)):
        put(at, "raised", number)
    told = select(ISSUE.c.number, JOURNAL.c.at, JOURNAL.c.action).join(ISSUE, ISSUE.c.id == JOURNAL.c.issue_id)
    told = told.where(visible(seen), _within(JOURNAL.c.at, since, now), ISSUE.c.changed_at >= since)
    told = told.where(JOURNAL.c.action.in_((*CLOSED, *LAPSED))).order_by(JOURNAL.c.at, JOURNAL.c.issue_id, JOURNAL.c.seq)
    for number, at, action in connection.execute(told):
        put(at, "closed" if action in CLOSED else "lapsed", number)
    return tuple(
        Week(monday, *(tuple(found.get((monday, what), ())) for what in ("raised", "closed", "lapsed"))) for monday in mondays
    )


def _within(column: ColumnElement[datetime], since: datetime, now: datetime) -> ColumnElement[bool]:
    return and_(column >= since, column <= now)


def _spent(session: Session, world: World, seen: Sight, since: datetime, now: datetime) -> tuple[Spent, ...]:
    calendar = world.calendar
    columns = (ISSUE.c.number, ASSIGNMENT.c.stage, ASSIGNMENT.c.entered_at, ASSIGNMENT.c.left_at, ASSIGNMENT.c.outcome)
    statement = select(*columns).join(ISSUE, ISSUE.c.id == ASSIGNMENT.c.issue_id)
    ended = and_(_within(ASSIGNMENT.c.left_at, since, now), ISSUE.c.changed_at >= since, ASSIGNMENT.c.outcome != "dispatched")
    stays: dict[str, list[tuple[int, str, str]]] = {key: [] for key in _stages(world)}
    for row in session.connection().execute(statement.where(visible(seen), ended)):
        days = calendar.working_days_between(calendar.local_day(row.entered_at), calendar.local_day(row.left_at))
        stays.setdefault(row.stage, []).append((days, row.number, row.outcome))
    found = []
    for stage, ways in stays.items():
        ways.sort()
        lapsed = tuple(number for _, number, outcome in ways if outcome == "escalated_overdue")
        found.append(Spent(stage, tuple(days for days, _, _ in ways), tuple(number for _, number, _ in ways), lapsed))
    return tuple(found)


def _stages(world: World) -> list[str]:
    return [stage.key for stage in world.rules().workflow.stages] if world.active else []


def _standing(session: Session, seen: Sight, now: datetime) -> list[Any]:
    """Every open issue: number, lead_id, stage, status, late; the next deadline first."""
    columns = (ISSUE.c.number, ISSUE.c.lead_id, ISSUE.c.stage, ISSUE.c.status, is_overdue(now).label("late"))
    statement = select(*columns).where(visible(seen), ISSUE.c.closed_at.is_(None)).order_by(ISSUE.c.due_at, ISSUE.c.id)
    return list(session.connection().execute(statement))


def _grouped(keyed: Iterable[tuple[str, Any]]) -> tuple[Standing, ...]:
    late: dict[str, list[str]] = {}
    others: dict[str, list[str]] = {}
    for key, row in keyed:
        (late if row.late else others).setdefault(key, []).append(row.number)
    found = [Standing(key, tuple(late.get(key, ())), tuple(others.get(key, ()))) for key in {*late, *others}]
    return tuple(sorted(found, key=lambda each: (-len(each.overdue), -each.total, each.key)))
