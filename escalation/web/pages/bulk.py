"""`/issues/bulk`: something done to all ticked issues, each on its own, and what became of each; `/issues/views`: named lists."""

from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlencode

from fastapi import APIRouter
from fastapi.responses import RedirectResponse, Response
from sqlmodel import Session

from escalation import queries, scope
from escalation.commands import Do
from escalation.errors import EscalationError, NotFound, Unusable, UsageError
from escalation.ledger import writing
from escalation.scope import Sight
from escalation.summaries import books
from escalation.users import audit, saved
from escalation.web import seeing
from escalation.web.desk import Desk, Posted
from escalation.web.pages.issue import Form
from escalation.web.pages.showing import show
from escalation.world import World
from workflows.sentence import say

router = APIRouter()
#: How a form names a ticked row; the value is the version that the person has seen.
ROW = "row:"
MOST = 200
ASKED = ("q", "stage", "status", "light", "state", "city", "department", "project", "category", "severity", "sort")
WORKBOOK = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


class Became(NamedTuple):
    """What became of one of them; `why_not` None: it is done."""

    number: str
    title: str
    why_not: EscalationError | None = None


@router.post("/issues/bulk")
def done(given: Form) -> Response:
    """Urges all ticked issues, or gives them out as a workbook."""
    ticked = _ticked(given)
    if given["what"] == "export":
        return _exported(given.desk, list(ticked))
    if given["what"] != "urge":
        raise UsageError("there is no such thing to do to several issues", "urge, or export")
    results = [_urged(given, number, version) for number, version in ticked.items()]
    told = {"results": results, "back": address(parse_qsl(given["back"])), "here": "issues"}
    return show(given.desk, "bulk.html", told)


def _ticked(given: Posted) -> dict[str, int | None]:
    found = {name.removeprefix(ROW): given.number(name) for name in given.values if name.startswith(ROW)}
    if not 1 <= len(found) <= MOST:
        raise UsageError(
            "no issue is ticked" if not found else say("{count} issues are too many at once", count=len(found)),
            say("tick 1 to {most}", most=MOST),
        )
    return found


def _urged(given: Posted, number: str, version: int | None) -> Became:
    """One of them, in a transaction of its own: done whole, or not at all. Raises Unusable, as it would be for all the others."""
    desk, title = given.desk, ""

    def work(session: Session, world: World) -> str:
        scope.refuse_unseen(session.connection(), desk.sight(world), number)
        party = seeing.who_acts(session, world, desk, number, "urge")
        wanted = Do(number, "urge", party.code, reason=given["reason"], version=version)
        told = desk.app.acting(session, world, wanted, desk.now)
        audit.note(session, desk.now, desk.user.login, "urge", f"{number} as {party.code}")
        return str(told["issue"]["title"])

    try:
        return Became(number, desk.app.change(work))
    except Unusable:
        raise
    except EscalationError as error:
        title = desk.look(lambda session, world, seen: _title(session, seen, number))
        return Became(number, title, error)


def _title(session: Session, seen: Sight, number: str) -> str:
    try:
        scope.refuse_unseen(session.connection(), seen, number)
        return str(queries.whole(session.connection(), number).issue.title)
    except NotFound:
        return ""


def _exported(desk: Desk, numbers: list[str]) -> Response:
    """Those within sight as the checklist that offices pass on; what is not there says so in its line."""
    sheets = desk.look(lambda session, world, seen: books.chosen(session, world, numbers, desk.now, scope.visible(seen)))
    name = f"issues-{desk.now:%Y%m%d-%H%M}.xlsx"
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    return Response(writing.as_bytes(sheets, desk.now), headers=headers, media_type=WORKBOOK)


def address(asked: Mapping[str, str] | list[tuple[str, str]]) -> str:
    """The address of a list, of what it may be narrowed to and nothing else."""
    told: dict[str, Any] = {name: value for name, value in dict(asked).items() if name in ASKED and value}
    return f"/issues?{urlencode(told)}"


@router.post("/issues/views")
def kept(given: Form) -> Response:
    """A list gets a name."""
    desk, target = given.desk, address(parse_qsl(given["query"]))
    query = target.partition("?")[2]
    desk.app.store.write(lambda session: saved.keep(session, desk.user.id, given["name"], query, desk.now))
    return RedirectResponse(target, 303)


@router.post("/issues/views/drop")
def dropped(given: Form) -> Response:
    """The name is taken away."""
    desk = given.desk
    desk.app.store.write(lambda session: saved.drop(session, desk.user.id, given["name"]))
    return RedirectResponse(address(parse_qsl(given["query"])), 303)
