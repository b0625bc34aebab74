"""Requests to a city with deadlines of their own (Boston 311): raised when opened, closed when closed, due when the city says."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from escalation.commands import Raise
from escalation.models import Authority, ProjectRow
from tests.acceptance.logs import moment, named_apart, rows_of
from tests.acceptance.replaying import Command, Setting, after, solved

NAME = "boston"
COLUMNS = frozenset({"case_enquiry_id", "open_dt", "sla_target_dt", "closed_dt", "on_time"})
CITY = "Boston"
CALLER = "CALLER"
#: Who closes at each stage.
COORDINATOR = {"queue": "DESK", "department": "MAYOR"}


class Request(NamedTuple):
    """One line of the city's list. It says overdue or not; we are to find the same."""

    case: str
    opened: datetime
    target: datetime | None
    closed: datetime | None
    overdue: bool
    category: str
    neighborhood: str
    queue: str


@dataclass(frozen=True, slots=True)
class Boston:
    """What the city's list says."""

    requests: list[Request]
    #: Lines that contradict themselves: closed before they were opened. They are taken as opened when closed.
    backwards: list[str]

    @property
    def end(self) -> datetime:
        """'Now': after the last thing that happened."""
        return after([each.closed or each.opened for each in self.requests] + [each.opened for each in self.requests])


def read(path: Path, most: int | None = None) -> Boston:
    """The city's list, in any order; only some of it, from all over, if `most` is given."""
    requests, backwards = [], []
    rows = rows_of(path)
    step = max(1, len(rows) // most) if most else 1
    for case, row in named_apart(rows[::step], "case_enquiry_id"):
        opened = moment(row["open_dt"])
        closed = moment(row["closed_dt"]) if row["closed_dt"] else None
        if closed is not None and closed < opened:
            backwards.append(case)
            opened = closed
        requests.append(
            Request(
                case,
                opened,
                moment(row["sla_target_dt"]) if row["sla_target_dt"] else None,
                closed,
                row["on_time"] == "OVERDUE",
                row.get("type") or "unknown",
                row.get("neighborhood") or "unknown",
                row.get("queue") or "unknown",
            )
        )
    return Boston(requests, backwards)


def setting(requests: Sequence[Request]) -> Setting:
    """Every queue is an organ, every neighbourhood a project, every type a category."""
    town = Setting("boston", "UTC", ("00:00", "00:00"))
    town.party(CALLER, "Callers", "owner", "Callers", "project_owner")
    town.party(COORDINATOR["queue"], "Service desk", "queue", "Service desk", "city_coordinator", CITY)
    town.party(COORDINATOR["department"], "Mayor's office", "department", "Mayor's office", "province_office")
    town.party("DEPARTMENTS", "Heads of departments", "department", "Heads of departments")
    for number, queue in enumerate(sorted({each.queue for each in requests})):
        town.party(f"Q{number}", f"Queue {queue}", "queue", _organ(queue))
    for name in sorted({each.neighborhood for each in requests}):
        town.projects.append(ProjectRow(code=name, name=f"Neighborhood {name}", lead_city=CITY, owner_org="Callers"))
    for name in sorted({each.category for each in requests}):
        organs = {"department": "Heads of departments"}
        town.catalogue.append(Authority(category=name, name=name, entry="queue", organs=organs))
    return town


def _organ(queue: str) -> str:
    return f"Queue {queue}"


def commands_of(requests: Sequence[Request]) -> list[Command]:
    """What people did: they called, and somebody solved and closed it."""
    log = []
    for each in requests:
        raised = Raise(each.neighborhood, each.category, "general", each.case, CALLER, _organ(each.queue), due_at=each.target)
        log.append(Command(each.opened, each.case, raised))
        if each.closed is not None:
            log.append(Command(each.closed, each.case, solved(COORDINATOR)))
    return log


def overdue_by_ourselves(requests: Sequence[Request], now: datetime) -> set[str]:
    """Overdue: closed, or still open, strictly after the target."""
    return {each.case for each in requests if each.target is not None and (each.closed or now) > each.target}
