"""The working calendar: the published one day by day, what is guessed beyond it, and what an office enters."""

from datetime import UTC, date, datetime, time, timedelta
from math import radians, sin
from operator import setitem
from zoneinfo import ZoneInfo

import chinese_calendar
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.town import at
from workflows.calendar import FEASTS, FIXED, LUNAR, WorkCalendar

CALENDAR = WorkCalendar.published()

#: domain.md 4: working days a year, and the weekend days that are worked (month-day).
YEARS = {
    2018: (250, 7, ""),
    2019: (250, 6, ""),
    2020: (249, 6, "01-19 04-26 05-09 06-28 09-27 10-10"),
    2021: (250, 7, "02-07 02-20 04-25 05-08 09-18 09-26 10-09"),
    2022: (249, 7, "01-29 01-30 04-02 04-24 05-07 10-08 10-09"),
    2023: (249, 7, "01-28 01-29 04-23 05-06 06-25 10-07 10-08"),
    2024: (251, 8, "02-04 02-18 04-07 04-28 05-11 09-14 09-29 10-12"),
    2025: (248, 5, "01-26 02-08 04-27 09-28 10-11"),
    2026: (248, 6, "01-04 02-14 02-28 05-09 09-20 10-10"),
}


def days_of(year: int) -> list[date]:
    first = date(year, 1, 1)
    return [day for number in range(366) if (day := first + timedelta(days=number)).year == year]


@pytest.mark.parametrize("year", range(2004, 2027))
def test_each_day_agrees_with_the_published_calendar(year: int) -> None:
    for day in days_of(year):
        assert CALENDAR.is_working_day(day) == chinese_calendar.is_workday(day), day
        assert not CALENDAR.is_provisional(day)


@pytest.mark.parametrize(("year", "expected"), YEARS.items())
def test_the_years_have_the_working_and_make_up_days_of_the_notices(year: int, expected: tuple[int, int, str]) -> None:
    working, count, made_up = expected

    days = [day for day in days_of(year) if CALENDAR.is_working_day(day)]

    assert len(days) == working
    weekends = [day for day in days if day.weekday() >= 5]
    assert len(weekends) == count
    assert weekends == CALENDAR.makeup_days_between(date(year - 1, 12, 31), date(year, 12, 31))
    if made_up:
        assert [f"{day:%m-%d}" for day in weekends] == made_up.split()
    assert CALENDAR.working_days_between(date(year - 1, 12, 31), date(year, 12, 31)) == working


def test_make_up_days_are_told_and_named_days_off_too() -> None:
    made_up = CALENDAR.makeup_days_between(date(2026, 9, 18), date(2026, 9, 30))
    off = CALENDAR.days_off_between(date(2026, 9, 30), date(2026, 10, 8))

    assert made_up == [date(2026, 9, 20)]
    assert [day.day for day, _ in off] == [1, 2, 3, 4, 5, 6, 7]
    assert {name for _, name in off} == {"National Day"}
    assert CALENDAR.days_off_between(date(2026, 11, 20), date(2026, 11, 23)) == [
        (date(2026, 11, 21), "weekend"),
        (date(2026, 11, 22), "weekend"),
    ]


def test_days_off_that_are_guessed_or_entered_have_names_too() -> None:
    calendar = WorkCalendar.published(overrides={date(2026, 12, 1): False})

    assert calendar.days_off_between(date(2026, 11, 30), date(2026, 12, 2)) == [(date(2026, 12, 1), "day off")]
    assert calendar.days_off_between(date(2027, 9, 14), date(2027, 9, 16)) == [(date(2027, 9, 15), "Mid-autumn Festival")]
    assert [name for _, name in calendar.days_off_between(date(2027, 2, 4), date(2027, 2, 8))] == ["Spring Festival"] * 4
    assert calendar.days_off_between(date(2027, 9, 16), date(2027, 9, 14)) == []
    assert {*FEASTS, *FIXED.values()} <= {each.value for each in chinese_calendar.Holiday}


def test_an_unpublished_year_is_monday_to_friday_without_the_statutory_days_and_says_so() -> None:
    for day in ("2027-01-01", "2027-02-05", "2027-02-08", "2027-04-05", "2027-05-03"):
        assert CALENDAR.is_provisional(date.fromisoformat(day))
    assert not CALENDAR.is_working_day(date(2027, 1, 1))
    assert not CALENDAR.is_working_day(date(2027, 2, 5))
    assert not CALENDAR.is_working_day(date(2027, 4, 5))
    assert not CALENDAR.is_working_day(date(2027, 6, 9))
    assert not CALENDAR.is_working_day(date(2027, 9, 15))
    assert not CALENDAR.is_working_day(date(2027, 10, 1))
    assert CALENDAR.is_working_day(date(2027, 10, 4))
    assert not CALENDAR.is_working_day(date(2027, 3, 6))


def new_moon_on_or_before(day: date) -> date:
    """Meeus, Astronomical Algorithms, chapter 49, its largest terms: right to some minutes; the day is Beijing's (UTC+8)."""
    epoch = datetime(2000, 1, 1, 12, tzinfo=UTC)
    number = round((day - date(2000, 1, 6)).days / 29.530588861) + 1
    while True:
        sun, moon, node = (
            radians(at_zero + step * number)
            for at_zero, step in ((2.5534, 29.1053567), (201.5643, 385.81693528), (160.7108, 390.67050284))
        )
        wobble = -0.4072 * sin(moon) + 0.17241 * sin(sun) + 0.01608 * sin(2 * moon) + 0.01039 * sin(2 * node)
        wobble += 0.00739 * sin(moon - sun) - 0.00514 * sin(moon + sun) + 0.00208 * sin(2 * sun)
        at_moon = epoch + timedelta(days=5.09766 + 29.530588861 * number + wobble, hours=8)
        if at_moon.date() <= day:
            return at_moon.date()
        number -= 1


@pytest.mark.parametrize("year", range(2027, 2041))
def test_the_table_of_guessed_feasts_is_the_moons(year: int) -> None:
    """Qingming by the library's own solar terms; the others are the 1st, 5th and 15th day of a month that begins at new moon."""
    eve, qingming, dragon_boat, mid_autumn = (date(year, *each) for each in LUNAR[year])

    assert qingming in {day for day, _ in chinese_calendar.get_solar_terms(date(year, 4, 3), date(year, 4, 6))}
    for day, number in ((eve + timedelta(days=1), 1), (dragon_boat, 5), (mid_autumn, 15)):
        assert (day - new_moon_on_or_before(day)).days + 1 == number, day
    assert date(year, 1, 20) <= eve <= date(year, 2, 20)
    assert date(year, 5, 27) <= dragon_boat <= date(year, 6, 25)
    assert date(year, 9, 7) <= mid_autumn <= date(year, 10, 8)


def test_each_guessed_feast_is_a_day_off_and_so_is_each_fixed_day() -> None:
    for year, ((month, day), *others) in LUNAR.items():
        off = {date(year, month, day) + timedelta(days=number) for number in range(4)}
        off |= {date(year, *each) for each in others}
        off |= {date(year, *each) for each in ((1, 1), (5, 1), (5, 2), (10, 1), (10, 2), (10, 3))}
        for each in days_of(year):
            assert CALENDAR.is_working_day(each) == (each.weekday() < 5 and each not in off), each
            assert CALENDAR.is_provisional(each)


def test_what_an_office_enters_wins_and_ends_the_guess() -> None:
    days = {date(2027, 2, 6): False, date(2027, 2, 20): True, date(2026, 12, 1): False}
    calendar = WorkCalendar.published(overrides=days, known_years=[2027])

    assert calendar.is_working_day(date(2027, 2, 20))
    assert not calendar.is_working_day(date(2026, 12, 1))
    assert not calendar.is_provisional(date(2027, 2, 20))
    assert calendar.is_provisional(date(2028, 1, 4))
    assert calendar.known_until == date(2027, 12, 31)
    assert WorkCalendar.published(known_years=[2028]).known_until == date(2026, 12, 31), "not beyond a year that is a guess"
    assert WorkCalendar.round_the_clock().known_until == date.max
    assert calendar.is_working_day(date(2027, 10, 1)), "an imported year says its own days off; the rest is Monday to Friday"


@pytest.mark.parametrize("year", range(2027, 2041))
def test_an_imported_year_changes_no_day_of_another(year: int) -> None:
    calendar = WorkCalendar.published(known_years=[year])

    for other in (year - 1, year + 1):
        assert [calendar.is_working_day(day) for day in days_of(other)] == [
            CALENDAR.is_working_day(day) for day in days_of(other)
        ]
    assert all(calendar.is_working_day(day) == (day.weekday() < 5) for day in days_of(year))


def test_a_calendar_is_a_value_named_by_what_it_says() -> None:
    same = WorkCalendar.published(overrides={}, known_years=())
    others = [
        WorkCalendar.published(zone="Asia/Urumqi"),
        WorkCalendar.published(overrides={date(2026, 12, 1): False}),
        WorkCalendar.published(overrides={date(2026, 12, 1): True}),
        WorkCalendar.published(known_years=[2027]),
        WorkCalendar.published(opens=time(9, 0)),
        WorkCalendar.published(closes=time(17, 30)),
        WorkCalendar.round_the_clock(),
    ]

    assert same == CALENDAR
    assert hash(same) == hash(CALENDAR)
    assert CALENDAR != "a calendar"
    assert len({each.digest for each in [CALENDAR, same, *others]}) == len(others) + 1


def test_the_digest_changes_when_the_library_mends_one_day() -> None:
    """A holiday lengthened within its own year, as in January 2020, has to recount deadlines."""
    days = [day for day in days_of(2026) if CALENDAR.is_working_day(day)]
    first, until = date(2026, 1, 1), date(2026, 12, 31)
    one = WorkCalendar("UTC", days, first, until, opens=time(8, 30), closes=time(17, 0))
    other = WorkCalendar("UTC", days[:-1], first, until, opens=time(8, 30), closes=time(17, 0))

    assert one.digest != other.digest


def test_what_was_entered_cannot_be_changed_from_outside() -> None:
    entered = {date(2026, 12, 1): False}
    calendar = WorkCalendar.published(overrides=entered)
    entered[date(2026, 12, 2)] = False

    assert calendar.overrides == {date(2026, 12, 1): False}
    with pytest.raises(TypeError):
        setitem(calendar.overrides, date(2026, 12, 3), False)  # type-checkers refuse the plain assignment


def test_counting_forwards_and_backwards_meets() -> None:
    day = date(2026, 9, 30)

    assert CALENDAR.add_working_days(day, 1) == date(2026, 10, 8)
    assert CALENDAR.add_working_days(date(2026, 10, 8), -1) == day
    assert CALENDAR.add_working_days(date(2026, 10, 3), 0) == date(2026, 10, 8)
    assert CALENDAR.add_working_days(date(2026, 10, 3), -1) == day
    assert CALENDAR.working_days_between(day, date(2026, 10, 10)) == 3
    assert CALENDAR.working_days_between(date(2026, 10, 10), day) == -3


@pytest.mark.parametrize(("day", "n"), [("2100-12-30", 10), ("2003-12-01", 1), ("2101-06-01", -1), ("2004-01-05", -3)])
def test_beyond_the_calendar_is_an_error_not_a_guess(day: str, n: int) -> None:
    with pytest.raises(ValueError, match="outside the calendar"):
        CALENDAR.add_working_days(date.fromisoformat(day), n)


@given(st.dates(date(2004, 3, 1), date(2099, 12, 1)), st.integers(-20, 20))
def test_adding_days_is_walking(day: date, n: int) -> None:
    step = timedelta(days=1 if n >= 0 else -1)
    expected, left = day, abs(n)
    while left > 0 or not CALENDAR.is_working_day(expected):
        expected += step
        left -= CALENDAR.is_working_day(expected)

    assert CALENDAR.add_working_days(day, n) == expected


@given(st.dates(date(2004, 1, 1), date(2100, 12, 31)), st.integers(-400, 400))
def test_days_between_are_counted_one_by_one_and_mirrored(a: date, days: int) -> None:
    b = a + timedelta(days=days)
    low, high = min(a, b), max(a, b)
    count = sum(CALENDAR.is_working_day(low + timedelta(days=number)) for number in range(1, (high - low).days + 1))

    assert CALENDAR.working_days_between(a, b) == (count if a <= b else -count)
    if b.year <= 2100 and a <= b:
        off = CALENDAR.days_off_between(a, b)
        assert len(off) + count == days
        assert all(name for _, name in off)


@pytest.mark.parametrize("ask", ["local", "local_day", "due_day", "is_open", "next_opening"])
def test_a_moment_without_a_zone_is_refused(ask: str) -> None:
    with pytest.raises(ValueError, match="no time zone"):
        getattr(CALENDAR, ask)(datetime(2026, 9, 1, 9, 0))


def test_a_span_without_a_zone_is_refused() -> None:
    naive, aware = datetime(2026, 9, 1, 9, 0), at("2026-09-01 09:00")

    for ask in (
        lambda: CALENDAR.add_working_minutes(naive, 10),
        lambda: CALENDAR.working_minutes_between(naive, aware),
        lambda: CALENDAR.working_minutes_between(aware, naive),
    ):
        with pytest.raises(ValueError, match="no time zone"):
            ask()


def test_the_day_is_that_of_the_office_not_of_the_sender() -> None:
    assert CALENDAR.local_day(datetime(2026, 9, 1, 16, 0, tzinfo=UTC)) == date(2026, 9, 2)
    assert CALENDAR.local(datetime(2026, 9, 1, 16, 0, tzinfo=UTC)).hour == 0
    assert CALENDAR.opening(date(2026, 9, 1)) == datetime(2026, 9, 1, 0, 30, tzinfo=UTC)
    assert CALENDAR.closing(date(2026, 9, 1)) == datetime(2026, 9, 1, 9, 0, tzinfo=UTC)
    assert CALENDAR.closing(date(2026, 9, 1)).tzinfo is UTC


def test_working_minutes_run_in_office_hours_only() -> None:
    friday = at("2026-09-04 16:00")

    assert CALENDAR.add_working_minutes(friday, 120) == at("2026-09-07 09:30")
    assert CALENDAR.add_working_minutes(at("2026-09-07 09:30"), -120) == friday
    assert CALENDAR.working_minutes_between(friday, at("2026-09-07 09:30")) == 120
    assert CALENDAR.next_opening(at("2026-09-05 12:00")) == at("2026-09-07 08:30")
    assert CALENDAR.next_opening(at("2026-09-07 07:00")) == at("2026-09-07 08:30")
    assert CALENDAR.is_open(friday)
    assert not CALENDAR.is_open(at("2026-09-04 17:00"))


def test_round_the_clock_has_no_hours_and_no_holidays() -> None:
    calendar = WorkCalendar.round_the_clock("UTC")

    assert calendar.is_working_day(date(2026, 10, 1))
    assert calendar.closing(date(2026, 10, 1)) == datetime(2026, 10, 2, tzinfo=UTC)
    assert calendar.is_working_day(date(2026, 10, 3))
    assert not calendar.is_provisional(date(2030, 1, 1))
    assert calendar.is_open(datetime(2026, 10, 1, 23, 59, 59, tzinfo=UTC))
    assert calendar.is_open(datetime(2026, 10, 2, tzinfo=UTC))
    assert calendar.days_off_between(date(2026, 9, 30), date(2026, 10, 8)) == []


def test_round_the_clock_midnight_ends_the_day_before() -> None:
    calendar = WorkCalendar.round_the_clock("UTC")

    assert calendar.due_day(calendar.closing(date(2026, 10, 1))) == date(2026, 10, 1)
    assert calendar.due_day(datetime(2026, 10, 2, 0, 0, 1, tzinfo=UTC)) == date(2026, 10, 2)
    assert CALENDAR.due_day(CALENDAR.closing(date(2026, 10, 8))) == date(2026, 10, 8)
    assert CALENDAR.due_day(at("2026-10-08 00:00")) == date(2026, 10, 8)


def test_working_minutes_pass_where_the_clock_is_put_forward() -> None:
    """Berlin, 2026-03-29: 02:00 becomes 03:00, the day has 23 hours; a sender's own zone must not change the answer."""
    berlin = ZoneInfo("Europe/Berlin")
    calendar = WorkCalendar.round_the_clock("Europe/Berlin")
    start = datetime(2026, 3, 29, 1, 0, tzinfo=berlin)

    assert calendar.add_working_minutes(start, 120) == datetime(2026, 3, 29, 2, 0, tzinfo=UTC)
    assert calendar.working_minutes_between(start, datetime(2026, 3, 30, 0, 0, tzinfo=berlin)) == 22 * 60


@given(st.datetimes(datetime(2018, 1, 1), datetime(2026, 12, 1), timezones=st.just(UTC)), st.integers(1, 3000))
def test_minutes_added_are_the_minutes_between_and_lead_back(start: datetime, minutes: int) -> None:
    end = CALENDAR.add_working_minutes(start, minutes)
    begin = CALENDAR.next_opening(start)

    assert end > start
    assert CALENDAR.working_minutes_between(start, end) == minutes
    assert CALENDAR.working_minutes_between(end, start) == -minutes
    assert CALENDAR.working_minutes_between(CALENDAR.add_working_minutes(end, -minutes), begin) == 0
    assert CALENDAR.is_open(end - timedelta(microseconds=1))


@pytest.mark.parametrize("closes", [time(8, 30), time(17, 0)])
def test_an_office_that_closes_before_it_opens_is_refused(closes: time) -> None:
    with pytest.raises(ValueError, match="opens before it closes"):
        WorkCalendar.published(opens=time(17, 0), closes=closes)


def test_it_knows_the_first_day_of_its_first_year() -> None:
    calendar = WorkCalendar.published()
    assert calendar.add_working_days(date(2004, 1, 1), 1) > date(2004, 1, 1)
    with pytest.raises(ValueError, match="2004"):
        calendar.add_working_days(date(2003, 12, 31), 1)
