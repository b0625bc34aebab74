"""`/`: what I must do now, worst first."""

from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from fastapi.responses import HTMLResponse, Response
from sqlmodel import Session

from escalation.scope import Sight
from escalation.todo import KINDS, LOOKED_AT, Task, todo
from escalation.web.desk import Desk, seated
from escalation.web.pages.showing import show, stage_names
from escalation.world import World
from workflows.parties import Party

router = APIRouter()
#: A count that takes long, because there is so much to do, is kept so long: every page that is opened asks for it.
LONG, KEPT = 30, timedelta(seconds=30)
Seated = Annotated[Desk, Depends(seated)]
#: What one click does, where nothing has to be said.
AT_ONCE = ("acknowledge",)
#: Where a task leads: the form that is open on the issue's page.
LEADS_TO = {
    "overdue": "resolve",
    "due_soon": "resolve",
    "processing": "report_progress",
    "report": "report_progress",
    "acknowledge": "acknowledge",
    "intake": "dispatch",
    "decide": "approve",
    "answer": "answer",
    "chase": "urge",
}


def _tasks(desk: Desk) -> tuple[list[Task], Any, list[Party]]:
    def told(session: Session, world: World, seen: Sight) -> tuple[list[Task], Any, list[Party]]:
        parties = desk.parties(world)
        return todo(session, world, seen, parties, desk.now), stage_names(world), parties

    return desk.look(told)


@router.get("/")
def mine(desk: Seated) -> Response:
    """The to-do."""
    tasks, stages, parties = _tasks(desk)
    grouped = [(kind, [task for task in tasks if task.kind == kind]) for kind in KINDS]
    values = {
        "groups": [(kind, some) for kind, some in grouped if some],
        "total": len(tasks),
        "more": len(tasks) >= LOOKED_AT,
        "stages": stages,
        "leads_to": _leads_to,
        "at_once": AT_ONCE,
        "parties": parties,
        "here": "todo",
    }
    return show(desk, "todo.html", values)


def _leads_to(task: Task) -> str:
    """The action that a task is about."""
    may = [each.action for each in task.choices if each.why_not is None]
    if task.kind == "review":
        return next((each for each in ("close", "confirm", "return_for_rework") if each in may), "")
    wanted = LEADS_TO[task.kind]
    return wanted if wanted in may else "agree" if wanted == "answer" and "agree" in may else ""


@router.get("/todo/count")
def counted(desk: Seated) -> Response:
    """How much there is to do, for the mark in the heading: it goes on being true while a page stays open."""
    known = desk.house.counts.get(desk.user.id)
    if known is None or not timedelta(0) <= desk.now - known[0] < KEPT:
        known = desk.now, _pressing(_tasks(desk)[0])
        desk.house.keep_count(desk.user.id, known, known[1] >= LONG)
    return HTMLResponse(_mark(known[1]))


def _pressing(tasks: list[Task]) -> int:
    return sum(task.kind != "processing" for task in tasks)


def _mark(count: int) -> str:
    return f"{count}+" if count >= LOOKED_AT else str(count or "")
