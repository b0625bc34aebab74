"""The tables of who may come in: users and whom they act for, sessions, tokens, the audit, answers kept for a repeated POST."""

from datetime import datetime

from sqlalchemy import JSON, Boolean, Column, Index, LargeBinary, Text, false
from sqlmodel import Field, SQLModel

from escalation.models.columns import moment


class UserRow(SQLModel, table=True):
    """A person who logs in. What they may see and do follows from the parties they act for."""

    __tablename__ = "user"

    id: int | None = Field(default=None, primary_key=True)
    login: str = Field(unique=True)
    name: str
    #: argon2id with its own salt and cost; empty for a user who cannot log in with a password.
    password: str = ""
    #: Somebody else chose the password and knows it: it opens nothing but the form for a new one.
    password_given: bool = Field(default=False, sa_column=Column(Boolean, nullable=False, server_default=false()))
    language: str = "zh_CN"
    active: bool = True
    is_admin: bool = False
    #: Wrong passwords in a row, and until when none is tried any more.
    failures: int = 0
    locked_until: datetime | None = moment()
    created_at: datetime = moment(nullable=False)
    seen_at: datetime | None = moment()


class UserParty(SQLModel, table=True):
    """A user acts for a party."""

    __tablename__ = "user_party"

    user_id: int = Field(primary_key=True, foreign_key="user.id")
    party_id: int = Field(primary_key=True, foreign_key="party.id", index=True)


class UserSubject(SQLModel, table=True):
    """Whom the identity provider means: its issuer and subject, bound to one user the first time that they came."""

    __tablename__ = "user_subject"

    issuer: str = Field(primary_key=True)
    subject: str = Field(primary_key=True)
    user_id: int = Field(unique=True, foreign_key="user.id")
    bound_at: datetime = moment(nullable=False)


class WebSession(SQLModel, table=True):
    """Somebody is logged in. Only a digest of the cookie's token is kept."""

    __tablename__ = "web_session"

    token: bytes = Field(sa_column=Column(LargeBinary, primary_key=True))
    user_id: int = Field(foreign_key="user.id", index=True)
    #: What every form of this session carries.
    csrf: str
    created_at: datetime = moment(nullable=False)
    seen_at: datetime = moment(nullable=False)
    expires_at: datetime = moment(nullable=False, index=True)


class ApiToken(SQLModel, table=True):
    """A program acts for a user, within scopes (`read`, `act`, `admin`). Only a digest of the token is kept."""

    __tablename__ = "api_token"

    id: int | None = Field(default=None, primary_key=True)
    token: bytes = Field(sa_column=Column(LargeBinary, unique=True, nullable=False))
    user_id: int = Field(foreign_key="user.id", index=True)
    name: str
    scopes: list[str] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    created_at: datetime = moment(nullable=False)
    expires_at: datetime | None = moment()
    used_at: datetime | None = moment()
    revoked_at: datetime | None = moment()


class AuditRow(SQLModel, table=True):
    """Who came in, or failed to, and what was changed about users, tokens and mails. Append only."""

    __tablename__ = "audit"

    id: int | None = Field(default=None, primary_key=True)
    at: datetime = moment(nullable=False)
    #: A login, or what was typed as one.
    who: str
    what: str
    detail: str = Field(default="", sa_column=Column(Text, nullable=False))
    #: Where the request came from.
    address: str = ""


Index("ix_audit_address_what_at", AuditRow.__table__.c.address, AuditRow.__table__.c.what, AuditRow.__table__.c.at)  # type: ignore[attr-defined]


class IdempotencyRow(SQLModel, table=True):
    """The answer to a POST with an `Idempotency-Key`, to be given again when the same one is sent twice."""

    __tablename__ = "idempotency"
    __table_args__ = {"sqlite_with_rowid": False}

    user_id: int = Field(primary_key=True, foreign_key="user.id")
    key: str = Field(primary_key=True)
    #: Of method, path and body: the same key for something else is a mistake.
    digest: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    at: datetime = moment(nullable=False, index=True)
    status: int = 0
    answer: bytes = Field(default=b"", sa_column=Column(LargeBinary, nullable=False))
