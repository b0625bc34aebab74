"""Issues that a sweep had to set aside: what they are, and trying them again without waiting. The caller commits."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlmodel import Session

from escalation.models import Issue, SetAside

ISSUE = Issue.__table__  # type: ignore[attr-defined]
ASIDE = SetAside.__table__  # type: ignore[attr-defined]


def listed(session: Session, limit: int = 500) -> list[Any]:
    """Those that are set aside now, the newest first: number, title, at, tries, error, wake_at (when it is tried again)."""
    columns = (ISSUE.c.number, ISSUE.c.title, ASIDE.c.at, ASIDE.c.tries, ASIDE.c.error, ISSUE.c.wake_at)
    statement = select(*columns).join(ISSUE, ISSUE.c.id == ASIDE.c.issue_id).order_by(ASIDE.c.at.desc(), ISSUE.c.id).limit(limit)
    return list(session.connection().execute(statement))


def try_again(session: Session, numbers: Sequence[str] | None, now: datetime) -> int:
    """The next sweep looks at these (None: at all that are set aside) whatever they wait for; how many."""
    chosen = ISSUE.c.id.in_(select(ASIDE.c.issue_id))
    if numbers is not None:
        chosen = chosen & ISSUE.c.number.in_(numbers)
    return session.connection().execute(update(ISSUE).where(chosen).values(wake_at=now)).rowcount
