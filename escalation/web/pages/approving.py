"""`/admin/approvals`: circulars and supervision letters that wait for the office; read whole, then approved or declined."""

from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import RedirectResponse, Response
from sqlmodel import Session

from escalation import approvals
from escalation.errors import NotFound
from escalation.web.desk import Desk, Posted, posted, seated
from escalation.web.pages.showing import show
from escalation.world import World
from workflows.parties import Party

router = APIRouter(prefix="/admin/approvals")
Seated = Annotated[Desk, Depends(seated)]
Form = Annotated[Posted, Depends(posted)]


def _office(desk: Desk, world: World) -> Party:
    """The post in whose name the user approves. Raises NotFound: to everybody else there is no such page."""
    for party in desk.parties(world):
        if party.role in approvals.APPROVERS:
            return party
    raise NotFound("there is no such page", "go back to your to-do")


@router.get("")
def waiting(desk: Seated, name: str = "") -> Response:
    """What waits; one of them as its readers would see it."""

    def found(session: Session, world: World, seen: object) -> list[approvals.Waiting]:
        _office(desk, world)
        return approvals.waiting(session)

    items = desk.look(found)
    chosen = next((each for each in items if each.name == name), items[0] if items else None)
    shown = desk.app.mailroom.renderer().render(chosen.kind, chosen.language, chosen.facts) if chosen else None
    return show(desk, "approvals.html", {"items": items, "chosen": chosen, "shown": shown, "here": "approvals"})


@router.post("/approve")
def approved(given: Form) -> Response:
    """It is sent. Raises Refused, NotFound."""
    desk = given.desk
    desk.app.change(lambda session, world: approvals.approve(session, world, given["name"], _office(desk, world).code, desk.now))
    return RedirectResponse("/admin/approvals", 303)


@router.post("/decline")
def declined(given: Form) -> Response:
    """It is never sent. Raises Refused, NotFound."""
    desk = given.desk
    desk.app.change(
        lambda session, world: approvals.decline(
            session, world, given["name"], _office(desk, world).code, given["reason"], desk.now
        )
    )
    return RedirectResponse("/admin/approvals", 303)
