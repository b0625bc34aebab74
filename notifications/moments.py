"""Moments in the database: aware datetimes, kept in UTC."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from sqlalchemy.engine import Dialect
from sqlalchemy.types import UserDefinedType


@lru_cache(maxsize=8192)
def moment_text(moment: datetime) -> str:
    """A moment as SQLite keeps it: UTC, microseconds always written, so that text sorts as time does.

    Raises ValueError for a naive one.
    """
    return aware(moment).astimezone(UTC).isoformat(sep=" ", timespec="microseconds")


def aware(moment: datetime) -> datetime:
    """The moment itself. Raises ValueError for one without a time zone."""
    if moment.tzinfo is None:
        raise ValueError(f"{moment} has no time zone")
    return moment


class Moment(UserDefinedType[datetime]):
    """A column of aware moments: text in SQLite, timestamptz in PostgreSQL; always UTC when read.

    Not a TypeDecorator: a sweep reads a dozen moments an issue, and two Python calls for each cost more than the query.
    """

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        """Its name where no dialect says otherwise."""
        return "TIMESTAMP WITH TIME ZONE"

    def bind_processor(self, dialect: Dialect) -> Callable[[datetime | None], Any]:
        """Towards the database. Raises ValueError for a naive moment."""
        written: Callable[[datetime], Any] = moment_text if dialect.name == "sqlite" else aware
        return lambda moment: None if moment is None else written(moment)

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], datetime | None]:
        """From the database."""
        if dialect.name == "sqlite":
            read = datetime.fromisoformat
            return lambda text: None if text is None else read(text)
        return lambda moment: None if moment is None else moment.astimezone(UTC)
