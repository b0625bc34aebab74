"""Time limits: "10wd", "4wh", "24h"; when they end, when to warn, what is left (engine.md 5)."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Literal, NamedTuple

from workflows.calendar import WorkCalendar

Unit = Literal["wd", "wh", "h"]
UNITS: tuple[Unit, ...] = ("wd", "wh", "h")
#: The longest limit that is believed, and how many digits are looked at to see it.
MOST, DIGITS = 10_000, 12


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
        if len(number) > DIGITS or not 1 <= int(number) <= MOST:
            raise ValueError(f"{text!r} is no limit; from 1 to {MOST} is right")
        return cls(int(number), unit)

    def __str__(self) -> str:
        return f"{self.amount}{self.unit}"


class Deadline(NamedTuple):
    """When a limit ends (UTC), and whether days of a year that is not published were counted."""

    at: datetime
    provisional: bool


def is_overdue(now: datetime, due_at: datetime) -> bool:
    """Strictly after the deadline (domain.md 2.3). Raises ValueError for a naive moment."""
    if now.tzinfo is None or due_at.tzinfo is None:
        raise ValueError(f"{now} or {due_at} has no time zone")
    return now > due_at


def counted_from(start: datetime, calendar: WorkCalendar) -> date:
    """The day that is not counted: the day of dispatch, or the next working day after hours and on a day off (engine.md 5).

    Closing time itself (17:00:00) is not after hours. Raises ValueError for a naive moment.
    """
    day = calendar.local_day(start)
    return calendar.counted_from(day, start > calendar.closing(day))


def due(start: datetime, limit: Duration, calendar: WorkCalendar) -> Deadline:
    """When a limit that begins at `start` ends (engine.md 5).

    In working days at the close of business of the last one, in working hours after so many open hours, in hours by the
    clock. It is provisional if a day from the start to the end lies in a year not published; hours by the clock never are,
    as no calendar is asked. Raises ValueError for a naive moment and beyond the calendar.
    """
    day = calendar.local_day(start)
    if limit.unit == "wd":
        return Deadline._make(calendar.period(day, start > calendar.closing(day), limit.amount))
    if limit.unit == "h":
        return Deadline(start.astimezone(UTC) + timedelta(hours=limit.amount), False)
    at = calendar.add_working_minutes(start, limit.amount * 60)
    return Deadline(at, calendar.is_guessed_between(day, calendar.due_day(at)))


def warning(start: datetime, due_at: datetime, before: Duration, calendar: WorkCalendar) -> datetime | None:
    """When to warn, in UTC: the opening of the working day so many before the due day, or so many hours before the deadline.

    None if that is not after `start`. Raises ValueError for a naive moment.
    """
    first, last = calendar.local_day(start), calendar.due_day(due_at)
    if before.unit == "wd":
        if before.amount > calendar.working_days_between(first, last) + 1:
            return None
        at = calendar.opening(calendar.add_working_days(last, -before.amount))
    elif before.unit == "wh":
        at = calendar.add_working_minutes(due_at, -before.amount * 60)
    else:
        at = due_at.astimezone(UTC) - timedelta(hours=before.amount)
    return at if at > start else None


def remaining(now: datetime, due_at: datetime, calendar: WorkCalendar) -> Duration:
    """What is left for a clock that stops: whole working days after today, one at least (domain.md 2.2, 2.6)."""
    return Duration(max(1, working_days_left(now, due_at, calendar)), "wd")


def working_days_left(now: datetime, due_at: datetime, calendar: WorkCalendar) -> int:
    """Working days after today up to the due day; 0 on that day, negative after. Raises ValueError for a naive moment."""
    return calendar.working_days_between(calendar.local_day(now), calendar.due_day(due_at))


def overdue_working_days(due_at: datetime, now: datetime, calendar: WorkCalendar) -> int:
    """Working days since the due day, today included; 0 up to and on it. Raises ValueError for a naive moment."""
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
    """The days that were skipped or made up between the day of the start, not counted, and the deadline.

    Hours by the clock skip none. Raises ValueError for a naive moment.
    """
    if limit.unit == "h":
        return Counting(start, calendar.local_day(start), limit, deadline.at, deadline.provisional, (), ())
    first, last = counted_from(start, calendar), calendar.due_day(deadline.at)
    return Counting(
        start,
        first,
        limit,
        deadline.at,
        deadline.provisional,
        tuple(calendar.days_off_between(first, last)),
        tuple(calendar.makeup_days_between(first, last)),
    )
