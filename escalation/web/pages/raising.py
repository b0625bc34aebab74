"""`/issues/new`: raising an issue; the category names the competent organ, what may be the same is shown before sending, and what
is typed is kept as a draft while it is typed."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlmodel import Session
from starlette.concurrency import run_in_threadpool

from escalation import browsing, commands
from escalation import filing as keeping
from escalation.commands import Raise
from escalation.errors import EscalationError, NotFound, UsageError
from escalation.filekinds import File
from escalation.scope import Sight, sees_project
from escalation.users import audit, drafts
from escalation.web import filing
from escalation.web.desk import Desk, Forged, NotSeated, Posted, posted
from escalation.web.pages import typed
from escalation.web.pages.showing import categories, show, stage_names
from escalation.web.pages.todo import Seated
from escalation.world import World
from workflows.parties import NobodyAnswers

router = APIRouter()
Form = Annotated[Posted, Depends(posted)]
PLACE = keeping.NEW


@router.get("/issues/new")
def asked(desk: Seated, project: str = "") -> Response:
    """The form, with what was typed into it and not sent."""
    draft = desk.look(lambda session, world, seen: drafts.load(session, desk.user.id, PLACE))
    values = dict(draft.content) if draft else {}
    return _form(desk, values | ({"project": project} if project else {}), saved_at=draft.saved_at if draft else None)


def again(desk: Desk, values: Mapping[str, str], failed: EscalationError) -> Response:
    """The form with what was typed, and what was wrong."""
    return _form(desk, values, failed)


def _form(desk: Desk, values: Mapping[str, str], failed: EscalationError | None = None, saved_at: Any = None) -> Response:
    def told(session: Session, world: World, seen: Sight) -> dict[str, Any]:
        mine = [each for each in world.projects.values() if sees_project(seen, each)]
        return {
            "projects": sorted(mine, key=lambda each: each.code),
            "parties": desk.parties(world),
            "categories": categories(world, desk.language),
            "waiting": filing.waiting(session, desk, PLACE),
            **_suggested(desk, values, session, world, seen),
        }

    found = desk.look(told)
    limits = desk.app.settings.files.limits
    more = {"values": values, "failed": failed, "saved_at": saved_at, "limits": limits, "here": "new"}
    return show(desk, "new.html", found | more, status=failed.status if failed else 200)


@router.get("/issues/new/suggest")
def suggested(desk: Seated, project: str = "", category: str = "", title: str = "") -> Response:
    """Who is competent by the catalogue, and which open issues may be the same; refreshed while somebody types."""
    values = {"project": project, "category": category, "title": title[:200]}
    return show(desk, "suggest.html", desk.look(lambda *read: _suggested(desk, values, *read)))


def _suggested(desk: Desk, values: Mapping[str, str], session: Session, world: World, seen: Sight) -> dict[str, Any]:
    project, category = world.project_by_code.get(values.get("project", "")), values.get("category", "")
    told: dict[str, Any] = {"route": [], "similar": [], "entry": "", "rule": None, "stages": stage_names(world)}
    if project is None or not sees_project(seen, project):
        return told
    if category in world.categories():
        route = world.route(world.active, category, project.id)
        told["entry"], told["rule"] = commands.entry_stage(route), route.competence
        told["category_name"] = categories(world, desk.language).get(category, category)
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


@router.post("/issues/new/draft")
async def drafted(request: Request) -> Response:
    """Keeps what is typed: by itself while somebody types, or by the button, which shows the suggestions too."""
    part = bool(request.headers.get("hx-request"))
    try:
        given = await posted(request)
    except (NotSeated, Forged) as error:
        if not part:
            raise
        # the page stays as it is: what is typed goes along when the form is sent
        return HTMLResponse(f'<span data-unsaved="{error.code}"></span>')
    return await run_in_threadpool(_drafted, given, part)


def _drafted(given: Posted, part: bool) -> Response:
    desk = given.desk
    found = typed.typed(typed.NEW, given.values)
    desk.app.store.write(lambda session: drafts.save(session, desk.user.id, PLACE, found.values if found else {}, desk.now))
    if part:
        return show(desk, "saved.html", {"saved_at": desk.now})
    new, wrong = filing.brought(given)
    filing.keep(given, PLACE, new)
    return again(desk, given.values, wrong) if wrong else RedirectResponse("/issues/new", 303)


@router.post("/issues/new/discard")
def discarded(given: Form) -> Response:
    """The draft and its files are not wanted any more."""
    desk = given.desk
    desk.app.store.write(lambda session: _drop(session, desk))
    return RedirectResponse("/issues/new", 303)


def _drop(session: Session, desk: Desk) -> None:
    drafts.drop(session, desk.user.id, PLACE)
    keeping.clear(session.connection(), desk.user.id, PLACE)


@router.post("/issues/new")
def raised(given: Form) -> Response:
    """A new issue; refused, the form comes again with what was typed and brought, and both are kept."""
    desk = given.desk
    new, wrong = filing.brought(given)
    try:
        if wrong is not None:
            raise wrong
        number = desk.app.change(lambda session, world: _raise(given, session, world, new))
    except (UsageError, NotFound) as error:
        found = typed.typed(typed.NEW, given.values)
        desk.app.store.write(lambda session: drafts.save(session, desk.user.id, PLACE, found.values if found else {}, desk.now))
        filing.keep(given, PLACE, new)
        return again(desk, given.values, error)
    return RedirectResponse(f"/issues/{number}?done=raise", 303)


def _raise(given: Posted, session: Session, world: World, new: tuple[File, ...]) -> str:
    desk = given.desk
    if len(given["title"]) > 200:
        raise UsageError("the title is too long", "200 characters at most; the rest belongs into the text")
    if given["open"] != "1":
        raise UsageError("say that nothing in it is classified", "this system carries nothing classified")
    party = desk.acting_as(world, given["as"])
    wanted = Raise(
        given["project"],
        given["category"],
        given["severity"],
        given["title"],
        party.code,
        files=filing.all_of(session, given, PLACE, new),
        described={"description": given["text"], "requested_action": given["requested"]},
    )
    issue, _ = desk.app.raising(session, world, wanted, desk.now)
    _drop(session, desk)
    audit.note(session, desk.now, desk.user.login, "raise", f"{issue['number']} as {party.code}")
    number: str = issue["number"]
    return number
