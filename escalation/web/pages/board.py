"""`/board`: lights by city, department and stage. `/projects`, `/projects/{code}`: the ledger, each project with its issues."""

from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response
from sqlalchemy import select
from sqlmodel import Session

from escalation import browsing
from escalation.errors import NotFound
from escalation.scope import Sight, sees_project
from escalation.web import seeing
from escalation.web.pages.showing import show, stage_names, stages_in_use
from escalation.web.pages.todo import Seated
from escalation.world import PROJECT, World
from workflows.sentence import say

router = APIRouter()
#: A light, or "" where the clock stands, as the board counts it.
Cell = dict[str, int]


@router.get("/board")
def lights(desk: Seated) -> Response:
    """Lights by city and by department, at each stage."""

    def told(session: Session, world: World, seen: Sight) -> dict[str, Any]:
        counted, since = seeing.lights(session, world, seen, desk.now)
        tables = [(name, _rows(counted, world, name)) for name in ("city", "department")]
        totals: Cell = {}
        for _, _, light, count in counted:
            totals[light] = totals.get(light, 0) + count
        stages = stages_in_use(world, (stage for _, stage, _, _ in counted))
        return {"tables": tables, "stages": stages, "totals": totals, "since": since if since != desk.now else None}

    return show(desk, "board.html", desk.look(told) | {"here": "board"})


def _rows(counted: list[tuple[int, str, str, int]], world: World, by: str) -> list[tuple[str, dict[str, Cell], Cell]]:
    """unit, stage -> light -> count, and the whole row; the worst first."""
    found: dict[str, dict[str, Cell]] = {}
    for project_id, stage, light, count in counted:
        cell = found.setdefault(getattr(world.projects[project_id], by), {}).setdefault(stage, {})
        cell[light] = cell.get(light, 0) + count
    rows = [(unit, cells, _sum(cells)) for unit, cells in found.items()]
    return sorted(rows, key=lambda row: (-row[2].get("red", 0), -row[2].get("yellow", 0), -sum(row[2].values()), row[0]))


def _sum(cells: dict[str, Cell]) -> Cell:
    whole: Cell = {}
    for cell in cells.values():
        for light, count in cell.items():
            whole[light] = whole.get(light, 0) + count
    return whole


@router.get("/projects")
def projects(desk: Seated) -> Response:
    """The projects within sight."""
    items = desk.look(lambda session, world, seen: seeing.projects(session, world, seen, desk.now))
    return show(desk, "projects.html", {"items": items, "here": "projects"})


@router.get("/projects/{code}")
def project(desk: Seated, code: str) -> Response:
    """One project and its issues."""

    def told(session: Session, world: World, seen: Sight) -> dict[str, Any]:
        known = world.project_by_code.get(code)
        if known is None or not sees_project(seen, known):
            raise NotFound(say("there is no project {code!r} in the ledger", code=code), "see the list of projects")
        row = session.connection().execute(select(PROJECT).where(PROJECT.c.id == known.id)).one()
        wanted = browsing.Filter(project=code, sort="due")
        items = browsing.page(session, world, seen, wanted, desk.now, limit=browsing.MOST).items
        return {
            "project": row,
            "city": known.city,
            "department": known.department,
            "items": sorted(items, key=lambda each: each["closed_at"] is not None),
            "stages": stage_names(world),
        }

    return show(desk, "project.html", desk.look(told) | {"here": "projects"})
