"""`/issues/new`: raising an issue; the category names the competent organ, and what may be the same is shown before sending."""

from typing import Any

from fastapi import APIRouter
from fastapi.responses import RedirectResponse, Response
from sqlmodel import Session

from escalation import browsing, commands
from escalation.commands import Raise
from escalation.errors import EscalationError, NotFound, UsageError
from escalation.scope import Sight, sees_project
from escalation.users import audit
from escalation.web.desk import Desk, Posted
from escalation.web.pages.issue import Form
from escalation.web.pages.showing import categories, show, stage_names
from escalation.web.pages.todo import Seated
from escalation.world import World
from workflows.parties import NobodyAnswers

router = APIRouter()


@router.get("/issues/new")
def asked(desk: Seated, project: str = "") -> Response:
    """The form."""
    return _form(desk, {"project": project})


def _form(desk: Desk, values: dict[str, str], failed: EscalationError | None = None) -> Response:
    def told(session: Session, world: World, seen: Sight) -> dict[str, Any]:
        mine = [each for each in world.projects.values() if sees_project(seen, each)]
        return {
            "projects": sorted(mine, key=lambda each: each.code),
            "parties": desk.parties(world),
            "categories": categories(world, desk.language),
            **_suggested(desk, values, session, world, seen),
        }

    found = desk.look(told)
    more = {"values": values, "failed": failed, "here": "new"}
    return show(desk, "new.html", found | more, status=failed.status if failed else 200)


@router.get("/issues/new/suggest")
def suggested(desk: Seated, project: str = "", category: str = "", title: str = "") -> Response:
    """Who is competent by the catalogue, and which open issues may be the same; refreshed while somebody types."""
    values = {"project": project, "category": category, "title": title[:200]}
    return show(desk, "suggest.html", desk.look(lambda *read: _suggested(desk, values, *read)))


def _suggested(desk: Desk, values: dict[str, str], session: Session, world: World, seen: Sight) -> dict[str, Any]:
    project, category = world.project_by_code.get(values.get("project", "")), values.get("category", "")
    told: dict[str, Any] = {"route": [], "similar": [], "entry": "", "stages": stage_names(world)}
    if project is None or not sees_project(seen, project):
        return told
    if category in world.categories():
        route = world.route(world.active, category, project.id)
        told["entry"] = commands.entry_stage(route)
        told["route"] = [(stage.key, *_who(world, route, stage.key)) for stage in route.workflow.stages]
    title = values.get("title", "")
    if title or category:
        told["similar"] = browsing.similar(session, world, seen, project.code, title, category, desk.now)
    return told


def _who(world: World, route: Any, stage: str) -> tuple[str, str]:
    """Who answers at a stage, and who coordinates there."""
    try:
        post = route.post(stage)
        return world.directory.by_id[post.responsible_id].name, world.directory.by_id[post.coordinator_id].name
    except NobodyAnswers:
        return "", ""


@router.post("/issues/new")
def raised(given: Form) -> Response:
    """A new issue; refused, the form comes again with what was typed."""
    desk = given.desk
    try:
        number = desk.app.change(lambda session, world: _raise(given, session, world))
    except (UsageError, NotFound) as error:
        return _form(desk, given.values, error)
    return RedirectResponse(f"/issues/{number}?done=raise", 303)


def _raise(given: Posted, session: Session, world: World) -> str:
    desk = given.desk
    if len(given["title"]) > 200:
        raise UsageError("the title is too long", "200 characters at most; the rest belongs into the text")
    if given["open"] != "1":
        raise UsageError("say that nothing in it is classified", "this system carries nothing classified")
    party = desk.acting_as(world, given["as"])
    described = {"description": given["text"], "requested_action": given["requested"]}
    wanted = Raise(given["project"], given["category"], given["severity"], given["title"], party.code, described=described)
    issue, _ = desk.app.raising(session, world, wanted, desk.now)
    audit.note(session, desk.now, desk.user.login, "raise", f"{issue['number']} as {party.code}")
    number: str = issue["number"]
    return number
