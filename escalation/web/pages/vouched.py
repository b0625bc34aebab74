"""Logging in through the identity provider: there by a link that is pressed, back with a code; the session is as by password."""

from base64 import urlsafe_b64decode, urlsafe_b64encode

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from escalation.errors import NotFound
from escalation.outside import provider as provider_of
from escalation.users import audit, entering, provider
from escalation.users.provider import Begun, NotVouched, Provider
from escalation.web.desk import House, address, house
from escalation.web.pages.entering import local_path, retried, seat
from workflows.sentence import say

router = APIRouter(prefix="/login")
#: What ties a login that has begun to the browser that began it; it must come along when the provider sends the browser back.
COOKIE, TEN_MINUTES = "provider", 600


def _provider(here: House) -> Provider:
    found = provider_of(here.app.settings)
    if found is None:
        raise NotFound("there is no such page", "log in by password")
    return found


@router.get("/provider")
def asked(request: Request, next: str = "/") -> Response:  # noqa: A002  # the name in the address
    """Sends the browser to the provider."""
    here = house(request)
    begun = _provider(here).begin()
    answer = RedirectResponse(begun.url, 303)
    kept = urlsafe_b64encode(provider.packed(begun, local_path(next)).encode()).decode()
    secure = here.app.settings.web.secure_cookies
    answer.set_cookie(here.named(COOKIE), kept, httponly=True, samesite="lax", secure=secure, max_age=TEN_MINUTES)
    return answer


@router.get("/callback")
def returned(request: Request, code: str = "", state: str = "", iss: str = "", error: str = "") -> Response:
    """The browser is back: with a code that is worth a session, once, in the browser that asked for it."""
    here = house(request)
    chosen, now, where = _provider(here), here.clock(), address(request)
    try:
        with here.app.store.reading() as session:
            entering.refuse_hammering(session, now, where, here.limits)
        begun, following = _begun(request, here, state)
        if error or (iss and iss != chosen.issuer):
            raise NotVouched(say("the identity provider sent back {reason!r}", reason=(error or iss)[:150]), "log in again")
        claims = chosen.claims(code, begun, now)
        with here.app.store.transaction() as session:
            user = chosen.enter(session, now, claims, where)
            token = entering.begin(session, now, user, here.limits)
    except NotVouched as refused:
        said = refused.message[:200]
        here.app.store.write(lambda session: audit.note(session, now, "?", "login_failed", said, where))
        return _over(here, retried(request, refused.code))
    return _over(here, seat(here, token, local_path(following)))


def _over(here: House, answer: Response) -> Response:
    secure = here.app.settings.web.secure_cookies
    answer.delete_cookie(here.named(COOKIE), httponly=True, samesite="lax", secure=secure)
    return answer


def _begun(request: Request, here: House, state: str) -> tuple[Begun, str]:
    try:
        kept = urlsafe_b64decode(request.cookies.get(here.named(COOKIE), "")).decode()
    except ValueError:
        kept = ""
    found = provider.unpacked(kept)
    if found is None or not state or not entering.same(state, found[0].state):
        raise NotVouched("this login was not begun in this browser, or too long ago", "log in again")
    return found
