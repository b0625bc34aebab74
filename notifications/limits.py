"""How much mail there may be: for the server in a minute, for one person in an hour. What is over it waits; that is no try."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import case, func, select, text
from sqlmodel import Session

from notifications import claiming, outbox
from notifications.claiming import STEP, Claimed
from notifications.lanes import MAIL, Lane
from notifications.outbox import OUTBOX

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
#: What went out as one mail: itself, or the digest that it was in.
_MAIL = case((OUTBOX.c.merged_into != "", OUTBOX.c.merged_into), else_=OUTBOX.c.key)
# written out, as the partial index has it
_SENT = text("sent_at IS NOT NULL")


def room(session: Session, per_minute: int, now: datetime, lane: Lane = MAIL) -> int:
    """How many mails the server may still be given in this minute, by all nodes together."""
    gone = select(func.count(_MAIL.distinct())).where(_SENT, OUTBOX.c.sent_at > now - MINUTE, lane.holds(OUTBOX.c.channel))
    going = select(func.count(_MAIL.distinct())).where(outbox.WAITING, OUTBOX.c.state == "sending", lane.holds(OUTBOX.c.channel))
    connection = session.connection()
    return max(0, per_minute - int(connection.execute(gone).scalar_one()) - int(connection.execute(going).scalar_one()))


def within_the_minute(session: Session, going: Sequence[Claimed], most: int, now: datetime) -> list[Claimed]:
    """The messages of the first `most` mails; the others are given back and go with the next dispatch that finds room."""
    chosen = set(list(dict.fromkeys(map(_mail, going)))[:most])
    claiming.postpone(session, [each for each in going if _mail(each) not in chosen], now)
    return [each for each in going if _mail(each) in chosen]


def _mail(each: Claimed) -> str:
    return each.merged_into or each.key


def within_the_hour(
    session: Session, going: Sequence[Claimed], per_hour: int, merge_over: int, now: datetime
) -> tuple[list[Claimed], int]:
    """What may go to each person now, and how many messages wait until an hour after the first that the person had.

    Urgent ones pass; a digest that was begun is not broken up; more than `merge_over` messages will be one mail.
    """
    limited: dict[str, list[Claimed]] = {}
    for each in going:
        if not each.urgent and not each.merged_into:
            limited.setdefault(each.recipient, []).append(each)
    had = _sent_to(session, limited, now - HOUR)
    later: dict[datetime, list[Claimed]] = {}
    for recipient, messages in limited.items():
        count, first = had.get(recipient, (0, now))
        left = max(0, per_hour - count)
        kept = len(messages) if left and len(messages) > merge_over else left
        if over := messages[kept:]:
            later.setdefault(first + HOUR, []).extend(over)
    waiting = {each.id for messages in later.values() for each in messages}
    for until, messages in later.items():
        claiming.postpone(session, messages, until)
    return [each for each in going if each.id not in waiting], len(waiting)


def _sent_to(session: Session, recipients: Iterable[str], since: datetime) -> dict[str, tuple[int, datetime]]:
    """How many mails each of these has been sent after `since`, and when the first of them."""
    wanted = sorted(recipients)
    found: dict[str, tuple[int, datetime]] = {}
    for start in range(0, len(wanted), STEP):
        some = OUTBOX.c.recipient.in_(wanted[start : start + STEP])
        counted = select(OUTBOX.c.recipient, func.count(_MAIL.distinct()), func.min(OUTBOX.c.sent_at))
        rows = session.connection().execute(counted.where(_SENT, OUTBOX.c.sent_at > since, some).group_by(OUTBOX.c.recipient))
        found |= {recipient: (count, first) for recipient, count, first in rows}
    return found
