"""The audit: who came in or failed to, and what was changed about users, tokens and mails. It is only ever added to."""

from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlmodel import Session

from escalation.usertables import AuditRow

AUDIT = AuditRow.__table__  # type: ignore[attr-defined]
#: What is typed as a login may be anything of any length.
LONGEST = 200


def note(session: Session, now: datetime, who: str, what: str, detail: str = "", address: str = "") -> None:
    """Adds a line."""
    session.add(AuditRow(at=now, who=who[:LONGEST], what=what, detail=detail, address=address[:LONGEST]))


def count(session: Session, what: str, address: str, since: datetime) -> int:
    """How often something happened from an address since then."""
    mine = (AUDIT.c.address == address, AUDIT.c.what == what, AUDIT.c.at >= since)
    return session.connection().execute(select(func.count()).select_from(AUDIT).where(*mine)).scalar() or 0


def newest(session: Session, limit: int = 100) -> list[Any]:
    """The newest lines first."""
    return list(session.connection().execute(select(AUDIT).order_by(AUDIT.c.id.desc()).limit(limit)))
