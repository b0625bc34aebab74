"""Issues as pages and programs leaf through them: narrowed, searched, sorted, counted and cut into pages by the database."""

import base64
import binascii
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time
from difflib import SequenceMatcher
from typing import Any, NamedTuple

import orjson
from sqlalchemy import ColumnElement, Connection, Select, and_, case, func, literal, not_, or_, select, true
from sqlmodel import Session

from escalation import finding, searching, views
from escalation.clock import utc
from escalation.errors import UsageError
from escalation.finding import Narrowed
from escalation.queries import ISSUE
from escalation.scope import Sight, within
from escalation.world import World
from notifications.among import among
from notifications.moments import Moment
from workflows.facts import OPEN, STATUSES
from workflows.sentence import Several, say

#: The clock of an issue stands still in these.
STILL = ("pending_review", "suspended")
LIGHTS = ("red", "yellow", "green")
FAR = datetime(9999, 1, 1, tzinfo=UTC)
MOST = 200
#: No key of a table is greater.
LARGEST = 2**53
#: From which likeness on two titles may mean the same.
ALIKE = 0.45
#: More than so many are not counted: nobody reads on, and at a million issues counting would take longer than the page.
MANY = 1_000


class Part(NamedTuple):
    """A part of a list: which issues, and by which column they are sorted (None: by their ids alone)."""

    column: ColumnElement[Any] | None
    #: Only what is over, only what is open, or both.
    over: bool | None = None
    #: Only where the clock stands still, only where it runs, or both.
    still: bool | None = None
    #: Only what has a deadline, only what has none, or both.
    dated: bool | None = None

    def conditions(self, wanted: "Filter") -> Iterator[ColumnElement[bool]]:
        """Its conditions, beside those that the filter says already: said twice, PostgreSQL thinks them twice as rare.

        A light and `overdue` say that a clock runs, and a status whether it does; where they contradict, the part `is_empty`.
        """
        clocked = bool(wanted.light or wanted.overdue)
        if self.over is not None and not wanted.state and not clocked:
            yield ISSUE.c.closed_at.is_not(None) if self.over else ISSUE.c.closed_at.is_(None)
        if self.still is not None and not wanted.status and not clocked:
            yield ISSUE.c.status.in_(STILL) if self.still else ISSUE.c.status.not_in(STILL)
        if self.dated is not None:
            yield ISSUE.c.due_at.is_not(None) if self.dated else ISSUE.c.due_at.is_(None)

    def is_empty(self, wanted: "Filter") -> bool:
        """Is nothing of it wanted? It need not be looked through then."""
        ended = wanted.state == "over" or bool(wanted.status and wanted.status not in OPEN)
        clocked = bool(wanted.light or wanted.overdue)
        live = clocked or wanted.state == "open" or wanted.status in OPEN
        running = clocked or bool(wanted.status and wanted.status not in STILL)
        return bool(
            (self.over is True and live and not ended)
            or (self.over is False and ended)
            or (self.still is True and running)
            or (self.still is False and wanted.status in STILL)
        )


_RUNS = Part(ISSUE.c.due_at, over=False, still=False, dated=True)
_DATED, _NOT_DATED = Part(ISSUE.c.due_at, dated=True), Part(None, dated=False)
_CHANGED = func.coalesce(ISSUE.c.changed_at, ISSUE.c.raised_at)
#: How a list may be sorted: name -> its parts one after the other, and whether the largest comes first. Each part is read in
#: the order of an index; one expression over all of them would sort a million rows. `worst`: the longest overdue first, and
#: where no clock runs last.
SORTS: Mapping[str, tuple[tuple[Part, ...], bool]] = {
    "worst": (
        (
            _RUNS,
            Part(ISSUE.c.due_at, over=False, still=True, dated=True),
            Part(None, over=False, dated=False),
            Part(None, over=True),
        ),
        False,
    ),
    "due": ((_DATED, _NOT_DATED), False),
    "-due": ((_NOT_DATED, _DATED), True),
    "number": ((Part(ISSUE.c.number),), False),
    "-number": ((Part(ISSUE.c.number),), True),
    "raised": ((Part(ISSUE.c.raised_at),), False),
    "-raised": ((Part(ISSUE.c.raised_at),), True),
    "changed": ((Part(_CHANGED),), False),
    "-changed": ((Part(_CHANGED),), True),
}

#: Those whose index has all that is counted; by another a thousand rows would be fetched, to be counted alone.
IN_ONE_LOOK = ("worst", "due", "-due")


@dataclass(frozen=True, slots=True)
class Filter:
    """What a list is narrowed to; empty means all."""

    q: str = ""
    stage: str = ""
    status: str = ""
    #: `red`, `yellow`, `green`.
    light: str = ""
    overdue: bool = False
    #: Only what is open, only what is over, or both (``).
    state: str = ""
    city: str = ""
    department: str = ""
    project: str = ""
    category: str = ""
    severity: str = ""
    #: A party's code: what it leads, answers for or raised.
    mine: str = ""
    sort: str = "worst"


@dataclass(slots=True)
class Page:
    """Some issues, and where the next ones begin (`""`: these are the last)."""

    items: list[dict[str, Any]]
    next: str = ""
    total: int | None = None


def page(
    session: Session, world: World, seen: Sight, wanted: Filter, now: datetime, *, cursor: str = "", limit: int = 50
) -> Page:
    """A page of issues. Raises UsageError for a filter, sort or cursor that makes no sense."""
    return _page(session, world, _fitting(session, world, seen, wanted, now), wanted, now, cursor, limit)


def _page(
    session: Session, world: World, fits: ColumnElement[bool], wanted: Filter, now: datetime, cursor: str, limit: int
) -> Page:
    if not 1 <= limit <= MOST:
        raise UsageError(say("limit {limit} is out of range", limit=limit), say("1 to {most}", most=MOST))
    rows: list[tuple[int, Any]] = []
    for place, part, those, order in _parts(world, fits, wanted, now, cursor):
        if len(rows) <= limit:
            found = finding.found_first(those, order, limit + 1 - len(rows), _key(part).label("sorted_by"))
            rows += [(place, row) for row in session.connection().execute(found)]
    following = _cursor(wanted.sort, *rows[limit - 1]) if len(rows) > limit else ""
    return Page([views.issue(row, world, now) for _, row in rows[:limit]], following)


def opened(
    session: Session, world: World, seen: Sight, wanted: Filter, now: datetime, *, cursor: str = "", limit: int = 50
) -> tuple[Page, "Tally"]:
    """A page of a list, and how many there are in all. As it opens, what is not many is found, counted and lit in one look."""
    fits = _fitting(session, world, seen, wanted, now)
    known = world.lately(("many", seen, wanted, wanted.light), utc(now)) is not None
    if cursor or known or wanted.sort not in IN_ONE_LOOK:
        shown = _page(session, world, fits, wanted, now, cursor, limit)
        if shown.next or cursor:
            return shown, _tally(session.connection(), world, fits, seen, wanted, utc(now))
        return shown, _told(each["light"] for each in shown.items)
    connection = session.connection()
    found: list[tuple[int, Any]] = []
    for place, part, those, order in _parts(world, fits, wanted, now):
        if len(found) <= MANY:
            told = those.add_columns(_key(part).label("sorted_by"), lit(world, utc(now)).label("light"))
            found += [(place, row) for row in connection.execute(told.order_by(*order).limit(MANY + 1 - len(found)))]
    # between the two statements the archive may take one of them away
    ids = [row.id for _, row in found[:limit]]
    rows = {row.id: row for row in connection.execute(select(ISSUE).where(among(ISSUE.c.id, ids)))}
    following = _cursor(wanted.sort, *found[limit - 1]) if len(found) > limit else ""
    first = Page([views.issue(rows[each], world, now) for each in ids if each in rows], following)
    if len(found) > MANY:
        world.shortly(("many", seen, wanted, wanted.light), len(found), utc(now))
        return first, _tally(connection, world, fits, seen, wanted, utc(now))
    return first, _told(row.light for _, row in found)


def _parts(
    world: World, fits: ColumnElement[bool], wanted: Filter, now: datetime, cursor: str = ""
) -> Iterator[tuple[int, Part, Select[tuple[int]], list[ColumnElement[Any]]]]:
    """The parts of a list from its cursor on: which place each has, the ids that fit, and their order. Raises UsageError."""
    if wanted.sort not in SORTS:
        raise UsageError(say("there is no sorting {sort!r}", sort=wanted.sort), say("use one of {known}", known=Several(SORTS)))
    parts, largest_first = SORTS[wanted.sort]
    begun, value, last = _place(cursor, wanted.sort) if cursor else (0, "", -1)
    lights = _of_light(wanted.light, world, utc(now))
    for place, part in enumerate(parts):
        if place < begun or part.is_empty(wanted):
            continue
        # of those with a deadline only the bounds of the deadline: an index begins and ends there
        lit_so = or_(*lights) if part.dated is None else lights[0] if part.dated else lights[-1]
        those = select(ISSUE.c.id).where(fits, lit_so, *part.conditions(wanted))
        if cursor and place == begun:
            those = those.where(_beyond(part.column, value, last, largest_first))
        order = [each.desc() if largest_first else each for each in (part.column, ISSUE.c.id) if each is not None]
        yield place, part, those, order


def _key(part: Part) -> ColumnElement[Any]:
    return literal(FAR, Moment()) if part.column is None else part.column


@dataclass(frozen=True, slots=True)
class Tally:
    """How many issues fit, and how many of them have each light. A number above MANY says that there are more than MANY."""

    total: int
    lights: Mapping[str, int]


def _told(lights: Iterable[str]) -> Tally:
    found = Counter(lights)
    return Tally(found.total(), {each: found[each] for each in LIGHTS})


def tally(session: Session, world: World, seen: Sight, wanted: Filter, now: datetime) -> Tally:
    """Counts a list as far as anybody reads on."""
    return _tally(session.connection(), world, _fitting(session, world, seen, wanted, now), seen, wanted, utc(now))


def _tally(connection: Connection, world: World, fits: ColumnElement[bool], seen: Sight, wanted: Filter, now: datetime) -> Tally:
    # that there are more than MANY is said in the same words whatever happens meanwhile
    def kept(name: str) -> int:
        known = world.lately(("many", seen, wanted, name), now)
        return known[0] if known is not None else 0

    def keep(name: str, found: int) -> int:
        if found > MANY:
            world.shortly(("many", seen, wanted, name), found, now)
        return found

    def count(name: str) -> int:
        return kept(name) or keep(name, _many(connection, fits, _of_light(name, world, now)))

    if wanted.light:
        total = count(wanted.light)
        return Tally(total, {each: total * (each == wanted.light) for each in LIGHTS})
    lights: dict[str, int] = {}
    total = kept("")
    if not total:
        some = select(lit(world, now).label("light")).where(fits).limit(MANY + 1).subquery()
        counted = select(some.c.light, func.count()).group_by(some.c.light)
        lights = {name: found for name, found in connection.execute(counted)}
        total = keep("", sum(lights.values()))
    if total > MANY:
        lights = {each: count(each) for each in LIGHTS if not _RUNS.is_empty(wanted)}
    return Tally(total, {each: lights.get(each, 0) for each in LIGHTS})


def _many(connection: Connection, fits: ColumnElement[bool], either: Sequence[ColumnElement[bool]]) -> int:
    """How many fit and are of one or the other kind, as far as they are counted; no issue is of two kinds."""
    found = 0
    for each in either:
        some = select(ISSUE.c.id).where(fits, each).limit(MANY + 1 - found).subquery()
        found += connection.execute(select(func.count()).select_from(some)).scalar() or 0
        if found > MANY:
            break
    return found


def _cursor(sort: str, part: int, row: Any) -> str:
    value = row.sorted_by
    told = [sort, part, value.isoformat() if isinstance(value, datetime) else value, row.id]
    return base64.urlsafe_b64encode(orjson.dumps(told)).decode().rstrip("=")


def _place(cursor: str, sort: str) -> tuple[int, str | datetime, int]:
    """Where a list goes on: in which of its parts, after which value and id. Raises UsageError."""
    try:
        of, part, value, last = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        parts, _ = SORTS[of]
        if of != sort or not all(isinstance(each, int) and 0 <= each <= LARGEST for each in (part, last)) or part >= len(parts):
            raise ValueError(of)
        if not isinstance(value, str) or "\x00" in value:
            raise ValueError(value)
        return part, value if of.endswith("number") else utc(datetime.fromisoformat(value)), last
    except (ValueError, KeyError, TypeError, OverflowError, binascii.Error) as error:
        raise UsageError("this cursor is not of this list", "begin again without a cursor") from error


def _beyond(column: ColumnElement[Any] | None, value: str | datetime, last: int, largest_first: bool) -> ColumnElement[bool]:
    further: ColumnElement[bool] = ISSUE.c.id < last if largest_first else ISSUE.c.id > last
    if column is None:
        return further
    bound = literal(value, column.type) if isinstance(value, str) else literal(value, Moment())
    # the first condition is what an index can begin at
    if largest_first:
        return and_(column <= bound, or_(column < bound, further))
    return and_(column >= bound, or_(column > bound, further))


def _fitting(session: Session, world: World, seen: Sight, wanted: Filter, now: datetime) -> ColumnElement[bool]:
    """What fits a filter and is seen, but for its light (`_of_light`). Raises UsageError for a word it does not know."""
    _known(wanted, world)
    now, connection = utc(now), session.connection()
    narrowed = [
        ISSUE.c[name] == value for name in ("stage", "status", "category", "severity") if (value := getattr(wanted, name))
    ]
    if wanted.state:
        narrowed.append(ISSUE.c.closed_at.is_(None) if wanted.state == "open" else ISSUE.c.closed_at.is_not(None))
    few = False
    if (projects := _projects(world, wanted)) is not None:
        of_projects, few = finding.in_projects(connection, world, now, projects)
        narrowed.append(of_projects)
        seen = seen.of(projects)
    words = replace(wanted, q="", light="", overdue=False, mine="", sort="")
    conditions = [*narrowed, within(connection, seen, world, now, Narrowed((words,), tuple(narrowed), few))]
    if wanted.overdue:
        conditions.append(is_overdue(now))
    if wanted.mine:
        conditions.append(_of_party(world, wanted.mine))
    if q := wanted.q.strip():
        conditions.append(searching.found(session, q, world))
    return and_(*conditions)


def _known(wanted: Filter, world: World) -> None:
    known = {
        "light": LIGHTS,
        "state": ("open", "over"),
        "status": STATUSES,
        "stage": tuple(stage.key for stage in world.rules().workflow.stages) if world.active else (),
        "severity": ("general", "major", "urgent"),
    }
    for name, words in known.items():
        value = getattr(wanted, name)
        if value and value not in words:
            raise UsageError(
                say("there is no {name} {value!r}", name=name, value=value), say("use one of {known}", known=Several(words))
            )


def is_overdue(now: datetime) -> ColumnElement[bool]:
    """Open, its clock running, and past its deadline: `explaining.overdue` as a condition."""
    return and_(_ticking(), or_(ISSUE.c.overdue_at.is_not(None), ISSUE.c.due_at < literal(now, Moment())))


def _ticking() -> ColumnElement[bool]:
    return and_(ISSUE.c.closed_at.is_(None), ISSUE.c.status.not_in(STILL))


def lit(world: World, now: datetime) -> ColumnElement[str]:
    """`red`, `yellow`, `green`, or the empty text where no clock runs: `explaining.light` as an expression."""
    is_green = or_(ISSUE.c.due_at.is_(None), _beyond_yellow(world, now))
    return case((not_(_ticking()), ""), (is_overdue(now), "red"), (is_green, "green"), else_="yellow")


def _of_light(light: str, world: World, now: datetime) -> tuple[ColumnElement[bool], ...]:
    """The same as conditions, one or the other, of one light or of any, whose bounds an index can begin and end at."""
    if not light:
        return (true(),)
    if light == "red":
        return (is_overdue(now),)
    in_time, beyond = and_(_ticking(), ISSUE.c.overdue_at.is_(None)), _beyond_yellow(world, now)
    if light == "green":
        return and_(in_time, beyond), and_(in_time, ISSUE.c.due_at.is_(None))
    return (and_(in_time, ISSUE.c.due_at >= literal(now, Moment()), not_(beyond)),)


def _beyond_yellow(world: World, now: datetime) -> ColumnElement[bool]:
    """Is the deadline on a working day that is too far ahead to be yellow?"""
    calendar = world.calendar
    days = world.rules().workflow.yellow_light.amount if world.active else 0
    first_green = datetime.combine(calendar.add_working_days(calendar.local_day(now), days + 1), time(), calendar.zone)
    bound = literal(utc(first_green), Moment())
    # round the clock, the midnight that begins it still ends the day before
    beyond: ColumnElement[bool] = ISSUE.c.due_at > bound if calendar.closes is None else ISSUE.c.due_at >= bound
    return beyond


def _projects(world: World, wanted: Filter) -> list[int] | None:
    """The projects that a filter names; None where it names none."""
    if not (wanted.city or wanted.department or wanted.project):
        return None
    return [
        each.id
        for each in world.projects.values()
        if (not wanted.city or each.city == wanted.city)
        and (not wanted.department or wanted.department in (each.department, each.department.removeprefix("省")))
        and (not wanted.project or each.code == wanted.project)
    ]


def _of_party(world: World, text: str) -> ColumnElement[bool]:
    party = world.directory.find(text)
    mine = party.id if party is not None else -1
    return or_(ISSUE.c.lead_id == mine, ISSUE.c.responsible_id == mine, ISSUE.c.reporter_id == mine)


def board(session: Session, world: World, seen: Sight, now: datetime) -> list[tuple[int, str, str, int]]:
    """How many open issues of each project, stage and light: project_id, stage, light (`""`: the clock stands), count."""
    connection, light = session.connection(), lit(world, utc(now)).label("light")
    columns = (ISSUE.c.project_id, ISSUE.c.stage, light)
    theirs = within(connection, seen, world, utc(now), finding.OPEN_ONLY)
    statement = select(*columns, func.count()).where(theirs, ISSUE.c.closed_at.is_(None))
    return [tuple(row) for row in connection.execute(statement.group_by(*columns))]


def similar(
    session: Session, world: World, seen: Sight, project: str, title: str, category: str, now: datetime
) -> list[dict[str, Any]]:
    """Open issues of a project that may be the same: of this category, or with a title much like this one; likest first."""
    found = page(session, world, seen, Filter(project=project, state="open", sort="-raised"), now, limit=MOST).items
    alike = [
        (SequenceMatcher(None, title, each["title"]).ratio() + (each["category"] == category) * ALIKE, each) for each in found
    ]
    return [each for likeness, each in sorted(alike, key=lambda pair: -pair[0]) if likeness >= ALIKE][:5]


__all__ = ["Filter", "Page", "Tally", "board", "opened", "page", "similar", "tally"]
