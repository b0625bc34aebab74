"""Issues as pages and programs leaf through them: narrowed, searched, sorted, counted and cut into pages by the database."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time
from difflib import SequenceMatcher
from typing import Any

import orjson
from sqlalchemy import ColumnElement, and_, case, func, literal, not_, or_, select
from sqlmodel import Session

from escalation import searching, views
from escalation.clock import utc
from escalation.errors import UsageError
from escalation.queries import ISSUE
from escalation.scope import Sight, visible
from escalation.world import World
from notifications.moments import Moment
from workflows.facts import STATUSES

#: The clock of an issue stands still in these.
STILL = ("pending_review", "suspended")
FAR = datetime(9999, 1, 1, tzinfo=UTC)
MOST = 200
#: No key of a table is greater.
LARGEST = 2**53
#: From which likeness on two titles may mean the same.
ALIKE = 0.45
_RUNNING = and_(ISSUE.c.closed_at.is_(None), ISSUE.c.status.not_in(STILL), ISSUE.c.due_at.is_not(None))
#: How a list may be sorted: name -> column, and whether the largest comes first. `worst`: the longest overdue first, and
#: where no clock runs last.
SORTS: Mapping[str, tuple[ColumnElement[Any], bool]] = {
    "worst": (case((_RUNNING, ISSUE.c.due_at), else_=literal(FAR, Moment())), False),
    "due": (func.coalesce(ISSUE.c.due_at, literal(FAR, Moment())), False),
    "-due": (func.coalesce(ISSUE.c.due_at, literal(FAR, Moment())), True),
    "number": (ISSUE.c.number, False),
    "-number": (ISSUE.c.number, True),
    "raised": (ISSUE.c.raised_at, False),
    "-raised": (ISSUE.c.raised_at, True),
    "changed": (func.coalesce(ISSUE.c.changed_at, ISSUE.c.raised_at), False),
    "-changed": (func.coalesce(ISSUE.c.changed_at, ISSUE.c.raised_at), True),
}


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
    if not 1 <= limit <= MOST:
        raise UsageError(f"limit {limit} is out of range", f"1 to {MOST}")
    if wanted.sort not in SORTS:
        raise UsageError(f"there is no sorting {wanted.sort!r}", f"use one of {', '.join(SORTS)}")
    column, largest_first = SORTS[wanted.sort]
    statement = select(ISSUE, column.label("sorted_by")).where(narrowed(session, wanted, seen, world, now))
    if cursor:
        statement = statement.where(_after(cursor, wanted.sort))
    order = (column.desc(), ISSUE.c.id.desc()) if largest_first else (column, ISSUE.c.id)
    rows = session.connection().execute(statement.order_by(*order).limit(limit + 1)).all()
    more = rows[limit - 1] if len(rows) > limit else None
    return Page([views.issue(row, world, now) for row in rows[:limit]], _cursor(more, wanted.sort) if more is not None else "")


def count(session: Session, world: World, seen: Sight, wanted: Filter, now: datetime) -> int:
    """How many issues fit."""
    statement = select(func.count()).select_from(ISSUE).where(narrowed(session, wanted, seen, world, now))
    return session.connection().execute(statement).scalar() or 0


def _cursor(row: Any, sort: str) -> str:
    value = row.sorted_by
    told = [sort, value.isoformat() if isinstance(value, datetime) else value, row.id]
    return base64.urlsafe_b64encode(orjson.dumps(told)).decode().rstrip("=")


def _after(cursor: str, sort: str) -> ColumnElement[bool]:
    try:
        of, value, last = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        column, largest_first = SORTS[of]
        if of != sort or not isinstance(last, int) or abs(last) > LARGEST or not isinstance(value, str) or "\x00" in value:
            raise ValueError(of)
        value = value if of.endswith("number") else utc(datetime.fromisoformat(value))
    except (ValueError, KeyError, TypeError, OverflowError, binascii.Error) as error:
        raise UsageError("this cursor is not of this list", "begin again without a cursor") from error
    bound = literal(value, column.type) if isinstance(value, str) else literal(value, Moment())
    if largest_first:
        return or_(column < bound, and_(column == bound, ISSUE.c.id < last))
    return or_(column > bound, and_(column == bound, ISSUE.c.id > last))


def narrowed(session: Session, wanted: Filter, seen: Sight, world: World, now: datetime) -> ColumnElement[bool]:
    """The condition of a filter, within what somebody sees. Raises UsageError for a word it does not know."""
    now = utc(now)
    conditions = [visible(seen)]
    _known(wanted, world)
    for name in ("stage", "status", "category", "severity"):
        if value := getattr(wanted, name):
            conditions.append(ISSUE.c[name] == value)
    if wanted.state == "open":
        conditions.append(ISSUE.c.closed_at.is_(None))
    elif wanted.state == "over":
        conditions.append(ISSUE.c.closed_at.is_not(None))
    if wanted.overdue:
        conditions.append(is_overdue(now))
    if wanted.light:
        conditions.append(lit(world, now) == wanted.light)
    if wanted.city or wanted.department or wanted.project:
        conditions.append(ISSUE.c.project_id.in_(_projects(world, wanted)))
    if wanted.mine:
        conditions.append(_of_party(world, wanted.mine))
    if q := wanted.q.strip():
        conditions.append(searching.found(session, q, world))
    return and_(*conditions)


def _known(wanted: Filter, world: World) -> None:
    known = {
        "light": ("red", "yellow", "green"),
        "state": ("open", "over"),
        "status": STATUSES,
        "stage": tuple(stage.key for stage in world.rules().workflow.stages) if world.active else (),
        "severity": ("general", "major", "urgent"),
    }
    for name, words in known.items():
        value = getattr(wanted, name)
        if value and value not in words:
            raise UsageError(f"there is no {name} {value!r}", f"use one of {', '.join(words)}")


def is_overdue(now: datetime) -> ColumnElement[bool]:
    """Open, its clock running, and past its deadline: `explaining.overdue` as a condition."""
    running = and_(ISSUE.c.closed_at.is_(None), ISSUE.c.status.not_in(STILL))
    return and_(running, or_(ISSUE.c.overdue_at.is_not(None), ISSUE.c.due_at < literal(now, Moment())))


def lit(world: World, now: datetime) -> ColumnElement[str]:
    """`red`, `yellow`, `green`, or the empty text where no clock runs: `explaining.light` as an expression."""
    calendar = world.calendar
    days = world.rules().workflow.yellow_light.amount if world.active else 0
    # the first working day that is too far ahead to be yellow; round the clock, its first midnight still ends the day before
    first_green = datetime.combine(calendar.add_working_days(calendar.local_day(now), days + 1), time(), calendar.zone)
    is_green = (
        ISSUE.c.due_at > literal(utc(first_green), Moment())
        if calendar.closes is None
        else (ISSUE.c.due_at >= literal(utc(first_green), Moment()))
    )
    running = and_(ISSUE.c.closed_at.is_(None), ISSUE.c.status.not_in(STILL))
    return case(
        (not_(running), ""),
        (is_overdue(now), "red"),
        (or_(ISSUE.c.due_at.is_(None), is_green), "green"),
        else_="yellow",
    )


def _projects(world: World, wanted: Filter) -> list[int]:
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
    light = lit(world, utc(now)).label("light")
    statement = select(ISSUE.c.project_id, ISSUE.c.stage, light, func.count()).where(visible(seen), ISSUE.c.closed_at.is_(None))
    return [tuple(row) for row in session.connection().execute(statement.group_by(ISSUE.c.project_id, ISSUE.c.stage, light))]


def similar(
    session: Session, world: World, seen: Sight, project: str, title: str, category: str, now: datetime
) -> list[dict[str, Any]]:
    """Open issues of a project that may be the same: of this category, or with a title much like this one; likest first."""
    found = page(session, world, seen, Filter(project=project, state="open", sort="-raised"), now, limit=MOST).items
    alike = [
        (SequenceMatcher(None, title, each["title"]).ratio() + (each["category"] == category) * ALIKE, each) for each in found
    ]
    return [each for likeness, each in sorted(alike, key=lambda pair: -pair[0]) if likeness >= ALIKE][:5]


__all__ = ["Filter", "Page", "board", "count", "page", "similar"]
