"""When a summary is due, and what span of time it tells of. Pure: a calendar and a moment, no clock."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import islice
from typing import Literal, NamedTuple, get_args

from workflows.calendar import WorkCalendar

Kind = Literal["daily", "weekly", "monthly"]
KINDS: tuple[Kind, ...] = get_args(Kind)
#: How far back the last summary of a kind is looked for, in its own periods: no holiday lasts that long.
FURTHEST = 30


@dataclass(frozen=True, slots=True)
class Times:
    """The time of day of each kind, in the calendar's zone, on the first working day of its period. None: never."""

    daily: time | None = time(8, 30)
    weekly: time | None = time(9)
    monthly: time | None = time(9)


USUAL = Times()


class Period(NamedTuple):
    """One summary to be made: which (`2026-W47`), as of which moment, and the span that it tells of."""

    kind: Kind
    name: str
    #: The figures are as of this moment, whenever they are made.
    moment: datetime
    #: What happened is counted from the beginning of `since` to the end of the day before `until`.
    since: date
    until: date


def due(calendar: WorkCalendar, times: Times, now: datetime) -> list[Period]:
    """The newest summary of each kind whose moment has come.

    One missed in an outage is there until the next is due. Of several missed ones only the newest: nobody wants ten dailies,
    and what a weekly or monthly tells of begins where the one before it was due to end.
    """
    found = (latest(kind, calendar, times, now) for kind in KINDS)
    return [period for period in found if period is not None]


def latest(kind: Kind, calendar: WorkCalendar, times: Times, now: datetime) -> Period | None:
    """The newest period of a kind whose moment is not after `now`; None if the kind is never made."""
    at: time | None = getattr(times, kind)
    if at is None:
        return None
    return next((period for period in _back(kind, calendar, at, calendar.local_day(now)) if period.moment <= now), None)


def next_daily(calendar: WorkCalendar, times: Times, after: datetime) -> datetime | None:
    """The moment of the first daily that is not before `after`; None if there are none."""
    if times.daily is None:
        return None
    today = calendar.local_day(after)
    moment = datetime.combine(today, times.daily, calendar.zone)
    if calendar.is_working_day(today) and after <= moment:
        return moment
    return datetime.combine(calendar.add_working_days(today, 1), times.daily, calendar.zone)


def before(period: Period, calendar: WorkCalendar, times: Times = USUAL) -> Period | None:
    """The period before this one: what its figures are compared with."""
    return latest(period.kind, calendar, times, period.moment - timedelta(microseconds=1))


def _back(kind: Kind, calendar: WorkCalendar, at: time, today: date) -> Iterator[Period]:
    """The periods of a kind, newest first. One without a working day has no summary: the next tells of its time too."""
    starts = islice(_starts(kind, today), FURTHEST)
    days = ((start, day) for start in starts if (day := _first_working_day(kind, calendar, start)) is not None)
    newer: tuple[date, date] | None = None
    for start, day in days:
        if newer is not None:
            yield _period(kind, calendar, at, newer, start)
        newer = (start, day)


def _starts(kind: Kind, today: date) -> Iterator[date]:
    """The first day of the period that `today` is in, then of each before it."""
    start = {"daily": today, "weekly": today - timedelta(days=today.weekday()), "monthly": today.replace(day=1)}[kind]
    while True:
        yield start
        earlier = start - timedelta(days=7 if kind == "weekly" else 1)
        start = earlier.replace(day=1) if kind == "monthly" else earlier


def _first_working_day(kind: Kind, calendar: WorkCalendar, start: date) -> date | None:
    if kind == "daily":
        return start if calendar.is_working_day(start) else None
    first = calendar.add_working_days(start - timedelta(days=1), 1)
    end = start + timedelta(days=7) if kind == "weekly" else (start + timedelta(days=31)).replace(day=1)
    return first if first < end else None


def _period(kind: Kind, calendar: WorkCalendar, at: time, mine: tuple[date, date], since: date) -> Period:
    start, day = mine
    moment = datetime.combine(day, at, calendar.zone)
    return Period(kind, _name(kind, start), moment, since, start)


def _name(kind: Kind, start: date) -> str:
    """A weekly and a monthly are called after the week and month that have just ended."""
    if kind == "daily":
        return start.isoformat()
    ended = start - timedelta(days=1)
    if kind == "monthly":
        return f"{ended.year}-{ended.month:02}"
    year, week, _ = ended.isocalendar()
    return f"{year}-W{week:02}"
