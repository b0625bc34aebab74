"""The archive: what has been over for long leaves the hot tables, each issue whole in one compressed piece.

`show`, `verify` and the summaries read it where it is. An issue that does not verify stays where it is, so that nothing that
is wrong is put away.
"""

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, delete, insert, select
from sqlmodel import Session

from escalation import filing, queries, verifying
from escalation.models import SetAside
from escalation.portable import to_json
from escalation.queries import ARCHIVED, ARCHIVED_MAIL, ASSIGNMENT, CARD, ISSUE, JOURNAL, OUTBOX, REQUEST, Whole
from escalation.world import World
from notifications import attaching
from notifications.outbox import OVER, WEBHOOK

#: What goes with an issue, to be deleted before it.
_PARTS = (JOURNAL, REQUEST, ASSIGNMENT, CARD, SetAside.__table__)  # type: ignore[attr-defined]
_COUNTED = ("id", "number", "project_id", "category", "severity", "stage", "lead_id", "raised_at", "closed_at", "escalations")


@dataclass(frozen=True, slots=True)
class Ages:
    """After how long closed issues and sent mails are put away; None: never."""

    closed: timedelta | None
    mail: timedelta | None


@dataclass(slots=True)
class Stored:
    """What was put away, and what could not be."""

    issues: int = 0
    mails: int = 0
    #: Closed issues that do not verify.
    left: int = 0

    def as_json(self) -> dict[str, int]:
        """Counts by name."""
        return asdict(self)


def put_away(session: Session, world: World, ages: Ages, now: datetime, limit: int = 200) -> Stored:
    """Moves up to `limit` issues and as many mails; what another node is just moving is left to it."""
    done, connection = Stored(), session.connection()
    if ages.closed is not None:
        ids = _over(connection, now - ages.closed, limit)
        sound = [each for each in ids if not verifying.problems(connection, world, [each])]
        done.left = len(ids) - len(sound)
        _store(connection, sound, now)
        done.issues = len(sound)
    if ages.mail is not None:
        done.mails = _slim(connection, now - ages.mail, limit)
    filing.forget_unsent(connection, now)
    attaching.forget(session, filing.needed(), now - (ages.mail or filing.UNSENT))
    return done


def _over(connection: Connection, before: datetime, limit: int) -> list[int]:
    statement = select(ISSUE.c.id).where(ISSUE.c.closed_at <= before).order_by(ISSUE.c.closed_at, ISSUE.c.id).limit(limit)
    return list(connection.execute(statement.with_for_update(skip_locked=True)).scalars())


def _store(connection: Connection, ids: Sequence[int], now: datetime) -> None:
    numbers = list(connection.execute(select(ISSUE.c.number).where(ISSUE.c.id.in_(ids))).scalars())
    wholes = [queries.whole(connection, number) for number in numbers]
    if not wholes:
        return
    connection.execute(insert(ARCHIVED), [_piece(whole, now) for whole in wholes])
    for table in _PARTS:
        connection.execute(delete(table).where(table.c.issue_id.in_(ids)))
    connection.execute(delete(OUTBOX).where(OUTBOX.c.about.in_(numbers)))
    connection.execute(delete(ARCHIVED_MAIL).where(ARCHIVED_MAIL.c.about.in_(numbers)))
    connection.execute(delete(ISSUE).where(ISSUE.c.id.in_(ids)))


def _piece(whole: Whole, now: datetime) -> dict[str, Any]:
    counted = {name: getattr(whole.issue, name) for name in _COUNTED}
    return counted | {"archived_at": now, "content": packed(whole)}


def packed(whole: Whole) -> bytes:
    """An issue whole as `queries.unpacked` reads it."""
    parts: Iterable[Sequence[Any]] = ([whole.issue], *whole[1:])
    lists = [b"[" + b",".join(to_json(row._mapping) for row in rows) + b"]" for rows in parts]
    return zlib.compress(b"[" + b",".join(lists) + b"]", 6)


def _slim(connection: Connection, before: datetime, limit: int) -> int:
    """Of mails sent long ago it is kept that they were, not their words."""
    old = select(OUTBOX).where(OUTBOX.c.state.in_(OVER), OUTBOX.c.queued_at <= before).order_by(OUTBOX.c.id).limit(limit)
    rows = connection.execute(old.with_for_update(skip_locked=True)).mappings().all()
    if rows:
        mails = [row for row in rows if row["channel"] != WEBHOOK]
        if mails:
            names = [column.name for column in ARCHIVED_MAIL.c]
            connection.execute(insert(ARCHIVED_MAIL), [{name: row[name] for name in names} for row in mails])
        connection.execute(delete(OUTBOX).where(OUTBOX.c.id.in_([row["id"] for row in rows])))
    return len(rows)
