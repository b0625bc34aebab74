"""A POST with an `Idempotency-Key` is done once: sent again it gets the first answer, sent with another body it is refused."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session

from escalation.errors import UsageError
from escalation.models.users import IdempotencyRow

KEPT = IdempotencyRow.__table__  # type: ignore[attr-defined]
#: How long an answer is remembered.
REMEMBERED = timedelta(days=2)
LONGEST = 200


class Answer(NamedTuple):
    """What was answered, and whether it had been before."""

    status: int
    body: bytes
    repeated: bool = False


class OtherBody(UsageError):
    """The key was used for something else."""

    code = "key_reused"
    status = 422


def once(session: Session, user_id: int, key: str, digest: bytes, now: datetime, work: Callable[[], tuple[int, bytes]]) -> Answer:
    """Does `work` in this transaction unless it was done under this key; what it answered. Raises OtherBody, UsageError.

    Another request under the same key waits for this transaction. Work that raises leaves no trace, so it may be tried again.
    """
    if not 1 <= len(key) <= LONGEST:
        raise UsageError(f"an Idempotency-Key has 1 to {LONGEST} characters", "a UUID is right")
    connection = session.connection()
    connection.execute(delete(KEPT).where(KEPT.c.at < now - REMEMBERED))
    insert = (sqlite if connection.dialect.name == "sqlite" else postgresql).insert
    first = insert(KEPT).values(user_id=user_id, key=key, digest=digest, at=now, status=0, answer=b"")
    mine = (KEPT.c.user_id == user_id, KEPT.c.key == key)
    if connection.execute(first.on_conflict_do_nothing().returning(KEPT.c.key)).first() is None:
        kept = connection.execute(select(KEPT.c.digest, KEPT.c.status, KEPT.c.answer).where(*mine)).one()
        if kept.digest != digest:
            raise OtherBody("this Idempotency-Key was used for another request", "use a new key for a new request")
        return Answer(kept.status, kept.answer, repeated=True)
    status, body = work()
    connection.execute(update(KEPT).where(*mine).values(status=status, answer=body))
    return Answer(status, body)
