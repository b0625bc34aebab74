"""Errors as pages: what is wrong and what to do about it, never a traceback."""

from typing import Any
from urllib.parse import quote

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.exceptions import HTTPException

from escalation.errors import EscalationError
from escalation.web import words
from escalation.web.desk import Desk, Forged, MustChange, NotSeated, Posted, house, language_of, seated
from escalation.web.pages import entering, issue, raising, typed
from escalation.web.rendering import render


def page(request: Request, error: Exception) -> Response:
    """An error for a person; who is not logged in is sent to the login and then back."""
    if isinstance(error, NotSeated):
        return _to_login(request, error)
    if isinstance(error, Forged) and error.posted is not None and (again := _again(error.posted, error, request.url.path)):
        return again
    if isinstance(error, MustChange):
        return _elsewhere(request, "/account?done=first", "/account?done=first")
    status, code, message, hint = _told(error)
    desk = _desk(request)
    language = desk.language if desk else language_of(request, house(request).app.settings.language)
    heading = words.word("refusal", code, language)
    values: dict[str, Any] = {"status": status, "heading": heading if heading != code else "", "message": message, "hint": hint}
    values |= {"user": desk and desk.user, "csrf": desk.csrf if desk else "", "here": ""}
    part = bool(request.headers.get("hx-request"))
    return HTMLResponse(
        render("notice.html" if part else "trouble.html", language, values), status, getattr(error, "headers", None)
    )


def _desk(request: Request) -> Desk | None:
    """Who is logged in, as far as that can be found out now."""
    known: Desk | None = getattr(request.state, "desk", None)
    if known is not None:
        return known
    try:
        return seated(request)
    except EscalationError:
        return None


def _again(given: Posted, error: Forged, path: str) -> Response | None:
    """The form of an earlier session, with what was typed and a token of this one; None where nothing is typed."""
    found = typed.typed(path, given.values)
    if found is None:
        return None
    if found.place == "new":
        return raising.again(given.desk, given.values, error)
    try:
        number, action = found.place.split("/")
        return issue.again(given, number, action, error)
    except EscalationError:
        return None


def _to_login(request: Request, error: NotSeated) -> Response:
    if error.typed and (kept := typed.packed(request.url.path, error.typed)):
        return entering.asked_again(request, kept)
    back = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    target = "/login" if request.method != "GET" or back == "/" else f"/login?next={quote(back)}"
    return _elsewhere(request, target, "/login")


def _elsewhere(request: Request, target: str, for_a_part: str) -> Response:
    if request.headers.get("hx-request"):
        return Response(status_code=204, headers={"HX-Redirect": for_a_part})
    return RedirectResponse(target, 303)


def _told(error: Exception) -> tuple[int, str, str, str]:
    if isinstance(error, EscalationError):
        return error.status, error.code, error.message, error.hint
    if isinstance(error, RequestValidationError):
        return 400, "usage", "the address or the form is not right", "go back and try again"
    if isinstance(error, HTTPException):
        # the library's own words tell a reader nothing more than ours
        return error.status_code, "not_found" if error.status_code == 404 else "usage", "", ""
    raise error
