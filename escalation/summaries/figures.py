"""The figures of a scope at a moment, each with the issues behind it: what mail, workbook and page all show."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import NamedTuple

from sqlmodel import Session

from escalation.summaries.periods import Period
from escalation.summaries.picture import Brief, Open, Picture, Stay, taken
from escalation.summaries.scopes import PROVINCE, Scope
from escalation.world import World

#: Due within so many working days is said beforehand.
SOON = 2
#: Units with fewer issues due are listed but not ranked.
FEWEST = 3


class Common(NamedTuple):
    """Issues of one category that stand above the first stage and stop more than one project (共性问题)."""

    category: str
    name: str
    projects: int
    numbers: tuple[str, ...]


class Rank(NamedTuple):
    """A line of the ranking table (domain.md 3.5): how a city or an organ has done since the year began."""

    unit: str
    #: Its stays of the year and those that go on: an issue that came twice is there twice, here and in all that follows.
    total: int
    #: Those that had to be solved: closed, lapsed, or open and overdue.
    due: int
    on_time: int
    lapses: int
    overdue: int
    #: Working days from dispatch to closing, on average; None where none was closed.
    working_days: float | None
    #: Of a hundred stays, how many were acknowledged by a person; None where none was.
    acknowledged: float | None
    yellow: int
    red: int
    #: The issues that lapsed.
    lapsed: tuple[str, ...]

    @property
    def rate(self) -> float | None:
        """On time among those due, in percent."""
        return round(100 * self.on_time / self.due, 2) if self.due else None

    @property
    def is_ranked(self) -> bool:
        """Are there enough of them to say something?"""
        return self.due >= FEWEST


@dataclass(frozen=True, slots=True)
class Figures:
    """What there is to say about a scope. Every figure is the length of a list of numbers."""

    scope: Scope
    at: datetime
    since: datetime
    until: datetime
    #: Figure -> the numbers of the issues behind it; a thing that happened twice to an issue is there twice.
    numbers: dict[str, tuple[str, ...]]
    #: Open issues by stage, in the ladder's order.
    stages: dict[str, tuple[str, ...]]
    #: Overdue ones, worst first.
    overdue: tuple[Open, ...]
    #: Those due within two working days, the next first.
    soon: tuple[Open, ...]
    #: All that are open, the next deadline first.
    open: tuple[Open, ...]
    common: tuple[Common, ...]
    #: The ranking is of the whole province, and nobody else's.
    cities: tuple[Rank, ...]
    departments: tuple[Rank, ...]

    def __getitem__(self, name: str) -> int:
        """A figure by its name."""
        return len(self.numbers[name])

    @property
    def is_empty(self) -> bool:
        """Has there never been an issue?"""
        return not self.numbers["registered"]


def figures(session: Session, world: World, scope: Scope, period: Period) -> Figures:
    """The figures of a scope as of a period's moment."""
    return of(picture(session, world, period), world, scope)


def picture(session: Session, world: World, period: Period) -> Picture:
    """What all scopes' figures of a period are counted from."""
    zone = world.calendar.zone
    since, until = (datetime.combine(day, time(), zone) for day in (period.since, period.until))
    return taken(session, world, period.moment, since, until)


def as_of(world: World, at: datetime) -> Period:
    """A period for a look at any moment: the week that ends with it."""
    today = world.calendar.local_day(at)
    return Period("weekly", "", at, today - timedelta(days=6), today + timedelta(days=1))


def of(picture: Picture, world: World, scope: Scope = PROVINCE) -> Figures:
    """The figures of a scope from a picture."""
    mine = tuple(each for each in picture.open if scope.covers(each.project, each.lead))
    over = [each for each in picture.over if scope.covers(each.project, each.lead)]
    happened = [each for each in picture.happened if scope.covers(each.project, each.lead)]
    late = tuple(sorted((each for each in mine if each.overdue), key=_worst_first))
    soon = tuple(sorted((each for each in mine if _is_soon(each)), key=_next_first))
    numbers = _counted(mine, over, happened) | {"overdue": _numbers(late), "soon": _numbers(soon)}
    return Figures(
        scope,
        picture.at,
        picture.since,
        picture.until,
        numbers,
        _by_stage(mine, world),
        late,
        soon,
        tuple(sorted(mine, key=_next_first)),
        _common(mine, world),
        *(_ranking(picture, world, level) if scope.kind == "province" else () for level in ("city", "department")),
    )


def _counted(mine: Iterable[Open], over: Iterable[Brief], happened: Iterable[Brief]) -> dict[str, tuple[str, ...]]:
    mine, over, happened = list(mine), list(over), list(happened)
    found = {
        "registered": tuple(sorted({*_numbers(mine), *(each.number for each in over)})),
        "open": _numbers(mine),
    }
    for status in ("closed", "rejected", "withdrawn", "merged"):
        found[status] = tuple(each.number for each in over if each.what == status)
    for status in ("pending_intake", "pending_ack", "processing", "pending_review", "suspended"):
        found[status] = _numbers(each for each in mine if each.facts.status == status)
    for what in ("raised", "escalated_auto", "escalated_manual", "resolved", "closed_then", "reworked", "reopened"):
        found[what] = tuple(each.number for each in happened if each.what == what)
    found["escalated"] = found["escalated_auto"] + found["escalated_manual"]
    return found


def _numbers(issues: Iterable[Open]) -> tuple[str, ...]:
    return tuple(each.number for each in issues)


def _worst_first(each: Open) -> tuple[int, float, str]:
    return (-each.late_by, each.facts.due_at.timestamp() if each.facts.due_at else 0, each.number)


def _next_first(each: Open) -> tuple[float, str]:
    return (each.facts.due_at.timestamp() if each.facts.due_at else float("inf"), each.number)


def _is_soon(each: Open) -> bool:
    dispatched = each.facts.status in ("pending_ack", "processing")
    return dispatched and not each.overdue and each.left is not None and each.left <= SOON


def _by_stage(mine: Iterable[Open], world: World) -> dict[str, tuple[str, ...]]:
    """In the ladder's order; stages of older workflow versions after those of the present one."""
    found: dict[str, list[str]] = {stage.key: [] for stage in world.rules().workflow.stages}
    for each in mine:
        found.setdefault(each.facts.stage, []).append(each.number)
    return {stage: tuple(numbers) for stage, numbers in found.items()}


def _common(mine: Iterable[Open], world: World) -> tuple[Common, ...]:
    first = world.rules().workflow.stages[0].key
    by_category: dict[str, list[Open]] = {}
    for each in mine:
        if each.facts.stage != first:
            by_category.setdefault(each.facts.category, []).append(each)
    names = world.categories()
    found = [
        Common(category, names.get(category, category), len({each.project.id for each in issues}), _numbers(issues))
        for category, issues in by_category.items()
    ]
    return tuple(sorted((each for each in found if each.projects > 1), key=lambda each: (-each.projects, each.category)))


def _ranking(picture: Picture, world: World, level: str) -> tuple[Rank, ...]:
    """Cities by what their own organs did (stays at the first stage), departments by organ.

    The order: on time, then fewer overdue, then fewer lapses; what is too little to be ranked comes last.
    """
    stays: dict[str, list[Stay]] = {}
    still: dict[str, list[Open]] = {}
    for stay in picture.stays:
        # before the dispatch it was with a coordinator
        unit = _unit(level, stay.project.city, stay.lead, stay.stage, world)
        if unit and stay.outcome != "dispatched":
            stays.setdefault(unit, []).append(stay)
    for each in picture.open:
        unit = _unit(level, each.project.city, each.lead, each.facts.stage, world)
        if unit and each.facts.status != "pending_intake":
            still.setdefault(unit, []).append(each)
    cards: dict[str, list[str]] = {}
    for party, colour in picture.cards:
        if party.level == level:
            cards.setdefault(party.city if level == "city" else party.organ, []).append(colour)
    found = [_rank(unit, stays.get(unit, []), still.get(unit, []), cards.get(unit, [])) for unit in {*stays, *still}]
    return tuple(sorted(found, key=_best_first))


def _unit(level: str, city: str, lead: object, stage: str, world: World) -> str:
    """The city or organ that a stay counts for; none where it counts for the other level."""
    first = stage == world.rules().workflow.stages[0].key
    if level == "city":
        return city if first else ""
    return "" if first else getattr(lead, "organ", "")


def _rank(unit: str, stays: list[Stay], still: list[Open], cards: list[str]) -> Rank:
    closed = [stay for stay in stays if stay.outcome == "closed"]
    lapsed = tuple(stay.number for stay in stays if stay.outcome == "escalated_overdue")
    late = sum(each.overdue for each in still)
    signed = [stay for stay in stays if stay.acknowledged]
    return Rank(
        unit,
        len(stays) + len(still),
        len(closed) + len(lapsed) + late,
        sum(stay.overdue_wd == 0 for stay in closed),
        len(lapsed),
        late,
        round(sum(stay.working_days for stay in closed) / len(closed), 1) if closed else None,
        round(100 * sum(not stay.auto_acknowledged for stay in signed) / len(signed), 2) if signed else None,
        cards.count("yellow"),
        cards.count("red"),
        lapsed,
    )


def _best_first(each: Rank) -> tuple[bool, float, int, int, str]:
    return (not each.is_ranked, -(each.rate or 0), each.overdue, each.lapses, each.unit)
