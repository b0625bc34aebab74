"""temporary"""
from datetime import datetime
from hashlib import sha256
from sqlalchemy import Column, LargeBinary, Index
from sqlmodel import Field, SQLModel
from notifications.moments import Moment
class OutboxRow(SQLModel, table=True):
    __tablename__ = "outbox"
    id: int | None = Field(default=None, primary_key=True)
    key: str = Field(unique=True)
    message_id: str
    channel: str = "mail"
    recipient: str
    party: str = ""
    language: str = "zh_CN"
    kind: str
    about: str = Field(default="", index=True)
    facts: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    urgent: bool = False
    state: str = "queued"
    attempts: int = 0
    queued_at: datetime = Field(sa_column=Column(Moment, nullable=False))
    next_try_at: datetime = Field(sa_column=Column(Moment, nullable=False))
    lease_until: datetime | None = Field(default=None, sa_column=Column(Moment))
    lease_by: str | None = None
    sent_at: datetime | None = Field(default=None, sa_column=Column(Moment))
    last_error: str = ""
COLUMNS = ("key","message_id","channel","recipient","party","language","kind","about","facts","urgent","state","attempts","queued_at","next_try_at","last_error")
def row_values(d, now, domain):
    return (d.key, f"<{sha256(d.key.encode()).hexdigest()[:32]}@{domain}>", "mail", d.recipient, d.party, d.language, d.kind, d.about, d.facts, d.urgent, "queued", 0, now, d.not_before or now, "")
