"""The only place that asks the system what time it is."""

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]


def utc(moment: datetime) -> datetime:
    """The same moment in UTC, as everything inside keeps it. Raises ValueError for one without a time zone."""
    if moment.tzinfo is None:
        raise ValueError(f"{moment} has no time zone")
    return moment.astimezone(UTC)


def system_clock() -> datetime:
    """Now, in UTC."""
    return datetime.now(UTC)
