"""The outbox: one row a message and recipient, from `queued` to `sent` or `dead`. It takes a Session and never commits.

draft     waits for somebody's approval; it is no mail yet
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
from secrets import token_hex
from typing import Any, NamedTuple

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Index,
    LargeBinary,
    Text,
    and_,
    case,
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
from notifications.kinds import SUMMARY_KINDS
from notifications.lanes import MAIL, Lane
from notifications.message import Down, Draft, GiveUp, Hold, Outcome, Sent, TryAgain
from notifications.moments import Moment
from notifications.retrying import USUAL, RetryPolicy


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
    merged_into: str = ""
    party: str = ""
    attached: str = ""
    channel: str = "mail"


#: Our number among the locks of the database.
_CLAIMS = 7267522
#: So many messages of the same recipients are claimed together at most, and so many rows are named in a statement.
TOGETHER, STEP = 50_000, 1_000
#: How the last error of a message begins that waits for our configuration to be mended.
HELD = "held: "
#: The same of one that waits until the server is there again.
DOWN = "down: "
#: How long PostgreSQL lets a node stand still that is at its claim: it froze, and the others wait for their turn.
FROZEN = "30s"
#: How long the others wait; then it is said, and they look again later.
PATIENCE = "60s"


def take_turn(session: Session, lane: Lane = MAIL) -> None:
    """Nobody else claims messages of this lane before this transaction ends: what one person gets together is claimed together.

    Two nodes that looked at the same moment would otherwise halve a digest, and send both halves under its Message-ID. A claim
    takes milliseconds; on SQLite whoever writes is alone anyway. (Webhooks are claimed without: each message goes by itself.)
    """
    connection = session.connection()
    if connection.dialect.name == "postgresql":
        connection.execute(
            select(
                func.set_config("idle_in_transaction_session_timeout", FROZEN, True),
                func.set_config("lock_timeout", PATIENCE, True),
                func.pg_advisory_xact_lock(_CLAIMS, func.hashtext(lane.name)),
            )
        )


def claim(
    session: Session,
    now: datetime,
    limit: int,
    node: str,
    lease: timedelta,
    policy: RetryPolicy = USUAL,
    *,
    together: bool = False,
    lane: Lane = MAIL,
) -> list[Claimed]:
    """Takes messages of a channel whose time has come, urgent ones first; what a dead node held comes back when its lease ends.

    `together`: all that waits for the same recipients comes with them, so that it can be merged. Attempts are counted here,
    so that a message that kills its sender does not live for ever. While a lease runs, `next_try_at` is its end: what is to be
    done is one range of one index.
    """
    order = (case((OUTBOX.c.urgent, 0), else_=1), OUTBOX.c.next_try_at, OUTBOX.c.id)
    due = select(OUTBOX).where(WAITING, OUTBOX.c.next_try_at <= now, lane.holds(OUTBOX.c.channel)).order_by(*order)
    due = due.with_for_update(skip_locked=True)
    connection = session.connection()
    found = list(connection.execute(due.limit(limit)))
    if together and len(found) == limit:
        recipients = {row.recipient for row in found}
        known = {row.id for row in found}
        more = connection.execute(due.where(among(OUTBOX.c.recipient, recipients)).limit(TOGETHER))
        found += [row for row in more if row.id not in known]
    deadly = [row.id for row in found if row.state == "sending" and row.attempts >= policy.tries]
    why = f"given up: whoever sends it dies, {policy.tries} times"
    _set(connection, deadly, {"state": "dead", "last_error": why, "lease_by": None, "lease_until": None})
    token = f"{node}#{token_hex(8)}"
    gone = set(deadly)
    rows = [row for row in found if row.id not in gone]
    taken = {"state": "sending", "lease_by": token, "lease_until": now + lease, "next_try_at": now + lease}
    _set(connection, [row.id for row in rows], {**taken, "attempts": OUTBOX.c.attempts + 1})
    return [_claimed(row, token) for row in rows]


def merge(session: Session, claimed: Sequence[Claimed], over: int) -> list[Claimed]:
    """Puts what one person would get into one digest where it is more than `over` messages; on record before it is sent.

    What was put into a digest before stays in it: sent again after a crash, it is the same digest under the same Message-ID.
    """
    waiting: dict[tuple[str, str], list[Claimed]] = {}
    for each in claimed:
        # a summary is a digest already, and its lists would be lost in another
        if not each.merged_into and each.kind not in SUMMARY_KINDS and not each.attached:
            waiting.setdefault((each.recipient, each.language), []).append(each)
    into: dict[int, str] = {}
    for messages in waiting.values():
        if len(messages) > over:
            key = digest_key(messages)
            into |= dict.fromkeys([each.id for each in messages], key)
            _set(session.connection(), [each.id for each in messages], {"merged_into": key, "attempts": 1})
    return [each._replace(merged_into=into[each.id], attempts=1) if each.id in into else each for each in claimed]


def digest_key(messages: Sequence[Claimed]) -> str:
    """The same for the same messages, in whatever order."""
    return "digest:" + sha256("\n".join(sorted(each.key for each in messages)).encode()).hexdigest()[:32]


def _set(connection: Connection, ids: Sequence[int], values: dict[str, Any]) -> None:
    for start in range(0, len(ids), STEP):
        connection.execute(update(OUTBOX).where(among(OUTBOX.c.id, ids[start : start + STEP])).values(**values))


def _claimed(row: Any, token: str) -> Claimed:
    return Claimed(
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
        row.merged_into,
        row.party,
        row.attached,
        row.channel,
    )


@dataclass(slots=True)
class Counts:
    """What became of some messages."""

    sent: int = 0
    retry: int = 0
    dead: int = 0
    held: int = 0
    #: Results of a node whose lease had ended and whose messages another node has taken.
    late: int = 0


def record(
    session: Session,
    results: Sequence[tuple[Claimed, Outcome]],
    now: datetime,
    policy: RetryPolicy = USUAL,
    taken: timedelta = timedelta(0),
) -> Counts:
    """Writes what became of claimed messages; what another node has claimed meanwhile is left to it.

    `taken`: how long it took since `now`; what is tried again is so that much later. Else a silent server is asked without pause.
    """
    counts = Counts()
    sent = [claimed for claimed, outcome in results if isinstance(outcome, Sent)]
    counts.sent = _give_back(session, sent, {"state": "sent", "sent_at": now, "last_error": ""})
    counts.late = len(sent) - counts.sent
    for claimed, outcome in results:
        if isinstance(outcome, Sent):
            continue
        name, values = _becomes(claimed, outcome, now + taken, policy)
        if _give_back(session, [claimed], values):
            setattr(counts, name, getattr(counts, name) + 1)
        else:
            counts.late += 1
    return counts


def _becomes(
    claimed: Claimed, outcome: TryAgain | Down | GiveUp | Hold, now: datetime, policy: RetryPolicy
) -> tuple[str, dict[str, Any]]:
    reason = outcome.reason
    if isinstance(outcome, GiveUp):
        return "dead", {"state": "dead", "last_error": reason}
    if isinstance(outcome, Hold) and outcome.host:
        at, last = now + policy.hold, HELD + reason
        return "held", {"state": "queued", "next_try_at": at, "last_error": last, "attempts": claimed.attempts - 1}
    if isinstance(outcome, Down):
        at, last = now + policy.pause, DOWN + reason
        return "retry", {"state": "queued", "next_try_at": at, "last_error": last, "attempts": claimed.attempts - 1}
    if claimed.attempts >= policy.tries:
        return "dead", {"state": "dead", "last_error": f"given up after {claimed.attempts} tries: {reason}"}
    name, at = "retry", now + policy.wait(claimed.merged_into or claimed.key, claimed.attempts)
    if isinstance(outcome, Hold):
        # after those that are merely kept with it, or it would come first again and hold them up for ever
        name, at = "held", at + policy.hold
    return name, {"state": "queued", "next_try_at": at, "last_error": reason}


def postpone(session: Session, claimed: Sequence[Claimed], until: datetime) -> int:
    """Gives messages back until then (quiet hours); it does not count as a try, nor as one that was refused. How many."""
    values = {"state": "queued", "next_try_at": until, "attempts": OUTBOX.c.attempts - 1, "last_error": ""}
    return _give_back(session, claimed, values)


def _give_back(session: Session, claimed: Sequence[Claimed], values: dict[str, Any]) -> int:
    """Changes those that are still claimed by whoever claimed them; how many."""
    done = 0
    for token in {each.lease_by for each in claimed}:
        ids = [each.id for each in claimed if each.lease_by == token]
        for start in range(0, len(ids), STEP):
            some = among(OUTBOX.c.id, ids[start : start + STEP])
            mine = and_(some, OUTBOX.c.state == "sending", OUTBOX.c.lease_by == token)
            statement = update(OUTBOX).where(mine).values(**values, lease_by=None, lease_until=None)
            done += session.connection().execute(statement).rowcount
    return done


def held_until(session: Session, now: datetime, policy: RetryPolicy = USUAL, lane: Lane = MAIL) -> datetime | None:
    """Until when nobody asks the server, because it is down, or refuses us and not the recipient; None: go on.

    It is read from the store, so that many nodes, or one that restarts, do not lock an account by trying a wrong password.
    """
    soon = and_(OUTBOX.c.next_try_at > now, OUTBOX.c.next_try_at <= now + policy.hold)
    # of its own channel alone: of one that is no longer configured nobody has asked this server
    mine = select(OUTBOX.c.next_try_at).where(WAITING, soon, or_(_begins(HELD), _begins(DOWN)), OUTBOX.c.channel == lane.name)
    return session.connection().execute(mine.order_by(OUTBOX.c.next_try_at.desc()).limit(1)).scalar()


def _begins(why: str) -> ColumnElement[bool]:
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
    chosen = or_(OUTBOX.c.state == "dead", _begins(HELD), _begins(DOWN))
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
