"""Issues that nobody touches go city, department, province at the moments that a slow count gives; both databases.

The expectations are walked day by day through the published calendar (tests/oracle.py); nothing of `workflows` is asked.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from escalation.database import Store
from escalation.queries import ASSIGNMENT, ISSUE, JOURNAL, OUTBOX
from tests.oracle import ABOVE, LIMITS, ZONE, slow_due
from tests.town import CITY_COORDINATOR, Town, at

SEVERITIES = ("general", "major", "urgent")
#: Moments at which issues are dispatched: in hours, at the bell, after it, at night, on days off, on make-up days, at a year's feasts.
DISPATCHES = (
    "2026-01-30 10:00",
    "2026-02-13 16:59",
    "2026-02-14 09:00",
    "2026-02-17 12:00",
    "2026-04-30 17:00",
    "2026-04-30 17:01",
    "2026-05-09 08:00",
    "2026-06-20 23:59",
    "2026-06-30 00:00",
    "2026-08-31 08:29",
    "2026-09-20 17:30",
    "2026-09-24 18:00",
    "2026-09-30 11:11",
)


def expected(dispatched: datetime, severity: str, sweeps: list[datetime]) -> list[tuple[str, datetime, datetime]]:
    """The stays of an issue that nobody touches: (stage, entered, due), found by looking at every sweep in turn."""
    stage, entered = "city", dispatched
    stays = [(stage, entered, slow_due(entered, LIMITS[stage][severity]))]
    for moment in sweeps:
        if moment > stays[-1][2] and stage in ABOVE:
            stage, entered = ABOVE[stage], moment
            stays.append((stage, entered, slow_due(entered, LIMITS[stage][severity])))
    return stays


def moments(first: datetime, step: timedelta, days: int) -> Iterator[datetime]:
    moment = first
    while moment < first + timedelta(days=days):
        moment += step
        yield moment


def stays_of(town: Town, number: str) -> list[tuple[str, datetime, datetime]]:
    with town.store.reading() as session:
        rows = session.connection().execute(
            select(ASSIGNMENT.c.stage, ASSIGNMENT.c.entered_at, ASSIGNMENT.c.due_at)
            .join(ISSUE, ISSUE.c.id == ASSIGNMENT.c.issue_id)
            .where(ISSUE.c.number == number, ASSIGNMENT.c.no > 1)
            .order_by(ASSIGNMENT.c.no)
        )
        return [(stage, entered.astimezone(UTC), due.astimezone(UTC)) for stage, entered, due in rows]


def unattended(store: Store, dispatches: tuple[str, ...], step: timedelta, days: int, first_sweep: str) -> None:
    """Dispatches at every moment, sweeps at every step, and holds each issue's stays against the slow count."""
    town = Town(store, dispatches[0])
    sweeps = list(moments(at(first_sweep), step, days))
    coming = sorted((at(text), severity) for text in dispatches for severity in SEVERITIES)
    standing: dict[str, tuple[datetime, str]] = {}
    seen: dict[str, str] = {}
    for moment in sweeps:
        while coming and coming[0][0] <= moment:
            town.now, severity = coming.pop(0)
            number = town.raise_issue(severity=severity)
            town.act(number, "dispatch", CITY_COORDINATOR)
            standing[number], seen[number] = (town.now, severity), "city"
        swept = town.sweep(moment)
        assert swept.conflicts == swept.set_aside == 0
        assert swept.next_wake_at is None or swept.next_wake_at > moment, "nothing that is due is left"
        if swept.escalated:
            for number, stage in stages(town).items():
                assert stage in (seen[number], ABOVE.get(seen[number])), f"{number} skipped from {seen[number]} to {stage}"
                seen[number] = stage
    assert not coming

    for number, (dispatched, severity) in standing.items():
        own = [moment for moment in sweeps if moment >= dispatched]
        assert stays_of(town, number) == expected(dispatched, severity, own), (number, dispatched.astimezone(ZONE), severity)
    assert set(seen.values()) == {"province"}
    assert town.verify().broken == []
    everything_was_told(town)


def stages(town: Town) -> dict[str, str]:
    with town.store.reading() as session:
        return {row[0]: row[1] for row in session.connection().execute(select(ISSUE.c.number, ISSUE.c.stage))}


def everything_was_told(town: Town) -> None:
    """Every move has its mail to the new lead, to the old one and to the coordinator, under the entry's own key."""
    with town.store.reading() as session:
        connection = session.connection()
        moves = connection.execute(
            select(ISSUE.c.number, JOURNAL.c.seq)
            .join(ISSUE, ISSUE.c.id == JOURNAL.c.issue_id)
            .where(JOURNAL.c.action == "escalate_auto")
        ).all()
        keys: dict[str, set[str]] = {}
        for (key,) in connection.execute(select(OUTBOX.c.key)):
            number, seq, kind, _ = key.split(":", 3)
            keys.setdefault(f"{number}:{seq}", set()).add(kind)
    assert moves
    for number, seq in moves:
        assert {"escalation_notice", "escalated_from"} <= keys[f"{number}:{seq}"]


def test_swept_once_a_day_in_the_morning(store: Store) -> None:
    """Ninety days and more, all severities, across Spring Festival, May, Mid-Autumn and National Day."""
    unattended(store, DISPATCHES, timedelta(days=1), 330, "2026-01-30 08:30")


def test_swept_every_hour_day_and_night(store: Store) -> None:
    unattended(store, DISPATCHES[9:12], timedelta(hours=1), 90, "2026-08-31 00:00")


def test_swept_at_the_bell_and_just_after_it(store: Store) -> None:
    """17:00:00 is still in time, 17:00:01 is not."""
    town = Town(store, "2026-09-07 09:00")
    number = town.dispatched(severity="urgent")
    due = slow_due(town.now, 5)
    town.sweep(due)
    assert town.facts(number).stage == "city"
    town.sweep(due + timedelta(seconds=1))
    assert town.facts(number).stage == "department"
    assert town.verify().ok


@pytest.mark.parametrize("weeks", [3, 10])
def test_an_outage_moves_one_stage_and_gives_its_full_time(store: Store, weeks: int) -> None:
    town = Town(store, "2026-06-30 09:00")
    numbers = [town.dispatched(severity=severity) for severity in SEVERITIES for _ in range(3)]
    back = town.now + timedelta(weeks=weeks)
    town.sweep(back)
    for number in numbers:
        severity = town.facts(number).severity
        if slow_due(at("2026-06-30 09:00"), LIMITS["city"][severity]) < back:
            facts: Any = town.facts(number)
            assert (facts.stage, facts.due_at) == ("department", slow_due(back, LIMITS["department"][severity]))
            assert facts.assignment_no == 3
    again = town.sweep(back)
    assert (again.examined, dict(again.escalated)) == (0, {})
    assert town.verify().ok
