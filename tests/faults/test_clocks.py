"""Clocks in trouble: they jump, stand an hour off after a summer, disagree between nodes, or leap while a worker runs.

And calendars in trouble: a year that is not published, arrives late, or is changed after it was counted with.
"""

import asyncio
import os
import random
import subprocess
import time
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from escalation import nodes
from escalation.app import App
from escalation.config import DatabaseSettings, Settings
from escalation.database import Store
from escalation.models import CalendarDay
from escalation.queries import ASSIGNMENT, ISSUE, JOURNAL, OUTBOX
from escalation.scheduler import LeapWatch, Worker
from escalation.sweep import Sweeper
from escalation.world import WorldReader, touch
from tests.faults.offices import ROOT, install, wanted
from tests.faults.test_kill import finish
from tests.faults.test_two_nodes import many, moves, overdue_moment
from tests.programs import LONG, PATIENT, ended, needed
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


def ended_stays(store: Store) -> dict[tuple[int, int], datetime]:
    """The stays that a sweep has ended, by issue and number, and when each was due."""
    mine = select(ASSIGNMENT.c.issue_id, ASSIGNMENT.c.no, ASSIGNMENT.c.due_at)
    with store.reading() as session:
        ended = session.connection().execute(mine.where(ASSIGNMENT.c.outcome == "escalated_overdue"))
        return {(issue, number): due for issue, number, due in ended}


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
    end, before, before_ended = at("2028-06-01 09:00"), moves(town.store), ended_stays(town.store)
    while town.now < end:
        town.now += timedelta(days=1, hours=chance.choice((-1, 0, 0, 1)))
        if chance.random() < 0.08:
            town.now += chance.choice(JUMPS)
            jumps += 1
        if chance.random() < 0.3:
            town.dispatched(severity=chance.choice(("general", "major", "urgent")))
            raised += 1
        if town.sweep().escalated:
            after, now_ended = moves(town.store), ended_stays(town.store)
            # by the clock that it was given, whatever moment it has written down
            assert all(due < town.now for stay, due in now_ended.items() if stay not in before_ended), "moved before it was due"
            before_ended = now_ended
            assert max(by_issue(after - before).values()) == 1, "one step a sweep"
            before = after
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


def test_a_node_that_is_broken_off_without_a_word_ends(database: str) -> None:
    """Its task is cancelled, and nobody has told it to stop."""
    app = App(Settings(database=DatabaseSettings(url=database)))

    async def broken_off() -> None:
        node = worker(app, lambda: datetime.now(UTC))
        running = asyncio.create_task(node.run(signals=False))
        while node.node.swept_at is None:
            await asyncio.sleep(0.01)
        running.cancel()
        async with asyncio.timeout(30):
            with pytest.raises(asyncio.CancelledError):
                await running

    asyncio.run(broken_off())
    assert [node["state"] for node in app.look(lambda session, world: nodes.listing(session, datetime.now(UTC)))] == ["stopped"]
    app.close()


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
    scheduler = app.settings.scheduler.model_copy(update={"skew_seconds": 0})
    app.settings = app.settings.model_copy(update={"scheduler": scheduler})
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


#: The nights in which an hour is missing or comes twice, on both sides of the ocean.
NIGHTS = {"Europe/Berlin": ("2027-03-28", "2027-10-31"), "America/New_York": ("2027-03-14", "2027-11-07")}


@pytest.mark.parametrize("zone", NIGHTS)
def test_hours_that_are_missing_or_come_twice(sqlite: str, new_store, figure, zone: str) -> None:  # type: ignore[no-untyped-def]
    """An issue every hour around the change of summer time, and a sweep every half: each is due at 17:00 of its own clock."""
    town = Town(new_store(sqlite), "2027-01-04 09:00")
    town.worlds = WorldReader(zone)
    town.sweeper = Sweeper(town.store, town.worlds, town.outgoing)
    local, raised = ZoneInfo(zone), 0
    for night in NIGHTS[zone]:
        town.now = datetime.fromisoformat(night).replace(tzinfo=local).astimezone(UTC) - timedelta(hours=6)
        for half in range(72):
            town.now += timedelta(minutes=30)
            if half % 2:
                town.dispatched(severity="urgent")
                raised += 1
            town.sweep()
        for _ in town.days(21):
            town.sweep()
    with town.store.reading() as session:
        dues = list(session.connection().execute(select(ASSIGNMENT.c.due_at).where(ASSIGNMENT.c.stage == "city")).scalars())
    # the first stay is the intake, of working hours; the dispatched ones end at the close of business
    assert Counter(f"{due.astimezone(local):%H:%M}" for due in dues)["17:00"] >= raised
    assert sooner_than_due(town.store) == []
    assert backwards(town.store) == []
    assert set(moves(town.store).values()) == {1}
    assert town.verify().broken == []
    figure(
        8, f"the nights in which summer time begins and ends, {zone}", f"{raised} issues, due at 17:00 local: 0 early, 0 twice"
    )


NEW_YEAR = date(2027, 1, 1)
#: As a notice says it: the days off of next year, a whole notice of them, and a Sunday that is worked.
NOTICE = {NEW_YEAR + timedelta(days=n): (False, "元旦") for n in (0, 3, 4, 5)} | {
    **{date(2027, 2, 4) + timedelta(days=n): (False, "春节") for n in range(8)},
    date(2027, 1, 10): (True, "调休"),
}


def told(store: Store, kind: str) -> Counter[str]:
    """Mails of a kind by what they are about."""
    with store.reading() as session:
        return Counter(session.connection().execute(select(OUTBOX.c.about).where(OUTBOX.c.kind == kind)).scalars())


def recounts(store: Store) -> Counter[int]:
    with store.reading() as session:
        return Counter(session.connection().execute(select(JOURNAL.c.issue_id).where(JOURNAL.c.action == "recount")).scalars())


def test_next_years_calendar_is_missing_arrives_late_and_is_changed_afterwards(database: str, request, figure) -> None:  # type: ignore[no-untyped-def]
    app = App(Settings(database=DatabaseSettings(url=database)))
    request.addfinalizer(app.close)
    town, numbers = many(app.store, 20, "2026-12-23 09:00")
    number = numbers[0]
    guessed = town.facts(number)
    assert guessed.due_provisional and guessed.due_at is not None

    for _ in town.days(3):
        town.sweep()
        town.sweep()
    asked_for = told(app.store, "calendar_missing").total()
    assert asked_for == 3, "once a day, to the one who can import it"

    assert app.add_days(NOTICE, "国办发明电", town.now) == 20
    counted = town.facts(number)
    assert not counted.due_provisional and counted.due_at is not None
    assert (guessed.due_at, counted.due_at) == (at("2027-01-07 17:00"), at("2027-01-11 17:00")), (
        "three days off more, a Sunday worked"
    )
    assert set(recounts(app.store).values()) == {1}
    assert sum(told(app.store, "deadline_moved").values()) == 2 * 20, "one mail each to the responsible organ and the coordinator"
    assert app.add_days(NOTICE, "国办发明电", town.now) == 0, "the same notice again changes nothing"

    last = counted.due_at.astimezone(ZoneInfo("Asia/Shanghai")).date()
    town.now = counted.due_at - timedelta(hours=7)
    town.sweep()
    assert app.add_days({last: (False, "台风")}, "省政府通知", town.now) == 20, "a day is declared a holiday on its own morning"
    town.sweep(counted.due_at + timedelta(minutes=1))
    assert moves(app.store).total() == 0
    held = town.facts(number)
    assert held.due_at is not None and held.due_at > counted.due_at
    town.sweep(held.due_at + timedelta(minutes=1))
    assert set(moves(app.store).values()) == {1} and moves(app.store).total() == 20
    town.sweep()
    assert told(app.store, "calendar_missing").total() == asked_for
    assert sooner_than_due(app.store) == []
    assert town.verify().broken == []
    figure(
        10,
        f"next year's calendar missing, imported late, a holiday declared on the day, {database.partition(':')[0].partition('+')[0]}",
        "20 deadlines provisional, moved once by the notice and once by the holiday, each with one entry; none went up before",
    )


def test_a_provisional_deadline_is_counted_again_before_anything_goes_up(store: Store) -> None:
    """The notice came by another way than a command (a restored table): the second look on the day finds it."""
    town, numbers = many(store, 3, "2026-12-23 09:00")
    guessed = town.facts(numbers[0]).due_at
    assert guessed is not None
    with store.transaction() as session:
        for day, (working, name) in NOTICE.items():
            session.add(CalendarDay(day=day, working=working, name=name, source="test"))
        touch(session)
    town.sweep(guessed + timedelta(minutes=1))
    assert moves(store).total() == 0
    assert set(recounts(store).values()) == {1}
    counted = town.facts(numbers[0])
    assert counted.due_at is not None and not counted.due_provisional
    town.sweep(counted.due_at + timedelta(minutes=1))
    assert moves(store).total() == 3
    assert town.verify().broken == []


def faked(folder: Path, offset: str) -> dict[str, str]:
    """The environment of a process whose wall clock is `offset` off, as the file says at any moment; its other clocks are right."""
    found = subprocess.run(
        [needed("faketime"), "-m", "-f", "+0d", "printenv", "LD_PRELOAD"], capture_output=True, text=True, check=True
    )
    (folder / "clock").write_text(offset)
    return {
        **os.environ,
        "LD_PRELOAD": found.stdout.strip(),
        "FAKETIME_TIMESTAMP_FILE": str(folder / "clock"),
        # read once a second: at every look at a clock it would take most of the time
        "FAKETIME_CACHE_DURATION": "1",
        "DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "NO_FAKE_STAT": "1",
    }


def working(folder: Path, environment: dict[str, str], log: Path) -> subprocess.Popen[bytes]:
    command = [*PATIENT, "worker", "--config", str(folder / "config.toml")]
    with log.open("wb") as told:
        return subprocess.Popen(command, cwd=ROOT, stderr=told, env=environment)


def until(true, patience: float = LONG) -> bool:  # type: ignore[no-untyped-def]
    """Waits for another process."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        if true():
            return True
        time.sleep(0.1)
    return False


def stands(app: App, state: str) -> bool:
    """Is there a node that says so, and has looked at the store?"""
    found = app.look(lambda session, world: nodes.listing(session, datetime.now(UTC)))
    return any(node["state"] == state and node["swept_at"] is not None for node in found)


def test_the_clock_of_a_whole_worker_leaps_three_weeks(sqlite: str, tmp_path: Path, request, figure) -> None:  # type: ignore[no-untyped-def]
    environment = faked(tmp_path, "+0")
    app = install(tmp_path, sqlite)
    request.addfinalizer(app.close)
    issue, _ = app.raise_issue(wanted(datetime.now(UTC) + timedelta(days=1)), datetime.now(UTC))
    app.sweep(datetime.now(UTC))
    before = moves(app.store)
    worker = working(tmp_path, environment, tmp_path / "first.log")
    try:
        assert until(lambda: stands(app, "working")), (tmp_path / "first.log").read_text()
        (tmp_path / "clock").write_text("+21d")
        # what another process writes is a reason to look
        app.raise_issue(wanted(datetime.now(UTC) + timedelta(days=1)), datetime.now(UTC))
        assert until(lambda: stands(app, "held")), (tmp_path / "first.log").read_text()
        assert ended(worker)[0] == 0
    finally:
        worker.kill()
        worker.wait()
    assert "the clock leapt ahead: escalation is held" in (tmp_path / "first.log").read_text()
    assert moves(app.store) == before, "held"

    worker = working(tmp_path, environment, tmp_path / "second.log")
    try:
        assert until(lambda: moves(app.store)[issue["number"], "department"] == 1), (tmp_path / "second.log").read_text()
        assert ended(worker)[0] == 0
    finally:
        worker.kill()
        worker.wait()
    steps = by_issue(moves(app.store) - before)
    assert set(steps.values()) == {1}, "restarted with the time confirmed: one step each"
    assert app.verify().broken == []
    figure(
        8,
        "a worker's wall clock leaps three weeks while it runs (libfaketime, the whole process)",
        f"held, said in the log and among the nodes; restarted: {len(steps)} issues, one step each",
    )
