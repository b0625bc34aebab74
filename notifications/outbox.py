"""The outbox: one row a message and recipient, from `queued` to `sent` or `dead`. It takes a Session and never commits.

queued    waits for its time
sending   claimed by a node until its lease ends; then anybody may claim it again
sent      the server has taken it
dead      given up: on somebody's page, until it is retried or dropped
obsolete  dropped: nobody has to be told any more
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, NamedTuple

from sqlalchemy import Column, Index, LargeBinary, Text, and_, case, func, or_, select, text, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Field, Session, SQLModel

from notifications.message import Draft, GiveUp, Hold, Outcome, Sent, TryAgain
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


OUTBOX = OutboxRow.__table__  # type: ignore[attr-defined]
#: What is still to be done is a small part of the table, and the only part of this index.
# Written out, not bound: a planner uses a partial index only for a condition that it can read.
_WAITING = text("state IN ('queued', 'sending')")
Index("ix_outbox_waiting", OUTBOX.c.next_try_at, sqlite_where=_WAITING, postgresql_where=_WAITING)

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
)


def message_id(key: str, domain: str) -> str:
    """The Message-ID of a message: the same for every try, so that a mail sent twice is one mail to its reader."""
    return f"<{sha256(key.encode()).hexdigest()[:32]}@{domain}>"


def row_values(draft: Draft, now: datetime, domain: str) -> tuple[Any, ...]:
    """A new row, in the order of COLUMNS."""
    recipient, kind, language, facts, key, about, party, urgent, not_before = draft
    return (
        key,
        message_id(key, domain),
        "mail",
        recipient,
        party,
        language,
        kind,
        about,
        facts,
        urgent,
        "queued",
        0,
        now,
        not_before or now,
        "",
    )


def enqueue(session: Session, drafts: Iterable[Draft], now: datetime, domain: str) -> int:
    """Adds messages; one whose key is there already is left out. How many were new."""
    rows = [dict(zip(COLUMNS, row_values(draft, now, domain), strict=True)) for draft in drafts]
    connection = session.connection()
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    added = 0
    for row in rows:
        added += connection.execute(insert(OUTBOX).values(row).on_conflict_do_nothing(index_elements=["key"])).rowcount
    return added


class Claimed(NamedTuple):
    """A message that one node may send until its lease ends."""

    id: int
    key: str
    message_id: str
    recipient: str
    language: str
    kind: str
    about: str
    facts: bytes
    urgent: bool
    attempts: int
    queued_at: datetime
    lease_by: str


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """When to try again: a table, then the last step for ever, until the life is over (Postfix keeps five days too)."""

    minutes: tuple[int, ...] = (1, 5, 15, 60)
    jitter: float = 0.2
    life: timedelta = timedelta(days=5)
    hold: timedelta = timedelta(minutes=5)

    def wait(self, key: str, attempt: int) -> timedelta:
        """How long to wait after the given attempt (from 1); spread by a fifth, the same for the same message."""
        base = self.minutes[min(attempt, len(self.minutes)) - 1]
        spread = int(sha256(f"{key}:{attempt}".encode()).hexdigest()[:8], 16) / 0xFFFFFFFF * 2 - 1
        return timedelta(minutes=base * (1 + self.jitter * spread))


def claim(session: Session, now: datetime, limit: int, node: str, lease: timedelta) -> list[Claimed]:
    """Takes messages whose time has come, urgent ones first; what a dead node held comes back when its lease ends.

    Attempts are counted here, so that a message that kills its sender does not live for ever.
    """
    ready = or_(
        and_(OUTBOX.c.state == "queued", OUTBOX.c.next_try_at <= now),
        and_(OUTBOX.c.state == "sending", OUTBOX.c.lease_until < now),
    )
    order = (case((OUTBOX.c.urgent, 0), else_=1), OUTBOX.c.next_try_at, OUTBOX.c.id)
    chosen = select(OUTBOX).where(_WAITING, ready).order_by(*order).limit(limit).with_for_update(skip_locked=True)
    connection = session.connection()
    rows = connection.execute(chosen).all()
    token = f"{node}@{now.isoformat()}"
    if rows:
        taken = update(OUTBOX).where(OUTBOX.c.id.in_([row.id for row in rows]))
        values = {"state": "sending", "lease_by": token, "lease_until": now + lease, "next_try_at": now + lease}
        connection.execute(taken.values(**values, attempts=OUTBOX.c.attempts + 1))
    return [
        Claimed(
            row.id,
            row.key,
            row.message_id,
            row.recipient,
            row.language,
            row.kind,
            row.about,
            row.facts,
            row.urgent,
            row.attempts + 1,
            row.queued_at,
            token,
        )
        for row in rows
    ]


@dataclass(slots=True)
class Counts:
    """What became of some messages."""

    sent: int = 0
    retry: int = 0
    dead: int = 0
    held: int = 0
    postponed: int = 0
    #: Results of a node whose lease had ended and whose messages another node has taken.
    late: int = 0


def record(
    session: Session, results: Sequence[tuple[Claimed, Outcome]], now: datetime, policy: RetryPolicy | None = None
) -> Counts:
    """Writes what became of claimed messages; what another node has claimed meanwhile is left to it."""
    policy = policy or RetryPolicy()
    counts = Counts()
    for claimed, outcome in results:
        name, values = _becomes(claimed, outcome, now, policy)
        if _give_back(session, claimed, values):
            setattr(counts, name, getattr(counts, name) + 1)
        else:
            counts.late += 1
    return counts


def _becomes(claimed: Claimed, outcome: Outcome, now: datetime, policy: RetryPolicy) -> tuple[str, dict[str, Any]]:
    match outcome:
        case Sent(note):
            return "sent", {"state": "sent", "sent_at": now, "last_error": "" if note.startswith("2") else note}
        case GiveUp(reason):
            return "dead", {"state": "dead", "last_error": reason}
        case Hold(reason):
            at = now + policy.hold
            return "held", {"state": "queued", "next_try_at": at, "last_error": reason, "attempts": claimed.attempts - 1}
        case TryAgain(reason):
            if now - claimed.queued_at > policy.life:
                return "dead", {"state": "dead", "last_error": f"given up after {policy.life.days} days: {reason}"}
            at = now + policy.wait(claimed.key, claimed.attempts)
            return "retry", {"state": "queued", "next_try_at": at, "last_error": reason}


def postpone(session: Session, claimed: Claimed, until: datetime) -> None:
    """Gives a message back until then (quiet hours); it does not count as a try."""
    _give_back(session, claimed, {"state": "queued", "next_try_at": until, "attempts": claimed.attempts - 1})


def _give_back(session: Session, claimed: Claimed, values: dict[str, Any]) -> bool:
    mine = and_(OUTBOX.c.id == claimed.id, OUTBOX.c.state == "sending", OUTBOX.c.lease_by == claimed.lease_by)
    done = session.connection().execute(update(OUTBOX).where(mine).values(**values, lease_by=None, lease_until=None))
    return bool(done.rowcount)


def retry(session: Session, ids: Sequence[int] | None, now: datetime) -> int:
    """Dead messages get another life, all of them or these; how many."""
    chosen = OUTBOX.c.state == "dead"
    if ids is not None:
        chosen = and_(chosen, OUTBOX.c.id.in_(ids))
    values = {"state": "queued", "attempts": 0, "queued_at": now, "next_try_at": now}
    return session.connection().execute(update(OUTBOX).where(chosen).values(**values)).rowcount


def drop(session: Session, ids: Sequence[int], reason: str) -> int:
    """Messages that nobody needs any more are not sent; how many. One that is being sent is left alone."""
    chosen = and_(OUTBOX.c.id.in_(ids), OUTBOX.c.state.in_(("queued", "dead")))
    values = {"state": "obsolete", "last_error": reason}
    return session.connection().execute(update(OUTBOX).where(chosen).values(**values)).rowcount


def counts(session: Session) -> dict[str, int]:
    """How many messages there are in each state."""
    statement = select(OUTBOX.c.state, func.count()).group_by(OUTBOX.c.state)
    return {state: count for state, count in session.connection().execute(statement)}


def listing(session: Session, state: str = "", limit: int = 100) -> list[Any]:
    """The newest messages, of one state if named."""
    statement = select(OUTBOX).order_by(OUTBOX.c.id.desc()).limit(limit)
    if state:
        statement = statement.where(OUTBOX.c.state == state)
    return list(session.connection().execute(statement))


def earliest(session: Session) -> datetime | None:
    """When there is next something to send."""
    return session.connection().execute(select(func.min(OUTBOX.c.next_try_at)).where(_WAITING)).scalar()
