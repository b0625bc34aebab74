"""Time limits: how they are written, when they end, when to warn, what is left."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.oracle import slow_due, slow_overdue_days
from tests.town import at
from workflows.calendar import WorkCalendar
from workflows.deadlines import Duration, due, is_overdue, overdue_working_days, remaining, warning, working_days_left

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


@given(moments, working_days)
def test_a_limit_ends_where_walking_day_by_day_does(start: datetime, count: int) -> None:
    assert due(start, days(count), CALENDAR).at == slow_due(start, count)


@given(moments, st.integers(0, 100_000))
def test_days_overdue_are_those_counted_one_by_one(start: datetime, minutes: int) -> None:
    end = min(start + timedelta(minutes=minutes), at("2026-12-31 12:00"))
    if end < start:
        start = end

    assert overdue_working_days(start, end, CALENDAR) == slow_overdue_days(start, end)


@given(moments, working_days)
def test_a_longer_limit_never_ends_sooner_and_none_ends_before_it_begins(start: datetime, count: int) -> None:
    shorter, longer = due(start, days(count), CALENDAR).at, due(start, days(count + 1), CALENDAR).at

    assert start < shorter < longer


@pytest.mark.parametrize(
    ("moment", "end"),
    [("16:59:59", "2026-09-02"), ("17:00:00", "2026-09-02"), ("17:00:01", "2026-09-03"), ("00:00:00", "2026-09-02")],
)
def test_after_hours_counts_as_the_next_working_day(moment: str, end: str) -> None:
    assert due(at(f"2026-09-01 {moment}"), days(1), CALENDAR).at == at(f"{end} 17:00")


def test_overdue_means_strictly_after() -> None:
    end = at("2026-09-01 17:00")

    assert not is_overdue(end, end)
    assert is_overdue(end + timedelta(microseconds=1), end)


def test_working_hours_and_clock_hours() -> None:
    assert due(at("2026-09-04 15:00"), Duration(4, "wh"), CALENDAR).at == at("2026-09-07 10:30")
    assert due(at("2026-09-04 15:00"), Duration(24, "h"), CALENDAR).at == at("2026-09-05 15:00")


def test_warnings_come_on_the_morning_before_or_hours_ahead_but_never_before_the_start() -> None:
    start, end = at("2026-09-01 10:00"), at("2026-09-15 17:00")

    assert warning(start, end, days(2), CALENDAR) == at("2026-09-11 08:30")
    assert warning(start, end, Duration(4, "wh"), CALENDAR) == at("2026-09-15 13:00")
    assert warning(start, at("2026-09-02 17:00"), days(2), CALENDAR) is None


def test_what_is_left_is_whole_working_days_one_at_least() -> None:
    end = at("2026-11-24 17:00")

    assert remaining(at("2026-11-20 10:00"), end, CALENDAR) == days(2)
    assert remaining(at("2026-11-24 10:00"), end, CALENDAR) == days(1)
    assert working_days_left(at("2026-11-23 09:00"), at("2026-10-15 17:00"), CALENDAR) == -27
    assert working_days_left(at("2026-11-23 09:00"), at("2026-11-23 17:00"), CALENDAR) == 0


@given(st.integers(1, 10_000), st.sampled_from(["wd", "wh", "h"]))
def test_a_limit_is_read_as_it_is_written(amount: int, unit: str) -> None:
    assert str(Duration.parse(f"{amount}{unit}")) == f"{amount}{unit}"


@pytest.mark.parametrize("text", ["", "10", "wd", "0wd", "-3wd", "10 wd x", "1.5h", "10001wd", "十wd", "10days", "10dw"])
def test_what_is_no_limit_is_refused_with_what_would_be(text: str) -> None:
    with pytest.raises(ValueError, match="is right|as in 10wd"):
        Duration.parse(text)
