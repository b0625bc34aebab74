"""Who is told of what came in: the coordinator of the issue, else the administrator, each as their mail is read today."""

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from datetime import datetime

import orjson
from sqlalchemy import select
from sqlmodel import Session

from escalation import queries
from escalation.errors import NotFound
from escalation.notices import when, who_reads
from escalation.queries import ISSUE
from escalation.world import World
from workflows.parties import NobodyAnswers, Party


def coordinator(session: Session, world: World, number: str, now: datetime) -> Party | None:
    """The coordinator of an issue's stage; None when it is in the archive, or there is none."""
    try:
        snapshot = queries.load(session.connection(), world, [number], now, lock=False)[number].snapshot
        return world.directory.by_id[snapshot.route.post(snapshot.facts.stage).coordinator_id]
    except (NotFound, NobodyAnswers):
        return None


def administrators(world: World) -> list[Party]:
    """The administrator; the province office where there is none."""
    return world.directory.with_role("administrator") or world.directory.with_role("province_office")


def in_charge(
    session: Session, world: World, number: str, now: datetime, without: AbstractSet[str] = frozenset()
) -> Iterator[tuple[Party, Party]]:
    """Those who look after an issue (of none: the installation), and who reads their mail; `without`: dead addresses."""
    first = coordinator(session, world, number, now) if number else None
    today = world.calendar.local_day(now)
    for party in ([first] if first else []) + administrators(world):
        reader = who_reads(party, world.directory, world.bounced | without, today)
        if reader is not None:
            yield party, reader


def with_address(world: World, address: str) -> list[Party]:
    """The parties that have this address, given in small letters; an office may share one."""
    return [party for party in world.directory.parties if party.active and party.email.casefold() == address]


def said(
    session: Session, world: World, number: str, to: Party, language: str, now: datetime, base_url: str, **more: str
) -> bytes:
    """The facts of a mail about what came in, and `more`; of an issue in the archive only its number is told."""
    found = session.connection().execute(select(ISSUE.c.title).where(ISSUE.c.number == number)).scalar()
    contact = (coordinator(session, world, number, now) if number else None) or next(iter(administrators(world)), None)
    facts = {
        "number": number,
        "title": found or "",
        "coordinator": contact.name if contact else "",
        "recipient_name": to.name,
        "now": when(now, language, world.calendar.zone_name),
        "link": f"{base_url}/issues/{number}" if base_url and number else "",
    }
    return orjson.dumps(facts | more)
