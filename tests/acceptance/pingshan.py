"""Citizens' requests of a district with a verdict and no closing time (Pingshan 2018): the verdict says when each is closed."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

import chinese_calendar

from escalation.commands import Raise
from escalation.models import Authority, ProjectRow
from tests.acceptance.logs import named_apart, rows_of
from tests.acceptance.replaying import Command, Setting, solved

NAME = "pingshan"
COLUMNS = frozenset({"rec_id", "create_date", "verdict", "event_type", "street", "dispose_unit"})
ZONE = ZoneInfo("Asia/Shanghai")
CITY = "坪山区"
CITIZEN = "CITIZEN"
LIMIT = 10  # working days, as definitions/pingshan.toml says
COORDINATOR = {"unit": "DESK", "district": "OFFICE"}
BLANK = "未填写"


class Request(NamedTuple):
    """One line: a citizen's request, who handled it, and whether in time; no verdict: it is still open."""

    case: str
    raised: datetime
    verdict: str
    event_type: str
    street: str
    unit: str

    @property
    def due(self) -> datetime:
        """The close of the tenth working day, counted here by the library alone."""
        return _at(_working_day(self.raised.astimezone(ZONE).date(), LIMIT), time(17))

    @property
    def groups(self) -> tuple[str, str, str, str]:
        """What the statistics are grouped by: type, street, unit, month."""
        return self.event_type, self.street, self.unit, f"{self.raised.astimezone(ZONE):%Y-%m}"


def _working_day(day: date, number: int) -> date:
    """The working day `number` after a day; one that is off counts as the next that is worked."""
    while not chinese_calendar.is_workday(day):
        day += timedelta(days=1)
    while number:
        day += timedelta(days=1)
        number -= chinese_calendar.is_workday(day)
    return day


def _at(day: date, hour: time) -> datetime:
    return datetime.combine(day, hour, ZONE).astimezone(UTC)


def read(path: Path) -> list[Request]:
    """The district's list, in any order."""
    found = []
    for case, row in named_apart(rows_of(path), "rec_id"):
        created = datetime.fromisoformat(row["create_date"])
        raised = _at(created.date(), created.time() if created.time() != time(0) else time(9))
        found.append(
            Request(case, raised, row["verdict"], *(row[name] or BLANK for name in ("event_type", "street", "dispose_unit")))
        )
    return found


def closing(place: int, request: Request) -> datetime | None:
    """In time: at the very deadline, an hour before, or the next working day. Overtime: a working day after the deadline."""
    due = request.due
    if request.verdict == "overtime":
        return _at(_working_day(due.astimezone(ZONE).date(), 1), time(16))
    if request.verdict != "intime":
        return None
    early = _at(_working_day(request.raised.astimezone(ZONE).date(), 1), time(10))
    return (due, due - timedelta(hours=1), early)[place % 3]


def setting(requests: Sequence[Request]) -> Setting:
    """Units are parties, streets are projects, types are categories; all keep their Chinese names."""
    town = Setting("pingshan", "Asia/Shanghai", ("08:30", "17:00"))
    town.party(CITIZEN, "市民", "owner", "市民", "project_owner")
    town.party(COORDINATOR["unit"], "受理中心协调员", "unit", "受理中心协调员", "city_coordinator", CITY)
    town.party(COORDINATOR["district"], "区专班办公室", "district", "区专班办公室", "province_office")
    town.party("DISTRICT", "区政府承办人", "district", "区政府承办")
    for number, unit in enumerate(sorted({each.unit for each in requests})):
        town.party(f"U{number}", f"{unit}(处置)", "unit", f"{unit}(处置)")
    for street in sorted({each.street for each in requests}):
        town.projects.append(ProjectRow(code=street, name=street, lead_city=CITY, owner_org="市民"))
    for kind in sorted({each.event_type for each in requests}):
        town.catalogue.append(Authority(category=kind, name=kind, entry="unit", organs={"district": "区政府承办"}))
    return town


def commands_of(requests: Sequence[Request]) -> list[Command]:
    """What people did."""
    log = []
    for place, each in enumerate(requests):
        raised = Raise(each.street, each.event_type, "general", each.case, CITIZEN, f"{each.unit}(处置)")
        log.append(Command(each.raised, each.case, raised))
        closed = closing(place, each)
        if closed is not None:
            log.append(Command(closed, each.case, solved(COORDINATOR)))
    return log
