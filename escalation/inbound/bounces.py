"""An address that a server says is not there: it is marked, its people are told, and the mail goes to whoever stands in."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlmodel import Session

from escalation import addresses
from escalation.applying import Outgoing
from escalation.inbound import people
from escalation.inbound.outcomes import Outcome
from escalation.inbound.sorting import Verdict
from escalation.notices import who_reads
from escalation.world import World, touch
from notifications import outbox
from notifications.message import Draft
from workflows.parties import Party

#: What is added to the key of a mail that goes to somebody else because it came back.
STAND_IN = ":stand-in"


def marked(session: Session, world: World, said: Verdict, ours: Sequence[Any], now: datetime, outgoing: Outgoing) -> Outcome:
    """Marks the address that `ours` were sent to; what a server says of mail that we never sent marks nothing."""
    mine = [row for row in ours if said.recipient in ("", row.recipient.casefold())]
    if not mine:
        return Outcome("returned", ours[0].about if ours else "", said.reason)
    address, number = mine[0].recipient.casefold(), mine[0].about
    dead = addresses.bounced(session)
    addresses.mark(session, address, said.reason, now)
    touch(session)
    drafts = [] if address in dead else list(_told(session, world, address, number, said.reason, now, outgoing))
    drafts += [
        again
        for row in mine
        if row.recipient.casefold() == address and (again := _again(session, world, row, dead | {address}, now))
    ]
    outbox.enqueue(session, drafts, now, outgoing.domain)
    return Outcome("bounced", number, f"{address}: {said.reason}")


def _told(
    session: Session, world: World, address: str, number: str, reason: str, now: datetime, outgoing: Outgoing
) -> Iterator[Draft]:
    """The issue's coordinator, else the administrator, learns that an address must be mended."""
    for party, reader in people.in_charge(session, world, number, now, {address}):
        whose = "、".join(each.name for each in people.with_address(world, address)[:3]) or address
        more = {"actor": whose, "reason": f"{address}: {reason}"}
        said = people.said(session, world, number, party, reader.language, now, outgoing.base_url, **more)
        key = f"bounced:{address}:{now:%Y-%m-%dT%H:%M:%S}:{party.code}"
        yield Draft(reader.email, "address_bounced", reader.language, said, key, number, party.code)
        return


def _again(session: Session, world: World, row: Any, dead: frozenset[str], now: datetime) -> Draft | None:
    """The mail that came back, for whoever stands in, once. None: nobody does, or its words are no longer kept."""
    facts = getattr(row, "facts", None)
    if facts is None or row.key.endswith(STAND_IN):
        return None
    reader = _stand_in(session, world, row, dead, now)
    if reader is None:
        return None
    return Draft(reader.email, row.kind, row.language, facts, row.key + STAND_IN, row.about, row.party, row.urgent)


def _stand_in(session: Session, world: World, row: Any, dead: frozenset[str], now: datetime) -> Party | None:
    party, today = world.directory.by_code.get(row.party), world.calendar.local_day(now)
    reader = who_reads(party, world.directory, dead, today) if party else None
    return reader or next((each for _, each in people.in_charge(session, world, row.about, now, dead)), None)
