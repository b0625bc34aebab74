"""The outbox: one row a message and recipient, from `queued` to `sent` or `dead`. It takes a Session and never commits.

draft     waits for somebody's approval; it is no mail yet
queued    waits for its time
sending   claimed by a node until its lease ends; then anybody may claim it again
sent      the server has taken it
dead      given up: on somebody's page, until it is retried or dropped
obsolete  dropped: nobody has to be told any more
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any, NamedTuple

from sqlalchemy import (
    Column,
    ColumnElement,
    Index,
    LargeBinary,
    Text,
    and_,
    func,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Field, Session, SQLModel

from notifications import attaching
from notifications.among import among
from notifications.lanes import MAIL, Lane
from notifications.message import Draft
from notifications.moments import Moment


class OutboxRow(SQLModel, table=True):
    """One message to one recipient."""

    __tablename__ = "outbox"

    id: int | None = Field(default=None, primary_key=True)
    key: str = Field(unique=True)
    message_id: str
    channel: str = "mail"
    recipient: str
    party: str = ""
    language: str = "zh_CN"
    kind: str
    about: str = Field(default="", index=True)
    facts: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    urgent: bool = False
    state: str = "queued"
    attempts: int = 0
    queued_at: datetime = Field(sa_column=Column(Moment, nullable=False))
    next_try_at: datetime = Field(sa_column=Column(Moment, nullable=False))
    lease_until: datetime | None = Field(default=None, sa_column=Column(Moment))
    lease_by: str | None = None
    sent_at: datetime | None = Field(default=None, sa_column=Column(Moment))
    last_error: str = Field(default="", sa_column=Column(Text, nullable=False))
    #: The key of the digest that it goes out in, together with others for the same person; set once, so that a digest that
    #: is sent again is the same digest.
    merged_into: str = Field(default="", sa_column_kwargs={"server_default": ""})
    #: The file that goes with it: `attaching.AttachmentRow.digest`.
    attached: str = Field(default="", sa_column_kwargs={"server_default": ""})
    #: What it is a part of that somebody has to approve (a circular, a letter), who did, and when.
    approval: str = Field(default="", sa_column_kwargs={"server_default": ""})
    approved_by: str = Field(default="", sa_column_kwargs={"server_default": ""})
    approved_at: datetime | None = Field(default=None, sa_column=Column(Moment))


OUTBOX = OutboxRow.__table__  # type: ignore[attr-defined]
#: What is still to be done is a small part of the table, and the only part of this index.
# Written out, not bound: a planner uses a partial index only for a condition that it can read.
WAITING = text("state IN ('queued', 'sending')")
Index("ix_outbox_waiting", OUTBOX.c.next_try_at, sqlite_where=WAITING, postgresql_where=WAITING)
_SENT = text("sent_at IS NOT NULL")
Index("ix_outbox_sent_at", OUTBOX.c.sent_at, sqlite_where=_SENT, postgresql_where=_SENT)
_DRAFTED = text("state = 'draft'")
Index("ix_outbox_drafted", OUTBOX.c.approval, sqlite_where=_DRAFTED, postgresql_where=_DRAFTED)
_WITH_FILE = text("attached <> ''")
#: The files that messages still need.
FILES = select(OUTBOX.c.attached).where(_WITH_FILE)
Index("ix_outbox_attached", OUTBOX.c.attached, sqlite_where=_WITH_FILE, postgresql_where=_WITH_FILE)

#: The channel of what other systems are told.
WEBHOOK = "webhook"
#: The states of what nobody has to look after any more.
OVER = ("sent", "obsolete")

#: How the last error of a message begins that waits for our configuration to be mended.
HELD = "held: "
#: The same of one that waits until the server is there again.
DOWN = "down: "

#: The columns of `row_values`, for those who write many rows at once.
COLUMNS = (
    "key",
    "message_id",
    "channel",
    "recipient",
    "party",
    "language",
    "kind",
    "about",
    "facts",
    "urgent",
    "state",
    "attempts",
    "queued_at",
    "next_try_at",
    "last_error",
    "approval",
)


def message_id(key: str, domain: str) -> str:
    """The Message-ID of a message: the same for every try, so that a mail sent twice is one mail to its reader."""
    return f"<{sha256(key.encode()).hexdigest()[:32]}@{domain}>"


def row_values(draft: Draft, now: datetime, domain: str) -> tuple[Any, ...]:
    """A new row, in the order of COLUMNS."""
    recipient, kind, language, facts, key, about, party, urgent, not_before, approval, _, channel = draft
    return (
        key,
        message_id(key, domain),
        channel,
        recipient,
        party,
        language,
        kind,
        about,
        facts,
        urgent,
        "draft" if approval else "queued",
        0,
        now,
        not_before or now,
        "",
        approval,
    )


def enqueue(session: Session, drafts: Iterable[Draft], now: datetime, domain: str) -> int:
    """Adds messages; one whose key is there already is left out. How many were new."""
    connection = session.connection()
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    added = 0
    for draft in drafts:
        row = dict(zip(COLUMNS, row_values(draft, now, domain), strict=True))
        if draft.attachment is not None:
            row["attached"] = attaching.keep(connection, draft.attachment, now)
        # counted by what comes back: drivers do not agree on the row count of an insert
        new = insert(OUTBOX).values(row).on_conflict_do_nothing(index_elements=["key"]).returning(OUTBOX.c.id)
        added += connection.execute(new).first() is not None
    return added


def kept_for(why: str) -> ColumnElement[bool]:
    """The messages that are kept for this reason, HELD or DOWN."""
    return and_(OUTBOX.c.state == "queued", OUTBOX.c.last_error.startswith(why))


class Kept(NamedTuple):
    """How many messages are kept because the server refuses us, or is down, and what was said of it last."""

    messages: int
    reason: str
    refused: bool


def kept(session: Session, lane: Lane = MAIL) -> Kept | None:
    """What a lane keeps, also while its server is just being asked again; None: nothing."""
    for why in (HELD, DOWN):
        these = and_(WAITING, OUTBOX.c.last_error.startswith(why), OUTBOX.c.channel == lane.name)
        last = select(OUTBOX.c.last_error).where(these).order_by(OUTBOX.c.next_try_at.desc(), OUTBOX.c.id.desc()).limit(1)
        if count := session.connection().execute(select(func.count()).where(these)).scalar_one():
            return Kept(count, session.connection().execute(last).scalar_one().removeprefix(why), why == HELD)
    return None


def kept_counts(session: Session) -> dict[str, int]:
    """How many messages of all lanes are kept, by why: `refused` or `down`."""
    count = select(func.count()).select_from(OUTBOX)
    return {
        name: session.connection().execute(count.where(WAITING, OUTBOX.c.last_error.startswith(why))).scalar_one()
        for name, why in (("refused", HELD), ("down", DOWN))
    }


def retry(session: Session, ids: Sequence[int] | None, now: datetime) -> int:
    """Dead messages get another life, and those that are kept their turn, all of them or these; how many. A digest goes whole."""
    chosen = or_(OUTBOX.c.state == "dead", kept_for(HELD), kept_for(DOWN))
    if ids is not None:
        these = among(OUTBOX.c.id, ids)
        merged = select(OUTBOX.c.merged_into).where(these, OUTBOX.c.merged_into != "").distinct()
        digests = session.connection().execute(merged).scalars().all()
        chosen = and_(chosen, or_(these, among(OUTBOX.c.merged_into, digests)) if digests else these)
    values = {"state": "queued", "attempts": 0, "next_try_at": now, "last_error": ""}
    return session.connection().execute(update(OUTBOX).where(chosen).values(**values)).rowcount


def drop(session: Session, ids: Sequence[int], reason: str) -> int:
    """Messages that somebody takes out of the outbox are not sent; how many. One that is being sent is left alone."""
    return _obsolete(session, among(OUTBOX.c.id, ids), reason)


def obsolete(session: Session, *keys: str, reason: str = "nobody has to be told any more") -> int:
    """The same by key, for whoever queued them: what they say is no longer true."""
    return _obsolete(session, among(OUTBOX.c.key, keys), reason)


def _obsolete(session: Session, which: ColumnElement[bool], reason: str) -> int:
    chosen = and_(which, OUTBOX.c.state.in_(("queued", "dead")))
    values = {"state": "obsolete", "last_error": reason}
    return session.connection().execute(update(OUTBOX).where(chosen).values(**values)).rowcount


def approve(session: Session, approval: str, by: str, now: datetime) -> int:
    """What was drafted under this name becomes mail; how many messages. What is no longer a draft stays as it is."""
    values = {"state": "queued", "next_try_at": now, "approved_by": by, "approved_at": now}
    return session.connection().execute(update(OUTBOX).where(_DRAFTED, OUTBOX.c.approval == approval).values(**values)).rowcount


def decline(session: Session, approval: str, by: str, reason: str, now: datetime) -> int:
    """What was drafted under this name is never sent; how many messages."""
    values = {"state": "obsolete", "last_error": reason, "approved_by": by, "approved_at": now}
    return session.connection().execute(update(OUTBOX).where(_DRAFTED, OUTBOX.c.approval == approval).values(**values)).rowcount


def drafted(session: Session, approval: str = "") -> list[Any]:
    """What waits for approval, oldest first; of one name if given."""
    statement = select(OUTBOX).where(_DRAFTED).order_by(OUTBOX.c.queued_at, OUTBOX.c.id)
    return list(session.connection().execute(statement.where(OUTBOX.c.approval == approval) if approval else statement))


def counts(session: Session) -> dict[str, int]:
    """How many messages there are in each state. It reads the whole table: for a page, not for every dispatch."""
    statement = select(OUTBOX.c.state, func.count()).group_by(OUTBOX.c.state)
    return {state: count for state, count in session.connection().execute(statement)}


def waiting(session: Session) -> int:
    """How many are still to be sent, now or later; reads only their own small index."""
    return session.connection().execute(select(func.count()).select_from(OUTBOX).where(WAITING)).scalar_one()


def late(session: Session, since: datetime) -> int:
    """How many mails should have been sent by then, where nobody has sent any since: one by one they may take long."""
    sends = select(OUTBOX.c.id).where(OUTBOX.c.sent_at > since).limit(1)
    if session.connection().execute(sends).first():
        return 0
    overdue = select(func.count()).where(WAITING, OUTBOX.c.next_try_at <= since, OUTBOX.c.channel == MAIL.name)
    return session.connection().execute(overdue).scalar_one()


def due_channels(session: Session, now: datetime) -> set[str]:
    """The ways out, beside mail, that have something to send now."""
    beside = select(OUTBOX.c.channel).where(WAITING, OUTBOX.c.next_try_at <= now, OUTBOX.c.channel != "mail").distinct()
    return set(session.connection().execute(beside).scalars())


def listing(session: Session, state: str = "", limit: int = 100) -> list[Any]:
    """The newest messages, of one state if named."""
    statement = select(OUTBOX).order_by(OUTBOX.c.id.desc()).limit(limit)
    if state:
        statement = statement.where(OUTBOX.c.state == state)
    return list(session.connection().execute(statement))


def earliest(session: Session) -> datetime | None:
    """When there is next something to send."""
    return session.connection().execute(select(func.min(OUTBOX.c.next_try_at)).where(WAITING)).scalar()
