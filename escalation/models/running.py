"""The tables that keep an installation going: the calendar, counters, nodes, keys, links, what came in by mail."""

from datetime import date, datetime

from sqlalchemy import Column, Index, Text, text
from sqlmodel import Field, SQLModel

from escalation.models.columns import moment


class CalendarDay(SQLModel, table=True):
    """A day that differs from what the library says; it wins."""

    __tablename__ = "calendar_day"

    day: date = Field(primary_key=True)
    working: bool
    name: str = ""
    source: str = ""


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
