"""A slow oracle for deadlines: it walks day by day through the published calendar and knows nothing of our code."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import chinese_calendar

ZONE = ZoneInfo("Asia/Shanghai")
OPENS = time(8, 30)
CLOSES = time(17, 0)
#: What the built-in definition says, written down a second time: stage -> severity -> working days.
LIMITS = {
    "city": {"general": 15, "major": 10, "urgent": 5},
    "department": {"general": 10, "major": 7, "urgent": 3},
    "province": {"general": 10, "major": 5, "urgent": 2},
}
ABOVE = {"city": "department", "department": "province"}


def works(day: date) -> bool:
    return bool(chinese_calendar.is_workday(day))


def slow_due(start: datetime, days: int) -> datetime:
    """17:00 of the last of `days` working days; the day of the start does not count, after hours counts as the next one."""
    local = start.astimezone(ZONE)
    day = local.date()
    if not works(day) or local.timetz().replace(tzinfo=None) > CLOSES:
        day += timedelta(days=1)
        while not works(day):
            day += timedelta(days=1)
    while days:
        day += timedelta(days=1)
        if works(day):
            days -= 1
    return datetime.combine(day, CLOSES, ZONE).astimezone(UTC)


def slow_overdue_days(due: datetime, now: datetime) -> int:
    """Working days after the due day, today included."""
    day, last, count = due.astimezone(ZONE).date(), now.astimezone(ZONE).date(), 0
    while day < last:
        day += timedelta(days=1)
        count += works(day)
    return count


def slow_days_left(now: datetime, due: datetime) -> int:
    """Working days after today up to the due day, which is not before today."""
    return slow_overdue_days(now, due)


def slow_warning(due: datetime, days: int) -> datetime:
    """08:30 of the working day that lies `days` working days before the due day."""
    day = due.astimezone(ZONE).date()
    while days:
        day -= timedelta(days=1)
        days -= works(day)
    return datetime.combine(day, OPENS, ZONE).astimezone(UTC)
