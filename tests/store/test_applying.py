"""What a decision leaves in the store: one entry, its stay, its requests and cards, and nothing where somebody else was first."""

from datetime import date, timedelta

import pytest
from sqlalchemy import select

from escalation import applying, queries
from escalation.applying import Step
from escalation.commands import Do, Raise, act_many, raise_many
from escalation.database import Store
from escalation.errors import Conflict
from escalation.queries import CARD, JOURNAL, OUTBOX, REQUEST
from tests.store.test_refusals import dump
from tests.town import CITY_COORDINATOR, DEPARTMENT_COORDINATOR, OFFICE, Town, at
from workflows.facts import Decision, Event, Request

HANDLER = "PT0033"
SOON = date(2026, 9, 18)


def stays(town: Town, number: str) -> list[tuple[str, str, bool, int, int]]:
    """Of each stay: the stage, how it ended, whether somebody signed, working days over the deadline and paused."""
    with town.store.reading() as session:
        found = queries.assignments(session.connection(), town.facts(number).id)
    return [
        (row.stage, row.outcome if row.left_at else "", row.acknowledged_at is not None, row.overdue_wd, row.suspended_wd)
        for row in found
    ]


def working(town: Town) -> str:
    number = town.dispatched()
    town.act(number, "acknowledge", HANDLER)
    return number


def test_an_organ_has_one_card_for_its_late_acknowledgements_of_a_month(store: Store) -> None:
    """However many more are late in it, together or one after the other."""
    town = Town(store)
    for late in (3, 2, 1):
        for _ in range(late):
            town.dispatched()
        town.now += timedelta(days=4)
        assert town.sweep(town.now).set_aside == 0
    with store.reading() as session:
        grounds = select(CARD.c.ground).where(CARD.c.ground.startswith("late_acknowledgements"))
        assert session.connection().execute(grounds).scalars().all() == ["late_acknowledgements:2026-09"]


def test_who_decided_on_an_older_state_writes_nothing(store: Store) -> None:
    town = Town(store)
    numbers = [town.dispatched(), town.dispatched()]
    with store.reading() as session:
        world = town.worlds.read(session)
        loaded = queries.load(session.connection(), world, numbers, town.now, lock=False)
    town.act(numbers[1], "acknowledge", HANDLER)
    before = dump(store)
    steps = [Step(loaded[number], Decision("note", {}), town.now, "x") for number in numbers]
    with pytest.raises(Conflict, match="somebody else changed"), store.transaction() as session:
        applying.apply(session, world, steps, town.outgoing)
    assert dump(store) == before


def test_no_entry_is_dated_before_the_one_ahead_of_it(store: Store) -> None:
    town = Town(store)
    number, before = town.dispatched(), town.now
    town.now -= timedelta(hours=1)
    assert town.act(number, "acknowledge", HANDLER).changed_at == before
    town.now = before + timedelta(minutes=1)
    assert town.act(number, "report_progress", HANDLER, reason="等待变压器").changed_at == town.now
    with store.reading() as session:
        connection = session.connection()
        entries = queries.journal(connection, town.facts(number).id)
        assert [entry.at for entry in entries] == [before, before, before, town.now]
        assert [entry.from_state for entry in entries] == ["", "city.pending_intake", "city.pending_ack", "city.processing"]
        assert queries.one_row(connection, number).progress_note == "等待变压器"
        mails = connection.execute(select(OUTBOX.c.queued_at).where(OUTBOX.c.about == number)).scalars().all()
    assert set(mails) <= {before, town.now}
    assert town.verify().ok


def test_requests_are_numbered_each_issue_by_itself_and_settled_once(store: Store) -> None:
    town = Town(store)
    one, other = working(town), working(town)
    calm = town.facts(other).wake_at
    assert calm is not None
    town.act(one, "request_extension", HANDLER, until=SOON, reason="等设备")
    with store.transaction() as session:
        asked = [Do(number, "consult", HANDLER, to="PT0030") for number in (one, other)]
        act_many(session, town.worlds.read(session), asked, town.now, town.outgoing)
    due = town.facts(one).due_at
    town.act(one, "approve", CITY_COORDINATOR, request_no=1)
    assert town.facts(one).due_at == at("2026-09-18 17:00") != due
    with store.reading() as session:
        asked_for = select(REQUEST.c.issue_id, REQUEST.c.no, REQUEST.c.kind, REQUEST.c.state).order_by(
            REQUEST.c.issue_id, REQUEST.c.no
        )
        found = session.connection().execute(asked_for).all()
    ids = [town.facts(one).id, town.facts(other).id]
    assert found == [
        (ids[0], 1, "extension", "approved"),
        (ids[0], 2, "consultation", "pending"),
        (ids[1], 1, "consultation", "pending"),
    ]
    answered_by = at("2026-09-02 17:00") + timedelta(microseconds=1)
    assert [town.facts(number).wake_at for number in (one, other)] == [answered_by] * 2
    town.act(other, "answer", "PT0030", reason="同意")
    assert town.facts(other).wake_at == calm > answered_by
    assert town.verify().ok


def test_every_stay_keeps_how_it_went(store: Store) -> None:
    """Signed for, moved on by hand, missed by two working days, paused for three; and at the top late until it was resolved."""
    town = Town(store)
    number = town.dispatched()
    assert stays(town, number) == [("city", "dispatched", False, 0, 0), ("city", "", False, 0, 0)]
    town.act(number, "acknowledge", HANDLER)
    assert stays(town, number) == [("city", "dispatched", False, 0, 0), ("city", "", True, 0, 0)]
    town.now = at("2026-09-03 10:00")
    town.act(number, "suspend", DEPARTMENT_COORDINATOR, until=SOON, reason="law_case")
    town.now = at("2026-09-08 10:00")
    town.act(number, "resume", DEPARTMENT_COORDINATOR)
    assert stays(town, number)[1] == ("city", "", True, 0, 3)
    town.act(number, "escalate", CITY_COORDINATOR, reason="事权在上")
    due = town.facts(number).due_at
    assert due is not None
    town.sweep(due + timedelta(days=2))
    top = town.facts(number).due_at
    assert town.facts(number).stage == "province"
    assert top is not None
    town.sweep(top + timedelta(days=2))
    late = stays(town, number)[3]
    town.act(number, "urge", OFFICE)
    assert stays(town, number)[3] == late, "an entry that says nothing of the stay leaves it alone"
    town.now = top + timedelta(days=8)
    town.act(number, "reassign", OFFICE, to="PT0188", reason="换一家")
    town.sweep(top + timedelta(days=9))
    lead = town.look(lambda session, world: world.directory.by_id[town.facts(number).lead_id].code)
    town.act(number, "resolve", lead, reason="已送电")
    town.now += timedelta(days=14)
    town.act(number, "confirm", "PT0204")
    town.act(number, "close", OFFICE)
    assert stays(town, number) == [
        ("city", "dispatched", False, 0, 0),
        ("city", "escalated_by_hand", True, 0, 3),
        ("department", "escalated_overdue", False, 1, 0),
        ("province", "reassigned", True, 2, 0),
        ("province", "closed", True, 2, 0),
    ]
    assert town.verify().ok


def test_an_organ_that_is_late_again_and_again_gets_one_card_a_month(store: Store) -> None:
    town = Town(store, "2026-09-01 09:00")
    for day in ("09-01", "09-02", "09-03", "09-04", "10-19", "10-20", "10-21"):
        town.now = at(f"2026-{day} 09:00")
        town.dispatched(severity="urgent")
        swept = town.sweep(at(f"2026-{day} 09:00") + timedelta(days=1, hours=9))
        assert swept.set_aside == 0
    with store.reading() as session:
        rows = session.connection().execute(select(CARD.c.key, CARD.c.colour, CARD.c.state).order_by(CARD.c.id)).all()
    monthly = [row for row in rows if "late_acknowledgements" in row.key]
    assert [row.key.partition(":")[2] for row in monthly] == ["late_acknowledgements:2026-09", "late_acknowledgements:2026-10"]
    overdue = [row.key for row in rows if "overdue" in row.key]
    assert "WT26-0001:2:overdue:city" in overdue
    assert len(set(overdue)) == len(overdue)
    assert {row.state for row in rows} == {"proposed"}


def test_nothing_is_raised_and_nobody_is_told_when_nothing_is_asked_for(store: Store) -> None:
    town = Town(store)
    with store.transaction() as session:
        assert raise_many(session, town.worlds.read(session), [], town.now, None) == []
    with store.transaction() as session:
        wanted = Raise("HLJ26-001", "power", "major", "没有电", "PT0001", described={"description": "二号线"})
        (raised,) = raise_many(session, town.worlds.read(session), [wanted], town.now, None)
    with store.reading() as session:
        connection = session.connection()
        assert connection.execute(select(OUTBOX.c.id)).all() == []
        assert queries.one_row(connection, raised.facts.number).description == "二号线"
        assert [row.actor for row in connection.execute(select(JOURNAL.c.actor))] == ["PT0001"]


def test_what_people_are_told_of_a_new_request_has_its_number() -> None:
    asked = Request(1, 0, "extension", 7, at("2026-09-01 09:00"), "r", at("2026-09-02 17:00"), "coordinator")
    decision = Decision("request_extension", requests=(asked,), events=(Event("request_made"), Event("request_reminder", 2)))
    told = applying._told(decision, (asked._replace(no=5),))
    assert [each.request_no for each in told.events] == [5, 2]
