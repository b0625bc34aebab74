"""Which mails of ours something answers: by the Message-IDs that only whoever got them has seen."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, or_, select

from escalation.queries import ARCHIVED_MAIL, ISSUE, OUTBOX
from notifications import outbox

_COLUMNS = ("key", "message_id", "recipient", "party", "language", "kind", "about")
_GONE_OUT = or_(OUTBOX.c.state == "sent", OUTBOX.c.attempts > 0)


def sent(connection: Connection, ids: Sequence[str], numbers: Sequence[str], domain: str) -> list[Any]:
    """The messages that went out under these Message-IDs, all of a digest's, with their facts where they are still kept.

    The subject's numbers come first: by them it is one index, and without one the whole outbox is read.
    """
    if not ids:
        return []
    for narrowed in ([OUTBOX.c.about.in_(numbers)] if numbers else []), []:
        if found := _outbox(connection, ids, narrowed):
            return found
    if found := _digest(connection, ids, domain):
        return found
    old = select(*[ARCHIVED_MAIL.c[name] for name in _COLUMNS]).where(ARCHIVED_MAIL.c.message_id.in_(ids))
    return list(connection.execute(old.where(ARCHIVED_MAIL.c.sent_at.is_not(None))))


def _outbox(connection: Connection, ids: Sequence[str], narrowed: Sequence[ColumnElement[bool]]) -> list[Any]:
    chosen = select(*[OUTBOX.c[name] for name in (*_COLUMNS, "facts", "urgent")]).where(OUTBOX.c.message_id.in_(ids), _GONE_OUT)
    return list(connection.execute(chosen.where(*narrowed).order_by(OUTBOX.c.id)))


def _digest(connection: Connection, ids: Sequence[str], domain: str) -> list[Any]:
    merged = select(OUTBOX.c.merged_into).where(OUTBOX.c.merged_into != "").distinct()
    keys = [key for key in connection.execute(merged).scalars() if outbox.message_id(key, domain) in ids]
    if not keys:
        return []
    chosen = select(*[OUTBOX.c[name] for name in (*_COLUMNS, "facts", "urgent")]).where(OUTBOX.c.merged_into.in_(keys))
    return list(connection.execute(chosen.order_by(OUTBOX.c.id)))


def known(connection: Connection, numbers: Sequence[str]) -> list[str]:
    """Those of these that are numbers of issues, in their order."""
    if not numbers:
        return []
    there = set(connection.execute(select(ISSUE.c.number).where(ISSUE.c.number.in_(numbers))).scalars())
    return [number for number in numbers if number in there]
