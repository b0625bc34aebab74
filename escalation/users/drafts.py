"""What somebody has typed into a form and not sent: kept on the server, so that no error, session or machine takes it away."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

import orjson
from sqlalchemy import delete, select
from sqlmodel import Session

from escalation.models.desk import DraftRow

DRAFT = DraftRow.__table__  # type: ignore[attr-defined]
#: Bytes of one draft; a form's texts are far below.
LARGEST = 300_000
#: What was typed and left is forgotten after this.
KEPT = timedelta(days=90)


class Draft(NamedTuple):
    """What was typed, by the name of the field, and when it was kept."""

    content: dict[str, str]
    saved_at: datetime


def save(session: Session, user_id: int, place: str, content: Mapping[str, str], now: datetime) -> bool:
    """Keeps what a user has typed at a place; False when there is nothing in it, or far too much."""
    kept = {name: value for name, value in content.items() if value}
    if not kept or len(orjson.dumps(kept)) > LARGEST:
        return False
    session.merge(DraftRow(user_id=user_id, place=place, content=kept, saved_at=now))
    session.connection().execute(delete(DRAFT).where(DRAFT.c.saved_at <= now - KEPT))
    return True


def load(session: Session, user_id: int, place: str) -> Draft | None:
    """What a user has typed there and not sent."""
    row = session.connection().execute(select(DRAFT).where(DRAFT.c.user_id == user_id, DRAFT.c.place == place)).first()
    return Draft(dict(row.content), row.saved_at) if row is not None else None


def drop(session: Session, user_id: int, place: str) -> None:
    """It is sent, or not wanted any more."""
    session.connection().execute(delete(DRAFT).where(DRAFT.c.user_id == user_id, DRAFT.c.place == place))
