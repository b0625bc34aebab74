"""The naive design: one machine, one session, one commit an issue, the same rows."""

from datetime import datetime, timedelta
from hashlib import sha256
from time import perf_counter

import orjson
from sqlmodel import select
from transitions import Machine

from escalation.database import Store
from escalation.models import Assignment, CardRow, Issue, JournalEntry, OutboxRow


class Model:
    """What the machine moves."""

    state = "city.pending_ack"


def run(store: Store, now: datetime, limit: int) -> tuple[int, float]:
    """Escalates up to `limit` overdue issues one by one; how many, and the seconds."""
    with store.reading() as session:
        ids = session.exec(select(Issue.id).where(Issue.wake_at <= now).order_by(Issue.wake_at).limit(limit)).all()  # type: ignore[operator]
    begun = perf_counter()
    for issue_id in ids:
        with store.transaction() as session:
            _escalate(session, issue_id, now)
    return len(ids), perf_counter() - begun


def _escalate(session, issue_id, now) -> None:  # type: ignore[no-untyped-def]
    issue = session.get(Issue, issue_id)
    model = Model()
    machine = Machine(
        model, states=["city.pending_ack", "department.pending_ack"], initial="city.pending_ack", auto_transitions=False
    )
    machine.add_transition("escalate", "city.pending_ack", "department.pending_ack")
    model.escalate()
    stay = session.get(Assignment, (issue_id, issue.assignment_no))
    stay.left_at, stay.outcome = now, "escalated_overdue"
    issue.stage, issue.status = model.state.split(".")
    issue.assignment_no += 1
    issue.version += 1
    issue.escalations += 1
    issue.yellow_cards += 1
    issue.dispatched_at = issue.clock_from = issue.changed_at = now
    issue.due_at = issue.wake_at = now + timedelta(days=14)
    issue.ack_due_at = issue.warn_at = now + timedelta(days=1)
    session.add(
        Assignment(
            issue_id=issue_id,
            no=issue.assignment_no,
            stage=issue.stage,
            responsible_id=issue.responsible_id,
            lead_id=issue.lead_id,
            entered_at=now,
            due_at=issue.due_at,
        )
    )
    body = orjson.dumps({"number": issue.number, "seq": issue.version, "changes": "x" * 560})
    issue.head = sha256(issue.head + body).digest()
    session.add(
        JournalEntry(
            issue_id=issue_id,
            seq=issue.version,
            at=now,
            actor="system",
            action="escalate_auto",
            from_state="city.pending_ack",
            to_state=model.state,
            body=body,
            hash=issue.head,
        )
    )
    session.add(
        CardRow(
            key=f"{issue.number}:overdue",
            issue_id=issue_id,
            party_id=issue.lead_id,
            colour="yellow",
            ground="overdue",
            proposed_at=now,
        )
    )
    for number in range(4):
        key = f"{issue.number}:{issue.version}:{number}"
        session.add(
            OutboxRow(
                key=key,
                message_id=f"<{sha256(key.encode()).hexdigest()[:32]}@x>",
                recipient="dept01@example.com",
                kind="escalation_notice",
                about=issue.number,
                facts=b"y" * 770,
                queued_at=now,
                next_try_at=now,
            )
        )
