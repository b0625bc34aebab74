"""Rows as JSON and back, the same from SQLite and PostgreSQL: what the archive and the backups are written in."""

import base64
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

import orjson
from sqlalchemy import Date, LargeBinary, Table

from notifications.moments import Moment


class Kept:
    """A row that did not come from a query; it is read as one that did."""

    def __init__(self, mapping: Mapping[str, Any]) -> None:
        self._mapping = dict(mapping)

    def __getattr__(self, name: str) -> Any:
        try:
            return self._mapping[name]
        except KeyError:
            raise AttributeError(name) from None


def to_json(row: Any) -> bytes:
    """A row (any mapping) on one line; bytes as base64, moments in UTC."""
    return orjson.dumps({str(name): value for name, value in row.items()}, default=_plain)


def _plain(value: Any) -> str:
    if isinstance(value, bytes | memoryview):
        return base64.b64encode(value).decode()
    raise TypeError(f"{type(value).__name__} cannot be kept")


def from_json(table: Table, value: bytes | Mapping[str, Any]) -> dict[str, Any]:
    """The row again, with the types of its table. Columns that the table does not have are left out, KeyError for none."""
    told = orjson.loads(value) if isinstance(value, bytes) else value
    return {name: _typed(table.c[name].type, each) for name, each in told.items() if name in table.c}


def _typed(kind: Any, value: Any) -> Any:
    if value is None:
        return None
    if isinstance(kind, LargeBinary):
        return base64.b64decode(value)
    if isinstance(kind, Moment):
        return datetime.fromisoformat(value).astimezone(UTC)
    if isinstance(kind, Date):
        return date.fromisoformat(value)
    return value
