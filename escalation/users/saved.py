"""Lists of issues that a user has given a name: what they are narrowed to and how they are sorted."""

from datetime import datetime

from sqlalchemy import delete, func, select
from sqlmodel import Session

from escalation.errors import UsageError
from escalation.models.desk import ViewRow
from workflows.sentence import say

VIEW = ViewRow.__table__  # type: ignore[attr-defined]
MOST, LONGEST = 30, 40


def listing(session: Session, user_id: int) -> list[tuple[str, str]]:
    """A user's lists by name: name, and what stands in the address of the page."""
    statement = select(VIEW.c.name, VIEW.c.query).where(VIEW.c.user_id == user_id).order_by(VIEW.c.name)
    return [(row.name, row.query) for row in session.connection().execute(statement)]


def keep(session: Session, user_id: int, name: str, query: str, now: datetime) -> None:
    """A list gets a name, or a name another list. Raises UsageError."""
    name = " ".join("".join(each for each in name if each.isprintable()).split())
    if not 1 <= len(name) <= LONGEST:
        raise UsageError(say("a name has 1 to {longest} characters", longest=LONGEST), "say in a word or two what is in it")
    mine = select(func.count()).select_from(VIEW).where(VIEW.c.user_id == user_id, VIEW.c.name != name)
    if (session.connection().execute(mine).scalar() or 0) >= MOST:
        raise UsageError(say("there are {most} lists with a name already", most=MOST), "take one away first")
    session.merge(ViewRow(user_id=user_id, name=name, query=query, saved_at=now))


def drop(session: Session, user_id: int, name: str) -> None:
    """The name is taken away."""
    session.connection().execute(delete(VIEW).where(VIEW.c.user_id == user_id, VIEW.c.name == name))
