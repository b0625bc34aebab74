"""Bearer tokens: a program acts for a user, within scopes, until a day."""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlmodel import Session

from escalation.errors import NotFound, UsageError
from escalation.models.users import ApiToken, UserRow
from escalation.users import audit
from escalation.users.accounts import User, find, user
from escalation.users.entering import SIGN_EVERY, digest
from workflows.sentence import Several, say

TOKEN = ApiToken.__table__  # type: ignore[attr-defined]
SCOPES = ("read", "act", "admin")
#: What a token begins with, so that one that leaks is recognised.
PREFIX = "esc_"


@dataclass(frozen=True, slots=True)
class Bearer:
    """Whose token it is and what it is good for."""

    user: User
    scopes: frozenset[str]


def make(
    session: Session,
    now: datetime,
    login: str,
    name: str,
    scopes: Iterable[str],
    expires_at: datetime | None,
    *,
    by: str = "command line",
) -> str:
    """A new token, told this once. Raises NotFound, UsageError."""
    wanted = list(dict.fromkeys(scopes))
    if not wanted or (unknown := [each for each in wanted if each not in SCOPES]):
        said = say("there is no scope {name!r}", name=unknown[0]) if wanted else say("a token needs a scope")
        raise UsageError(said, say("use some of {known}", known=Several(SCOPES)))
    row = find(session, login)
    assert row.id is not None
    token = PREFIX + secrets.token_urlsafe(32)
    session.add(ApiToken(token=digest(token), user_id=row.id, name=name, scopes=wanted, created_at=now, expires_at=expires_at))
    audit.note(session, now, by, "token_made", f"{row.login}: {name}; {' '.join(wanted)}")
    return token


def bearer(session: Session, now: datetime, token: str) -> Bearer | None:
    """Whose token this is, if it is good now."""
    row = _row(session, token)
    if row is None or row.revoked_at is not None or (row.expires_at is not None and row.expires_at <= now):
        return None
    found = session.get(UserRow, row.user_id)
    return Bearer(user(session, found), frozenset(row.scopes)) if found is not None and found.active else None


def _row(session: Session, token: str) -> ApiToken | None:
    found = session.connection().execute(select(TOKEN.c.id).where(TOKEN.c.token == digest(token))).scalar()
    return session.get(ApiToken, found) if found is not None else None


def sign(session: Session, now: datetime, token: str) -> None:
    """Notes that a token was used, every few minutes at most."""
    row = _row(session, token)
    if row is not None and (row.used_at is None or row.used_at <= now - SIGN_EVERY):
        row.used_at = now


def revoke(session: Session, now: datetime, number: int, *, by: str = "command line") -> None:
    """Ends a token. Raises NotFound."""
    row = session.get(ApiToken, number)
    if row is None:
        raise NotFound(say("there is no token {number}", number=number), "`escalation user token --list` shows them")
    row.revoked_at = row.revoked_at or now
    audit.note(session, now, by, "token_revoked", f"{number}: {row.name}")


def listing(session: Session) -> list[dict[str, Any]]:
    """Every token without its secret."""
    names = ("id", "user_id", "name", "scopes", "created_at", "expires_at", "used_at", "revoked_at")
    return [
        dict(row) for row in session.connection().execute(select(*[TOKEN.c[n] for n in names]).order_by(TOKEN.c.id)).mappings()
    ]
