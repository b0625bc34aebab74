"""Clocks in trouble: they jump, stand an hour off after a summer, disagree between nodes, or leap while a worker runs."""

import asyncio
import random
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from escalation.app import App
from escalation.config import DatabaseSettings, Settings
from escalation.database import Store
from escalation.queries import ASSIGNMENT, ISSUE, JOURNAL
from escalation.scheduler import LeapWatch, Worker
from escalation.sweep import Sweeper
from escalation.world import WorldReader
from tests.faults.test_kill import finish
from tests.faults.test_two_nodes import many, moves, overdue_moment
from tests.town import Town, at

ZONES = ("Asia/Shanghai", "Europe/Berlin", "America/New_York")
#: Beside the passing of days: set back an hour, a day; ahead three weeks; a smeared leap second.
JUMPS = (timedelta(hours=-1), timedelta(days=-1), timedelta(days=21), timedelta(milliseconds=-999), timedelta(seconds=1))


def sooner_than_due(store: Store) -> list[tuple[str, datetime, datetime]]:
    """Escalations that were made before the stay they ended was due."""
    ended = select(ISSUE.c.number, ASSIGNMENT.c.due_at, ASSIGNMENT.c.left_at).join(ISSUE, ISSUE.c.id == ASSIGNMENT.c.issue_id)
    with store.reading() as session:
        rows = session.connection().execute(ended.where(ASSIGNMENT.c.outcome == "escalated_overdue")).all()
    assert rows
    return [tuple(row) for row in rows if row.left_at <= row.due_at]  # type: ignore[misc]


def backwards(store: Store) -> list[tuple[int, int]]:
    """Entries that are dated before the one ahead of them."""
    found, last = [], {}
    with store.reading() as session:
        for entry in session.connection().execute(select(JOURNAL).order_by(JOURNAL.c.issue_id, JOURNAL.c.seq)):
            if entry.issue_id in last and entry.at < last[entry.issue_id]:
                found.append((entry.issue_id, entry.seq))
            last[entry.issue_id] = entry.at
    return found


@pytest.mark.parametrize("zone", ZONES)
def test_a_year_of_clocks_that_jump(sqlite: str, new_store, figure, zone: str) -> None:  # type: ignore[no-untyped-def]
    """With both changes of summer time, 31 December, and 29 February."""
    town = Town(new_store(sqlite), "2027-06-01 09:00")
    town.worlds = WorldReader(zone)
    town.sweeper = Sweeper(town.store, town.worlds, town.outgoing)
    chance, jumps, raised = random.Random(zone), 0, 0
    end = at("2028-06-01 09:00")
    while town.now < end:
        town.now += timedelta(days=1, hours=chance.choice((-1, 0, 0, 1)))
        if chance.random() < 0.08:
            town.now += chance.choice(JUMPS)
            jumps += 1
        if chance.random() < 0.3:
            town.dispatched(severity=chance.choice(("general", "major", "urgent")))
            raised += 1
        before = moves(town.store)
        town.sweep()
        steps = moves(town.store) - before
        assert max(by_issue(steps).values(), default=1) == 1, "one step a sweep"
    assert sooner_than_due(town.store) == []
    assert backwards(town.store) == []
    assert set(moves(town.store).values()) == {1}
    assert town.verify().broken == []
    moved = moves(town.store).total()
    figure(
        8,
        f"a simulated year with {jumps} jumps of the clock, {zone}",
        f"{raised} issues, {moved} moved up: 0 early, 0 twice, 0 backwards",
    )


def by_issue(steps) -> dict[str, int]:  # type: ignore[no-untyped-def]
    found: dict[str, int] = {}
    for (number, _), count in steps.items():
        found[number] = found.get(number, 0) + count
    return found


def worker(app: App, clock, elapsed=lambda: 0.0) -> Worker:  # type: ignore[no-untyped-def]
    return Worker(app, clock, elapsed)


def test_a_node_whose_clock_is_ahead_of_the_database_holds_back(postgresql: str, new_store, figure) -> None:  # type: ignore[no-untyped-def]
    """Two nodes, one of them ten minutes ahead: it moves nothing before its time; the other goes on."""
    app = App(Settings(database=DatabaseSettings(url=postgresql)))
    many(app.store, 5)

    async def looks(ahead: timedelta) -> Worker:
        node = worker(app, lambda: datetime.now(UTC) + ahead)
        await node.sweep()
        return node

    assert asyncio.run(looks(timedelta(minutes=10))).node.held
    assert moves(app.store).total() == 0
    assert not asyncio.run(looks(timedelta(seconds=5))).node.held
    assert moves(app.store).total() == 5
    app.close()
    figure(
        8,
        "two nodes, the clock of one ten minutes ahead, postgresql",
        "the wrong one holds escalation and says so; the other moved all",
    )


def test_a_clock_that_leaps_while_a_worker_runs_holds_escalation(database: str, new_store, figure) -> None:  # type: ignore[no-untyped-def]
    app = App(Settings(database=DatabaseSettings(url=database)))
    app.settings.scheduler.__dict__["skew_seconds"] = 0
    town, _ = many(app.store, 5)
    now, seconds = [at("2026-09-02 09:00")], [0.0]

    async def story() -> None:
        node = worker(app, lambda: now[0], lambda: seconds[0])
        await node.sweep()
        now[0], seconds[0] = now[0] + timedelta(weeks=3), 60.0
        await node.sweep()
        assert node.node.held
        now[0], seconds[0] = now[0] + timedelta(minutes=1), 120.0
        await node.sweep()
        assert node.node.held, "it stays held until a person has looked"

    asyncio.run(story())
    assert moves(app.store).total() == 0
    finish(town, now[0])
    assert set(moves(app.store).values()) == {1}
    app.close()
    figure(
        8,
        f"the clock leaps three weeks while a worker runs, {database.partition(':')[0].partition('+')[0]}",
        "held: 0 moved; restarted: one step each",
    )


def test_slow_clocks_and_small_steps_are_no_leap() -> None:
    watch = LeapWatch(at("2026-09-01 09:00"), 0.0, timedelta(hours=1))
    assert not watch.leapt(at("2026-09-01 08:00"), 60.0), "set back"
    assert not watch.leapt(at("2026-09-01 08:59"), 120.0), "and forward again, by less than an hour"
    assert not watch.leapt(at("2026-09-02 08:59"), 120.0 + 86_400), "a day has passed on both"
    assert watch.leapt(at("2026-09-02 10:01"), 180.0 + 86_400)


def test_the_deadline_itself_is_still_in_time(store: Store) -> None:
    town, _ = many(store, 1)
    due = town.facts("WT26-0001").due_at
    assert due is not None
    town.sweep(due)
    assert moves(store).total() == 0
    town.sweep(due + timedelta(microseconds=1))
    assert moves(store).total() == 1
    assert due < overdue_moment()
