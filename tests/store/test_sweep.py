"""A sweep's own guards: how much it takes on, what it leaves alone, and that one bad row stops no other."""

import gc
import logging
import threading
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete, event, insert, select, text, update

from escalation import sweep
from escalation.database import Store
from escalation.models.users import UserRow, WebSession
from escalation.queries import ISSUE, JOURNAL, OUTBOX
from escalation.sweep import SET_ASIDE
from tests.store.test_refusals import dump
from tests.town import Town, at

MINUTE = timedelta(minutes=1)
#: Issues of 1 September are overdue at the city by then, and next year's calendar is not wanted yet.
OVERDUE = at("2026-10-20 10:00")


def stages(town: Town) -> list[str]:
    with town.store.reading() as session:
        return list(session.connection().execute(select(ISSUE.c.stage).order_by(ISSUE.c.id)).scalars())


def by_hand(store: Store, number: str, **values: object) -> None:
    with store.transaction() as session:
        session.connection().execute(update(ISSUE).where(ISSUE.c.number == number).values(**values))


def many(town: Town, count: int) -> list[str]:
    """Issues that wait for a person who does nothing, all due at `OVERDUE`; nothing of them was moved before."""
    return [town.dispatched() for _ in range(count)]


def test_no_more_than_the_limit_and_a_rehearsal_changes_nothing(store: Store) -> None:
    town = Town(store)
    many(town, 3)
    before = dump(store)
    for limit, examined in ((0, 0), (2, 2), (None, 3)):
        rehearsed = town.sweeper.sweep_once(at("2026-11-09 10:00"), limit=limit, dry_run=True)
        assert (rehearsed.examined, dict(rehearsed.escalated)) == (examined, {"department": examined} if examined else {})
        assert dump(store) == before
    swept = town.sweeper.sweep_once(OVERDUE, limit=2)
    assert (swept.examined, swept.escalated, stages(town)) == (2, {"department": 2}, ["department", "department", "city"])
    assert (swept.conflicts, swept.next_wake_at is not None and swept.next_wake_at <= OVERDUE) == (0, True)
    swept = town.sweep(OVERDUE)
    assert (swept.escalated, stages(town)) == ({"department": 1}, ["department"] * 3)
    assert (swept.as_json()["escalated"], swept.actions) == ({"department": 1}, {"escalate_auto": 1})


def test_a_look_when_nothing_is_due_asks_one_question(sqlite: str, new_store) -> None:  # type: ignore[no-untyped-def]
    town = Town(new_store(sqlite))
    number = town.dispatched()
    due = town.facts(number).wake_at
    assert due is not None
    asked: list[str] = []
    event.listen(town.store.engine, "before_cursor_execute", lambda *said: asked.append(said[2]))
    assert town.sweep(due - timedelta(microseconds=1)).examined == 0
    assert len([each for each in asked if "FROM issue" in each]) == 1
    assert town.sweep(due).examined == 1, "the moment itself is in"


def test_while_somebody_is_at_the_desk_little_moves_at_a_time(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep, "GENTLE", 2)
    town = Town(store)
    many(town, 5)
    moved: list[int] = []
    waits: list[float] = []
    spent, takes = 0.0, 0.0

    def move(ids: list[int], *_: object) -> None:
        nonlocal spent
        spent += takes
        moved.append(len(ids))

    monkeypatch.setattr(town.sweeper, "_move", move)
    monkeypatch.setattr(town.sweeper._stopping, "wait", waits.append)
    monkeypatch.setattr(town.sweeper, "elapsed", lambda: spent)

    def seen(before: timedelta) -> None:
        moved.clear()
        waits.clear()
        with store.transaction() as session:
            session.connection().execute(delete(WebSession))
            at = {"created_at": OVERDUE, "seen_at": OVERDUE - before, "expires_at": OVERDUE}
            session.add(WebSession(token=b"t", user_id=user, csrf="", **at))
        town.sweeper.sweep_once(OVERDUE)

    with store.transaction() as session:
        row = UserRow(login="zhang", name="张三", created_at=OVERDUE)
        session.add(row)
        session.flush()
        user = row.id
    seen(9 * MINUTE)
    assert (moved, waits) == ([2, 2, 1], [sweep.PAUSE] * 2)
    for each, rests in ((1.0, 1.0), (3.0, sweep.RESTS)):
        takes = each
        seen(9 * MINUTE)
        assert (moved, waits) == ([2, 2, 1], [rests] * 2), "half of the time is theirs"
    seen(10 * MINUTE)
    assert (moved, waits) == ([5], [])


def test_a_sweep_that_is_asked_to_stop_ends_after_its_transaction(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    kind = "sqlite" if store.is_sqlite else "postgresql"
    monkeypatch.setattr(sweep, "TRANSACTION", {"sqlite": 100, "postgresql": 100} | {kind: 2})
    town = Town(store)
    many(town, 5)
    collecting: list[bool] = []

    def stop(*said: Any) -> None:
        if said[2].startswith('UPDATE "issue"'):
            collecting.append(gc.isenabled())
            town.sweeper.stop()

    event.listen(store.engine, "before_cursor_execute", stop)
    swept = town.sweep(OVERDUE)
    assert (swept.examined, stages(town)) == (2, ["department"] * 2 + ["city"] * 3)
    assert not any(collecting), "nothing is collected while a batch is gathered"
    assert gc.isenabled()
    assert town.verify().ok


def test_whoever_watches_hears_of_every_transaction(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep, "TRANSACTION", {"sqlite": 2, "postgresql": 2})
    town, heard = Town(store), []
    many(town, 5)
    town.sweeper.went_on = lambda: heard.append(stages(town).count("department"))
    town.sweep(OVERDUE)
    assert heard == [2, 4, 5]


def test_one_by_one_it_is_heard_as_well_and_ends_when_it_is_asked_to(store: Store) -> None:
    """A batch that cannot be written goes on issue by issue, which takes its time."""
    town, heard = Town(store), []
    numbers = many(town, 4)
    by_hand(store, numbers[3], category="gone")

    def stop_after_two() -> None:
        heard.append(stages(town).count("department"))
        if len(heard) == 2:
            town.sweeper.stop()

    town.sweeper.went_on = stop_after_two
    assert town.sweep(OVERDUE).examined == 2
    assert heard[:2] == [1, 2]
    assert stages(town).count("department") == 2


def test_one_that_is_woken_too_early_is_set_right(store: Store) -> None:
    town = Town(store)
    number = town.dispatched()
    facts = town.facts(number)
    by_hand(store, number, wake_at=town.now)
    swept = town.sweep()
    assert (swept.examined, sum(swept.actions.values()), swept.next_wake_at) == (1, 0, facts.wake_at)
    assert town.facts(number) == facts


@pytest.mark.parametrize("place", [0, 2], ids=["first", "last"])
@pytest.mark.parametrize("fault", ["category", "journal"])
def test_a_bad_row_is_set_aside_and_stops_no_other(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, fault: str, place: int
) -> None:
    """A category that is gone: it cannot be decided. An entry that is there already: it cannot be written."""
    monkeypatch.setattr(sweep, "BITE", 1)
    town = Town(store)
    number = many(town, 3)[place]
    facts = town.facts(number)
    if fault == "category":
        by_hand(store, number, category="gone" + "?" * 3000)
    else:
        taken = {"seq": facts.version + 1, "at": town.now, "actor": "x", "action": "x", "from_state": "", "to_state": "x"}
        with store.transaction() as session:
            session.connection().execute(insert(JOURNAL).values(issue_id=facts.id, body=b"{}", hash=b"", **taken))

    with caplog.at_level(logging.WARNING):
        swept = town.sweep(OVERDUE)

    assert (swept.examined, swept.set_aside, swept.escalated) == (3, 1, {"department": 2})
    assert town.facts(number)._replace(category=facts.category, wake_at=facts.wake_at) == facts
    with store.reading() as session:
        connection = session.connection()
        assert connection.execute(select(OUTBOX.c.id).where(OUTBOX.c.about == number, OUTBOX.c.queued_at == OVERDUE)).all() == []
        row = connection.execute(select(SET_ASIDE)).one()
    assert (row.issue_id, row.at, row.tries) == (facts.id, OVERDUE, 1)
    assert row.error.startswith("KeyError: " if fault == "category" else "IntegrityError: ")
    assert len(row.error) == 2000 or fault == "journal"
    assert [record.levelname for record in caplog.records] == ["WARNING", "ERROR"]
    assert gc.isenabled()
    assert [each.name for each in threading.enumerate() if each.name.startswith("writing")] == []


def test_one_that_is_set_aside_waits_longer_each_time_up_to_a_day_until_it_is_mended(store: Store) -> None:
    town = Town(store)
    number, _ = many(town, 2)
    category = town.facts(number).category
    by_hand(store, number, category="gone")
    now = OVERDUE
    for tries, minutes in ((1, 10), (2, 20), (3, 40), (8, 1280), (9, 1440), (40, 1440)):
        with store.transaction() as session:
            session.connection().execute(update(SET_ASIDE).values(tries=tries - 1))
        town.sweep(now)
        assert town.facts(number).wake_at == now + minutes * MINUTE
        with store.reading() as session:
            assert session.connection().execute(select(SET_ASIDE.c.tries)).scalar_one() == tries
        now += minutes * MINUTE
    by_hand(store, number, category=category)
    assert town.sweep(now).escalated == {"department": 1}
    with store.reading() as session:
        assert session.connection().execute(select(SET_ASIDE)).all() == []


def test_what_another_node_works_at_is_left_to_it(postgresql: str, new_store, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(sweep, "BITE", 2)
    town, other = Town(new_store(postgresql)), new_store(postgresql)
    many(town, 4)
    with other.transaction() as session:
        session.connection().execute(text("SELECT id FROM issue WHERE id <= 2 FOR UPDATE"))
        swept = town.sweep(OVERDUE)
        assert (swept.examined, swept.conflicts) == (0, 2), "its neighbours are left too"
    with other.transaction() as session:
        session.connection().execute(text("SELECT id FROM issue WHERE id = 1 FOR UPDATE"))
        swept = town.sweep(OVERDUE)
        # asked for once with the others and once alone
        assert (swept.escalated["department"], swept.conflicts, stages(town)[0]) == (3, 2, "city")


def test_the_missing_calendar_is_looked_for_once_an_hour(store: Store) -> None:
    town = Town(store, "2026-11-09 10:00")

    def told(now: str) -> int:
        town.sweep(now)
        with store.transaction() as session:
            return session.connection().execute(OUTBOX.delete().where(OUTBOX.c.kind == "calendar_missing")).rowcount

    assert told("2026-11-09 10:00") > 0
    assert told("2026-11-09 10:59") == 0
    assert told("2026-11-09 11:00") > 0
