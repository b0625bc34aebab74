"""Working days and hours: the published calendar in a sorted array, overridden by what an office entered, guessed beyond it.

`chinesecalendar` is the source (it follows the State Council's notices); asking it per issue is a hundred times too slow, so
its days are read once and every question is a bisection.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from hashlib import sha256
from types import MappingProxyType
from typing import Final, TypeVar
from zoneinfo import ZoneInfo

import chinese_calendar

#: How far ahead a guess is kept ready: the longest limit that is read (10,000 working days) is forty years.
LAST_YEAR = 2100
#: The days off that every year has (Regulation on Public Holidays, State Council, as of 2025), by their names in the library.
FIXED = {
    (1, 1): "New Year's Day",
    (5, 1): "Labour Day",
    (5, 2): "Labour Day",
    (10, 1): "National Day",
    (10, 2): "National Day",
    (10, 3): "National Day",
}
FEASTS = ("Spring Festival", "Tomb-sweeping Day", "Dragon Boat Festival", "Mid-autumn Festival")
#: Spring Festival's eve (followed by three days off), Qingming, Dragon Boat and Mid-Autumn of years not yet published.
#: Source: the Chinese calendar (GB/T 33661-2017) as `borax` and `holidays` reckon it, and `chinesecalendar` for Qingming.
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
    2036: ((1, 27), (4, 4), (5, 30), (10, 4)),
    2037: ((2, 14), (4, 4), (6, 18), (9, 24)),
    2038: ((2, 3), (4, 5), (6, 7), (9, 13)),
    2039: ((1, 23), (4, 5), (5, 27), (10, 2)),
    2040: ((2, 11), (4, 4), (6, 14), (9, 20)),
}
DAY = timedelta(days=1)
#: The smallest step of a moment: round the clock, midnight still belongs to the day that it ends.
INSTANT = timedelta(microseconds=1)
#: Answers that a calendar keeps, of each kind.
KEPT = 50_000

Key = TypeVar("Key")
Answer = TypeVar("Answer")


@lru_cache(maxsize=1)
def _published() -> tuple[frozenset[date], int, int]:
    """Every working day that the library knows, and the first and the last year that it knows."""
    off, made_up = frozenset(chinese_calendar.holidays), frozenset(chinese_calendar.workdays)
    first, last = min(off).year, max(off).year
    plain = (day for year in range(first, last + 1) for day in _weekdays(year))
    return frozenset(day for day in plain if day not in off) | made_up, first, last


@lru_cache(maxsize=LAST_YEAR)
def _guessed(year: int) -> frozenset[date]:
    """The working days of a year without a notice: Monday to Friday without the statutory days."""
    return _weekdays(year) - _statutory(year).keys()


def _weekdays(year: int) -> frozenset[date]:
    first = date(year, 1, 1).toordinal()
    days = map(date.fromordinal, range(first, date(year, 12, 31).toordinal() + 1))
    return frozenset(day for day in days if day.weekday() < 5)


@lru_cache(maxsize=LAST_YEAR)
def _statutory(year: int) -> dict[date, str]:
    """The days off that a year is sure to have before its notice is out, with their names."""
    days = {date(year, month, day): name for (month, day), name in FIXED.items()}
    for name, (month, day) in zip(FEASTS, LUNAR.get(year, ()), strict=False):
        first = date(year, month, day)
        days |= {first + number * DAY: name for number in range(4 if name == FEASTS[0] else 1)}
    return days


class WorkCalendar:
    """Which days are worked, and from when to when, in one time zone.

    A value: equal when it says the same, and replaced, never changed, when the calendar does. Days are those of its zone,
    moments are aware in any zone (ValueError for a naive one), and the moments that it returns are in UTC.
    """

    def __init__(
        self,
        zone: str,
        working: Iterable[date],
        first: date,
        published_until: date,
        *,
        opens: time,
        closes: time | None,
        overrides: Mapping[date, bool] | None = None,
        known_years: Iterable[int] = (),
    ) -> None:
        """`working` holds the days from `first` to LAST_YEAR. Raises ValueError for hours that end before they begin."""
        if closes is not None and not opens < closes:
            raise ValueError(f"an office opens before it closes, not {opens} to {closes}")
        self.zone_name: Final = zone
        self.zone: Final = ZoneInfo(zone)
        self.opens: Final = opens
        self.closes: Final = closes
        self.overrides: Final[Mapping[date, bool]] = MappingProxyType(dict(overrides or {}))
        self.known_years: Final = frozenset(known_years)
        self.published_until: Final = published_until
        days = set(working) | {day for day, works in self.overrides.items() if works}
        days -= {day for day, works in self.overrides.items() if not works}
        self._days: Final = tuple(sorted(day.toordinal() for day in days))
        self._working: Final = frozenset(self._days)
        self._first, self._last = first.toordinal(), date(LAST_YEAR, 12, 31).toordinal()
        self.digest: Final = self._digest()
        self._openings: dict[date, datetime] = {}
        self._closings: dict[date, datetime] = {}
        self._periods: dict[tuple[date, bool, int], tuple[datetime, bool]] = {}

    @classmethod
    def published(
        cls,
        zone: str = "Asia/Shanghai",
        overrides: Mapping[date, bool] | None = None,
        known_years: Iterable[int] = (),
        opens: time = time(8, 30),
        closes: time = time(17, 0),
    ) -> "WorkCalendar":
        """The State Council's calendar; `overrides` (day -> is it worked) win over it.

        `known_years` beyond the library's have been imported: nothing in them is a guess, and a day without an override follows
        Monday to Friday. Every other year beyond is guessed. Raises ValueError for hours that end before they begin.
        """
        working, first, last = _published()
        known = frozenset(known_years)
        beyond = (_weekdays(year) if year in known else _guessed(year) for year in range(last + 1, LAST_YEAR + 1))
        return cls(
            zone,
            working.union(*beyond),
            date(first, 1, 1),
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
        return cls(zone, days, first, date.max, opens=time(0), closes=None)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, WorkCalendar) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def _digest(self) -> str:
        """A short name for what this calendar says: it changes when any day, hour or zone does, on every machine alike."""
        entered, known = sorted(self.overrides.items()), sorted(self.known_years)
        said = (self.zone_name, self.opens, self.closes, entered, known, self.published_until, self._days)
        return sha256(repr(said).encode()).hexdigest()[:12]

    def is_working_day(self, day: date) -> bool:
        """Is this day worked? No day is that lies outside the years of the calendar."""
        return day.toordinal() in self._working

    def is_provisional(self, day: date) -> bool:
        """Is this day's year a guess, because its notice is not out?"""
        return day > self.published_until and day.year not in self.known_years

    @property
    def known_until(self) -> date:
        """The last day before the first provisional one: as far as the library goes, and the imported years after it."""
        year = self.published_until.year
        while year + 1 in self.known_years:
            year += 1
        return date(year, 12, 31)

    def is_guessed_between(self, a: date, b: date) -> bool:
        """Is any year from `a`'s to `b`'s provisional?"""
        return any(self.is_provisional(date(year, 12, 31)) for year in range(a.year, b.year + 1))

    def add_working_days(self, day: date, n: int) -> date:
        """The nth working day after `day` (before it, if negative); 0: the day itself if worked, else the next that is.

        Raises ValueError outside the years that the calendar holds.
        """
        number = day.toordinal()
        place = n + (bisect_right(self._days, number) - 1 if n > 0 else bisect_right(self._days, number - 1))
        if not (self._first <= number <= self._last and 0 <= place < len(self._days)):
            first, last = date.fromordinal(self._first).year, LAST_YEAR
            raise ValueError(f"{n} working days from {day} lie outside the calendar ({first}-{last})")
        return date.fromordinal(self._days[place])

    def working_days_between(self, a: date, b: date) -> int:
        """Working days after `a` up to and with `b`; mirrored and negative when `b` is earlier."""
        return bisect_right(self._days, b.toordinal()) - bisect_right(self._days, a.toordinal())

    def counted_from(self, day: date, late: bool) -> date:
        """The day that a period does not count: the next working day, if it begins `late` (after hours) or on a day off."""
        return self.add_working_days(day, 1 if late else 0)

    def period(self, day: date, late: bool, n: int) -> tuple[datetime, bool]:
        """When `n` working days end that begin on `day` (`late`: after hours), and whether a day of the span is provisional.

        The end is the close of business of the last one, in UTC. Answers are kept. Raises ValueError outside the calendar.
        """
        key = (day, late, n)
        if (known := self._periods.get(key)) is None:
            last = self.add_working_days(self.counted_from(day, late), n)
            known = self.closing(last), self.is_guessed_between(day, last)
            _keep(self._periods, key, known)
        return known

    def forget(self) -> None:
        """Lets go of the answers that were kept; they are worked out again when somebody asks."""
        for kept in (self._openings, self._closings, self._periods):
            kept.clear()

    def local(self, moment: datetime) -> datetime:
        """A moment in the calendar's zone. Raises ValueError for a naive one."""
        if moment.tzinfo is None:
            raise ValueError(f"{moment} has no time zone")
        return moment.astimezone(self.zone)

    def local_day(self, moment: datetime) -> date:
        """The day that it is in the calendar's zone. Raises ValueError for a naive moment."""
        return self.local(moment).date()

    def due_day(self, due_at: datetime) -> date:
        """The day that ends with a deadline: round the clock, midnight ends the day before. ValueError for a naive moment."""
        return self.local_day(due_at - INSTANT if self.closes is None else due_at)

    def opening(self, day: date) -> datetime:
        """When a day's office hours begin, in UTC; also for a day off."""
        if (known := self._openings.get(day)) is None:
            known = datetime.combine(day, self.opens, self.zone).astimezone(UTC)
            _keep(self._openings, day, known)
        return known

    def closing(self, day: date) -> datetime:
        """When a day's office hours end, in UTC; round the clock that is the next midnight. Also for a day off."""
        if (known := self._closings.get(day)) is None:
            ends = (day + DAY, time(0)) if self.closes is None else (day, self.closes)
            known = datetime.combine(*ends, self.zone).astimezone(UTC)
            _keep(self._closings, day, known)
        return known

    def is_open(self, moment: datetime) -> bool:
        """Is it within office hours, the opening included and the closing not? Raises ValueError for a naive moment."""
        day = self.local_day(moment)
        return self.is_working_day(day) and self.opening(day) <= moment < self.closing(day)

    def next_opening(self, moment: datetime) -> datetime:
        """The moment itself within office hours, else the next opening. Raises ValueError for a naive moment."""
        if self.is_open(moment):
            return moment
        day = self.local_day(moment)
        if self.is_working_day(day) and moment < self.opening(day):
            return self.opening(day)
        return self.opening(self.add_working_days(day, 1))

    def add_working_minutes(self, moment: datetime, minutes: int) -> datetime:
        """The moment, in UTC, after this many minutes of office hours; before it, if negative.

        Raises ValueError for a naive moment and outside the calendar.
        """
        day, step, left = self.local_day(moment), 1 if minutes >= 0 else -1, timedelta(minutes=abs(minutes))
        at = moment.astimezone(UTC)
        while True:
            if self.is_working_day(day):
                begins, ends = self.opening(day), self.closing(day)
                begins, ends = (max(at, begins), ends) if step > 0 else (begins, min(at, ends))
                if ends - begins >= left:
                    return begins + left if step > 0 else ends - left
                left -= max(ends - begins, timedelta())
            day = self.add_working_days(day, step)

    def working_minutes_between(self, a: datetime, b: datetime) -> int:
        """Whole minutes of office hours between two moments; negative when `b` is earlier. ValueError for a naive moment."""
        first, last = self.local_day(a), self.local_day(b)
        if b < a:
            return -self.working_minutes_between(b, a)
        start, end = a.astimezone(UTC), b.astimezone(UTC)
        low, high = bisect_right(self._days, first.toordinal() - 1), bisect_right(self._days, last.toordinal())
        total = timedelta()
        for day in map(date.fromordinal, self._days[low:high]):
            total += max(min(end, self.closing(day)) - max(start, self.opening(day)), timedelta())
        return total // timedelta(minutes=1)

    def days_off_between(self, a: date, b: date) -> list[tuple[date, str]]:
        """The days off after `a` up to and with `b`, each with its name: the feast's (English), "weekend" or "day off"."""
        return [(day, _name(day)) for day in _days(a, b) if not self.is_working_day(day)]

    def makeup_days_between(self, a: date, b: date) -> list[date]:
        """The weekend days that are worked, after `a` up to and with `b`."""
        return [day for day in _days(a, b) if day.weekday() >= 5 and self.is_working_day(day)]


def _keep(answers: dict[Key, Answer], key: Key, answer: Answer) -> None:
    if len(answers) >= KEPT:
        answers.clear()
    answers[key] = answer


def _name(day: date) -> str:
    known = chinese_calendar.holidays.get(day) or (day.year > _published()[2] and _statutory(day.year).get(day))
    return str(known or ("weekend" if day.weekday() >= 5 else "day off"))


def _days(a: date, b: date) -> Iterable[date]:
    return (a + number * DAY for number in range(1, (b - a).days + 1))
