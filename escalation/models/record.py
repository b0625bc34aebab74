"""The tables of what was done: the journal, and the archive of what has long been over."""

from datetime import datetime

from sqlalchemy import Column, LargeBinary
from sqlmodel import Field, SQLModel

from escalation.models.columns import moment


class JournalEntry(SQLModel, table=True):
    """流水: what was done to an issue, by whom, why, and what changed. Append only; each entry carries the hash before it."""

    __tablename__ = "journal"

    issue_id: int = Field(primary_key=True, foreign_key="issue.id")
    seq: int = Field(primary_key=True)
    at: datetime = moment(nullable=False)
    actor: str
    action: str
    from_state: str
    to_state: str
    #: JSON as it was hashed: what the row became, the stay left and entered, the requests, the reason.
    body: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    hash: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class ArchivedIssue(SQLModel, table=True):
    """A closed issue that has left the hot tables: what is counted by, and all its rows in one compressed piece."""

    __tablename__ = "archived_issue"

    id: int = Field(primary_key=True)
    number: str = Field(unique=True)
    project_id: int = Field(index=True)
    category: str
    severity: str
    stage: str
    lead_id: int
    raised_at: datetime = moment(nullable=False)
    closed_at: datetime = moment(nullable=False, index=True)
    archived_at: datetime = moment(nullable=False)
    escalations: int = 0
    #: zlib over JSON: issue, stays, requests, journal, cards, mails, as `archive.packed` writes them.
    content: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class ArchivedMail(SQLModel, table=True):
    """A mail about an issue that is still open, sent so long ago that its words are no longer kept."""

    __tablename__ = "archived_mail"

    key: str = Field(primary_key=True)
    message_id: str
    recipient: str
    party: str = ""
    language: str = ""
    kind: str
    about: str = Field(index=True)
    state: str
    queued_at: datetime = moment(nullable=False)
    sent_at: datetime | None = moment()
