"""The tables of what is open: an issue, its stays, what was asked about it, cards, and what a sweep set aside."""

from datetime import date, datetime

from sqlalchemy import Column, Index, LargeBinary, Text, text
from sqlmodel import Field, SQLModel

from escalation.models.columns import moment


class Issue(SQLModel, table=True):
    """One problem of one project: one stage, one status, one responsible party, one deadline.

    The fields down to `wake_at` are `workflows.facts.Facts`; the rest is what people read.
    """

    id: int | None = Field(default=None, primary_key=True)
    number: str = Field(unique=True)
    version: int = 0
    head: bytes = Field(default=b"", sa_column=Column(LargeBinary, nullable=False))
    workflow: str = Field(foreign_key="workflow.id")
    project_id: int = Field(foreign_key="project.id")
    category: str
    severity: str
    organ: str = ""
    reporter_id: int = Field(foreign_key="party.id", index=True)
    raised_at: datetime = moment(nullable=False)
    stage: str
    status: str
    responsible_id: int = Field(foreign_key="party.id")
    lead_id: int = Field(foreign_key="party.id")
    assignment_no: int = 0
    dispatched_at: datetime | None = moment()
    acknowledged_at: datetime | None = moment()
    auto_acknowledged: bool = False
    clock_from: datetime | None = moment()
    clock_span: str = ""
    due_at: datetime | None = moment()
    due_provisional: bool = False
    ack_due_at: datetime | None = moment()
    warn_at: datetime | None = moment()
    report_due_at: datetime | None = moment()
    review_due_at: datetime | None = moment()
    remind_at: datetime | None = moment()
    resume_at: datetime | None = moment()
    hold_until: datetime | None = moment()
    remaining: str = ""
    suspended_wd: int = 0
    overdue_at: datetime | None = moment()
    returns_to: str = ""
    reminders: int = 0
    extensions: int = 0
    reports_missed: int = 0
    letters: int = 0
    yellow_cards: int = 0
    escalations: int = 0
    reopened: int = 0
    confirmed: bool = False
    delegate_id: int | None = Field(default=None, foreign_key="party.id")
    delegate_until: date | None = None
    urged_at: datetime | None = moment()
    closed_at: datetime | None = moment()
    changed_at: datetime | None = moment()
    #: The next moment at which something must happen to it by itself: the whole queue of the scheduler.
    wake_at: datetime | None = moment()

    title: str
    description: str = Field(default="", sa_column=Column(Text, nullable=False))
    requested_action: str = Field(default="", sa_column=Column(Text, nullable=False))
    progress_note: str = Field(default="", sa_column=Column(Text, nullable=False))
    complexity: str = "simple"
    nature: str = "individual"
    authority_level: str = ""
    authority_org: str = ""
    cooperating_orgs: str = ""
    handler_role: str = ""
    reporter_role: str = ""
    source: str = ""
    confidentiality: str = "non_classified"
    merged_into: str = ""
    #: Digest of the imported row, so that the same row imported again changes nothing.
    import_digest: str = ""


Index(
    "ix_issue_wake_at",
    Issue.__table__.c.wake_at,  # type: ignore[attr-defined]
    sqlite_where=Issue.__table__.c.wake_at.is_not(None),  # type: ignore[attr-defined]
    postgresql_where=Issue.__table__.c.wake_at.is_not(None),  # type: ignore[attr-defined]
)
Index(
    "ix_issue_closed_at",
    Issue.__table__.c.closed_at,  # type: ignore[attr-defined]
    sqlite_where=Issue.__table__.c.closed_at.is_not(None),  # type: ignore[attr-defined]
    postgresql_where=Issue.__table__.c.closed_at.is_not(None),  # type: ignore[attr-defined]
)
#: What lists and to-dos are narrowed by, in the order of the deadlines, so that no row is read that is not shown. `closed_at`
#: is in it, always empty, because SQLite reads an index alone only where it has every column that is named.
_LISTED = (
    "due_at id stage status overdue_at category severity project_id lead_id responsible_id reporter_id delegate_id confirmed"
)
Index(
    "ix_issue_open",
    *[Issue.__table__.c[name] for name in [*_LISTED.split(), "closed_at"]],  # type: ignore[attr-defined]
    sqlite_where=Issue.__table__.c.closed_at.is_(None),  # type: ignore[attr-defined]
    postgresql_where=Issue.__table__.c.closed_at.is_(None),  # type: ignore[attr-defined]
)
#: What a party or project has to do with, and what a list narrows that to: whether few of them fit, and which, is read from the
#: index alone. A row of SQLite's index has the id anyway.
_NARROWED = "closed_at stage status category severity"
for _names in (f"lead_id {_NARROWED} project_id", f"responsible_id {_NARROWED} project_id", f"project_id {_NARROWED}"):
    Index(
        f"ix_issue_of_{_names.split()[0]}",
        *[Issue.__table__.c[name] for name in _names.split()],  # type: ignore[attr-defined]
        postgresql_include=["id"],
    )
Index(
    "ix_issue_delegate_id",
    Issue.__table__.c.delegate_id,  # type: ignore[attr-defined]
    sqlite_where=Issue.__table__.c.delegate_id.is_not(None),  # type: ignore[attr-defined]
    postgresql_where=Issue.__table__.c.delegate_id.is_not(None),  # type: ignore[attr-defined]
)


class Assignment(SQLModel, table=True):
    """One stay of an issue with one party. The stays of an issue tile its life without a gap."""

    __table_args__ = {"sqlite_with_rowid": False}

    issue_id: int = Field(primary_key=True, foreign_key="issue.id")
    no: int = Field(primary_key=True)
    stage: str
    responsible_id: int
    lead_id: int
    entered_at: datetime = moment(nullable=False)
    acknowledged_at: datetime | None = moment()
    auto_acknowledged: bool = False
    due_at: datetime | None = moment()
    left_at: datetime | None = moment()
    outcome: str = ""
    overdue_wd: int = 0
    suspended_wd: int = 0


Index(
    "ix_assignment_auto",
    *[Assignment.__table__.c[name] for name in ("lead_id", "acknowledged_at")],  # type: ignore[attr-defined]
    sqlite_where=text("auto_acknowledged = 1"),
    postgresql_where=text("auto_acknowledged"),
)


class RequestRow(SQLModel, table=True):
    """Something asked about an issue that waits for a decision or an answer; `workflows.facts.Request` is its value."""

    __tablename__ = "request"
    __table_args__ = {"sqlite_with_rowid": False}

    issue_id: int = Field(primary_key=True, foreign_key="issue.id")
    no: int = Field(primary_key=True)
    kind: str
    asked_by_id: int
    asked_at: datetime = moment(nullable=False)
    reason: str = Field(default="", sa_column=Column(Text, nullable=False))
    decide_by: datetime = moment(nullable=False)
    decider: str
    target_id: int | None = None
    until: datetime | None = moment()
    agreed_at: datetime | None = moment()
    reminded: bool = False
    state: str = Field(default="pending", index=True)
    decided_by_id: int | None = None
    decided_at: datetime | None = moment()
    answer: str = Field(default="", sa_column=Column(Text, nullable=False))


Index(
    "ix_request_target_id",
    RequestRow.__table__.c.target_id,  # type: ignore[attr-defined]
    sqlite_where=RequestRow.__table__.c.target_id.is_not(None),  # type: ignore[attr-defined]
    postgresql_where=RequestRow.__table__.c.target_id.is_not(None),  # type: ignore[attr-defined]
)


class CardRow(SQLModel, table=True):
    """A yellow or red card: proposed by the system, confirmed or lifted by a person."""

    __tablename__ = "card"

    id: int | None = Field(default=None, primary_key=True)
    #: What it is for, once: issue, stay and ground, or organ, month and ground.
    key: str = Field(unique=True)
    issue_id: int = Field(foreign_key="issue.id", index=True)
    party_id: int = Field(foreign_key="party.id", index=True)
    colour: str
    ground: str
    state: str = "proposed"
    proposed_at: datetime = moment(nullable=False)
    decided_by_id: int | None = None
    decided_at: datetime | None = moment()


class SetAside(SQLModel, table=True):
    """An issue that a sweep could not decide: it is left alone for a while, counted and shown."""

    __tablename__ = "set_aside"

    issue_id: int = Field(primary_key=True, foreign_key="issue.id")
    at: datetime = moment(nullable=False)
    tries: int = 1
    error: str = Field(sa_column=Column(Text, nullable=False))
