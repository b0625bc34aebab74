"""The working calendar: the published one day by day, what is guessed beyond it, and what an office enters."""

from datetime import UTC, date, datetime, time, timedelta

import chinese_calendar
import pytest

from tests.town import at
from workflows.calendar import WorkCalendar

CALENDAR = WorkCalendar.published()

#: domain.md 4: working days a year, and the weekend days that are worked (month-day).
YEARS = {
    2018: (250, 7, ""),
    2019: (250, 6, ""),
    2020: (249, 6, "01-19 04-26 05-09 06-28 09-27 10-10"),
    2021: (250, 7, "02-07 02-20 04-25 05-08 09-18 09-26 10-09"),
    2022: (249, 7, "01-29 01-30 04-02 04-24 05-07 10-08 10-09"),
    2023: (249, 6, "01-28 01-29 04-23 05-06 06-25 10-07 10-08"),
    2024: (251, 8, "02-04 02-18 04-07 04-28 05-11 09-14 09-29 10-12"),
    2025: (248, 5, "01-26 02-08 04-27 09-28 10-11"),
    2026: (248, 6, "01-04 02-14 02-28 05-09 09-20 10-10"),
}


def days_of(year: int) -> list[date]:
    first = date(year, 1, 1)
    return [day for number in range(366) if (day := first + timedelta(days=number)).year == year]


@pytest.mark.parametrize("year", YEARS)
def test_each_day_agrees_with_the_published_calendar(year: int) -> None:
    for day in days_of(year):
        assert CALENDAR.is_working_day(day) == chinese_calendar.is_workday(day), day
        assert not CALENDAR.is_provisional(day)


@pytest.mark.parametrize(("year", "expected"), YEARS.items())
def test_the_years_have_the_working_and_make_up_days_of_the_notices(year: int, expected: tuple[int, int, str]) -> None:
    working, _, made_up = expected

    days = [day for day in days_of(year) if CALENDAR.is_working_day(day)]

    assert len(days) == working
    weekends = [f"{day:%m-%d}" for day in days if day.weekday() >= 5]
    if made_up:
        assert weekends == made_up.split()


def test_make_up_days_are_told_and_named_days_off_too() -> None:
    made_up = CALENDAR.makeup_days_between(date(2026, 9, 18), date(2026, 9, 30))
    off = CALENDAR.days_off_between(date(2026, 9, 30), date(2026, 10, 8))

    assert made_up == [date(2026, 9, 20)]
    assert [day.day for day, _ in off] == [1, 2, 3, 4, 5, 6, 7]
    assert off[0][1] == "National Day"


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


def test_what_an_office_enters_wins_and_ends_the_guess() -> None:
    days = {date(2027, 2, 6): False, date(2027, 2, 20): True, date(2026, 12, 1): False}
    calendar = WorkCalendar.published(overrides=days, known_years=[2027])

    assert calendar.is_working_day(date(2027, 2, 20))
    assert not calendar.is_working_day(date(2026, 12, 1))
    assert not calendar.is_provisional(date(2027, 2, 20))
    assert calendar.is_provisional(date(2028, 1, 4))
    assert calendar.digest != CALENDAR.digest


def test_counting_forwards_and_backwards_meets() -> None:
    day = date(2026, 9, 30)

    assert CALENDAR.add_working_days(day, 1) == date(2026, 10, 8)
    assert CALENDAR.add_working_days(date(2026, 10, 8), -1) == day
    assert CALENDAR.add_working_days(date(2026, 10, 3), 0) == date(2026, 10, 8)
    assert CALENDAR.add_working_days(date(2026, 10, 3), -1) == day
    assert CALENDAR.working_days_between(day, date(2026, 10, 10)) == 3
    assert CALENDAR.working_days_between(date(2026, 10, 10), day) == -3


def test_beyond_the_calendar_is_an_error_not_a_guess() -> None:
    with pytest.raises(ValueError, match="outside the calendar"):
        CALENDAR.add_working_days(date(2060, 12, 30), 10)


def test_a_moment_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        CALENDAR.local_day(datetime(2026, 9, 1, 9, 0))


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
    assert not calendar.is_provisional(date(2030, 1, 1))


def test_an_office_that_closes_before_it_opens_is_refused() -> None:
    with pytest.raises(ValueError, match="opens before it closes"):
        WorkCalendar.published(opens=time(17, 0), closes=time(8, 30))
