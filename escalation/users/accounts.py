"""Users: who they are, whom they act for, and how an administrator looks after them."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete, select
from sqlmodel import Session

from escalation.errors import NotFound, UsageError
from escalation.models.users import UserParty, UserRow, WebSession
from escalation.users import audit
from escalation.users.passwords import hashed, refuse_weak
from workflows.sentence import Several, say

USER = UserRow.__table__  # type: ignore[attr-defined]
ACTS = UserParty.__table__  # type: ignore[attr-defined]
SESSION = WebSession.__table__  # type: ignore[attr-defined]
#: Who may choose a password that is kept: besides its user, the demo, which prints it for everybody.
OWN = ("demo",)
LANGUAGES = ("zh_CN", "en")
LOGIN = re.compile(r"[a-z0-9][a-z0-9._@-]{1,63}")


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who has come in."""

    id: int
    login: str
    name: str
    language: str
    is_admin: bool
    #: The parties that they act for, in the order of the directory.
    parties: tuple[int, ...]
    #: The password was chosen by somebody else.
    must_change: bool = False


#: What of a user's row a User is made of.
SHOWN = tuple(USER.c[name] for name in ("id", "login", "name", "language", "is_admin", "password_given"))
_PARTIES = select(ACTS.c.party_id).where(ACTS.c.user_id == bindparam("user")).order_by(ACTS.c.party_id)


def user(session: Session, row: Any) -> User:
    """A row (`SHOWN` of it at least) as a value, with whom the user acts for."""
    parties = tuple(session.connection().execute(_PARTIES, {"user": row.id}).scalars())
    return User(row.id, row.login, row.name, row.language, row.is_admin, parties, row.password_given)


def find(session: Session, login: str) -> UserRow:
    """The user with this login. Raises NotFound."""
    row = session.connection().execute(select(USER.c.id).where(USER.c.login == login.strip().lower())).scalar()
    found = session.get(UserRow, row) if row is not None else None
    if found is None:
        raise NotFound(say("there is no user {login!r}", login=login), "`escalation user list` shows them")
    return found


def add(
    session: Session,
    now: datetime,
    login: str,
    name: str,
    password: str,
    parties: Iterable[int] = (),
    *,
    language: str = "zh_CN",
    is_admin: bool = False,
    by: str = "command line",
) -> User:
    """A new user. Raises UsageError when the login is taken or cannot be one, or the password is too short."""
    login = login.strip().lower()
    if not LOGIN.fullmatch(login):
        raise UsageError(
            say("{login!r} cannot be a login", login=login), "2 to 64 of a-z, 0-9 and . _ @ -, beginning with a letter or digit"
        )
    if session.connection().execute(select(USER.c.id).where(USER.c.login == login)).first():
        raise UsageError(say("there is a user {login} already", login=login), "name another login")
    if language not in LANGUAGES:
        raise UsageError(
            say("there is no language {language!r}", language=language), say("use one of {known}", known=Several(LANGUAGES))
        )
    refuse_weak(password, (login, name))
    row = UserRow(
        login=login,
        name=name.strip() or login,
        password=hashed(password),
        password_given=by not in OWN,
        language=language,
        is_admin=is_admin,
        created_at=now,
    )
    session.add(row)
    session.flush()
    assert row.id is not None
    acts_for = sorted(set(parties))
    session.add_all([UserParty(user_id=row.id, party_id=each) for each in acts_for])
    session.flush()
    audit.note(session, now, by, "user_added", f"{login}; parties {acts_for}" + ("; administrator" if is_admin else ""))
    return user(session, row)


def listing(session: Session) -> list[dict[str, Any]]:
    """Every user, with the ids of their parties."""
    acts: dict[int, list[int]] = {}
    for user_id, party_id in session.connection().execute(select(ACTS).order_by(ACTS.c.party_id)):
        acts.setdefault(user_id, []).append(party_id)
    names = ("id", "login", "name", "language", "active", "is_admin", "failures", "locked_until", "created_at", "seen_at")
    rows = session.connection().execute(select(*[USER.c[name] for name in names]).order_by(USER.c.login)).mappings()
    return [{**row, "parties": acts.get(row["id"], [])} for row in rows]


def set_password(session: Session, now: datetime, login: str, password: str, *, by: str = "command line") -> None:
    """A new password; every session of the user ends, and a lock is lifted. Raises NotFound, UsageError."""
    row = find(session, login)
    refuse_weak(password, (row.login, row.name))
    row.password, row.failures, row.locked_until = hashed(password), 0, None
    row.password_given = by not in (row.login, *OWN)
    _end_sessions(session, row)
    audit.note(session, now, by, "password_set", row.login)


def set_active(session: Session, now: datetime, login: str, active: bool, *, by: str = "command line") -> None:
    """A user is shut out, or let in again; shut out, every session ends at once. Raises NotFound."""
    row = find(session, login)
    row.active, row.failures, row.locked_until = active, 0, None
    if not active:
        _end_sessions(session, row)
    audit.note(session, now, by, "user_enabled" if active else "user_disabled", row.login)


def set_parties(session: Session, now: datetime, login: str, parties: Iterable[int], *, by: str = "command line") -> None:
    """Whom a user acts for from now on. Raises NotFound."""
    row = find(session, login)
    acts_for = sorted(set(parties))
    session.connection().execute(delete(ACTS).where(ACTS.c.user_id == row.id))
    session.add_all([UserParty(user_id=row.id or 0, party_id=each) for each in acts_for])
    session.flush()
    audit.note(session, now, by, "user_parties", f"{row.login}; parties {acts_for}")


def set_language(session: Session, login: str, language: str) -> None:
    """The language in which a user reads the pages. Raises NotFound, UsageError."""
    if language not in LANGUAGES:
        raise UsageError(
            say("there is no language {language!r}", language=language), say("use one of {known}", known=Several(LANGUAGES))
        )
    find(session, login).language = language


def _end_sessions(session: Session, row: UserRow) -> None:
    session.flush()
    session.connection().execute(delete(SESSION).where(SESSION.c.user_id == row.id))
