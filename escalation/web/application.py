"""Builds the web application: pages, API, health, static files, guards and errors. Others may include their routers in it."""

import logging
from importlib.resources import files
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match
from starlette.staticfiles import StaticFiles

from escalation.app import App
from escalation.clock import Clock
from escalation.errors import EscalationError
from escalation.filekinds import MEGABYTE
from escalation.nodes import Node
from escalation.web import api, pages, supervising
from escalation.web import desk as desks
from escalation.web.api import problems
from escalation.web.desk import House
from escalation.web.guarding import Guard
from escalation.web.pages import trouble

log = logging.getLogger(__name__)
#: What somebody gets who tries doors that are not theirs.
REFUSED = (401, 403, 404, 410, 429)
#: What a path may be asked by; which of these it answers is said in `Allow`.
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


class Mistake(EscalationError):
    """The program is wrong."""

    code = "internal"


def create_app(app: App, clock: Clock, node: Node | None = None) -> FastAPI:
    """The application over an installation. `node`: the worker beside it, for /health/ready."""
    made = FastAPI(
        title="Escalation 问题提级办理",
        version="1",
        description="Issues of investment projects: one issue, one responsible party, one deadline.",
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
    )
    made.state.house = House.of(app, clock)
    made.include_router(supervising.router(app, clock, node))
    made.include_router(api.router)
    made.include_router(pages.router, include_in_schema=False)
    made.mount("/static", StaticFiles(directory=Path(str(files("escalation") / "web" / "static"))), name="static")
    web = app.settings.web
    made.add_middleware(Guard, hosts=web.hosts, secure=web.secure_cookies, files=app.settings.files.together_megabytes * MEGABYTE)
    for kind in (EscalationError, RequestValidationError, HTTPException):
        made.add_exception_handler(kind, _answered)
    made.add_exception_handler(Exception, _failed)
    return made


def _answered(request: Request, error: Exception) -> Response:
    """An error as a problem for programs, as a page for people."""
    if isinstance(error, HTTPException) and error.status_code == 405:
        error = HTTPException(405, error.detail, {"Allow": _allowed(request)})
    is_program = request.url.path.startswith("/api/")
    answer = problems.answer(error) if is_program else trouble.page(request, error)
    if answer.status_code in REFUSED:
        _note(request, answer.status_code, error)
    return answer


def _note(request: Request, status: int, error: Exception) -> None:
    """A refusal is in the log: who asked for what. The token of a link is not."""
    desk = getattr(request.state, "desk", None)
    path = "/a/…" if request.url.path.startswith("/a/") else request.url.path
    who = desk.user.login if desk is not None else ""
    facts = {"method": request.method, "path": path, "status": status, "who": who, "code": getattr(error, "code", "")}
    log.info("refused", extra=facts | {"address": desks.address(request)})


def _allowed(request: Request) -> str:
    """By which methods this path answers; a route by itself knows only its own."""
    routes = request.app.routes
    tried = {method: [route.matches({**request.scope, "method": method})[0] for route in routes] for method in METHODS}
    return ", ".join(method for method, found in tried.items() if Match.FULL in found)


def _failed(request: Request, error: Exception) -> Response:
    """A mistake of the program: said in a sentence; the server's log has the rest."""
    log.exception("this is a mistake of the program", exc_info=error)
    return _answered(request, Mistake("this is a mistake of the program", "tell the administrator; the log says where"))
