"""`/admin/workflows`, `/admin/calendar`: the rules for new issues and the days that count; looked at first, then changed."""

from datetime import date, timedelta
from typing import Any

from fastapi import APIRouter
from fastapi.responses import RedirectResponse, Response
from sqlmodel import Session

from escalation import versions
from escalation.commands import Moved
from escalation.errors import EscalationError, NotFound
from escalation.ledger import notice
from escalation.scope import Sight
from escalation.web.desk import Desk, Posted
from escalation.web.pages.admin import Administrator, Form
from escalation.web.pages.showing import show
from escalation.world import World
from workflows.calendar import WorkCalendar
from workflows.diagram import svg
from workflows.sentence import say

router = APIRouter(prefix="/admin")
#: So many deadlines that move are named.
NAMED = 200
FIRST, LAST = 2004, 2060


@router.get("/workflows")
def listed(desk: Administrator, done: str = "") -> Response:
    """The versions in the store, and how many open issues each carries."""
    return _versions(desk, {"done": done})


def _versions(desk: Desk, more: dict[str, Any], status: int = 200) -> Response:
    values = {"items": desk.app.workflows(), "checked": None, "source": "", "done": "", "here": "workflows"}
    return show(desk, "workflows.html", values | more, status=status)


@router.post("/workflows/check")
def checked(given: Form) -> Response:
    """A definition is looked at: what is wrong with it, or what it says otherwise than the running one."""
    desk, source = given.desk, _source(given)
    found = desk.look(lambda session, world, seen: versions.check(world, source, _place(desk)))
    return _versions(desk, {"checked": found, "source": source})


@router.post("/workflows")
def taken(given: Form) -> Response:
    """A definition becomes the one for new issues; running issues keep theirs."""
    desk, source = given.desk, _source(given)
    try:
        active = desk.app.change(
            lambda session, world: versions.take(session, world, source, _place(desk), desk.now, by=desk.user.login)
        )
    except EscalationError as error:
        found = desk.look(lambda session, world, seen: versions.check(world, source, _place(desk)))
        return _versions(desk, {"checked": found, "source": source}, status=error.status)
    return RedirectResponse(f"/admin/workflows?done={active}", 303)


def _source(given: Posted) -> str:
    """The definition's text; a form's lines end as none on a disk does."""
    return given.values.get("source", "").replace("\r\n", "\n")


def _place(desk: Desk) -> str:
    """What a definition that came by the page is called where its mistakes are named."""
    return "definition" if desk.language == "en" else "定义"


@router.get("/workflows/{version}")
def version(desk: Administrator, version: str) -> Response:
    """One version: its picture, its text, and what it says otherwise than the one for new issues."""

    def told(session: Session, world: World, seen: Sight) -> dict[str, Any]:
        if version not in world.sources:
            raise NotFound(say("there is no workflow version {version!r}", version=version), "see the list of versions")
        source = world.sources[version]
        workflow = world.rules(version).workflow
        found = versions.check(world, source, version)
        return {"version": version, "workflow": workflow, "source": source, "checked": found, "drawn": svg(workflow)}

    return show(desk, "workflow.html", desk.look(told) | {"here": "workflows"})


@router.post("/workflows/{version}/activate")
def chosen(given: Form, version: str) -> Response:
    """A version that is in the store becomes the one for new issues."""
    desk = given.desk
    desk.app.change(lambda session, world: versions.choose(session, world, version, desk.now, by=desk.user.login))
    return RedirectResponse(f"/admin/workflows?done={version}", 303)


@router.get("/calendar")
def calendar(desk: Administrator, year: int | None = None) -> Response:
    """A year's days; the coming one where nothing is said."""
    return _calendar(desk, year, {})


def _calendar(desk: Desk, year: int | None, more: dict[str, Any], status: int = 200) -> Response:
    calendar = desk.look(lambda session, world, seen: world.calendar)
    this = calendar.local_day(desk.now).year
    shown = min(max(year if year is not None else this + 1, FIRST), LAST)
    values = {
        "year": shown,
        "this": this,
        "months": months(calendar, shown),
        "provisional": calendar.is_provisional(date(shown, 12, 31)),
        "text": "",
        "source": "",
        "moved": None,
        "days": 0,
        "done": False,
        "failed": None,
        "here": "calendar",
    }
    return show(desk, "calendar.html", values | more, status=status)


def months(calendar: WorkCalendar, year: int) -> list[list[list[tuple[date, str, str] | None]]]:
    """Months of weeks, Monday first, of days: the day, `work`, `off` or `makeup`, and its name; None outside the month."""
    eve = date(year, 1, 1) - timedelta(days=1)
    named = dict(calendar.days_off_between(eve, date(year, 12, 31)))
    found = []
    for month in range(1, 13):
        day, weeks = date(year, month, 1), list[list[tuple[date, str, str] | None]]()
        while day.month == month:
            if not weeks or day.weekday() == 0:
                weeks.append([None] * 7)
            works = calendar.is_working_day(day)
            kind = ("makeup" if day.weekday() >= 5 else "work") if works else "off" if named[day] != "weekend" else "weekend"
            weeks[-1][day.weekday()] = (day, kind, "" if works else named[day])
            day += timedelta(days=1)
        found.append(weeks)
    return found


@router.post("/calendar")
def imported(given: Form) -> Response:
    """A notice of days off: first which deadlines would move (`do` is not `import`), then it is imported."""
    desk, text, source = given.desk, given.values.get("text", ""), given["source"]
    doing = given["do"] == "import"
    try:
        days = notice.read(text, source or "notice")
        moved: list[Moved] = desk.app.change_days(
            days, source or desk.user.login, desk.now, dry_run=not doing, by=desk.user.login
        )
    except EscalationError as error:
        return _calendar(desk, given.number("year"), {"text": text, "source": source, "failed": error}, error.status)
    year = max(days).year if days else given.number("year")
    told = {"moved": moved[:NAMED], "count": len(moved), "days": len(days), "done": doing, "source": source}
    return _calendar(desk, year, told | {"text": "" if doing else text})
