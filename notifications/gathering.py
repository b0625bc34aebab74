"""Reminders wait for the day's digest, and go out in it: one digest a person a day. It takes a Session and never commits."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import and_, or_, select, update
from sqlmodel import Session

from notifications.outbox import OUTBOX, WAITING

#: What tells nobody anything new: a deadline comes near, or an answer is awaited.
REMINDERS = ("due_warning", "report_reminder", "intake_reminder", "review_reminder", "request_reminder")
_FREE = and_(
    WAITING,
    OUTBOX.c.channel == "mail",
    OUTBOX.c.state == "queued",
    OUTBOX.c.kind.in_(REMINDERS),
    OUTBOX.c.urgent.is_(False),
    OUTBOX.c.merged_into == "",
)


def waiting(session: Session) -> dict[str, list[Any]]:
    """The reminders that no digest has taken up yet, by recipient and in the order in which they came."""
    found: dict[str, list[Any]] = {}
    for row in session.connection().execute(select(OUTBOX).where(_FREE).order_by(OUTBOX.c.queued_at, OUTBOX.c.id)):
        found.setdefault(row.recipient, []).append(row)
    return found


def take_up(session: Session, digest: str, ids: Sequence[int]) -> None:
    """These reminders are told in the message just queued under the key `digest`; they are sent, and tried again, when it is."""
    chosen = or_(OUTBOX.c.key == digest, and_(_FREE, OUTBOX.c.id.in_(ids)))
    at = select(OUTBOX.c.next_try_at).where(OUTBOX.c.key == digest).scalar_subquery()
    session.connection().execute(update(OUTBOX).where(chosen).values(merged_into=digest, next_try_at=at, attempts=0))
