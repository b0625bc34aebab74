"""The audit: who came in or failed to, and what was changed about users, tokens and mails. It is only ever added to."""

from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlmodel import Session

from escalation.models.users import AuditRow

AUDIT = AuditRow.__table__  # type: ignore[attr-defined]
#: What is typed as a login may be anything of any length.
LONGEST = 200
#: Coming and going; everything else is a change.
LOGINS = ("login", "login_failed", "logout")
ABOUT = ("logins", "changes")


def note(session: Session, now: datetime, who: str, what: str, detail: str = "", address: str = "") -> None:
    """Adds a line."""
    session.add(AuditRow(at=now, who=who[:LONGEST], what=what, detail=detail, address=address[:LONGEST]))


def count(session: Session, what: str, address: str, since: datetime) -> int:
    """How often something happened from an address since then."""
    mine = (AUDIT.c.address == address, AUDIT.c.what == what, AUDIT.c.at >= since)
    return session.connection().execute(select(func.count()).select_from(AUDIT).where(*mine)).scalar() or 0


def newest(
    session: Session, limit: int = 100, *, about: str = "", who: str = "", text: str = "", before: int | None = None
) -> list[Any]:
    """The newest lines first: about `logins` or `changes`, of one login, with a text in them, older than the line `before`."""
    statement = select(AUDIT).order_by(AUDIT.c.id.desc()).limit(limit)
    if about in ABOUT:
        statement = statement.where(AUDIT.c.what.in_(LOGINS) if about == "logins" else AUDIT.c.what.not_in(LOGINS))
    if who:
        statement = statement.where(AUDIT.c.who == who)
    if text:
        statement = statement.where(AUDIT.c.detail.icontains(text, autoescape=True))
    if before is not None:
        statement = statement.where(AUDIT.c.id < before)
    return list(session.connection().execute(statement))
