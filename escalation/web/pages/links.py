"""`/a/{token}`: what a link in a mail opens. GET shows and changes nothing, whoever follows it; POST acts, once.

Scanners of mail gateways follow every link, so nothing happens before somebody presses the button. Without a login where the
configuration says so, for that one purpose; otherwise its reader logs in first, and must act for the party that it was sent to.
"""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response
from starlette.concurrency import run_in_threadpool

from escalation.errors import EscalationError, NotFound
from escalation.links import WORDS, Claim
from escalation.web.desk import Desk, House, day, form, house, language_of, refuse_foreign, seated
from escalation.web.rendering import render

router = APIRouter(prefix="/a")
#: What has to be said with an action, by its field in the form.
ASKED: dict[str, tuple[str, ...]] = {"report_progress": ("reason",), "request_extension": ("until", "reason")}


@router.api_route("/{token}", methods=["GET", "HEAD"])
def shown(request: Request, token: str) -> Response:
    """What the link would do. Raises BadLink, Refused, NotSeated."""
    here = house(request)
    claim = here.app.links.look(token, here.clock())
    _refuse_others(request, here, claim)
    return _page(request, here, claim, {})


@router.post("/{token}")
async def pressed(request: Request, token: str) -> Response:
    """Does it. Refused for what was typed, the form comes again with it. Raises BadLink, NotSeated, Forged."""
    refuse_foreign(request)
    given = await form(request)
    return await run_in_threadpool(_act, request, token, given)


def _act(request: Request, token: str, given: dict[str, str]) -> Response:
    here = house(request)
    now = here.clock()
    claim = here.app.links.look(token, now)
    _refuse_others(request, here, claim)
    try:
        here.app.links.use(token, now, reason=given.get("reason", "").strip(), until=day(given.get("until", "")))
    except EscalationError as error:
        return _page(request, here, claim, given, failed=error)
    return _page(request, here, claim, {}, done=True)


def _refuse_others(request: Request, here: House, claim: Claim) -> None:
    """Who is logged in must act for the party of the link; who is not may use it where the configuration says so."""
    desk = _desk(request, here)
    if desk is None:
        return
    codes = desk.app.look(lambda session, world: {party.code for party in desk.parties(world)})
    if claim.party not in codes:
        raise NotFound("this link was sent to somebody else", "open your own to-do, or log out first")


def _desk(request: Request, here: House) -> Desk | None:
    """Who is logged in. Raises NotSeated where nobody is and a link alone is not enough."""
    try:
        return seated(request)
    except EscalationError:
        if here.app.settings.links.without_login:
            return None
        raise


def _page(
    request: Request,
    here: House,
    claim: Claim,
    typed: dict[str, str],
    *,
    done: bool = False,
    failed: EscalationError | None = None,
) -> Response:
    language = language_of(request, here.app.settings.language)
    issue = here.app.show(claim.number, here.clock())["issue"]
    party = here.app.look(lambda session, world: world.directory.by_code[claim.party].name)
    values: dict[str, Any] = {
        "issue": issue,
        "party": party,
        "action": claim.action,
        "words": WORDS[language][claim.action],
        "asked": ASKED.get(claim.action, ()),
        "typed": typed,
        "done": done,
        "failed": failed,
        "expires": claim.expires,
        "zone": here.app.settings.calendar.zone,
        "user": None,
        "here": "",
    }
    return HTMLResponse(render("link.html", language, values), failed.status if failed else 200)
