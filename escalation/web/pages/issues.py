"""`/issues`: the list, narrowed, searched, sorted and paged."""

from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query
from fastapi.responses import Response
from sqlmodel import Session

from escalation import browsing
from escalation.scope import Sight, sees_project
from escalation.users import saved
from escalation.web.pages.showing import categories, show, stage_names
from escalation.web.pages.todo import Seated
from escalation.world import World

router = APIRouter()
ROWS = 50
#: Column -> the sorting it stands for.
SORTED = {"number": "number", "due": "due"}
#: Sortings without a column of their own.
SORTS = ("worst", "due", "-due", "-raised", "raised", "-changed", "changed", "number", "-number")


@router.get("/issues")
def listed(
    desk: Seated,
    q: Annotated[str, Query(max_length=200)] = "",
    stage: str = "",
    status: str = "",
    light: str = "",
    state: str = "open",
    city: str = "",
    department: str = "",
    project: str = "",
    category: str = "",
    severity: str = "",
    sort: str = "worst",
    cursor: Annotated[str, Query(max_length=300)] = "",
) -> Response:
    """The list of issues."""
    wanted = browsing.Filter(
        q,
        stage,
        status,
        light,
        state="" if state == "all" else state,
        city=city,
        department=department,
        project=project,
        category=category,
        severity=severity,
        sort=sort,
    )
    asked = {
        "q": q, "stage": stage, "status": status, "light": light, "state": state, "city": city, "department": department,
        "project": project, "category": category, "severity": severity, "sort": sort,
    }  # fmt: skip

    def told(session: Session, world: World, seen: Sight) -> dict[str, Any]:
        page, tally = browsing.opened(session, world, seen, wanted, desk.now, cursor=cursor, limit=ROWS)
        mine = [each for each in world.projects.values() if sees_project(seen, each)]
        return {
            "items": page.items,
            "next": _address(asked, cursor=page.next) if page.next else "",
            "first": _address(asked) if cursor else "",
            "total": tally.total,
            "lights": list(tally.lights.items()),
            "views": saved.listing(session, desk.user.id),
            "stages": stage_names(world),
            "cities": sorted({each.city for each in mine if each.city}),
            "departments": sorted({each.department for each in mine if each.department}),
            "categories": categories(world, desk.language),
        }

    values = desk.look(told)
    narrowed = any(asked[name] for name in asked if name not in ("state", "sort")) or state != "open"
    query = _address(asked).partition("?")[2]
    links = {name: _address(asked, sort=f"-{key}" if sort == key else key) for name, key in SORTED.items()}
    more = {"asked": asked, "query": query, "narrowed": narrowed, "sorts": links, "sortings": SORTS, "address": _address}
    return show(desk, "issues.html", values | more | {"here": "issues"})


def _address(asked: Mapping[str, str], **more: str) -> str:
    """The address of this list with something changed."""
    told = {name: value for name, value in {**asked, **more}.items() if value}
    return f"/issues?{urlencode(told)}"
