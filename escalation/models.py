"""The tables: who can answer (party, project), the issue and its stays, what was asked, the record, its archive, the nodes,
what came in by mail."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import JSON, Column, Index, LargeBinary, Text, text
from sqlmodel import Field, SQLModel

from escalation.desktables import DraftRow, FileRow, UploadRow, ViewRow
from escalation.usertables import ApiToken, AuditRow, IdempotencyRow, UserParty, UserRow, UserSubject, WebSession
from notifications.attaching import AttachmentRow
from notifications.moments import Moment
from notifications.outbox import OutboxRow

__all__ = [
    "ApiToken",
    "ArchivedIssue",
    "ArchivedMail",
    "Assignment",
    "AttachmentRow",
    "AuditRow",
    "Authority",
    "BouncedAddress",
    "CalendarDay",
    "CardRow",
    "Counter",
    "DraftRow",
    "FileRow",
    "IdempotencyRow",
    "Issue",
    "JournalEntry",
    "NodeRow",
    "OutboxRow",
    "PartyRow",
    "ProjectRow",
    "ReceivedRow",
    "RequestRow",
    "Secret",
    "SetAside",
    "UploadRow",
    "UsedLink",
    "UserParty",
    "UserRow",
    "UserSubject",
    "ViewRow",
    "WebSession",
    "WorkflowRow",
]


def moment(*, nullable: bool = True, index: bool = False) -> Any:
    """A column for an aware moment, kept in UTC."""
    return Field(default=None, sa_column=Column(Moment, nullable=nullable, index=index))


class PartyRow(SQLModel, table=True):
    """A post that can be responsible; `workflows.parties.Party` is its value."""

    __tablename__ = "party"

    id: int | None = Field(default=None, primary_key=True)
    code: str = Field(unique=True)
    name: str = Field(unique=True)
    level: str
    city: str = ""
    organ: str = Field(default="", index=True)
    role: str
    email: str = ""
    mail_goes_to: str = ""
    language: str = "zh_CN"
    deputy_id: int | None = Field(default=None, foreign_key="party.id")
    deputy_from: date | None = None
    deputy_until: date | None = None
    active: bool = True


class Authority(SQLModel, table=True):
    """One row of the authority catalogue (事权目录): where a category enters, and which organ is competent where."""

    category: str = Field(primary_key=True)
    name: str
    entry: str
    #: stage key -> organ's name, with `{city}` for the city's proper name.
    organs: dict[str, str] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    note: str = ""


class ProjectRow(SQLModel, table=True):
    """One line of the ledger (domain.md 3.1). Money in 10,000 yuan (万元)."""

    __tablename__ = "project"

    id: int | None = Field(default=None, primary_key=True)
    code: str = Field(unique=True)
    name: str
    list_type: str = ""
    project_kind: str = ""
    lead_city: str = Field(default="", index=True)
    cooperating_cities: str = ""
    county: str = ""
    industry_department: str = ""
    construction_content: str = Field(default="", sa_column=Column(Text, nullable=False))
    total_investment_wan: float | None = None
    annual_plan_wan: float | None = None
    completed_ytd_wan: float | None = None
    planned_to_date_wan: float | None = None
    funds_planned_wan: float | None = None
    funds_arrived_wan: float | None = None
    financing_need_wan: float | None = None
    planned_start: date | None = None
    actual_start: date | None = None
    planned_completion: date | None = None
    planned_production: date | None = None
    stage: str = ""
    next_key_node: str = ""
    next_key_node_due: date | None = None
    owner_org: str = ""
    owner_contact_role: str = ""
    owner_email: str = ""
    city_coordinator_role: str = ""
    city_coordinator_email: str = ""
    department_coordinator_role: str = ""
    department_coordinator_email: str = ""
    sponsor_leader_role: str = ""
    sponsor_liaison_email: str = ""
    data_as_of: date | None = None
    remark: str = Field(default="", sa_column=Column(Text, nullable=False))


class WorkflowRow(SQLModel, table=True):
    """A workflow version that issues were pinned to; it is never changed."""

    __tablename__ = "workflow"

    id: str = Field(primary_key=True)
    key: str = Field(index=True)
    version: int
    source: str = Field(sa_column=Column(Text, nullable=False))
    digest: str
    active: bool = True
    added_at: datetime = moment(nullable=False)


class Issue(SQLModel, table=True):
    """One problem of one project: one stage, one status, one responsible party, one deadline.

    The fields down to `wake_at` are `workflows.facts.Facts`; the rest is what people read.
    """

    id: int | None = Field(default=None, primary_key=True)
    number: str = Field(unique=True)
    version: int = 0
    head: bytes = Field(default=b"", sa_column=Column(LargeBinary, nullable=False))
    workflow: str = Field(foreign_key="workflow.id")
    project_id: int = Field(foreign_key="project.id", index=True)
    category: str
    severity: str
    organ: str = ""
    reporter_id: int = Field(foreign_key="party.id", index=True)
    raised_at: datetime = moment(nullable=False)
    stage: str
    status: str
    responsible_id: int = Field(foreign_key="party.id", index=True)
    lead_id: int = Field(foreign_key="party.id", index=True)
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


class CalendarDay(SQLModel, table=True):
    """A day that differs from what the library says; it wins."""

    __tablename__ = "calendar_day"

    day: date = Field(primary_key=True)
    working: bool
    name: str = ""
    source: str = ""


class SetAside(SQLModel, table=True):
    """An issue that a sweep could not decide: it is left alone for a while, counted and shown."""

    __tablename__ = "set_aside"

    issue_id: int = Field(primary_key=True, foreign_key="issue.id")
    at: datetime = moment(nullable=False)
    tries: int = 1
    error: str = Field(sa_column=Column(Text, nullable=False))


class Counter(SQLModel, table=True):
    """The last number given out for a prefix (`WT26`)."""

    prefix: str = Field(primary_key=True)
    last: int


class NodeRow(SQLModel, table=True):
    """A process that works on this store, and its last sign of life."""

    __tablename__ = "node"

    #: Host, process and start, so that no two are ever the same.
    id: str = Field(primary_key=True)
    kind: str
    program: str
    started_at: datetime = moment(nullable=False)
    seen_at: datetime = moment(nullable=False)
    swept_at: datetime | None = moment()
    sweep_seconds: float = 0
    dispatched_at: datetime | None = moment()
    #: Escalation is held: this node's clock leapt.
    held: bool = False
    stopped_at: datetime | None = moment()


class Secret(SQLModel, table=True):
    """A key that every node signs with; the newest of a purpose signs, the others are still believed."""

    id: int | None = Field(default=None, primary_key=True)
    purpose: str = Field(index=True)
    value: str
    made_at: datetime = moment(nullable=False)


class UsedLink(SQLModel, table=True):
    """A link of a mail that was used; it works once."""

    __tablename__ = "used_link"

    #: Of the token, which is itself kept nowhere.
    digest: str = Field(primary_key=True)
    number: str
    action: str
    party: str
    used_at: datetime = moment(nullable=False)
    expires_at: datetime = moment(nullable=False)


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


class ReceivedRow(SQLModel, table=True):
    """A mail that came in, and what became of it: the same mail is never dealt with twice."""

    __tablename__ = "received"

    message_id: str = Field(primary_key=True)
    at: datetime = moment(nullable=False)
    sender: str = ""
    #: The issue that it is about, as far as that is known.
    number: str = ""
    outcome: str
    detail: str = Field(default="", sa_column=Column(Text, nullable=False))
    #: Nobody has to be told of it any more; only what a stranger wrote waits for that.
    told: bool = True


Index(
    "ix_received_untold",
    ReceivedRow.__table__.c.at,  # type: ignore[attr-defined]
    sqlite_where=text("NOT told"),
    postgresql_where=text("NOT told"),
)


class BouncedAddress(SQLModel, table=True):
    """A mail address, in small letters, that a server says does not exist; nothing is sent there until it is cleared."""

    __tablename__ = "bounced_address"

    address: str = Field(primary_key=True)
    at: datetime = moment(nullable=False)
    reason: str = Field(default="", sa_column=Column(Text, nullable=False))
    cleared_at: datetime | None = moment()
