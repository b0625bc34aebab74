"""What a person has to look at: told to the coordinator of the issue that is named, else to the administrator, once a day."""

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

from sqlalchemy import select, update
from sqlmodel import Session

from escalation.applying import Outgoing
from escalation.inbound import people
from escalation.inbound.outcomes import RECEIVED
from escalation.notices import when
from escalation.world import World
from notifications import outbox
from notifications.message import Draft

#: A mail names so many; of the rest it says how many.
LINES = 10
#: At most so many are told of in one look.
TOGETHER = 500


def tell(session: Session, world: World, now: datetime, outgoing: Outgoing) -> int:
    """Queues what nobody has been told of yet; who has had such a mail today gets the rest tomorrow. How many mails."""
    waiting = select(RECEIVED).where(~RECEIVED.c.told).order_by(RECEIVED.c.number, RECEIVED.c.at).limit(TOGETHER)
    rows = session.connection().execute(waiting).all()
    return sum(_told(session, world, number, list(some), now, outgoing) for number, some in groupby(rows, lambda row: row.number))


def _told(session: Session, world: World, number: str, rows: Sequence[Any], now: datetime, outgoing: Outgoing) -> int:
    for party, reader in people.in_charge(session, world, number, now):
        lines = _lines(rows, world, reader.language)
        said = people.said(session, world, number, party, reader.language, now, outgoing.base_url, reason=lines)
        key = f"stranger:{number}:{party.code}:{world.calendar.local_day(now)}"
        draft = Draft(reader.email, "stranger_mail", reader.language, said, key, number, party.code)
        if not outbox.enqueue(session, [draft], now, outgoing.domain):
            return 0
        ids = [row.message_id for row in rows]
        session.connection().execute(update(RECEIVED).where(RECEIVED.c.message_id.in_(ids)).values(told=True))
        return 1
    return 0


def _lines(rows: Sequence[Any], world: World, language: str) -> str:
    zone = world.calendar.zone_name
    said = [
        f"{no}) {when(row.at, language, zone)} {row.sender or '-'}: {row.detail[:200]}" for no, row in enumerate(rows[:LINES], 1)
    ]
    if len(rows) > LINES:
        rest = len(rows) - LINES
        said.append(f"and {rest} more" if language == "en" else f"另有{rest}封")
    return "; ".join(said) if language == "en" else "；".join(said)
