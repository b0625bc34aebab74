"""Logging in: a password is tried, counted and answered the same whatever was wrong; a session begins, goes on and ends."""

import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from sqlalchemy import bindparam, delete, select, update
from sqlmodel import Session

from escalation.errors import EscalationError
from escalation.models.users import UserRow, WebSession
from escalation.users import accounts, audit
from escalation.users.accounts import SESSION, USER, User, user
from escalation.users.passwords import fits, hashed, is_old
from workflows.sentence import say

#: A sign of life is written at most this often, so that looking at pages does not write.
SIGN_EVERY = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Limits:
    """How patient a login is."""

    #: Wrong passwords in a row after which a login is locked, and for how long.
    failures: int = 5
    lock: timedelta = timedelta(minutes=15)
    #: Wrong passwords from one address within `window` after which it has to wait.
    from_one_address: int = 30
    window: timedelta = timedelta(minutes=15)
    #: How long a session lasts at most, and without a sign of life.
    session: timedelta = timedelta(hours=12)
    idle: timedelta = timedelta(hours=2)


class NotEntered(EscalationError):
    """Login and password do not fit, or the login is locked or shut out: which of these is not said."""

    code = "not_entered"
    exit_code = 3
    status = 401


class TooMany(EscalationError):
    """This address has tried too often."""

    code = "too_many"
    exit_code = 3
    status = 429


@dataclass(frozen=True, slots=True)
class Entered:
    """A session: who it is, what its forms carry, and whether it is time to write a sign of life."""

    user: User
    csrf: str
    silent: bool


def digest(token: str) -> bytes:
    """What is kept of a token: it has 256 random bits, so no salt is needed."""
    return sha256(token.encode()).digest()


def refuse_hammering(session: Session, now: datetime, address: str, limits: Limits) -> None:
    """Raises TooMany when too many passwords from this address were wrong."""
    if audit.count(session, "login_failed", address, now - limits.window) >= limits.from_one_address:
        raise TooMany(
            "too many wrong passwords from here", say("wait {minutes} minutes", minutes=int(limits.window.total_seconds() // 60))
        )


def check(
    session: Session, now: datetime, login: str, password: str, address: str, limits: Limits, what: str = "login"
) -> User | None:
    """The user, if login and password fit and nothing is locked; None otherwise, and that is counted. The caller commits.

    `what` the password was given for, as the audit has it: a login, or something that asks for it again.
    """
    login = login.strip().lower()
    found = session.connection().execute(select(USER.c.id).where(USER.c.login == login)).scalar()
    row = session.get(UserRow, found, with_for_update=True) if found is not None else None
    right = fits(password, row.password if row is not None else "")
    locked = row is not None and row.locked_until is not None and now < row.locked_until
    if row is None or not right or locked or not row.active:
        if row is not None and not locked:
            _count(row, now, limits)
        audit.note(session, now, login, "login_failed", "locked" if locked else "", address)
        return None
    row.failures, row.locked_until, row.seen_at = 0, None, now
    if is_old(row.password):
        row.password = hashed(password)
    audit.note(session, now, row.login, what, "", address)
    session.flush()
    return user(session, row)


def _count(row: UserRow, now: datetime, limits: Limits) -> None:
    row.failures += 1
    if row.failures >= limits.failures:
        row.failures, row.locked_until = 0, now + limits.lock


def begin(session: Session, now: datetime, who: User, limits: Limits) -> str:
    """A session begins, and those that are over are forgotten; the token for the cookie."""
    session.connection().execute(delete(SESSION).where(SESSION.c.expires_at <= now))
    token = secrets.token_urlsafe(32)
    row = WebSession(
        token=digest(token),
        user_id=who.id,
        csrf=secrets.token_urlsafe(24),
        created_at=now,
        seen_at=now,
        expires_at=now + limits.session,
    )
    session.add(row)
    return token


#: Every request begins with this, so it is put together once.
_RESUMED = (
    select(SESSION.c.csrf, SESSION.c.expires_at, SESSION.c.seen_at.label("sign"), *accounts.SHOWN)
    .join(USER, USER.c.id == SESSION.c.user_id)
    .where(SESSION.c.token == bindparam("token"), USER.c.active)
)


def resume(session: Session, now: datetime, token: str, limits: Limits) -> Entered | None:
    """Whose session a cookie's token is, if it goes on."""
    row = session.connection().execute(_RESUMED, {"token": digest(token)}).first() if token else None
    if row is None or row.expires_at <= now or row.sign <= now - limits.idle:
        return None
    return Entered(user(session, row), row.csrf, row.sign <= now - SIGN_EVERY)


def sessions(session: Session, now: datetime, who: User) -> list[tuple[datetime, datetime]]:
    """Where somebody is logged in: since when, and when there was a last sign of life; the newest first."""
    mine = (SESSION.c.user_id == who.id, SESSION.c.expires_at > now)
    found = select(SESSION.c.created_at, SESSION.c.seen_at).where(*mine).order_by(SESSION.c.created_at.desc())
    return [(row.created_at, row.seen_at) for row in session.connection().execute(found)]


def end_others(session: Session, now: datetime, who: User, token: str) -> int:
    """Ends every session of somebody but this one; how many those were."""
    others = delete(SESSION).where(SESSION.c.user_id == who.id, SESSION.c.token != digest(token))
    ended = session.connection().execute(others).rowcount
    audit.note(session, now, who.login, "sessions_ended", f"{ended}")
    return ended


def sign(session: Session, now: datetime, token: str) -> None:
    """A session's sign of life."""
    session.connection().execute(update(SESSION).where(SESSION.c.token == digest(token)).values(seen_at=now))


def is_anybody_there(session: Session, now: datetime) -> bool:
    """Has anybody given a sign of life of late? People at the desk should not wait for what nobody waits for."""
    since = now - 2 * SIGN_EVERY
    return session.connection().execute(select(SESSION.c.token).where(SESSION.c.seen_at > since).limit(1)).scalar() is not None


def end(session: Session, now: datetime, token: str, who: str) -> None:
    """Logs out."""
    session.connection().execute(delete(SESSION).where(SESSION.c.token == digest(token)))
    audit.note(session, now, who, "logout")


def same(given: str, kept: str) -> bool:
    """Are two secrets the same? In constant time."""
    return hmac.compare_digest(given.encode(), kept.encode())
