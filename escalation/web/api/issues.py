"""Issues over REST: list, raise, one whole, act, journal, explain."""

from hashlib import sha256
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from fastapi.responses import JSONResponse
from sqlmodel import Session

from escalation import browsing, queries, scope, views
from escalation import filing as keeping
from escalation.app import to_json
from escalation.choices import choices
from escalation.commands import Do, Raise
from escalation.errors import UsageError
from escalation.users import audit, once
from escalation.web import filing, seeing
from escalation.web.api import forms
from escalation.web.api.problems import responses
from escalation.web.desk import LARGEST, Desk, bearer
from escalation.world import World

router = APIRouter(tags=["issues"])
Caller = Annotated[Desk, Depends(bearer)]
Number = Annotated[str, Path(max_length=60, examples=["WT26-0007"])]
Key = Annotated[str | None, Header(alias="Idempotency-Key", max_length=200, description="the same key again: the same answer")]
COMMON = responses(400, 401, 403, 404, 422, 429, 503)
CHANGING = COMMON | responses(409, 412, 413)


@router.get("/issues", response_model=forms.IssuePage, responses=COMMON)
def listed(
    desk: Caller,
    response: Response,
    q: Annotated[str, Query(max_length=200)] = "",
    stage: str = "",
    status: str = "",
    light: str = "",
    overdue: bool = False,
    state: str = "",
    city: str = "",
    department: str = "",
    project: str = "",
    category: str = "",
    severity: str = "",
    mine: str = "",
    sort: str = "worst",
    cursor: Annotated[str, Query(max_length=300)] = "",
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> dict[str, Any]:
    """Issues within sight, page by page."""
    desk.refuse_without("read")
    wanted = browsing.Filter(q, stage, status, light, overdue, state, city, department, project, category, severity, mine, sort)
    found = desk.look(
        lambda session, world, seen: browsing.page(session, world, seen, wanted, desk.now, cursor=cursor, limit=limit)
    )
    return {"items": found.items, "next": found.next or None}


@router.post("/issues", status_code=201, response_model=forms.Raised, responses=CHANGING)
def raised(desk: Caller, body: forms.NewIssue, request: Request, key: Key = None) -> Response:
    """A new issue."""
    desk.refuse_without("act")

    def work(session: Session, world: World) -> tuple[int, bytes]:
        party = desk.acting_as(world, body.acting_as)
        wanted = Raise(
            body.project,
            body.category,
            body.severity,
            body.title,
            party.code,
            body.organ,
            files=filing.named(session, desk, body.files),
            described={"description": body.text},
        )
        issue, told = desk.app.raising(session, world, wanted, desk.now)
        keeping.clear(session.connection(), desk.user.id, filing.PROGRAMS, body.files)
        audit.note(session, desk.now, desk.user.login, "raise", f"{issue['number']} as {party.code}")
        return 201, to_json(issue | {"why": list(told.why)}).encode()

    answer = _once(desk, request, key, body.model_dump_json(), work)
    number, version = orjson.loads(answer.body)["number"], orjson.loads(answer.body)["version"]
    return _answered(answer, {"Location": f"/api/v1/issues/{number}", "ETag": f'"{version}"'})


@router.get("/issues/{number}", response_model=forms.WholeIssue, responses=COMMON)
def shown(desk: Caller, number: Number) -> Response:
    """One issue whole; its ETag is the version that an action names with If-Match."""
    desk.refuse_without("read")

    def told(session: Session, world: World, seen: scope.Sight) -> dict[str, Any]:
        scope.refuse_unseen(session.connection(), seen, number)
        whole = views.shown(session, world, number, desk.now, newest=views.NEWEST)
        return whole | {"actions": _possible(session, world, desk, number)}

    whole = desk.look(told)
    return Response(to_json(whole), headers={"ETag": f'"{whole["issue"]["version"]}"'}, media_type="application/json")


def _possible(session: Session, world: World, desk: Desk, number: str) -> list[dict[str, Any]]:
    loaded = seeing.loaded(session, world, number, desk.now)
    if loaded is None:
        return []
    rules = world.rules(loaded.snapshot.facts.workflow)
    found = choices(loaded.snapshot, desk.parties(world), rules, desk.now)
    return [
        {"action": each.action, "as": each.party.code, "needs": list(each.needs), "takes": list(each.takes)}
        for each in found
        if each.why_not is None
    ]


@router.post("/issues/{number}/actions/{action}", response_model=forms.WholeIssue, responses=CHANGING)
def acted(
    desk: Caller,
    number: Number,
    action: Annotated[str, Path(max_length=60, examples=["acknowledge"])],
    body: forms.Doing,
    request: Request,
    key: Key = None,
    if_match: Annotated[str | None, Header(alias="If-Match", max_length=100, description="the ETag that you have seen")] = None,
) -> Response:
    """One action of the state machine."""
    desk.refuse_without("act")
    version = _version(if_match)

    def work(session: Session, world: World) -> tuple[int, bytes]:
        scope.refuse_unseen(session.connection(), desk.sight(world), number)
        party = seeing.who_acts(session, world, desk, number, action, body.acting_as)
        wanted = Do(
            number,
            action,
            party.code,
            reason=body.reason,
            to=body.to,
            until=body.until,
            into=body.into,
            request_no=body.request,
            note=body.note,
            version=version,
            files=filing.named(session, desk, body.files),
        )
        if body.into:
            scope.refuse_unseen(session.connection(), desk.sight(world), body.into)
        done = desk.app.acting(session, world, wanted, desk.now)
        keeping.clear(session.connection(), desk.user.id, filing.PROGRAMS, body.files)
        audit.note(session, desk.now, desk.user.login, action, f"{number} as {party.code}")
        return 200, to_json(done | {"actions": _possible(session, world, desk, number)}).encode()

    answer = _once(desk, request, key, body.model_dump_json(), work)
    return _answered(answer, {"ETag": f'"{orjson.loads(answer.body)["issue"]["version"]}"'})


def _version(if_match: str | None) -> int | None:
    if if_match is None or if_match.strip() == "*":
        return None
    try:
        return int(if_match.strip().removeprefix("W/").strip('"'))
    except ValueError as error:
        raise UsageError(f"If-Match {if_match} is no version", 'send the ETag as it came, "7"') from error


def _once(desk: Desk, request: Request, key: str | None, body: str, work: Any) -> once.Answer:
    if key is None:
        return once.Answer(*desk.app.change(work))
    told = sha256(f"{request.method} {request.url.path}\n{body}".encode()).digest()
    return desk.app.change(
        lambda session, world: once.once(session, desk.user.id, key, told, desk.now, lambda: work(session, world))
    )


def _answered(answer: once.Answer, headers: dict[str, str]) -> Response:
    if answer.repeated:
        headers = headers | {"Idempotency-Replayed": "true"}
    return Response(answer.body, answer.status, headers, "application/json")


@router.get("/issues/{number}/journal", response_model=forms.Entries, responses=COMMON)
def journal(
    desk: Caller,
    number: Number,
    before: Annotated[int | None, Query(ge=1, le=LARGEST, description="only entries in front of this one")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 1000,
) -> Response:
    """What was done to it, by whom and why; each entry with the hash that chains it to the one before."""
    desk.refuse_without("read")

    def told(session: Session, world: World, seen: scope.Sight) -> list[dict[str, Any]]:
        scope.refuse_unseen(session.connection(), seen, number)
        return views.entries(queries.whole(session.connection(), number, newest=limit, before=before).journal, world)

    items = desk.look(told)
    return JSONResponse({"items": items, "before": items[0]["seq"] if items and items[0]["seq"] > 1 else None})


@router.get("/issues/{number}/explain", response_model=forms.ExplanationOut, responses=COMMON)
def explained(desk: Caller, number: Number) -> Response:
    """Why it is where it is, and what happens next if nobody acts."""
    desk.refuse_without("read")

    def told(session: Session, world: World, seen: scope.Sight) -> dict[str, Any]:
        scope.refuse_unseen(session.connection(), seen, number)
        found = desk.app.explain(number, desk.now)
        following = [{"at": views.local(each.at, world), "what": each.what, "who": each.who} for each in found.next]
        return {"because": list(found.because), "next": following}

    return JSONResponse(desk.look(told))
