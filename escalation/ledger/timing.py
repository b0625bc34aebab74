"""When what happened to an issue, as far as its row tells; the rest is chosen (see `history`)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time

from escalation.ledger.lines import IssueLine
from escalation.ledger.path import Move
from workflows.calendar import WorkCalendar

#: When offices dispatch, and when a ledger is looked at.
MORNING = time(9)


class BadHistory(ValueError):
    """A row that does not add up to a life: which column, what it says, and the mend."""

    def __init__(self, column: str, why: str) -> None:
        super().__init__(why)
        self.column = column
        self.why = why


@dataclass(frozen=True, slots=True)
class Times:
    """The moments of one row, in UTC."""

    line: IssueLine
    calendar: WorkCalendar
    raised: datetime
    #: The first dispatch; None at intake.
    dispatched: datetime | None
    #: The look at the ledger: nothing happened after it.
    as_of: datetime

    def moment(self, at: datetime) -> datetime:
        """A moment of the row: without a zone it is one of the calendar's."""
        return _moment(at, self.calendar)

    def morning(self, day: date) -> datetime:
        """When an office dispatches on a day."""
        return _morning(day, self.calendar)

    def given(self, day: date) -> datetime | None:
        """The time of dispatch that the row gives, if it is one of that day."""
        return _given(self.line, self.calendar, day)


def times_of(line: IssueLine, moves: Sequence[Move], calendar: WorkCalendar, now: datetime | None) -> Times:
    """The moments of a row; `now`: none is later. Raises BadHistory."""
    dispatched = None if line.state == "pending_intake" else _dispatched(line, calendar)
    raised = _raised(line, calendar, dispatched)
    return Times(line, calendar, raised, dispatched, _as_of(line, moves, calendar, (raised, dispatched), now))


def _moment(at: datetime, calendar: WorkCalendar) -> datetime:
    return (at.replace(tzinfo=calendar.zone) if at.tzinfo is None else at).astimezone(UTC)


def _morning(day: date, calendar: WorkCalendar) -> datetime:
    return datetime.combine(day, MORNING, calendar.zone).astimezone(UTC)


def _given(line: IssueLine, calendar: WorkCalendar, day: date | None) -> datetime | None:
    if line.dispatched_at is None:
        return None
    at = _moment(line.dispatched_at, calendar)
    return at if day is None or calendar.local_day(at) == day else None


def _dispatched(line: IssueLine, calendar: WorkCalendar) -> datetime:
    at = _given(line, calendar, line.dispatched_on)
    if at is not None:
        return at
    if line.dispatched_on is None:
        raise BadHistory("dispatched_on", "is empty; an issue beyond intake has a date of dispatch")
    return _morning(line.dispatched_on, calendar)


def _raised(line: IssueLine, calendar: WorkCalendar, dispatched: datetime | None) -> datetime:
    if line.reported_at is not None:
        return _moment(line.reported_at, calendar)
    if line.reported_on is None:
        raise BadHistory("reported_on", "is empty; every issue has a date on which it was reported")
    opening = calendar.opening(line.reported_on)
    if dispatched is not None and calendar.local_day(dispatched) == line.reported_on:
        return min(opening, dispatched)
    return opening


def _as_of(
    line: IssueLine,
    moves: Sequence[Move],
    calendar: WorkCalendar,
    begun: tuple[datetime, datetime | None],
    now: datetime | None,
) -> datetime:
    if line.as_of is None and now is not None:
        return now
    known = [at for at in (*begun, _given(line, calendar, None)) if at is not None]
    if line.as_of is not None:
        latest = max(_morning(line.as_of, calendar), *known)
    else:
        days = (line.stage_started_on, line.acknowledged_on, line.resolved_submitted_on, line.closed_on)
        known += [_morning(day, calendar) for day in (*days, *(move.on for move in moves)) if day is not None]
        latest = max(known)
    return latest if now is None else min(latest, now)
