"""Logging in and out, and choosing the language."""

import secrets
from hashlib import blake2b
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.concurrency import run_in_threadpool

from escalation.users import accounts, entering
from escalation.users.entering import NotEntered
from escalation.web.desk import Forged, House, Posted, address, form, house, language_of, posted, refuse_foreign
from escalation.web.pages import typed
from escalation.web.rendering import render

router = APIRouter()
#: What ties a login form to the browser that it was shown in.
NONCE = "login"
A_YEAR = 365 * 24 * 3600
Form = Annotated[Posted, Depends(posted)]


def local_path(text: str) -> str:
    """Where to go on: a path of our own, else the to-do. No other site, whatever a link says."""
    fine = text.startswith("/") and not text.startswith(("//", "/\\")) and "\\" not in text and text.isprintable()
    return text if fine else "/"


@router.get("/login")
def asked(request: Request, next: str = "/") -> Response:  # noqa: A002  # the name in the address
    """The login form."""
    return _form(request, house(request), next)


def asked_again(request: Request, kept: str) -> Response:
    """The login form for somebody whose session ended while they typed: what they typed goes along, and becomes their draft."""
    return _form(request, house(request), "/", kept=kept, status=401)


def _form(
    request: Request, here: House, following: str, *, login: str = "", wrong: str = "", kept: str = "", status: int = 200
) -> Response:
    language = language_of(request, here.app.settings.language)
    nonce = request.cookies.get(here.named(NONCE)) or secrets.token_urlsafe(24)
    told = {
        "login": login,
        "wrong": wrong,
        "user": None,
        "here": "login",
        "kept": kept,
        "vouched": bool(here.app.settings.oidc.issuer),
    }
    values = told | {"proof": _proof(here, nonce), "next": local_path(following)}
    answer = HTMLResponse(render("login.html", language, values), status)
    secure = here.app.settings.web.secure_cookies
    answer.set_cookie(here.named(NONCE), nonce, httponly=True, samesite="strict", secure=secure, max_age=3600)
    return answer


def retried(request: Request, wrong: str) -> Response:
    """The login form again, with what went wrong elsewhere."""
    return _form(request, house(request), "/", wrong=wrong, status=401)


def _proof(here: House, nonce: str) -> str:
    return blake2b(nonce.encode(), key=here.app.secret(), person=b"login").hexdigest()


@router.post("/login")
async def entered(request: Request) -> Response:
    """A login is tried."""
    refuse_foreign(request)
    given = await form(request)
    return await run_in_threadpool(_enter, request, given)


def _enter(request: Request, given: dict[str, str]) -> Response:
    here = house(request)
    nonce = request.cookies.get(here.named(NONCE), "")
    if not nonce or not entering.same(given.get("proof", ""), _proof(here, nonce)):
        raise Forged("this login form is too old", "load the page again")
    now, login, following = here.clock(), given.get("login", ""), given.get("next", "/")
    with here.app.store.reading() as session:
        entering.refuse_hammering(session, now, address(request), here.limits)
    with here.app.store.transaction() as session:
        user = entering.check(session, now, login, given.get("password", ""), address(request), here.limits)
        token = entering.begin(session, now, user, here.limits) if user is not None else ""
        typed_before = typed.unpacked(given.get("kept", ""))
        if user is not None and typed_before is not None:
            typed.put_down(session, user, typed_before, now)
    if user is None:
        return _form(request, here, following, login=login, wrong=NotEntered.code, kept=given.get("kept", ""), status=401)
    answer = seat(here, token, typed_before.page if typed_before else local_path(following))
    secure = here.app.settings.web.secure_cookies
    answer.delete_cookie(here.named(NONCE), secure=secure, httponly=True, samesite="strict")
    return answer


def seat(here: House, token: str, following: str) -> Response:
    """On to a page of ours, with the cookie of a session that has begun."""
    answer = RedirectResponse(following, 303)
    secure = here.app.settings.web.secure_cookies
    answer.set_cookie(here.cookie, token, httponly=True, samesite="lax", secure=secure, path="/")
    return answer


@router.post("/logout")
def left(given: Form) -> Response:
    """The session ends."""
    desk = given.desk
    desk.app.store.write(lambda session: entering.end(session, desk.now, desk.token, desk.user.login))
    # what the browser has kept of our pages goes too, for whoever sits there next
    answer = RedirectResponse("/login", 303, {"Clear-Site-Data": '"cache", "storage"'})
    answer.delete_cookie(desk.house.cookie, secure=desk.app.settings.web.secure_cookies, httponly=True, samesite="lax")
    return answer


@router.post("/language")
def chosen(given: Form) -> Response:
    """The language of the pages, kept with the user."""
    desk = given.desk
    desk.app.store.write(lambda session: accounts.set_language(session, desk.user.login, given["language"]))
    return RedirectResponse(local_path(given["next"] or "/"), 303)


@router.post("/login/language")
async def chosen_before(request: Request) -> Response:
    """The language of the login page, kept in the browser."""
    refuse_foreign(request)
    language, here = (await form(request)).get("language", ""), house(request)
    answer = RedirectResponse("/login", 303)
    if language in accounts.LANGUAGES:
        secure = here.app.settings.web.secure_cookies
        answer.set_cookie(here.named("language"), language, httponly=True, samesite="lax", secure=secure, max_age=A_YEAR)
    return answer
