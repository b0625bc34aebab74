"""`/admin/parties`, `/admin/categories`: who can be responsible and who stands in for them; which organ is competent for what."""

from typing import Any

from fastapi import APIRouter
from fastapi.responses import RedirectResponse, Response
from sqlmodel import Session

from escalation import parties
from escalation.errors import EscalationError
from escalation.scope import Sight
from escalation.users import audit
from escalation.web.desk import Desk, day
from escalation.web.pages.admin import Administrator, Form
from escalation.web.pages.showing import show, stage_names
from escalation.world import World
from workflows.parties import ROLES

router = APIRouter(prefix="/admin")
#: So many rows are shown; a search finds the others.
ROWS = 300


@router.get("/parties")
def listed(desk: Administrator, q: str = "", role: str = "") -> Response:
    """The directory."""

    def told(session: Session, world: World, seen: Sight) -> dict[str, Any]:
        found = parties.listed(world, q, role)
        today = world.calendar.local_day(desk.now)
        return {
            "items": [(each, parties.stands_in(each, today)) for each in found[:ROWS]],
            "total": len(found),
            "names": {each.id: each.name for each in world.directory.parties},
            "bounced": world.bounced,
        }

    return show(desk, "parties.html", desk.look(told) | {"q": q, "role": role, "roles": ROLES, "here": "parties"})


@router.get("/parties/{code}")
def party(desk: Administrator, code: str, done: str = "") -> Response:
    """One party."""
    return _party(desk, code, done)


def _party(
    desk: Desk, code: str, done: str = "", failed: EscalationError | None = None, typed: dict[str, str] | None = None
) -> Response:
    def told(session: Session, world: World, seen: Sight) -> dict[str, Any]:
        found = parties.find(world, code)
        deputy = world.directory.by_id.get(found.deputy_id) if found.deputy_id is not None else None
        values = {
            "email": found.email,
            "deputy": deputy.name if deputy else "",
            "deputy_from": found.deputy_from or "",
            "deputy_until": found.deputy_until or "",
            "active": "1" if found.active else "0",
        }
        return {
            "party": found,
            "values": values | (typed or {}),
            "standing_in": parties.stands_in(found, world.calendar.local_day(desk.now)),
            "open": parties.open_issues(session, found),
            "bounced": found.email.casefold() in world.bounced,
            "parties": [each for each in world.directory.parties if each.active and each.id != found.id],
            "lines": audit.newest(session, 20, text=f"{found.code} "),
        }

    more = {"done": done, "failed": failed, "here": "parties"}
    return show(desk, "party.html", desk.look(told) | more, status=failed.status if failed else 200)


@router.post("/parties/{code}")
def amended(given: Form, code: str) -> Response:
    """An address, a deputy, whether it is active; refused, the form comes again with what was typed."""
    desk = given.desk
    try:
        changes: dict[str, Any] = {
            "email": given["email"],
            "deputy": given["deputy"],
            "deputy_from": day(given["deputy_from"]),
            "deputy_until": day(given["deputy_until"]),
            "active": given["active"] == "1",
        }
        said = desk.app.change(lambda session, world: parties.amend(session, world, code, changes, desk.now, by=desk.user.login))
    except EscalationError as error:
        return _party(desk, code, failed=error, typed={name: given[name] for name in parties.FIELDS})
    return RedirectResponse(f"/admin/parties/{code}?done={'changed' if said else 'same'}", 303)


@router.get("/categories")
def categories(desk: Administrator) -> Response:
    """The authority catalogue: where each category enters, and which organ is competent at each stage."""

    def told(session: Session, world: World, seen: Sight) -> dict[str, Any]:
        if not world.active:
            return {"items": [], "stages": {}, "english": {}, "active": ""}
        return {
            "items": [(world.competence(world.active, key), key in world.catalogue) for key in world.categories()],
            "stages": stage_names(world),
            "english": {each.key: each.name.en for each in world.rules().workflow.categories},
            "active": world.active,
        }

    return show(desk, "categories.html", desk.look(told) | {"here": "categories"})
