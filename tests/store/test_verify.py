"""verify names what somebody changed behind the program's back: the issue and the invariant, each time. Both databases."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, delete, event, insert, select, update

from escalation.database import Store
from escalation.queries import ASSIGNMENT, ISSUE, JOURNAL, OUTBOX
from escalation.verifying import verify
from tests.town import DEPARTMENT_COORDINATOR, Town

HANDLER = "PT0033"
Tamper = Callable[[Connection, int, str], None]


def lived(store: Store) -> tuple[Town, str, str]:
    """Two issues with a life behind them: dispatched, reported, escalated by time, returned and closed; and one left alone."""
    town = Town(store)
    number, other = town.dispatched(severity="urgent"), town.dispatched()
    town.act(number, "acknowledge", HANDLER)
    town.act(number, "report_progress", HANDLER, reason="已开会")
    for now in town.days(8):
        town.sweep(now)
    assert town.facts(number).stage == "department"
    lead = town.party(town.facts(number).lead_id)
    if town.facts(number).status == "pending_ack":
        town.act(number, "acknowledge", lead)
    town.act(number, "resolve", lead, reason="办好了")
    town.act(number, "return_for_rework", DEPARTMENT_COORDINATOR, reason="缺证明")
    assert town.verify().broken == []
    return town, number, other


def issue_id(connection: Connection, number: str) -> int:
    found: int = connection.execute(select(ISSUE.c.id).where(ISSUE.c.number == number)).scalar_one()
    return found


def entry(connection: Connection, issue: int, seq: int) -> Any:
    return connection.execute(select(JOURNAL).where(JOURNAL.c.issue_id == issue, JOURNAL.c.seq == seq)).one()


def at_entry(issue: int, seq: int) -> Any:
    return (JOURNAL.c.issue_id == issue) & (JOURNAL.c.seq == seq)


def last(connection: Connection, issue: int) -> int:
    found: int = connection.execute(select(ISSUE.c.version).where(ISSUE.c.id == issue)).scalar_one()
    return found


def altered(connection: Connection, issue: int, number: str) -> None:
    body = entry(connection, issue, 2).body.replace(b"dispatch", b"dispatcH", 1)
    connection.execute(update(JOURNAL).where(at_entry(issue, 2)).values(body=body))


def one_byte_of_the_last(connection: Connection, issue: int, number: str) -> None:
    seq = last(connection, issue)
    body = entry(connection, issue, seq).body.replace("缺证明".encode(), "缺明证".encode(), 1)
    connection.execute(update(JOURNAL).where(at_entry(issue, seq)).values(body=body))


def altered_with_a_new_hash(connection: Connection, issue: int, number: str) -> None:
    from escalation.journal import chained

    body = entry(connection, issue, 4).body.replace("已开会".encode(), "未开会".encode())
    values = {"body": body, "hash": chained(entry(connection, issue, 3).hash, body)}
    connection.execute(update(JOURNAL).where(at_entry(issue, 4)).values(**values))


def shown_otherwise(connection: Connection, issue: int, number: str) -> None:
    connection.execute(update(JOURNAL).where(at_entry(issue, 2)).values(actor="PT0001"))


def dated_back(connection: Connection, issue: int, number: str) -> None:
    when = entry(connection, issue, 4).at - timedelta(days=30)
    connection.execute(update(JOURNAL).where(at_entry(issue, 4)).values(at=when))


def deleted(connection: Connection, issue: int, number: str) -> None:
    connection.execute(delete(JOURNAL).where(at_entry(issue, 4)))


def the_last_deleted(connection: Connection, issue: int, number: str) -> None:
    connection.execute(delete(JOURNAL).where(at_entry(issue, last(connection, issue))))


def the_first_deleted(connection: Connection, issue: int, number: str) -> None:
    connection.execute(delete(JOURNAL).where(at_entry(issue, 1)))


def reordered(connection: Connection, issue: int, number: str) -> None:
    for seq, to in ((3, 900), (4, 3), (900, 4)):
        connection.execute(update(JOURNAL).where(at_entry(issue, seq)).values(seq=to))


def inserted(connection: Connection, issue: int, number: str) -> None:
    row = entry(connection, issue, last(connection, issue))._asdict() | {"seq": last(connection, issue) + 1}
    connection.execute(insert(JOURNAL).values(**row))


def inserted_and_counted(connection: Connection, issue: int, number: str) -> None:
    inserted(connection, issue, number)
    connection.execute(update(ISSUE).where(ISSUE.c.id == issue).values(version=ISSUE.c.version + 1))


def set_row(**values: Any) -> Tamper:
    def tamper(connection: Connection, issue: int, number: str) -> None:
        connection.execute(update(ISSUE).where(ISSUE.c.id == issue).values(**values))

    return tamper


def later_deadline(connection: Connection, issue: int, number: str) -> None:
    due = connection.execute(select(ISSUE.c.due_at).where(ISSUE.c.id == issue)).scalar_one()
    connection.execute(update(ISSUE).where(ISSUE.c.id == issue).values(due_at=due + timedelta(days=1)))


def put_to_sleep(connection: Connection, issue: int, number: str) -> None:
    connection.execute(update(ISSUE).where(ISSUE.c.id == issue).values(wake_at=None))


def last_stay(connection: Connection, issue: int) -> Any:
    no = connection.execute(select(ISSUE.c.assignment_no).where(ISSUE.c.id == issue)).scalar_one()
    return (ASSIGNMENT.c.issue_id == issue) & (ASSIGNMENT.c.no == no)


def stay(**values: Any) -> Tamper:
    def tamper(connection: Connection, issue: int, number: str) -> None:
        connection.execute(update(ASSIGNMENT).where(last_stay(connection, issue)).values(**values))

    return tamper


def stay_left(connection: Connection, issue: int, number: str) -> None:
    connection.execute(update(ASSIGNMENT).where(last_stay(connection, issue)).values(left_at=ASSIGNMENT.c.entered_at))


def stay_deleted(connection: Connection, issue: int, number: str) -> None:
    connection.execute(delete(ASSIGNMENT).where(ASSIGNMENT.c.issue_id == issue, ASSIGNMENT.c.no == 2))


def gap(connection: Connection, issue: int, number: str) -> None:
    where = (ASSIGNMENT.c.issue_id == issue) & (ASSIGNMENT.c.no == 2)
    left = connection.execute(select(ASSIGNMENT.c.left_at).where(where)).scalar_one()
    connection.execute(update(ASSIGNMENT).where(where).values(left_at=left - timedelta(hours=1)))


def mails_of_the_move_deleted(connection: Connection, issue: int, number: str) -> None:
    seq = connection.execute(
        select(JOURNAL.c.seq).where(JOURNAL.c.issue_id == issue, JOURNAL.c.action == "escalate_auto")
    ).scalar_one()
    gone = connection.execute(delete(OUTBOX).where(OUTBOX.c.key.like(f"{number}:{seq}:%")))
    assert gone.rowcount


TAMPERING: dict[str, tuple[Tamper, set[str]]] = {
    "an entry altered": (altered, {"chain"}),
    "one character of the last entry": (one_byte_of_the_last, {"chain"}),
    "an entry altered and hashed anew": (altered_with_a_new_hash, {"chain"}),
    "an entry that shows another actor": (shown_otherwise, {"journal"}),
    "an entry dated back": (dated_back, {"journal"}),
    "an entry deleted": (deleted, {"journal"}),
    "the last entry deleted": (the_last_deleted, {"journal", "chain"}),
    "the first entry deleted": (the_first_deleted, {"journal"}),
    "two entries reordered": (reordered, {"chain"}),
    "an entry inserted": (inserted, {"journal", "chain"}),
    "an entry inserted and counted": (inserted_and_counted, {"chain"}),
    "the stage of the row": (set_row(stage="province"), {"replay", "assignment"}),
    "the status of the row": (set_row(status="closed"), {"replay", "assignment"}),
    "the responsible party of the row": (set_row(responsible_id=1), {"replay", "assignment"}),
    "the deadline of the row": (later_deadline, {"replay", "assignment", "timer"}),
    "the severity of the row": (set_row(severity="general"), {"replay"}),
    "the head of the row": (set_row(head=b"x" * 32), {"chain"}),
    "the timer of the row": (put_to_sleep, {"timer"}),
    "the stay's stage": (stay(stage="city"), {"assignment"}),
    "the stay's lead": (stay(lead_id=1), {"assignment"}),
    "the stay's deadline": (stay(due_at=None), {"assignment"}),
    "the open stay left": (stay_left, {"assignment"}),
    "a stay deleted": (stay_deleted, {"assignment"}),
    "a gap between stays": (gap, {"assignment"}),
    "all mails of a move deleted": (mails_of_the_move_deleted, {"mail"}),
}


@pytest.mark.parametrize("name", TAMPERING)
def test_tampering_is_named(store: Store, name: str) -> None:
    tamper, invariants = TAMPERING[name]
    town, number, _ = lived(store)
    with store.transaction() as session:
        connection = session.connection()
        tamper(connection, issue_id(connection, number), number)

    broken = town.verify().broken
    assert {each.number for each in broken} == {number}, "the other issue is whole"
    assert invariants & {each.invariant for each in broken}, broken
    assert all(each.detail for each in broken)


def test_entries_of_no_issue(sqlite: str, new_store) -> None:  # type: ignore[no-untyped-def]
    """Possible only where foreign keys are switched off, as a tool that edits the file does."""
    from escalation.sqlite import sqlite3

    store = new_store(sqlite)
    town, number, other = lived(store)
    with store.reading() as session:
        lost = issue_id(session.connection(), other)
    path = sqlite.removeprefix("sqlite:///")
    connection = sqlite3.connect(path)
    for table in ("request", "card", "assignment"):
        connection.execute(f"DELETE FROM {table} WHERE issue_id = ?", (lost,))
    connection.execute("DELETE FROM issue WHERE id = ?", (lost,))
    connection.commit()
    connection.close()

    broken = town.verify().broken
    assert {each.invariant for each in broken} == {"journal"}
    assert "belong to no issue" in broken[0].detail
    assert number not in {each.number for each in broken}


def test_the_figures(store: Store) -> None:
    town, number, other = lived(store)
    found = town.verify()
    assert found.ok
    assert (found.issues, found.entries) == (2, town.facts(number).version + town.facts(other).version)
    assert set(found.as_json()) == {"ok", "issues", "entries", "broken"}


def test_looking_changes_nothing(store: Store) -> None:
    from tests.store.test_refusals import dump

    town, _, _ = lived(store)
    before = dump(store)
    assert town.verify().ok
    assert dump(store) == before


def test_who_looks_sees_one_moment_whoever_writes_meanwhile(store: Store) -> None:
    """Both read what is looked at in several statements; an issue that moves between two of them is not broken."""
    town = Town(store)
    number = town.dispatched()
    with store.reading() as session:
        before = session.connection().execute(select(ISSUE.c.version)).scalar_one()
        town.act(number, "acknowledge", HANDLER)
        assert session.connection().execute(select(ISSUE.c.version)).scalar_one() == before
        assert len(session.connection().execute(select(JOURNAL.c.seq)).all()) == before
    assert town.facts(number).version == before + 1


@pytest.mark.parametrize("after", range(1, 6))
def test_an_issue_that_moves_while_it_is_verified_is_whole(store: Store, after: int) -> None:
    town = Town(store)
    number = town.dispatched()
    town.sweep("2026-09-01 09:01")
    statements = iter(range(1, after + 1))

    def meanwhile(*_: object) -> None:
        if next(statements, None) == after:
            town.act(number, "acknowledge", HANDLER)

    with store.reading() as session:
        world = town.worlds.read(session)
        connection = session.connection()
        event.listen(connection, "after_cursor_execute", meanwhile)
        found = verify(session, world)
    assert (found.broken, found.issues) == ([], 1)
    assert town.facts(number).status == "processing"
