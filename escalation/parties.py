"""Parties and deputies, as an administrator changes them between two imports: the address, who stands in and when, active or not.

The caller commits.
"""

from datetime import date, datetime
from typing import Any

from sqlalchemy import func, or_, select
from sqlmodel import Session

from escalation import addresses
from escalation.commands import find_party
from escalation.errors import NotFound, UsageError
from escalation.ledger.values import EMAIL, LONGEST
from escalation.models import PartyRow
from escalation.queries import ISSUE
from escalation.users import audit
from escalation.world import World, touch
from workflows.parties import Party
from workflows.sentence import say

#: What may be changed. `deputy` is a code or a name, empty: nobody.
FIELDS = ("email", "deputy", "deputy_from", "deputy_until", "active")


def find(world: World, code: str) -> Party:
    """The party with this code or name, also one that is no longer active. Raises NotFound."""
    party = world.directory.find(code)
    if party is None:
        raise NotFound(say("there is no party {code!r}", code=code), "`escalation party list` shows them")
    return party


def amend(session: Session, world: World, code: str, changes: dict[str, Any], now: datetime, *, by: str = "command line") -> str:
    """Changes what is given of FIELDS; what was changed, in words, empty where nothing was. Days are those of the calendar.

    Raises NotFound for an unknown party or deputy, UsageError for an address that is none, dates the wrong way round, or a party
    that would stand in for itself.
    """
    party = find(world, code)
    row = session.get(PartyRow, party.id)
    assert row is not None
    values = {name: value for name, value in changes.items() if name in FIELDS}
    if "email" in values:
        values["email"] = _address(values["email"])
    if "deputy" in values:
        values["deputy_id"] = _deputy(world, party, values.pop("deputy"))
    after = {name: values.get(name, getattr(row, name)) for name in ("deputy_id", "deputy_from", "deputy_until")}
    if after["deputy_id"] is None:
        values |= {"deputy_from": None, "deputy_until": None}
    elif after["deputy_from"] and after["deputy_until"] and after["deputy_until"] < after["deputy_from"]:
        raise UsageError(
            say("{until} is before {start}", until=after["deputy_until"], start=after["deputy_from"]), "mend one of the two dates"
        )
    different = {name: (getattr(row, name), value) for name, value in values.items() if getattr(row, name) != value}
    if not different:
        return ""
    for name, (_, value) in different.items():
        setattr(row, name, value)
    session.flush()
    if "email" in different:
        # whoever gives a party another address says that mail arrives there
        addresses.clear(session, [row.email], now)
    touch(session)
    said = "; ".join(_told(world, name, before, value) for name, (before, value) in different.items())
    audit.note(session, now, by, "party_changed", f"{party.code} {party.name}: {said}")
    return said


def _address(text: str) -> str:
    text = text.strip()
    if text and (not EMAIL.fullmatch(text) or len(text) > LONGEST["email"]):
        raise UsageError(say("{text!r} is no mail address", text=text), "write one like name@example.com, or leave it empty")
    return text


def _deputy(world: World, party: Party, text: str) -> int | None:
    if not text.strip():
        return None
    found = find_party(world, text.strip())
    if found.id == party.id:
        raise UsageError(say("{name} cannot stand in for itself", name=party.name), "name another party, or nobody")
    return found.id


def _told(world: World, name: str, before: Any, after: Any) -> str:
    if name == "deputy_id":
        name, before, after = "deputy", *(world.directory.by_id[each].name if each else "" for each in (before, after))
    return f"{name} {_shown(before)} → {_shown(after)}"


def _shown(value: Any) -> str:
    return "—" if value is None or value == "" else "yes" if value is True else "no" if value is False else str(value)


def stands_in(party: Party, today: date) -> bool:
    """Does somebody stand in for this party today?"""
    begun = party.deputy_from is None or party.deputy_from <= today
    return party.deputy_id is not None and begun and (party.deputy_until is None or today <= party.deputy_until)


def open_issues(session: Session, party: Party) -> int:
    """How many open issues this party leads or answers for."""
    mine = or_(ISSUE.c.lead_id == party.id, ISSUE.c.responsible_id == party.id)
    statement = select(func.count()).select_from(ISSUE).where(mine, ISSUE.c.closed_at.is_(None))
    return session.connection().execute(statement).scalar() or 0


def listed(world: World, text: str = "", role: str = "") -> list[Party]:
    """The parties in the directory's order; those whose code, name, organ, city or address holds the text, those of a role."""
    wanted = text.strip().casefold()
    found = (each for each in world.directory.parties if not role or each.role == role)
    return [each for each in found if wanted in f"{each.code} {each.name} {each.organ} {each.city} {each.email}".casefold()]
