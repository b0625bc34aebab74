"""Does one issue row agree with itself? What has to be there in its state, and which day must not be before which."""

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from escalation.ledger.lines import IssueLine
from escalation.ledger.path import Move


class Flaw(NamedTuple):
    """What is wrong with a row: the column, what it says, and the mend."""

    column: str
    value: str
    why: str


#: state -> what it cannot be without.
NEEDS = {
    "pending_intake": (),
    "pending_ack": ("responsible_org",),
    "processing": ("responsible_org",),
    "pending_review": ("responsible_org", "resolved_submitted_on"),
    "suspended": ("responsible_org", "resume_on"),
    "closed": ("responsible_org", "closed_on"),
}
#: Days of which the second is never before the first.
ORDER = (
    ("reported_on", "dispatched_on"),
    ("dispatched_on", "stage_started_on"),
    ("stage_started_on", "due_on"),
    ("stage_started_on", "ack_due_on"),
    ("stage_started_on", "acknowledged_on"),
    ("stage_started_on", "resolved_submitted_on"),
    ("resolved_submitted_on", "closed_on"),
    ("stage_started_on", "closed_on"),
    ("dispatched_on", "due_on"),
)
#: Days that have been: none of them is after the day the row was looked at.
PAST = ("reported_on", "dispatched_on", "stage_started_on", "acknowledged_on", "resolved_submitted_on", "closed_on")
#: What a row must not have before its state has come that far.
TOO_EARLY = {"closed_on": ("closed",), "resolved_submitted_on": ("pending_review", "closed")}


def flaws(line: IssueLine, today: date, zone: ZoneInfo, path: Sequence[Move] = ()) -> Iterator[Flaw]:
    """Everything in the row that does not fit together, as seen on `today`; `path`: the moves of its escalation_path."""
    days = _days(line, zone)
    yield from _two_answers(line, zone)
    yield from _missing(line, days)
    for first, second in ORDER:
        if first in days and second in days and days[second] < days[first]:
            yield Flaw(second, str(days[second]), f"is before {first} ({days[first]}); mend one of the two")
    as_of = line.as_of or today
    if as_of > today:
        yield Flaw("as_of", str(as_of), f"is after today ({today}); mend the date")
    for name in PAST:
        if name in days and days[name] > as_of:
            yield Flaw(name, str(days[name]), f"is after the day of the ledger ({as_of}); mend one of the two")
    if line.state == "suspended" and line.resume_on is not None and line.resume_on <= as_of:
        yield Flaw("resume_on", str(line.resume_on), f"is not ahead of {as_of}; give a later date, or the state it resumed to")
    yield from _path_flaws(line, days, path)


def _path_flaws(line: IssueLine, days: dict[str, date], path: Sequence[Move]) -> Iterator[Flaw]:
    stays = [move.on for move in path if move.way != "skipped"]
    begun = days.get("stage_started_on")
    if stays and begun is not None and begun != stays[-1]:
        why = f"is not the day of the last move in escalation_path ({stays[-1]}); mend one of the two"
        yield Flaw("stage_started_on", str(begun), why)
    if stays and "dispatched_on" in days and stays[0] < days["dispatched_on"]:
        why = f"moves on {stays[0]}, before the dispatch on {days['dispatched_on']}; mend one of the two"
        yield Flaw("escalation_path", line.escalation_path, why)


def _local_day(at: datetime, zone: ZoneInfo) -> date:
    return at.date() if at.tzinfo is None else at.astimezone(zone).date()


def _two_answers(line: IssueLine, zone: ZoneInfo) -> Iterator[Flaw]:
    """A date and a timestamp for the same thing, of different days."""
    for name in ("reported", "dispatched", "due"):
        at, day = getattr(line, f"{name}_at"), getattr(line, f"{name}_on")
        if at is None or day is None:
            continue
        allowed = (day, line.stage_started_on) if name == "dispatched" else (day,)
        if _local_day(at, zone) not in allowed:
            yield Flaw(f"{name}_at", str(at), f"is of another day than {name}_on ({day}); mend one of the two, or clear one")


def _days(line: IssueLine, zone: ZoneInfo) -> dict[str, date]:
    """The row's days; a full timestamp stands for its day where the day itself is not given."""
    found = {name: getattr(line, name) for name in {*PAST, "due_on", "ack_due_on"}}
    for name in ("reported", "dispatched", "due"):
        at = getattr(line, f"{name}_at")
        if found[f"{name}_on"] is None and at is not None:
            found[f"{name}_on"] = _local_day(at, zone)
    if found["stage_started_on"] is None and not line.escalation_path:
        found["stage_started_on"] = found["dispatched_on"]
    return {name: day for name, day in found.items() if day is not None}


def _missing(line: IssueLine, days: dict[str, date]) -> Iterator[Flaw]:
    if line.state not in NEEDS:
        yield Flaw("state", line.state, "is an end that has no place in a journal that begins here; leave the row out")
        return
    for name in NEEDS[line.state]:
        if not getattr(line, name):
            yield Flaw(name, "", f"is empty, but the state is {line.state}; fill it in, or mend the state")
    if line.state != "pending_intake":
        for name in ("dispatched", "due"):
            if f"{name}_on" not in days and getattr(line, f"{name}_at") is None:
                yield Flaw(f"{name}_on", "", f"is empty, but the state is {line.state}; fill it in, or mend the state")
    for name, states in TOO_EARLY.items():
        if name in days and line.state not in states:
            yield Flaw(name, str(days[name]), f"is given, but the state is {line.state}; clear it, or mend the state")
