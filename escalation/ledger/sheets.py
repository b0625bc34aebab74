"""What a sheet of a workbook has in it, before anybody writes it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

Value = str | int | float | date | datetime | None


@dataclass(frozen=True, slots=True)
class Sheet:
    """A sheet: its title, its headers, its rows."""

    title: str
    headers: Sequence[str]
    rows: Sequence[Sequence[Value]]
