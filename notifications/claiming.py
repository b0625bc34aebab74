"""What a node does with the messages of the outbox: claim them, put them together, record what became of them.

Whoever claims has a token and a lease; results of a node whose messages another has claimed change nothing.
It takes a Session and never commits.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from secrets import token_hex
from typing import Any, NamedTuple

from sqlalchemy import Connection, and_, case, func, or_, select, update
from sqlmodel import Session

from notifications.among import among
from notifications.kinds import SUMMARY_KINDS
from notifications.lanes import MAIL, Lane
from notifications.message import Down, GiveUp, Hold, Outcome, Sent, TryAgain
from notifications.outbox import DOWN, HELD, OUTBOX, WAITING, kept_for
from notifications.retrying import USUAL, RetryPolicy


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
    mine = select(OUTBOX.c.next_try_at).where(WAITING, soon, or_(kept_for(HELD), kept_for(DOWN)), OUTBOX.c.channel == lane.name)
    return session.connection().execute(mine.order_by(OUTBOX.c.next_try_at.desc()).limit(1)).scalar()
