"""`/issues/{number}`: one issue whole, and exactly the actions that this person may take now."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlmodel import Session

from escalation import filing as keeping
from escalation import queries, scope, views
from escalation.choices import PAUSES, Choice, choices, not_now
from escalation.commands import Do
from escalation.errors import Conflict, EscalationError, Refused, UsageError
from escalation.explaining import counted, explain
from escalation.filekinds import File
from escalation.scope import Sight
from escalation.users import audit, drafts
from escalation.web import filing, seeing
from escalation.web.desk import LARGEST, Desk, Posted, day, posted
from escalation.web.pages.showing import categories, show, stage_names
from escalation.web.pages.todo import Seated
from escalation.web.words import word
from escalation.world import World
from workflows.facts import STATUSES
from workflows.parties import NobodyAnswers
from workflows.statechart import chart

router = APIRouter()
Form = Annotated[Posted, Depends(posted)]
#: The order in which people look for what to do.
FIRST = """
    dispatch acknowledge close confirm return_for_rework approve deny agree answer report_progress resolve resume reopen
    request_extension submit_plan co_handle consult urge escalate reassign remand escalate_skip transfer delegate object
    request_suspension request_escalation suspend give_opinion merge reject withdraw
""".split()
#: Those whose form is open when they come first: the issue waits for nothing else.
AT_ONCE = ("dispatch", "close", "confirm", "return_for_rework", "approve", "agree", "answer", "report_progress", "resume")
#: Requests that make an organ help.
HELP = ("co_handling", "consultation")
#: So many entries of the timeline, and mails, are shown at a time.
SHOWN = 100
#: The way of an issue within a stage.
WAY = ("pending_intake", "pending_ack", "processing", "pending_review", "closed")


@router.get("/issues/{number}")
def shown(
    desk: Seated, number: str, do: str = "", done: str = "", before: Annotated[int | None, Query(ge=1, le=LARGEST)] = None
) -> Response:
    """The issue, with the newest entries of its timeline, or those in front of entry `before`."""
    return show(desk, "issue.html", desk.look(lambda *read: _whole(desk, number, do, *read, before=before)) | {"done": done})


@router.get("/issues/{number}/files/{no}")
def file(desk: Seated, number: str, no: int) -> Response:
    """One of the issue's files, to be saved."""
    return filing.download(desk, number, no)


def _whole(
    desk: Desk, number: str, do: str, session: Session, world: World, seen: Sight, *, before: int | None = None
) -> dict[str, Any]:
    connection, now = session.connection(), desk.now
    scope.refuse_unseen(connection, seen, number)
    whole = queries.whole(connection, number, newest=SHOWN, before=before)
    loaded = seeing.loaded(session, world, number, now)
    issue = views.issue(whole.issue, world, now)
    draft = drafts.load(session, desk.user.id, f"{number}/{do}") if do else None
    files = views.files(keeping.listed(connection, whole.issue.id), world)
    told: dict[str, Any] = {
        "issue": issue,
        "parties": {each.id: each.name for each in world.directory.parties},
        "readers": {each.code: each.name for each in world.directory.parties},
        "assignments": views.stays(whole.stays, world),
        "journal": list(reversed(views.entries(whole.journal, world))),
        "before": before,
        "shown": SHOWN,
        "mails": list(reversed(views.letters(whole.mails, world))),
        "requests": whole.requests,
        "files": files,
        "file_of": {each["digest"]: each for each in files},
        "limits": desk.app.settings.files.limits,
        "open": do,
        "waiting": {do: filing.waiting(session, desk, f"{number}/{do}")} if do else {},
        "cards": whole.cards,
        "stages": stage_names(world, issue["workflow"]),
        "category": categories(world, desk.language).get(issue["category"], issue["category"]),
        "way": WAY if issue["status"] in WAY else (*WAY[:4], issue["status"]),
        "values": draft.content if draft else {},
        "restored": draft is not None,
        "failed": None,
        "meanwhile": [],
        "choices": [],
        "not_now": [],
        "next": (),
        "counted": None,
        "causes": (),
        "at_once": AT_ONCE,
        "here": "issues",
    }
    told["helping"] = _helping(whole, world)
    told["states"] = chart(
        world.rules(issue["workflow"]).workflow,
        {key: pair[desk.language == "en"] for key, pair in told["stages"].items()},
        lambda table, code: word(table, code, desk.language),
        issue["stage"],
        issue["status"],
    )
    told["steps"] = _steps(told["assignments"], world, whole, issue)
    if loaded is not None:
        snapshot, parties = loaded.snapshot, desk.parties(world)
        rules = world.rules(snapshot.facts.workflow)
        told["choices"] = sorted(choices(snapshot, parties, rules, now), key=_place)
        told["not_now"] = not_now(snapshot, parties, rules, now)
        told["next"] = explain(snapshot, rules, now).next
        told["counted"] = counted(snapshot.facts, world.calendar)
        told["causes"] = rules.workflow.suspension.reasons
        told["facts"] = snapshot.facts
    return told


def _helping(whole: queries.Whole, world: World) -> list[tuple[str, str]]:
    """Who helps beside the lead, and why: named in the ledger, asked by a request, or led before; each once."""
    found: dict[str, str] = {}
    for name in whole.issue.cooperating_orgs.replace("，", "、").replace(";", "、").replace("；", "、").split("、"):
        found.setdefault(name.strip(), "named")
    for each in whole.requests:
        if each.kind in HELP and each.target_id in world.directory.by_id:
            found.setdefault(world.directory.by_id[each.target_id].organ, each.kind)
    lead = world.directory.by_id[whole.issue.lead_id].organ
    for stay in whole.stays:
        if stay.outcome.startswith("escalated"):
            found.setdefault(world.directory.by_id[stay.lead_id].organ, "before")
    return [(name, why) for name, why in found.items() if name and name != lead]


def _place(choice: Choice) -> tuple[bool, int]:
    return choice.why_not is not None, FIRST.index(choice.action) if choice.action in FIRST else len(FIRST)


def _steps(stays: list[dict[str, Any]], world: World, whole: queries.Whole, issue: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The ladder: each stage, whether the issue was, is or may come there, and who answers."""
    workflow = world.rules(issue["workflow"]).workflow
    here = workflow.level[issue["stage"]]
    route = world.route(issue["workflow"], issue["category"], whole.issue.project_id, whole.issue.organ)
    steps = []
    for stage in workflow.stages:
        mine = [each for each in stays if each["stage"] == stage.key]
        level = workflow.level[stage.key]
        state = "here" if level == here else "past" if mine else "ahead" if level > here else "skipped"
        try:
            who = mine[-1]["responsible"] if mine else world.directory.by_id[route.post(stage.key).responsible_id].name
        except NobodyAnswers:
            who = ""
        steps.append({"key": stage.key, "state": state, "who": who, "stays": mine})
    return steps


@router.get("/issues/{number}/changed")
def changed(desk: Seated, number: str, version: int) -> Response:
    """Nothing while the issue is as the page shows it; else who did what meanwhile."""
    since = desk.look(lambda *read: _since(number, version, *read))
    return show(desk, "changed.html", {"meanwhile": since, "number": number}) if since else HTMLResponse("")


def _since(number: str, version: int, session: Session, world: World, seen: Sight) -> list[dict[str, Any]]:
    scope.refuse_unseen(session.connection(), seen, number)
    found = queries.whole(session.connection(), number, newest=SHOWN)
    return [each for each in views.entries(found.journal, world) if each["seq"] > version]


@router.post("/issues/{number}/actions/{action}")
def acted(given: Form, number: str, action: str) -> Response:
    """One action; refused or overtaken, the page comes again with what was typed."""
    desk = given.desk
    new, wrong = filing.brought(given)
    try:
        if wrong is not None:
            raise wrong
        wanted = _wanted(given, number, action)
        desk.app.change(lambda session, world: _act(given, session, world, wanted, new))
    except (Refused, Conflict, UsageError) as error:
        # outside the scope the issue itself is not there, and showing it again raises; inside, what was named is missing
        return again(given, number, action, error, new)
    return RedirectResponse(f"/issues/{number}?done={action}", 303)


def _act(given: Posted, session: Session, world: World, wanted: Do, new: tuple[File, ...]) -> None:
    desk = given.desk
    place, seen = f"{wanted.number}/{wanted.action}", desk.sight(world)
    scope.refuse_unseen(session.connection(), seen, wanted.number)
    if wanted.into:
        scope.refuse_unseen(session.connection(), seen, wanted.into)
    party = seeing.who_acts(session, world, desk, wanted.number, wanted.action, given["as"])
    files = filing.all_of(session, given, place, new)
    desk.app.acting(session, world, replace(wanted, party=party.code, files=files), desk.now)
    keeping.clear(session.connection(), desk.user.id, place)
    drafts.drop(session, desk.user.id, place)
    audit.note(session, desk.now, desk.user.login, wanted.action, f"{wanted.number} as {party.code}")


def _wanted(given: Posted, number: str, action: str) -> Do:
    reason = given["reason"]
    if action in PAUSES:
        reason = f"{given['cause']}: {reason}".removesuffix(": ")
    return Do(
        number,
        action,
        "",
        reason=reason,
        to=given["to"].partition(" · ")[0],
        until=day(given["until"]),
        into=given["into"],
        request_no=given.number("request"),
        note=given["note"],
        version=given.number("version"),
    )


def again(given: Posted, number: str, action: str, error: EscalationError, new: tuple[File, ...] = ()) -> Response:
    """The issue as it is now, why it was not done, what others did meanwhile, and what was typed and brought."""
    desk = given.desk
    desk.look(lambda session, world, seen: scope.refuse_unseen(session.connection(), seen, number))
    filing.keep(given, f"{number}/{action}", new)
    values = desk.look(lambda *read: _whole(desk, number, action, *read))
    if isinstance(error, Conflict):
        values["meanwhile"] = desk.look(lambda *read: _since(number, given.number("version") or 0, *read))
    still = any(each.action == action and each.why_not is None for each in values["choices"])
    typed = {name: value for name, value in given.values.items() if name not in ("csrf", "version")}
    told = {"done": "", "failed": error, "failed_action": action, "restored": False, "values": typed, "still": still}
    return show(desk, "issue.html", values | told, status=error.status)


assert set(WAY) <= set(STATUSES)
