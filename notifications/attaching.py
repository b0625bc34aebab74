"""The bytes of files: kept once by what is in them, however many mails or issues they go with, as long as one needs them."""

from collections.abc import Iterable
from datetime import datetime
from hashlib import sha256

from sqlalchemy import Column, Connection, LargeBinary, Select, delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Field, Session, SQLModel

from notifications.message import Attachment
from notifications.moments import Moment


class AttachmentRow(SQLModel, table=True):
    """A file that goes with mails, or bytes that an issue has; those have no name here."""

    __tablename__ = "attachment"

    digest: str = Field(primary_key=True)
    name: str
    content_type: str
    data: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    kept_at: datetime = Field(sa_column=Column(Moment, nullable=False))


ATTACHMENT = AttachmentRow.__table__  # type: ignore[attr-defined]


def keep(connection: Connection, attachment: Attachment, now: datetime) -> str:
    """Keeps a file unless it is there; its digest, by which a message names it."""
    digest = sha256(f"{attachment.name}\n{attachment.content_type}\n".encode() + attachment.data).hexdigest()
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    row = {"digest": digest, **attachment._asdict(), "kept_at": now}
    connection.execute(insert(ATTACHMENT).values(row).on_conflict_do_nothing(index_elements=["digest"]))
    return digest


def keep_bytes(connection: Connection, digest: str, data: bytes, now: datetime) -> None:
    """Keeps bytes under their own SHA-256, without a name: whoever needs them knows what they are called."""
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    row = {"digest": digest, "name": "", "content_type": "", "data": data, "kept_at": now}
    again = insert(ATTACHMENT).values(row).on_conflict_do_update(index_elements=["digest"], set_={"kept_at": now})
    connection.execute(again)


def altered(connection: Connection, digest: str) -> bool:
    """Are the bytes kept under their own digest others than they were?"""
    data = connection.execute(select(ATTACHMENT.c.data).where(ATTACHMENT.c.digest == digest)).scalar()
    return data is None or sha256(data).hexdigest() != digest


def files(session: Session, digests: Iterable[str]) -> dict[str, Attachment]:
    """The files with these digests; the empty one names none."""
    wanted = {each for each in digests if each}
    if not wanted:
        return {}
    rows = session.connection().execute(select(ATTACHMENT).where(ATTACHMENT.c.digest.in_(wanted)))
    return {row.digest: Attachment(row.name, row.content_type, row.data) for row in rows}


def forget(session: Session, needed: Select[tuple[str]], before: datetime) -> int:
    """Files kept before then that are not among those needed are deleted; how many."""
    old = delete(ATTACHMENT).where(ATTACHMENT.c.kept_at <= before, ATTACHMENT.c.digest.not_in(needed))
    return session.connection().execute(old).rowcount
