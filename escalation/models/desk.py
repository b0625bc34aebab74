"""The tables of what people put down at the desk: files of issues, files and texts that are not sent yet, lists with a name."""

from datetime import datetime

from sqlalchemy import JSON, Column, Index, Text
from sqlmodel import Field, SQLModel

from escalation.models.columns import moment


class FileRow(SQLModel, table=True):
    """A file that belongs to an issue. Its bytes are in `attachment`, once, however many issues have it."""

    __tablename__ = "issue_file"
    __table_args__ = {"sqlite_with_rowid": False}

    #: No key to `issue`: an archived issue keeps its files where they are.
    issue_id: int = Field(primary_key=True)
    no: int = Field(primary_key=True)
    digest: str = Field(index=True)
    name: str
    content_type: str
    size: int
    #: The journal entry that it came with, and who brought it.
    seq: int
    party: str
    at: datetime = moment(nullable=False)


Index("ix_issue_file_once", FileRow.__table__.c.issue_id, FileRow.__table__.c.digest, unique=True)  # type: ignore[attr-defined]


class UploadRow(SQLModel, table=True):
    """A file that a user has brought and not sent yet: it outlives a refusal, a conflict, a session."""

    __tablename__ = "upload"
    __table_args__ = {"sqlite_with_rowid": False}

    user_id: int = Field(primary_key=True, foreign_key="user.id")
    #: Which form it was brought to.
    place: str = Field(primary_key=True)
    digest: str = Field(primary_key=True, index=True)
    name: str
    content_type: str
    size: int
    at: datetime = moment(nullable=False, index=True)


class DraftRow(SQLModel, table=True):
    """What a user has typed into a form and not sent yet."""

    __tablename__ = "draft"
    __table_args__ = {"sqlite_with_rowid": False}

    user_id: int = Field(primary_key=True, foreign_key="user.id")
    place: str = Field(primary_key=True)
    content: dict[str, str] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    saved_at: datetime = moment(nullable=False, index=True)


class ViewRow(SQLModel, table=True):
    """A list of issues that a user has given a name."""

    __tablename__ = "saved_view"
    __table_args__ = {"sqlite_with_rowid": False}

    user_id: int = Field(primary_key=True, foreign_key="user.id")
    name: str = Field(primary_key=True)
    #: What it is narrowed to, as in the address of the page.
    query: str = Field(sa_column=Column(Text, nullable=False))
    saved_at: datetime = moment(nullable=False)
