"""temporary"""
from dataclasses import dataclass
from datetime import datetime
@dataclass(frozen=True, slots=True)
class Draft:
    recipient: str
    kind: str
    language: str
    facts: bytes
    key: str
    about: str
    party: str
    urgent: bool
    not_before: datetime | None
