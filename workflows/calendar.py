"""Working days and hours: the published calendar in a sorted array, overridden by what an office entered, guessed beyond it.

`chinesecalendar` is the source (it follows the State Council's notices); asking it per issue is a hundred times too slow, so
its days are read once and every question is a bisection.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from hashlib import sha256
from zoneinfo import ZoneInfo

import chinese_calendar

#: How far ahead a guess is kept ready.
LAST_YEAR = 2060
FIRST_YEAR = 2004
FIXED = ((1, 1), (5, 1), (5, 2), (10, 1), (10, 2), (10, 3))
#: Spring Festival's eve (followed by three days off), Qingming, Dragon Boat and Mid-Autumn of years not yet published.
#: Source: the astronomical Chinese calendar (GB/T 33661-2017), as dates of the Gregorian one.
LUNAR: dict[int, tuple[tuple[int, int], tuple[int, int], tuple[int, int], tuple[int, int]]] = {
    2027: ((2, 5), (4, 5), (6, 9), (9, 15)),
    2028: ((1, 25), (4, 4), (5, 28), (10, 3)),
    2029: ((2, 12), (4, 4), (6, 16), (9, 22)),
    2030: ((2, 2), (4, 5), (6, 5), (9, 12)),
    2031: ((1, 22), (4, 5), (6, 24), (10, 1)),
    2032: ((2, 10), (4, 4), (6, 12), (9, 19)),
    2033: ((1, 30), (4, 4), (6, 1), (9, 8)),
    2034: ((2, 18), (4, 5), (6, 20), (9, 27)),
    2035: ((2, 7), (4, 5), (6, 10), (9, 16)),
}
DAY = timedelta(days=1)


@lru_cache(maxsize=1)
def _published() -> tuple[frozenset[date], int]:
    """Every working day that the library knows, and the last year it knows."""
    last = max(day.year for day in chinese_calendar.holidays)
    working, day = set(), date(FIRST_YEAR, 1, 1)
    while day.year <= last:
        if chinese_calendar.is_workday(day):
            working.add(day)
        day += DAY
    return frozenset(working), last


def _statutory(year: int) -> set[date]:
    """The days off that a year is sure to have, before its notice is out."""
    days = {date(year, month, day) for month, day in FIXED}
    if year in LUNAR:
        eve, *others = LUNAR[year]
        days |= {date(year, *eve) + number * DAY for number in range(4)}
        days |= {date(year, *each) for each in others}
    return days


@lru_cache(maxsize=1)
def _guessed() -> frozenset[date]:
    """The working days of the years beyond the library: Monday to Friday without the statutory days."""
    _, last = _published()
    working = set()
    for year in range(last + 1, LAST_YEAR + 1):
        off, day = _statutory(year), date(year, 1, 1)
        while day.year == year:
            if day.weekday() < 5 and day not in off:
                working.add(day)
            day += DAY
    return frozenset(working)


class WorkCalendar:
    """Which days are worked, and from when to when, in one time zone. A value: it is replaced when the calendar changes."""

    def __init__(
        self,
        zone: str,
        working: Iterable[date],
        published_until: date,
        *,
        opens: time,
        closes: time | None,
        overrides: Mapping[date, bool] | None = None,
        known_years: Iterable[int] = (),
    ) -> None:
        if closes is not None and not opens < closes:
            raise ValueError(f"an office opens before it closes, not {opens} to {closes}")
        self.zone_name = zone
        self.zone = ZoneInfo(zone)
        self.opens, self.closes = opens, closes
        self.overrides = dict(overrides or {})
        self.known_years = frozenset(known_years)
        self.published_until = published_until
        days = set(working) | {day for day, works in self.overrides.items() if works}
        days -= {day for day, works in self.overrides.items() if not works}
        self._days = tuple(sorted(day.toordinal() for day in days))
        self._working = frozenset(self._days)
        self.opening = lru_cache(maxsize=4096)(self._opening)
        self.closing = lru_cache(maxsize=4096)(self._closing)
        self.local = lru_cache(maxsize=8192)(self._local)

    @classmethod
    def published(
        cls,
        zone: str = "Asia/Shanghai",
        overrides: Mapping[date, bool] | None = None,
        known_years: Iterable[int] = (),
        opens: time = time(8, 30),
        closes: time = time(17, 0),
    ) -> "WorkCalendar":
        """The State Council's calendar; `overrides` win over it. `known_years` have been imported: nothing in them is a guess."""
        working, last = _published()
        known = frozenset(known_years)
        guessed = {day for day in _guessed() if day.year not in known}
        plain = {
            date(year, 1, 1) + number * DAY
            for year in known
            if year > last
            for number in range(366)
            if (date(year, 1, 1) + number * DAY).weekday() < 5
        }
        return cls(
            zone,
            working | guessed | plain,
            date(last, 12, 31),
            opens=opens,
            closes=closes,
            overrides=overrides,
            known_years=known,
        )

    @classmethod
    def round_the_clock(cls, zone: str = "UTC") -> "WorkCalendar":
        """Every day from midnight to midnight, nothing ever provisional: for records without office hours."""
        first = date(1990, 1, 1)
        days = (date.fromordinal(number) for number in range(first.toordinal(), date(LAST_YEAR, 12, 31).toordinal() + 1))
        return cls(zone, days, date(LAST_YEAR, 12, 31), opens=time(0), closes=None)

    @property
    def digest(self) -> str:
        """A short name for what this calendar says: it changes when any day, hour or zone does."""
        said = (
            self.zone_name,
            self.opens,
            self.closes,
            sorted(self.overrides.items()),
            sorted(self.known_years),
            self.published_until,
        )
        return sha256(repr(said).encode()).hexdigest()[:12]

    def is_working_day(self, day: date) -> bool:
        """Is this day worked?"""
        return day.toordinal() in self._working

    def is_provisional(self, day: date) -> bool:
        """Is this day's year a guess, because its notice is not out?"""
        return day > self.published_until and day.year not in self.known_years

    def add_working_days(self, day: date, n: int) -> date:
        """The nth working day after `day` (before it, if negative); 0: the day itself if worked, else the next that is.

        Raises ValueError beyond the years that the calendar holds.
        """
        number = day.toordinal()
        if n == 0 and number in self._working:
            return day
        after = bisect_right(self._days, number)
        if n > 0:
            place = after + n - 1
        elif n == 0:
            place = after
        else:
            place = (after - 1 if number in self._working else after) + n
        if not 0 <= place < len(self._days):
            raise ValueError(f"{n} working days from {day} lie outside the calendar ({FIRST_YEAR}-{LAST_YEAR})")
        return date.fromordinal(self._days[place])

    def working_days_between(self, a: date, b: date) -> int:
        """Working days after `a` up to and with `b`; negative when `b` is earlier."""
        if b < a:
            return -self.working_days_between(b, a)
        return bisect_right(self._days, b.toordinal()) - bisect_right(self._days, a.toordinal())

    def _local(self, moment: datetime) -> datetime:
        """A moment in the calendar's zone. Raises ValueError for a naive one."""
        if moment.tzinfo is None:
            raise ValueError(f"{moment} has no time zone")
        return moment.astimezone(self.zone)

    def local_day(self, moment: datetime) -> date:
        """The day that it is in the calendar's zone. Raises ValueError for a naive moment."""
        return self.local(moment).date()

    def _opening(self, day: date) -> datetime:
        """When a day's office hours begin, in UTC."""
        return datetime.combine(day, self.opens, self.zone).astimezone(UTC)

    def _closing(self, day: date) -> datetime:
        """When a day's office hours end, in UTC; round the clock that is the next midnight."""
        if self.closes is None:
            return datetime.combine(day + DAY, time(0), self.zone).astimezone(UTC)
        return datetime.combine(day, self.closes, self.zone).astimezone(UTC)

    def is_open(self, moment: datetime) -> bool:
        """Is it within office hours?"""
        day = self.local_day(moment)
        return self.is_working_day(day) and self.opening(day) <= moment < self.closing(day)

    def next_opening(self, moment: datetime) -> datetime:
        """The moment itself within office hours, else the next opening."""
        if self.is_open(moment):
            return moment
        day = self.local_day(moment)
        if self.is_working_day(day) and moment < self.opening(day):
            return self.opening(day)
        return self.opening(self.add_working_days(day, 1))

    def add_working_minutes(self, moment: datetime, minutes: int) -> datetime:
        """The moment after this many minutes of office hours; before it, if negative."""
        left = timedelta(minutes=minutes)
        day = self.local_day(moment)
        if minutes < 0:
            return self._earlier(moment, day, -left)
        while True:
            if self.is_working_day(day):
                begins = max(moment, self.opening(day))
                room = self.closing(day) - begins
                if room >= left:
                    return begins + left
                left -= max(room, timedelta())
            day = self.add_working_days(day, 1)

    def _earlier(self, moment: datetime, day: date, left: timedelta) -> datetime:
        while True:
            if self.is_working_day(day):
                ends = min(moment, self.closing(day))
                room = ends - self.opening(day)
                if room >= left:
                    return ends - left
                left -= max(room, timedelta())
            day = self.add_working_days(day, -1)

    def working_minutes_between(self, a: datetime, b: datetime) -> int:
        """Minutes of office hours between two moments; negative when `b` is earlier."""
        if b < a:
            return -self.working_minutes_between(b, a)
        total, day, last = timedelta(), self.local_day(a), self.local_day(b)
        while day <= last:
            if self.is_working_day(day):
                total += max(min(b, self.closing(day)) - max(a, self.opening(day)), timedelta())
            day += DAY
        return int(total.total_seconds() // 60)

    def days_off_between(self, a: date, b: date) -> list[tuple[date, str]]:
        """The days off after `a` up to and with `b`, each with its name."""
        return [(day, self._name(day)) for day in _days(a, b) if not self.is_working_day(day)]

    def makeup_days_between(self, a: date, b: date) -> list[date]:
        """The weekend days that are worked, after `a` up to and with `b`."""
        return [day for day in _days(a, b) if day.weekday() >= 5 and self.is_working_day(day)]

    def _name(self, day: date) -> str:
        if day <= self.published_until and day not in self.overrides:
            name = chinese_calendar.get_holiday_detail(day)[1]
            if name:
                return str(name)
        return "weekend" if day.weekday() >= 5 else "day off"


def _days(a: date, b: date) -> Iterable[date]:
    return (a + number * DAY for number in range(1, (b - a).days + 1))
