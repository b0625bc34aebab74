"""Addresses where no mail arrives: marked when mail comes back, cleared by a person or by an import that names another.

The caller commits, and says with `world.touch` that the world has changed.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session

from escalation.models import BouncedAddress

ADDRESS = BouncedAddress.__table__  # type: ignore[attr-defined]


def bounced(session: Session) -> frozenset[str]:
    """The addresses that are marked now, in small letters."""
    return frozenset(session.connection().execute(select(ADDRESS.c.address).where(ADDRESS.c.cleared_at.is_(None))).scalars())


def mark(session: Session, address: str, reason: str, now: datetime) -> None:
    """From now on nothing is sent to this address, until it is cleared."""
    connection = session.connection()
    insert: Any = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    values = {"at": now, "reason": reason[:500], "cleared_at": None}
    row = insert(ADDRESS).values(address=address.casefold(), **values)
    connection.execute(row.on_conflict_do_update(index_elements=["address"], set_=values))


def clear(session: Session, addresses: Iterable[str], now: datetime) -> int:
    """These addresses may be used again; how many of them were marked."""
    chosen = ADDRESS.c.address.in_([address.strip().casefold() for address in addresses])
    statement = update(ADDRESS).where(chosen, ADDRESS.c.cleared_at.is_(None)).values(cleared_at=now)
    return session.connection().execute(statement).rowcount


def listed(session: Session) -> list[Any]:
    """The marked ones, the newest first: address, at, reason."""
    marked = select(ADDRESS).where(ADDRESS.c.cleared_at.is_(None)).order_by(ADDRESS.c.at.desc(), ADDRESS.c.address)
    return list(session.connection().execute(marked))
