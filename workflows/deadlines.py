"""Time limits: "10wd", "4wh", "24h"; when they end, when to warn, what is left (engine.md 5)."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal, NamedTuple

from workflows.calendar import WorkCalendar

Unit = Literal["wd", "wh", "h"]
UNITS: tuple[Unit, ...] = ("wd", "wh", "h")
MOST = 10_000


@dataclass(frozen=True, slots=True)
class Duration:
    """A limit as people say it: working days, working hours, or hours by the clock."""

    amount: int
    unit: Unit

    @classmethod
    def parse(cls, text: str) -> "Duration":
        """`10wd`, `4wh` or `24h`. Raises ValueError saying what would be right."""
        number = text.strip().rstrip("wdh")
        unit = text.strip()[len(number) :]
        if unit not in UNITS or not number.isascii() or not number.isdigit():
            raise ValueError(f"{text!r} is no limit; write a number with wd (working days), wh (working hours) or h, as in 10wd")
        if not 1 <= int(number) <= MOST:
            raise ValueError(f"{text!r} is no limit; from 1 to {MOST} is right")
        return cls(int(number), unit)

    def __str__(self) -> str:
        return f"{self.amount}{self.unit}"


class Deadline(NamedTuple):
    """When a limit ends (UTC), and whether days of a year that is not published were counted."""

    at: datetime
    provisional: bool


def is_overdue(now: datetime, due_at: datetime) -> bool:
    """Strictly after the deadline."""
    return now > due_at


def counted_from(start: datetime, calendar: WorkCalendar) -> date:
    """The day that is not counted: the day of dispatch, or the next working day after hours and on a day off."""
    day = calendar.local_day(start)
    if not calendar.is_working_day(day) or start > calendar.closing(day):
        return calendar.add_working_days(day, 1)
    return day


def due(start: datetime, limit: Duration, calendar: WorkCalendar) -> Deadline:
    """When a limit that begins at `start` ends: in days, at the close of business of its last working day."""
    if limit.unit == "wd":
        last = calendar.add_working_days(counted_from(start, calendar), limit.amount)
        return Deadline(calendar.closing(last), calendar.is_provisional(last))
    at = start + timedelta(hours=limit.amount)
    if limit.unit == "wh":
        at = calendar.add_working_minutes(start, limit.amount * 60)
    return Deadline(at, limit.unit == "wh" and calendar.is_provisional(calendar.local_day(at)))


def warning(start: datetime, due_at: datetime, before: Duration, calendar: WorkCalendar) -> datetime | None:
    """When to warn: the morning `before` the due day, or so many hours before; None if that is not after `start`."""
    if before.unit == "wd":
        at = calendar.opening(calendar.add_working_days(calendar.local_day(due_at), -before.amount))
    elif before.unit == "wh":
        at = calendar.add_working_minutes(due_at, -before.amount * 60)
    else:
        at = due_at - timedelta(hours=before.amount)
    return at if at > start else None


def remaining(now: datetime, due_at: datetime, calendar: WorkCalendar) -> Duration:
    """What is left for a clock that stops: whole working days after today, one at least."""
    return Duration(max(1, working_days_left(now, due_at, calendar)), "wd")


def working_days_left(now: datetime, due_at: datetime, calendar: WorkCalendar) -> int:
    """Working days after today up to the due day; negative when it has passed."""
    return calendar.working_days_between(calendar.local_day(now), calendar.local_day(due_at))


def overdue_working_days(due_at: datetime, now: datetime, calendar: WorkCalendar) -> int:
    """Working days since the due day; 0 when it is not overdue."""
    return max(0, -working_days_left(now, due_at, calendar))


@dataclass(frozen=True, slots=True)
class Counting:
    """How a deadline was counted, for explanations."""

    start: datetime
    counted_from: date
    limit: Duration
    due_at: datetime
    provisional: bool
    days_off: tuple[tuple[date, str], ...]
    makeup_days: tuple[date, ...]


def describe(start: datetime, limit: Duration, deadline: Deadline, calendar: WorkCalendar) -> Counting:
    """The days that were counted and skipped between the start and the deadline."""
    first, last = counted_from(start, calendar), calendar.local_day(deadline.at)
    return Counting(
        start,
        first,
        limit,
        deadline.at,
        deadline.provisional,
        tuple(calendar.days_off_between(first, last)),
        tuple(calendar.makeup_days_between(first, last)),
    )
