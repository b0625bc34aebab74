"""A deadline in somebody's calendar: set, moved, taken out; and what it never is: a meeting that wants an answer."""

from datetime import UTC, datetime, timedelta

import pytest
from icalendar import Calendar

from notifications.invitations import ENDING, SETTING, invitation
from notifications.kinds import KINDS

MADE = datetime(2026, 11, 17, 0, 30, tzinfo=UTC)
FACTS = {
    "number": "WT26-0007",
    "title": "冷库双回路供电方案未确定",
    "project": "绥芬河冷链枢纽",
    "due": "11月26日17:00",
    "due_moment": "2026-11-26T09:00:00+00:00",
    "sequence": "4",
    "link": "https://escalation.example/issues/WT26-0007",
    "recipient_role": "responsible",
}


def entry(
    kind: str = "dispatch_notice", to: str = "power@example.com", language: str = "zh_CN", **changes: str
) -> Calendar | None:
    file = invitation(kind, language, FACTS | changes, to, MADE, "example.com")
    if file is None:
        return None
    assert (file.name, file.content_type) == ("WT26-0007.ics", "text/calendar")
    assert all(len(line) <= 75 for line in file.data.split(b"\r\n")), "RFC 5545, 3.1: folded"
    return Calendar.from_ical(file.data)


def event(calendar: Calendar | None):
    assert calendar is not None
    (found,) = calendar.walk("VEVENT")
    return found


def test_a_deadline_is_half_an_hour_that_ends_with_it_and_rings_a_day_before():
    calendar = entry()
    found = event(calendar)
    assert calendar["METHOD"] == "PUBLISH", "nobody is asked to accept a deadline"
    assert "ORGANIZER" not in found
    assert "ATTENDEE" not in found
    assert found.decoded("dtend") == datetime(2026, 11, 26, 9, tzinfo=UTC)
    assert found.decoded("dtstart") == datetime(2026, 11, 26, 8, 30, tzinfo=UTC)
    assert found["SUMMARY"] == "办结时限 WT26-0007 冷库双回路供电方案未确定"
    (alarm,) = found.walk("VALARM")
    assert alarm.decoded("trigger") == timedelta(days=-1)
    assert event(entry(language="en"))["SUMMARY"].startswith("Due WT26-0007")


def test_a_deadline_that_moves_replaces_the_entry_and_one_that_ends_takes_it_out():
    first, moved = event(entry()), event(entry("deadline_moved", due_moment="2026-11-30T09:00:00+00:00", sequence="6"))
    assert first["UID"] == moved["UID"]
    assert first["SEQUENCE"] < moved["SEQUENCE"]
    over = entry("closed", sequence="9")
    assert (over["METHOD"], event(over)["STATUS"], event(over)["UID"]) == ("CANCEL", "CANCELLED", first["UID"])


def test_who_no_longer_answers_loses_it_and_nobody_elses_entry_is_touched():
    mine, former = event(entry()), entry("escalated_from", recipient_role="former")
    assert former["METHOD"] == "CANCEL"
    assert event(former)["UID"] == mine["UID"], "the same mailbox"
    assert event(entry(to="forest@example.com"))["UID"] != mine["UID"]


@pytest.mark.parametrize("kind", KINDS)
def test_only_what_sets_or_ends_a_deadline_carries_an_entry_and_only_for_who_answers(kind):
    assert (entry(kind) is not None) == (kind in SETTING | ENDING)
    for other in ("coordinator", "reporter", "liaison", "inspection"):
        assert entry(kind, recipient_role=other) is None


def test_without_a_deadline_there_is_no_entry():
    assert entry("rework", due_moment="") is None


def test_what_people_write_cannot_add_a_line_to_it():
    found = event(entry(title="x\r\nATTENDEE:mailto:all@example.com\r\nBEGIN:VALARM"))
    assert "ATTENDEE" not in found
    assert len(found.walk("VALARM")) == 1
