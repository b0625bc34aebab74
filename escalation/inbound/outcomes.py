"""What became of a mail that came in, and the row that says so: the same mail is dealt with once."""

from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session

from escalation.inbound.mail import Incoming
from escalation.models import ReceivedRow

RECEIVED = ReceivedRow.__table__  # type: ignore[attr-defined]
#: progress    a reply that is now a progress report
#: refused     a reply that a rule did not take; its writer was told why
#: bounced     an address that is not there any more
#: returned    a server refused one mail for another reason: a person looks at it
#: delayed     a server is still trying
#: automatic   an absence note or the like
#: stranger    nobody whom we know, or nobody who can be sure to be it: a person looks at it
#: unreadable  not a mail, or out of bounds
OUTCOMES = ("progress", "refused", "bounced", "returned", "delayed", "automatic", "stranger", "unreadable")
#: What is filed under `done`; the rest is filed under `rejected`, for somebody to look at.
DONE = ("progress", "bounced", "delayed", "automatic")
#: What a person has to look at.
LOOKED_AT = ("stranger", "returned")


class Outcome(NamedTuple):
    """What became of a mail."""

    outcome: str
    number: str = ""
    detail: str = ""

    @property
    def is_done(self) -> bool:
        """Has it had its effect?"""
        return self.outcome in DONE


def entered(session: Session, mail: Incoming, now: datetime) -> bool:
    """Puts a mail on record. False: it is there already, by this node or another, and nothing may be done again."""
    connection = session.connection()
    insert: Any = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    values = {"message_id": mail.message_id, "at": now, "sender": mail.sender, "number": "", "detail": "", "told": True}
    row = insert(RECEIVED).values(**values, outcome="unreadable").on_conflict_do_nothing(index_elements=["message_id"])
    return connection.execute(row.returning(RECEIVED.c.message_id)).first() is not None


def settled(session: Session, mail: Incoming, outcome: Outcome) -> None:
    """Writes what became of it."""
    values = {**outcome._asdict(), "detail": outcome.detail[:2000], "told": outcome.outcome not in LOOKED_AT}
    session.connection().execute(update(RECEIVED).where(RECEIVED.c.message_id == mail.message_id).values(**values))


def earlier(session: Session, message_id: str) -> Outcome:
    """What became of a mail that is on record."""
    columns = (RECEIVED.c.outcome, RECEIVED.c.number, RECEIVED.c.detail)
    return Outcome(*session.connection().execute(select(*columns).where(RECEIVED.c.message_id == message_id)).one())


def listed(session: Session, outcome: str = "", limit: int = 50) -> list[Any]:
    """The newest mails that came in, of one outcome if named."""
    statement = select(RECEIVED).order_by(RECEIVED.c.at.desc(), RECEIVED.c.message_id).limit(limit)
    if outcome:
        statement = statement.where(RECEIVED.c.outcome == outcome)
    return list(session.connection().execute(statement))
