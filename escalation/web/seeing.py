"""What pages and API look up alike: the issue as the rules see it, who acts, projects with their lights, a summary's figures."""

from datetime import datetime
from time import perf_counter
from typing import Any

from sqlmodel import Session

from escalation import browsing, queries
from escalation.choices import choices
from escalation.errors import NotFound
from escalation.queries import Loaded
from escalation.scope import Sight, sees_project
from escalation.summaries.figures import Figures, figures
from escalation.summaries.periods import Kind, Period
from escalation.summaries.scopes import PROVINCE, Scope
from escalation.web.desk import Desk
from escalation.world import World
from workflows.parties import Party

LIGHTS = ("red", "yellow", "green")
#: Project, stage, light, how many.
Counted = tuple[int, str, str, int]


def loaded(session: Session, world: World, number: str, now: datetime) -> Loaded | None:
    """The issue as the rules see it; None when it is in the archive, where nothing can be done to it."""
    try:
        return queries.load(session.connection(), world, [number], now, lock=False)[number]
    except NotFound:
        return None


def who_acts(session: Session, world: World, desk: Desk, number: str, action: str, code: str = "") -> Party:
    """As which of the user's parties: the one named, else the first that may, else the first, and the rules say no."""
    if code or len(desk.user.parties) <= 1:
        return desk.acting_as(world, code)
    issue = loaded(session, world, number, desk.now)
    if issue is not None:
        rules = world.rules(issue.snapshot.facts.workflow)
        for choice in choices(issue.snapshot, desk.parties(world), rules, desk.now):
            if choice.action == action:
                return choice.party
    return desk.acting_as(world, "")


#: What took longer than so many seconds to count is shown again for a minute.
LONG = 0.3


def lights(session: Session, world: World, seen: Sight, now: datetime) -> tuple[list[Counted], datetime]:
    """How many open issues of each project, stage and light, and since when that is so: a count that took long is kept."""
    if (known := world.lately(("lights", seen), now)) is not None:
        return known
    begun = perf_counter()
    found = browsing.board(session, world, seen, now)
    if perf_counter() - begun > LONG:
        world.shortly(("lights", seen), found, now)
    return found, now


def projects(session: Session, world: World, seen: Sight, now: datetime) -> list[dict[str, Any]]:
    """The projects within sight, with their open issues by light."""
    counted: dict[int, dict[str, int]] = {}
    for project_id, _, light, count in lights(session, world, seen, now)[0]:
        mine = counted.setdefault(project_id, {})
        mine[light] = mine.get(light, 0) + count
    found = []
    for project in sorted(world.projects.values(), key=lambda each: each.code):
        if not sees_project(seen, project):
            continue
        mine = counted.get(project.id, {})
        told = {"code": project.code, "name": project.name, "city": project.city, "department": project.department}
        found.append({**told, "open": sum(mine.values()), **{light: mine.get(light, 0) for light in LIGHTS}})
    return found


def scope_of(desk: Desk, world: World, seen: Sight) -> Scope | None:
    """Whose figures somebody reads: the province's, their city's or department's; None for an owner."""
    if seen.everything:
        return PROVINCE
    for party in desk.parties(world):
        if party.level == "city" and party.city:
            return Scope("city", party.city)
        if party.level == "department":
            return Scope("department", party.organ)
    return None


def summary(desk: Desk, kind: Kind) -> tuple[Figures, Period] | None:
    """The figures of the newest period of a kind, of what somebody sees; None when there is nothing to tell."""
    period = desk.app.summariser.period(kind, desk.now)

    def told(session: Session, world: World, seen: Sight) -> tuple[Figures, Period] | None:
        scope = scope_of(desk, world, seen)
        return None if scope is None or period is None else (figures(session, world, scope, period), period)

    return desk.look(told)
