"""Time limits: how they are written, when they end, when to warn, what is left."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.oracle import slow_days_left, slow_due, slow_overdue_days, slow_warning
from tests.town import at
from workflows.calendar import WorkCalendar
from workflows.deadlines import (
    Deadline,
    Duration,
    Unit,
    counted_from,
    describe,
    due,
    is_overdue,
    overdue_working_days,
    remaining,
    warning,
    working_days_left,
)

CALENDAR = WorkCalendar.published()
FIRST = datetime(2018, 1, 1, tzinfo=UTC)
moments = st.integers(0, 60 * 24 * 365 * 8 + 200 * 1440).map(lambda minutes: FIRST + timedelta(minutes=minutes))
working_days = st.integers(1, 20)


def days(count: int) -> Duration:
    return Duration(count, "wd")


@pytest.mark.parametrize(
    ("start", "count", "end"),
    [
        ("2026-02-11", 5, "2026-02-25"),
        ("2026-02-13", 1, "2026-02-14"),
        ("2026-02-14", 1, "2026-02-24"),
        ("2026-04-29", 10, "2026-05-15"),
        ("2026-09-18", 5, "2026-09-24"),
        ("2026-09-24", 10, "2026-10-15"),
        ("2026-09-30", 1, "2026-10-08"),
    ],
)
def test_the_fixture_dates(start: str, count: int, end: str) -> None:
    """domain.md 4."""
    assert due(at(f"{start} 10:00"), days(count), CALENDAR) == (at(f"{end} 17:00"), False)


def test_a_deadline_that_crosses_into_an_unpublished_year_is_provisional() -> None:
    assert due(at("2026-12-25 10:00"), days(10), CALENDAR) == (at("2027-01-11 17:00"), True)
    assert due(at("2026-12-11 10:00"), days(14), CALENDAR).provisional is False
    assert due(at("2026-12-30 16:00"), Duration(4, "wh"), CALENDAR) == (at("2026-12-31 11:30"), False)
    assert due(at("2026-12-31 16:00"), Duration(4, "wh"), CALENDAR) == (at("2027-01-04 11:30"), True)
    assert due(at("2026-12-31 16:00"), Duration(24, "h"), CALENDAR).provisional is False, "the clock asks no calendar"


def test_one_guessed_day_anywhere_in_the_span_makes_it_provisional() -> None:
    later = WorkCalendar.published(known_years=[2028])
    both = WorkCalendar.published(known_years=[2027, 2028])
    start = at("2027-12-31 18:00")

    assert due(at("2027-12-20 10:00"), days(20), later).provisional
    assert due(start, days(2), later).provisional, "whether the day of dispatch is worked is itself a guess"
    assert due(at("2026-12-20 10:00"), days(300), later).provisional, "a guessed year between two known ones"
    assert not due(start, days(2), both).provisional
    assert not due(at("2026-12-20 10:00"), days(300), both).provisional


def test_an_imported_year_moves_the_deadline_and_ends_the_doubt() -> None:
    """Days off as a notice would give them: 1-3 January off, Saturday the 9th worked."""
    entered = {date(2027, 1, 1): False, date(2027, 1, 9): True}
    known = WorkCalendar.published(overrides=entered, known_years=[2027])

    assert due(at("2026-12-25 10:00"), days(10), known) == (at("2027-01-09 17:00"), False)


def test_a_day_that_the_office_enters_moves_a_deadline_of_a_published_year() -> None:
    calendar = WorkCalendar.published(overrides={date(2026, 9, 2): False, date(2026, 9, 5): True})

    assert due(at("2026-09-01 10:00"), days(1), calendar).at == at("2026-09-03 17:00")
    assert due(at("2026-09-02 10:00"), days(1), calendar).at == at("2026-09-04 17:00")
    assert due(at("2026-09-04 10:00"), days(1), calendar).at == at("2026-09-05 17:00")
    assert due(at("2026-09-01 10:00"), days(1), CALENDAR).at == at("2026-09-02 17:00")


def test_the_longest_limit_that_is_read_can_be_counted() -> None:
    for unit in ("wd", "wh", "h"):
        assert due(at("2026-11-23 10:00"), Duration.parse(f"10000{unit}"), CALENDAR).at > at("2027-11-23 10:00")
    assert warning(at("2026-11-23 10:00"), at("2026-11-30 17:00"), days(10_000), CALENDAR) is None


@given(moments, working_days)
def test_a_limit_ends_where_walking_day_by_day_does(start: datetime, count: int) -> None:
    assert due(start, days(count), CALENDAR).at == slow_due(start, count)


@given(moments, st.integers(0, 100_000))
def test_days_overdue_are_those_counted_one_by_one(start: datetime, minutes: int) -> None:
    """Not `due` itself, which the oracle has its own of: any moment may be a date that a person set."""
    end = min(start + timedelta(minutes=minutes), at("2026-12-31 12:00"))

    assert overdue_working_days(start, end, CALENDAR) == slow_overdue_days(start, end)
    assert overdue_working_days(end, start, CALENDAR) == 0
    assert working_days_left(start, end, CALENDAR) == slow_days_left(start, end)
    assert working_days_left(end, start, CALENDAR) == -slow_days_left(start, end)


@given(moments, working_days, st.integers(1, 12))
def test_a_warning_is_the_morning_that_walking_back_finds(start: datetime, count: int, before: int) -> None:
    end = slow_due(start, count)
    expected = slow_warning(end, before)

    assert warning(start, end, days(before), CALENDAR) == (expected if expected > start else None)


@given(moments, working_days)
def test_asking_twice_or_in_another_zone_gives_the_same_answer(start: datetime, count: int) -> None:
    fresh = WorkCalendar.published()
    abroad = start.astimezone(ZoneInfo("America/New_York"))

    assert due(start, days(count), CALENDAR) == due(start, days(count), CALENDAR) == due(abroad, days(count), fresh)


@given(moments, moments, working_days)
def test_a_later_start_never_ends_sooner(one: datetime, other: datetime, count: int) -> None:
    first, second = sorted((one, other))

    assert due(first, days(count), CALENDAR).at <= due(second, days(count), CALENDAR).at


@given(moments, st.integers(1, 200), st.sampled_from(["wd", "wh", "h"]))
def test_every_unit_ends_after_its_start_in_utc_and_grows(start: datetime, amount: int, unit: Unit) -> None:
    ends = [due(start, Duration(amount + more, unit), CALENDAR).at for more in range(3)]

    assert start < ends[0]
    assert all(sooner < later for sooner, later in pairwise(ends))
    assert all(end.tzinfo is UTC for end in ends)


@given(moments, working_days)
def test_a_longer_limit_never_ends_sooner_and_none_ends_before_it_begins(start: datetime, count: int) -> None:
    shorter, longer = due(start, days(count), CALENDAR).at, due(start, days(count + 1), CALENDAR).at

    assert start < shorter < longer


@pytest.mark.parametrize(
    ("moment", "end"),
    [
        ("2026-09-01 16:59:59", "2026-09-02"),
        ("2026-09-01 17:00:00", "2026-09-02"),
        ("2026-09-01 17:00:00.000001", "2026-09-03"),
        ("2026-09-01 17:00:01", "2026-09-03"),
        ("2026-09-01 00:00:00", "2026-09-02"),
        ("2026-09-05 10:00:00", "2026-09-08"),  # Saturday: Monday is the day that is not counted
        ("2026-09-19 18:00:00", "2026-09-21"),  # Saturday before a worked Sunday
        ("2026-10-03 10:00:00", "2026-10-09"),
    ],
)
def test_after_hours_or_on_a_day_off_counts_as_the_next_working_day(moment: str, end: str) -> None:
    assert due(at(moment), days(1), CALENDAR).at == at(f"{end} 17:00")


def test_the_memory_of_a_day_keeps_before_and_after_hours_apart() -> None:
    calendar = WorkCalendar.published()

    for _ in range(2):
        assert due(at("2026-09-01 16:00"), days(1), calendar).at == at("2026-09-02 17:00")
        assert due(at("2026-09-01 18:00"), days(1), calendar).at == at("2026-09-03 17:00")
        assert due(at("2026-09-01 16:00"), days(2), calendar).at == at("2026-09-03 17:00")


def test_overdue_means_strictly_after() -> None:
    end = at("2026-09-01 17:00")

    assert not is_overdue(end, end)
    assert is_overdue(end + timedelta(microseconds=1), end)


def test_a_moment_without_a_zone_is_refused_everywhere() -> None:
    naive, end = datetime(2026, 9, 1, 9, 0), at("2026-09-02 17:00")

    for limit in (days(1), Duration(1, "wh"), Duration(1, "h")):
        with pytest.raises(ValueError, match="no time zone"):
            due(naive, limit, CALENDAR)
        with pytest.raises(ValueError, match="no time zone"):
            warning(naive, end, limit, CALENDAR)
        with pytest.raises(ValueError, match="no time zone"):
            warning(end, naive, limit, CALENDAR)
    for now, due_at in ((naive, end), (end, naive), (naive, naive)):
        with pytest.raises(ValueError, match="no time zone"):
            is_overdue(now, due_at)
        with pytest.raises(ValueError, match="no time zone"):
            working_days_left(now, due_at, CALENDAR)


def test_working_hours_and_clock_hours() -> None:
    assert due(at("2026-09-04 15:00"), Duration(4, "wh"), CALENDAR).at == at("2026-09-07 10:30")
    assert due(at("2026-09-04 13:00"), Duration(4, "wh"), CALENDAR).at == at("2026-09-04 17:00")
    assert due(at("2026-09-04 20:00"), Duration(4, "wh"), CALENDAR).at == at("2026-09-07 12:30")
    assert due(at("2026-09-05 12:00"), Duration(1, "wh"), CALENDAR).at == at("2026-09-07 09:30")
    assert due(at("2026-09-04 15:00"), Duration(24, "h"), CALENDAR).at == at("2026-09-05 15:00")


def test_hours_by_the_clock_are_real_hours_where_the_clock_is_put_forward() -> None:
    start = datetime(2026, 3, 28, 12, 0, tzinfo=ZoneInfo("Europe/Berlin"))

    assert due(start, Duration(24, "h"), CALENDAR).at == datetime(2026, 3, 29, 11, 0, tzinfo=UTC)


def test_round_the_clock_days_end_at_midnight_and_are_late_from_then_on() -> None:
    calendar = WorkCalendar.round_the_clock()
    end = due(datetime(2020, 1, 1, 12, tzinfo=UTC), days(2), calendar).at

    assert end == datetime(2020, 1, 4, tzinfo=UTC)
    assert working_days_left(datetime(2020, 1, 3, 9, tzinfo=UTC), end, calendar) == 0
    assert overdue_working_days(end, datetime(2020, 1, 4, 9, tzinfo=UTC), calendar) == 1
    assert warning(datetime(2020, 1, 1, 12, tzinfo=UTC), end, days(1), calendar) == datetime(2020, 1, 2, tzinfo=UTC)


def test_warnings_come_on_the_morning_before_or_hours_ahead_but_never_before_the_start() -> None:
    start, end = at("2026-09-01 10:00"), at("2026-09-15 17:00")

    assert warning(start, end, days(2), CALENDAR) == at("2026-09-11 08:30")
    assert warning(start, end, Duration(4, "wh"), CALENDAR) == at("2026-09-15 13:00")
    assert warning(start, end, Duration(24, "h"), CALENDAR) == at("2026-09-14 17:00")
    assert warning(start, at("2026-10-09 17:00"), days(2), CALENDAR) == at("2026-09-30 08:30")
    assert warning(start, at("2026-09-02 17:00"), days(2), CALENDAR) is None
    assert warning(at("2026-09-01 08:00"), at("2026-09-02 17:00"), days(1), CALENDAR) == at("2026-09-01 08:30")
    assert warning(at("2026-09-01 08:30"), at("2026-09-02 17:00"), days(1), CALENDAR) is None, "not after the start"
    assert warning(at("2026-09-03 08:00"), at("2026-09-05 08:00"), days(2), CALENDAR) == at("2026-09-03 08:30"), "a day off"


def test_what_is_left_is_whole_working_days_one_at_least() -> None:
    end = at("2026-11-24 17:00")

    assert remaining(at("2026-11-20 10:00"), end, CALENDAR) == days(2)
    assert remaining(at("2026-11-24 10:00"), end, CALENDAR) == days(1)
    assert remaining(at("2026-12-24 10:00"), end, CALENDAR) == days(1)
    assert remaining(at("2026-09-18 10:00"), at("2026-09-24 17:00"), CALENDAR) == days(5)


def test_the_days_of_the_sample() -> None:
    now = at("2026-11-23 09:00")

    assert working_days_left(now, at("2026-10-15 17:00"), CALENDAR) == -27
    assert working_days_left(now, at("2026-11-23 17:00"), CALENDAR) == 0
    assert working_days_left(now, at("2026-11-24 17:00"), CALENDAR) == 1
    assert overdue_working_days(at("2026-10-15 17:00"), now, CALENDAR) == 27
    assert overdue_working_days(at("2026-11-24 17:00"), now, CALENDAR) == 0


def test_what_was_paused_ends_as_late_as_it_would_have() -> None:
    """Stopped and started on the same day, a clock ends when it would have ended."""
    start, limit = at("2026-09-18 10:00"), days(9)
    end = due(start, limit, CALENDAR).at
    for day in ("2026-09-18 11:00", "2026-09-20 11:00", "2026-09-30 16:00"):
        assert due(at(day), remaining(at(day), end, CALENDAR), CALENDAR).at == end


def test_how_a_deadline_was_counted_can_be_told() -> None:
    start, limit = at("2026-09-18 18:00"), days(6)
    told = describe(start, limit, due(start, limit, CALENDAR), CALENDAR)

    assert (told.start, told.counted_from, told.limit) == (start, date(2026, 9, 20), limit)
    assert (told.due_at, told.provisional) == (at("2026-09-29 17:00"), False)
    assert told.days_off == tuple((date(2026, 9, day), "Mid-autumn Festival") for day in (25, 26, 27))
    assert told.makeup_days == ()
    noon = at("2026-09-18 12:00")
    assert describe(noon, limit, due(noon, limit, CALENDAR), CALENDAR).makeup_days == (date(2026, 9, 20),)


def test_hours_by_the_clock_skip_nothing() -> None:
    start, limit = at("2026-09-04 18:00"), Duration(24, "h")
    told = describe(start, limit, due(start, limit, CALENDAR), CALENDAR)

    assert (told.counted_from, told.days_off, told.makeup_days) == (date(2026, 9, 4), (), ())
    assert counted_from(start, CALENDAR) == date(2026, 9, 7)
    assert counted_from(at("2026-09-04 17:00"), CALENDAR) == date(2026, 9, 4)


def test_a_deadline_is_a_moment_and_a_doubt() -> None:
    assert due(at("2026-09-01 10:00"), days(1), CALENDAR) == Deadline(at=at("2026-09-02 17:00"), provisional=False)


@given(st.integers(1, 10_000), st.sampled_from(["wd", "wh", "h"]))
def test_a_limit_is_read_as_it_is_written(amount: int, unit: str) -> None:
    assert str(Duration.parse(f"{amount}{unit}")) == f"{amount}{unit}"


@pytest.mark.parametrize(
    "text",
    ["", "10", "wd", "0wd", "-3wd", "10 wd x", "1.5h", "10001wd", "十wd", "１０wd", "10days", "10dw", "9" * 5000 + "h", "+3wd"],
)
def test_what_is_no_limit_is_refused_with_what_would_be(text: str) -> None:
    with pytest.raises(ValueError, match="is right|as in 10wd"):
        Duration.parse(text)
