"""All that decisions need beside the issue: parties, projects, catalogue, calendar, workflow versions, dead addresses.

It changes seldom, so it is read once and kept until a stamp in the database says that it has changed.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from threading import Lock
from typing import Any, TypeVar

from sqlalchemy import select, update
from sqlmodel import Session

from escalation import addresses
from escalation.models import Authority, CalendarDay, PartyRow, ProjectRow, WorkflowRow
from escalation.models import Counter as CounterRow
from workflows.calendar import WorkCalendar
from workflows.loading import loads
from workflows.machine import LifeCycle
from workflows.parties import Competence, Directory, Party, Project, Route
from workflows.rules import Rules

PARTY = PartyRow.__table__  # type: ignore[attr-defined]
PROJECT = ProjectRow.__table__  # type: ignore[attr-defined]
AUTHORITY = Authority.__table__  # type: ignore[attr-defined]
WORKFLOW = WorkflowRow.__table__  # type: ignore[attr-defined]
DAY = CalendarDay.__table__  # type: ignore[attr-defined]
COUNTER = CounterRow.__table__  # type: ignore[attr-defined]
STAMP = "world"
#: A notice names thirteen statutory days off or more; fewer days are corrections, and the year remains a guess.
WHOLE_NOTICE = 11
REMEMBERED = 50_000
#: How long what costs much to find out may be told again.
LATELY = timedelta(minutes=1)
T = TypeVar("T")


class World:
    """Everything around the issues at one moment; a value that is replaced when something in it changes."""

    def __init__(
        self,
        stamp: int,
        directory: Directory,
        projects: dict[int, Project],
        catalogue: dict[str, Competence],
        calendar: WorkCalendar,
        sources: dict[str, str],
        active: str,
        bounced: frozenset[str] = frozenset(),
    ) -> None:
        self.stamp = stamp
        self.directory = directory
        self.projects = projects
        self.project_by_code = {project.code: project for project in projects.values()}
        self.catalogue = catalogue
        self.calendar = calendar
        self.sources = sources
        self.active = active
        #: Addresses, in small letters, where no mail arrives.
        self.bounced = bounced
        self._rules: dict[str, Rules] = {}
        self._routes: dict[tuple[str, str, int, str], Route] = {}
        #: What has been worked out from this world and holds as long as it does (who is told of what, in which words).
        self.memo: dict[tuple[object, ...], Any] = {}
        self._day: date | None = None
        #: What was found out in the last minute, and when.
        self._lately: dict[tuple[object, ...], tuple[Any, datetime]] = {}

    def remember(self, key: tuple[object, ...], value: T, day: date | None = None) -> T:
        """Keeps what was worked out, for a `day` if one is named; forgets everything when another begins, or it is too much.

        A thread that is late by midnight may turn the day back once: what is forgotten then is worked out again.
        """
        if len(self.memo) >= REMEMBERED or (day and self._day and day != self._day):
            self.memo.clear()
        self._day = day or self._day
        self.memo[key] = value
        return value

    def forget(self) -> None:
        """Forgets all that was worked out from it; it is worked out again when somebody asks. What was found out lately stays."""
        self.memo.clear()
        self._routes.clear()
        for rules in list(self._rules.values()):
            rules.forget()
        self.calendar.forget()

    def lately(self, key: tuple[object, ...], now: datetime) -> tuple[Any, datetime] | None:
        """What `shortly` kept less than a minute before `now`, and since when it is so."""
        known = self._lately.get(key)
        return known if known is not None and timedelta(0) <= now - known[1] < LATELY else None

    def shortly(self, key: tuple[object, ...], value: T, now: datetime) -> None:
        """Keeps a value for a minute from `now` on."""
        for old in [each for each, (_, since) in list(self._lately.items()) if not timedelta(0) <= now - since < LATELY]:
            self._lately.pop(old, None)
        self._lately[key] = (value, now)

    def once_a_minute(self, key: tuple[object, ...], now: datetime, work: Callable[[], T]) -> T:
        """What `work` answers, asked again only when a minute has gone by since it was."""
        known = self.lately(key, now)
        if known is None:
            known = (work(), now)
            self.shortly(key, known[0], now)
        found: T = known[0]
        return found

    def rules(self, workflow_id: str = "") -> Rules:
        """The rules of a workflow version (`provincial@1`); of the one for new issues when left out. Raises KeyError."""
        key = workflow_id or self.active
        found = self._rules.get(key)
        if found is None:
            life = _life(self.sources[key])
            found = self._rules[key] = Rules(life.workflow, self.calendar, life)
        return found

    def route(self, workflow_id: str, category: str, project_id: int, organ: str = "") -> Route:
        """Who answers, stage by stage, for the issues of a category and project. Raises KeyError for an unknown one."""
        key = (workflow_id, category, project_id, organ)
        found = self._routes.get(key)
        if found is None:
            workflow = self.rules(workflow_id).workflow
            found = self._routes[key] = Route(
                workflow, self.directory, self.projects[project_id], self.competence(workflow_id, category), organ
            )
        return found

    def competence(self, workflow_id: str, category: str) -> Competence:
        """The catalogue's row of a category: the office's own if it imported one, else the workflow's. Raises KeyError."""
        if category in self.catalogue:
            return self.catalogue[category]
        found = self.rules(workflow_id).workflow.category_by_key[category]
        return Competence(found.key, found.name.zh, found.entry, found.organs, found.note)

    def categories(self) -> dict[str, str]:
        """Every category with its Chinese name."""
        own = {key: each.name for key, each in self.catalogue.items()}
        return {category.key: category.name.zh for category in self.rules().workflow.categories} | own


@lru_cache(maxsize=64)
def _life(source: str) -> LifeCycle:
    """One machine a workflow version, whatever else changes around it."""
    return LifeCycle(loads(source, "workflow table"))


def whole_years(days: Iterable[date]) -> list[int]:
    """The years of which so many days were entered that they are taken for the whole notice."""
    return [year for year, entered in Counter(day.year for day in days).items() if entered >= WHOLE_NOTICE]


# one calendar holds every working day of half a century: the present one, and the one before it while some still look
@lru_cache(maxsize=2)
def _calendar(zone: str, opens: str, closes: str, overrides: tuple[tuple[date, bool], ...]) -> WorkCalendar:
    if opens == closes:
        return WorkCalendar.round_the_clock(zone)
    years = whole_years(day for day, _ in overrides)
    return WorkCalendar.published(
        zone,
        dict(overrides),
        years,
        time.fromisoformat(opens),
        time.fromisoformat(closes),
    )


class WorldReader:
    """Reads the world when it has changed, and answers the one it has when not."""

    def __init__(self, zone: str = "Asia/Shanghai", opens: str = "08:30", closes: str = "17:00") -> None:
        self.zone, self.opens, self.closes = zone, opens, closes
        self._known: World | None = None
        self._loading = Lock()

    def read(self, session: Session) -> World:
        """The world as this transaction sees it."""
        stamp = session.connection().execute(select(COUNTER.c.last).where(COUNTER.c.prefix == STAMP)).scalar() or 0
        known = self._known
        if known is None or known.stamp != stamp:
            # forty threads that notice at once would each read it, and nobody would be answered meanwhile
            with self._loading:
                known = self._known
                if known is None or known.stamp != stamp:
                    known = self._known = self._load(session, stamp)
        return known

    def forget(self) -> None:
        """What was worked out from the world is forgotten, the world is not."""
        if self._known is not None:
            self._known.forget()

    def _load(self, session: Session, stamp: int) -> World:
        # plain rows: a province has thousands of parties, and as objects of the store they take two to four times as long
        connection = session.connection()
        directory = Directory([Party(**row) for row in connection.execute(select(PARTY).order_by(PARTY.c.id)).mappings()])
        versions = connection.execute(select(WORKFLOW)).all()
        active = max((row for row in versions if row.active), key=lambda row: row.added_at, default=None)
        days = connection.execute(select(DAY.c.day, DAY.c.working).order_by(DAY.c.day))
        return World(
            stamp,
            directory,
            {row.id: _project(row, directory) for row in connection.execute(select(PROJECT))},
            {
                row.category: Competence(row.category, row.name, row.entry, row.organs, row.note)
                for row in connection.execute(select(AUTHORITY))
            },
            _calendar(self.zone, self.opens, self.closes, tuple((row.day, row.working) for row in days)),
            {row.id: row.source for row in versions},
            active.id if active else "",
            addresses.bounced(session),
        )


def touch(session: Session) -> None:
    """Says to every process that the world has changed. Call it in the transaction that changes it."""
    changed = session.connection().execute(update(COUNTER).where(COUNTER.c.prefix == STAMP).values(last=COUNTER.c.last + 1))
    if changed.rowcount == 0:
        session.add(CounterRow(prefix=STAMP, last=1))
        session.flush()


def _project(row: Any, directory: Directory) -> Project:
    return Project(
        id=row.id,
        code=row.code,
        name=row.name,
        city=row.lead_city,
        department=department_organ(row.industry_department, directory),
        owner_organ=row.owner_org,
        sponsor=row.sponsor_leader_role.split("(")[0].split("(")[0].strip(),
    )


def department_organ(industry_department: str, directory: Directory) -> str:
    """The organ behind the ledger's short name of a department: 工信厅 is 省工信厅."""
    for name in (industry_department, f"省{industry_department}"):
        if name in directory.handlers:
            return name
    return industry_department
